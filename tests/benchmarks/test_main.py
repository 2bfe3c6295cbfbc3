from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as command
from benchmarks import measure
from benchmarks.workloads import ROWS


def _run(tmp_path, *arguments):
    out = tmp_path / "new" / "result.json"
    status = command.main([*arguments, "--rounds", "1", "--steps", "1", "--out", str(out)])
    return status, json.loads(out.read_text(encoding="utf-8"))


def test_a_tiny_run_prints_a_table_and_writes_json(tmp_path, capsys):
    status, results = _run(tmp_path, "--filter", "perceptron", "--frameworks", "minigrad")
    assert status == 0
    (row,) = results["rows"]
    measured = row["frameworks"]["minigrad"]
    assert row["name"] == "perceptron-4"
    assert measured["seconds"] > 0 and measured["steps"] == 1 and len(measured["seconds_per_round"]) == 1
    assert results["machine"]["cpu"]
    printed = capsys.readouterr().out
    assert row["title"] in printed and results["machine"]["cpu"] in printed


def test_a_missing_framework_is_left_out_and_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "installed", lambda: ["minigrad"])
    _, results = _run(tmp_path, "--filter", "perceptron")
    assert list(results["rows"][0]["frameworks"]) == ["minigrad"]
    assert "torch is not installed" in capsys.readouterr().out


def test_a_busy_machine_is_warned_about(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (3.25, 1.0, 1.0), raising=False)
    _, results = _run(tmp_path, "--filter", "perceptron", "--frameworks", "minigrad")
    assert results["machine"]["load"] == 3.25
    assert "load average 3.2" in capsys.readouterr().err


def test_import_times_come_from_fresh_interpreters(tmp_path):
    _, results = _run(tmp_path, "--filter", "imports")
    assert results["rows"] == []
    assert results["import_seconds"]["minigrad"] > 0 and results["import_seconds"]["numpy"] > 0


def test_the_frameworks_take_turns(monkeypatch):
    asked = []

    def answer(*arguments):
        asked.append(arguments[arguments.index("--framework") + 1])
        return "{}"

    monkeypatch.setattr(measure, "_python", answer)
    measure.row_rounds("perceptron-4", ["minigrad", "torch"], rounds=2)
    assert asked == ["minigrad", "torch", "minigrad", "torch"]


def test_a_failing_worker_is_reported_with_what_it_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(ROWS, "unknown-1", ROWS["lenet-4"].__class__("unknown-1", "not in the worker", 1, print))
    out = tmp_path / "result.json"
    assert command.main(["--filter", "unknown", "--rounds", "1", "--out", str(out)]) == 1
    assert "invalid choice: 'unknown-1'" in capsys.readouterr().err
    assert not out.exists()


def test_list_shows_the_rows_and_measures_nothing(capsys, monkeypatch):
    monkeypatch.setattr(measure, "_python", None)
    assert command.main(["--list", "--filter", "lenet"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["lenet-4", "lenet-64"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "nothing"], "no row's name contains nothing"),
        (["--rounds", "0"], "expected a positive whole number, got '0'"),
        (["--steps", "many"], "expected a positive whole number, got 'many'"),
        (["--frameworks", "tensorflow"], "invalid choice: 'tensorflow'"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
