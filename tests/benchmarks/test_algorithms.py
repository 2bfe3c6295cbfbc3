"""The table of what each algorithm gains."""

from __future__ import annotations

import pytest

from benchmarks import algorithms
from minigrad.kernels.conv import ALGORITHMS


def test_every_kind_of_call_of_a_training_step_is_yielded_once(monkeypatch):
    monkeypatch.setitem(algorithms.MODELS, "lenet", (algorithms.models.LeNet, (2, 3, 32, 32)))
    found = [(call.problem.channels, call.direction) for call in algorithms.calls_of("lenet")]
    assert found == [(3, "forward"), (6, "forward"), (6, "input_grad"), (6, "weight_grad"), (3, "weight_grad")]


def test_the_table_has_every_algorithm_that_can_and_a_star_at_the_one_that_is_taken(monkeypatch, capsys):
    monkeypatch.setitem(algorithms.MODELS, "lenet", (algorithms.models.LeNet, (2, 3, 32, 32)))
    monkeypatch.setattr(algorithms, "LEAST_SECONDS", 0)
    assert algorithms.main(["--model", "lenet", "--rounds", "1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lenet")]
    assert len(lines) == 5 and all(line.count("*") == 1 for line in lines)
    table = algorithms.table(["lenet"], 1)
    by_algorithm = dict(zip(ALGORITHMS, table.lines[3][3:-1], strict=True))  # conv2's input gradient, 2 pictures
    assert {name for name, cell in by_algorithm.items() if cell} == {"strips", "turned", "im2col"}
    assert by_algorithm["turned"].endswith("*")


def test_wrong_arguments(capsys):
    with pytest.raises(SystemExit):
        algorithms.main(["--rounds", "0"])
    assert "--rounds: expected a positive number, got 0" in capsys.readouterr().err
