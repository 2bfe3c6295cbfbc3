"""`python -m minigrad.gradcheck`: the table, the exit status, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from minigrad import ops
from minigrad.gradcheck import __main__ as command
from minigrad.gradcheck.case import case


def test_it_prints_a_row_per_case_and_succeeds(device, capsys):
    assert command.main(["exp", "log", "--device", device]) == 0
    output = capsys.readouterr().out
    rows = [line for line in output.splitlines() if line.startswith(("exp ", "log "))]
    assert len(rows) == 4 and all(row.endswith("pass") for row in rows)
    assert len({len(row) for row in rows}) == 1  # aligned
    assert f"4 cases of 2 operations on {device}" in output and output.endswith("all pass\n")


def test_a_wrong_gradient_and_a_broken_operation_are_reported_and_fail(capsys, monkeypatch):
    cases = [
        case("exp", "wrong", np.ones(2), fn=lambda x: ops.exp(x) + ops.exp(x.detach())),
        case("exp", "broken", np.ones(2), fn=lambda x: x.no_such_method()),
        case("exp", "right", np.ones(2)),
    ]
    monkeypatch.setattr(command, "CASES", cases)
    assert command.main([]) == 1
    output = capsys.readouterr().out
    assert [line.split()[-1] for line in output.splitlines()[2:5]] == ["FAIL", "FAIL", "pass"]
    assert "FAIL exp: wrong, first order: GradcheckError: gradient of input 0 (shape (2,)) is wrong at index" in output
    assert "FAIL exp: broken, second order: AttributeError" in output
    assert output.endswith("3 checks failed\n")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["no_such_op"], "no such operation: no_such_op. There are: add,"),
        (["--device", "tpu"], "expected 'cpu', 'cuda' or 'cuda:<index>', got 'tpu'"),
        (["--device", "cuda"], "needs CuPy"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, words, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit) as exit_:
        command.main(arguments)
    assert exit_.value.code == 2 and words in capsys.readouterr().err


def test_as_a_command():
    run = subprocess.run([sys.executable, "-m", "minigrad.gradcheck", "neg"], capture_output=True, text=True)
    assert run.returncode == 0 and "all pass" in run.stdout and not run.stderr
