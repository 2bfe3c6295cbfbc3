from __future__ import annotations

import json
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import measure
from benchmarks.rows import Row
from benchmarks.tables import TABLES, Table
from tests import strict_cupy


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
    monkeypatch.setattr(command, "installed", lambda device: ["minigrad"])
    _, results = _run(tmp_path, "--filter", "perceptron")
    assert list(results["rows"][0]["frameworks"]) == ["minigrad"]
    printed = capsys.readouterr().out
    assert "torch is not installed" in printed and "torch-channels-last is not installed" in printed


def test_a_busy_machine_is_warned_about(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (3.25, 1.0, 1.0), raising=False)
    _, results = _run(tmp_path, "--filter", "perceptron", "--frameworks", "minigrad")
    assert results["machine"]["load"] == 3.25
    assert "load average 3.2" in capsys.readouterr().err


def test_the_whole_networks_are_what_is_measured_by_default(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(command, "_measure", lambda tables, rows, *_: seen.extend([list(tables), rows]) or {})
    command.main(["--out", str(tmp_path / "result.json")])
    assert seen == [["main"], TABLES["main"].rows]


def test_convolutions_come_with_the_matrix_product_that_they_are_compared_with(tmp_path, capsys):
    _, results = _run(tmp_path, "--filter", "conv5x5-3-6-forward", "--frameworks", "minigrad")
    product, convolution = results["rows"]
    assert (product["name"], convolution["name"]) == ("product", "conv5x5-3-6-forward")
    assert convolution["table"] == "ops"
    one = convolution["frameworks"]["minigrad"]
    assert one["share"] == pytest.approx(convolution["flops"] / one["seconds"] / results["peak_flops"])
    assert f"peak: {results['peak_flops'] / 1e9:.0f} GFLOP/s" in capsys.readouterr().out


def test_the_loop_is_compared_with_the_step(tmp_path, capsys, monkeypatch):
    def rounds(group, frameworks, *_):
        known = {"fastest": 1.0, "steps": 1, "threads": 2, "versions": {}}
        return {row.name: {"minigrad": [{"seconds": 2.0, **known}]} for row in group}

    monkeypatch.setattr(measure, "group_rounds", rounds)
    _, results = _run(tmp_path, "--table", "data")
    assert results["data_path"]["share"]["median"] == 1.0
    assert "the loop: 1024 pictures/s, the step alone: 1024 pictures/s; share 100.0%" in capsys.readouterr().out


def test_rows_for_frameworks_that_are_not_there_are_left_out(tmp_path, capsys):
    _, results = _run(tmp_path, "--table", "data", "--frameworks", "torch")
    assert results["rows"] == []


def test_import_times_come_from_fresh_interpreters(tmp_path):
    _, results = _run(tmp_path, "--filter", "imports")
    assert results["rows"] == []
    assert results["import_seconds"]["minigrad"] > 0 and results["import_seconds"]["numpy"] > 0


def test_a_failing_worker_is_reported_with_what_it_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(TABLES, "main", Table("broken", [Row("unknown-1", "not in the worker", print)]))
    out = tmp_path / "result.json"
    assert command.main(["--filter", "unknown", "--rounds", "1", "--out", str(out)]) == 1
    assert "invalid choice: 'unknown-1'" in capsys.readouterr().err
    assert not out.exists()


def test_list_shows_the_rows_and_measures_nothing(capsys, monkeypatch):
    monkeypatch.setattr(measure, "_python", None)
    assert command.main(["--list", "--filter", "lenet"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["lenet-4", "lenet-64", "lenet-256"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "nothing"], "no row's name contains nothing"),
        (["--rounds", "0"], "expected a positive whole number, got '0'"),
        (["--steps", "many"], "expected a positive whole number, got 'many'"),
        (["--frameworks", "tensorflow"], "invalid choice: 'tensorflow'"),
        (["--table", "kitchen"], "invalid choice: 'kitchen'"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_on_a_gpu_its_table_is_measured_by_default(tmp_path, monkeypatch):
    strict_cupy.install(monkeypatch)
    seen = []
    monkeypatch.setattr(command, "_measure", lambda tables, rows, *_: seen.extend([list(tables), rows]) or {})
    command.main(["--device", "cuda", "--out", str(tmp_path / "result.json")])
    assert seen == [["gpu"], TABLES["gpu"].rows]


def test_a_gpu_that_is_not_there_is_an_error_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit):
        command.main(["--device", "cuda", "--out", str(tmp_path / "result.json")])
    assert "needs CuPy" in capsys.readouterr().err
    assert not (tmp_path / "result.json").exists()
