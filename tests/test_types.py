"""Editors and type checkers see the whole interface: the stub is current, and a type checker finds nothing to say."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg
from tests import readme, stubs

ROOT = Path(__file__).parent.parent
USER_SCRIPT = ROOT / "tests" / "typed" / "user_script.py"


def test_the_stub_says_what_the_tables_say():
    assert stubs.STUB.read_text(encoding="utf-8") == stubs.stub(), "write it anew: make stubs"


def test_everything_public_is_listed():
    assert set(mg.__all__) <= set(dir(mg))


def test_the_users_script_runs(tmp_path):
    result = subprocess.run(
        [sys.executable, USER_SCRIPT], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr.decode()


@pytest.mark.skipif(importlib.util.find_spec("basedpyright") is None, reason='needs pip install -e ".[types]"')
def test_a_type_checker_has_nothing_to_say(tmp_path):
    lessons = readme.blocks([ROOT / "docs" / "backprop.md"])  # where x.grad is there, and learners need no assert
    for number, block in enumerate(readme.blocks()):
        comment = "# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false\n"
        (tmp_path / f"readme_{number}.py").write_text(comment * (block in lessons) + block, encoding="utf-8")
    exercises = sorted(map(str, (ROOT / "exercises").glob("[!e]*.py")))  # e01 to e12 are the reader's
    settings = {
        "typeCheckingMode": "basic",
        "extraPaths": [str(ROOT)],
        "include": [str(tmp_path), str(USER_SCRIPT), str(ROOT / "examples"), *exercises],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "--pythonpath", sys.executable]
    result = subprocess.run([*command, "-p", tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
