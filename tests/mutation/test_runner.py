"""Mutants are tried in processes of their own: the tests notice them or do not, and the working tree stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.mutation.runner import ROOT

TRIED = """
import sys
from pathlib import Path
from tests.mutation.mutants import Mutant
from tests.mutation.runner import Runner

if __name__ == "__main__":
    path = "minigrad/optim/schedules.py"
    text = Path(path).read_text("utf-8")
    runner = Runner(Path(sys.argv[1]), jobs=2)
    sources = [text + "# no fault", text.replace("math.pi", "math.e"), text + "raise ImportError", "import torch"]
    for verdict in runner.verdicts([Mutant(path, 1, text, source) for source in sources], limit=600):
        print(sources.index(verdict.mutant.source), verdict.outcome)
    for verdict in runner.verdicts([Mutant(path, 1, text, "while True: pass")], limit=0.5):
        print("endless", verdict.outcome)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there processes cannot be forked")
def test_verdicts(tmp_path):
    before = (ROOT / "minigrad/optim/schedules.py").read_bytes()
    script = [sys.executable, "-c", TRIED, str(tmp_path)]
    result = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(result.stdout.splitlines()) == ["0 survived", "1 killed", "2 killed", "3 killed", "endless timed out"]
    assert (ROOT / "minigrad/optim/schedules.py").read_bytes() == before
