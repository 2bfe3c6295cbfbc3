from __future__ import annotations

import pytest

from benchmarks import report
from benchmarks.rows import Row


def _answers(seconds, version, memory):
    known = {"steps": 3, "threads": 2, "versions": {version: "1.0"}, "process_memory": None}
    return [{"seconds": s, "fastest": s / 2, "step_memory": m, **known} for s, m in zip(seconds, memory, strict=True)]


def _row(own, theirs, **about):
    answers = {
        "minigrad": _answers(own, "minigrad", [2_000_000, 5_000_000, 4_000_000]),
        "torch": _answers(theirs, "PyTorch", [None] * 3),
    }
    return report.summarize(Row("row-1", "a row", print, **about), answers, with_memory=True)


def _cells(row, **options):
    columns = report.columns([row["title"]], list(row["frameworks"]), "step", **options)
    return [cell.strip() for cell in report.line(columns, row).strip("|").split("|")]


def test_times_are_medians_and_memory_is_the_largest():
    row = _row([0.010, 0.030, 0.020], [0.040, 0.030, 0.010])
    assert row["frameworks"]["minigrad"]["seconds"] == 0.020
    assert row["frameworks"]["torch"]["seconds"] == 0.030
    assert row["frameworks"]["torch"]["fastest"] == 0.005
    assert row["frameworks"]["minigrad"]["step_memory"] == 5_000_000
    assert row["frameworks"]["torch"]["step_memory"] is None


def test_memory_of_shared_processes_is_not_reported():
    row = report.summarize(
        Row("row-1", "a row", print), {"minigrad": _answers([1.0], "minigrad", [7])}, with_memory=False
    )
    assert "step_memory" not in row["frameworks"]["minigrad"]


def test_speed_is_the_median_of_the_ratios_within_each_round():
    row = _row([0.010, 0.030, 0.020], [0.040, 0.030, 0.010])
    assert row["speed"]["torch"]["per_round"] == pytest.approx([4.0, 1.0, 0.5])
    assert row["speed"]["torch"]["median"] == pytest.approx(1.0)  # not the ratio of the medians, 1.5


def test_without_another_framework_there_is_no_speed():
    row = report.summarize(Row("row-1", "a row", print), {"minigrad": _answers([0.010], "minigrad", [1])}, True)
    assert row["speed"] == {}
    assert report.geometric_means([row]) == {}
    assert _cells(row) == ["a row", "10.0 ms"]


def test_the_average_over_rows_is_the_geometric_mean():
    twice, half = _row([0.01] * 3, [0.02] * 3), _row([0.02] * 3, [0.01] * 3)
    assert report.geometric_means([twice, half]) == {"torch": pytest.approx(1.0)}
    assert report.geometric_means([twice, twice]) == {"torch": pytest.approx(2.0)}


def test_shares_are_of_the_fastest_matrix_product_in_any_framework():
    product = _row([0.02] * 3, [0.04] * 3, flops=100)  # the fastest step took 0.01 s
    convolution, pool = _row([0.02] * 3, [0.01] * 3, flops=50), _row([0.02] * 3, [0.01] * 3)
    product["name"] = "product"
    report.add_shares([product, convolution, pool], "product")
    assert report.peak([product], "product") == pytest.approx(100 / 0.01)
    assert convolution["frameworks"]["minigrad"]["share"] == pytest.approx(0.25)
    assert convolution["frameworks"]["torch"]["share"] == pytest.approx(0.5)
    assert "share" not in pool["frameworks"]["torch"]
    assert _cells(convolution, extra=["share"])[-1] == "25 / 50"
    assert _cells(pool, extra=["share"])[-1] == ""


def test_without_a_matrix_product_there_are_no_shares():
    convolution = _row([0.02] * 3, [0.01] * 3, flops=50)
    report.add_shares([convolution], "product")
    assert "share" not in convolution["frameworks"]["minigrad"]


def test_the_loop_is_compared_with_the_step_round_by_round():
    step, loop = _row([1.0, 2.0, 4.0], [1.0] * 3, items=100), _row([2.0, 2.0, 5.0], [1.0] * 3, items=100)
    loop["name"] = "loop-1"
    compared = report.share_of_step(step, loop)
    assert compared["per_second"] == {"row-1": 50.0, "loop-1": 50.0}
    assert compared["share"] == {"median": 0.8, "per_round": [0.5, 1.0, 0.8]}


def test_a_line_shows_times_speed_range_and_memory():
    row = _row([0.010, 0.030, 0.020], [0.040, 0.030, 0.010])
    cells = _cells(row, extra=["step_memory"])
    assert cells == ["a row", "20.0 ms", "30.0 ms", "1.00x (0.50-4.00)", "5 / -"]


def test_a_framework_in_which_a_row_was_not_measured_has_a_dash():
    row = _row([0.010] * 3, [0.010] * 3)
    columns = report.columns(["a row"], ["minigrad", "torch-channels-last"], "step", ["step_memory"])
    assert report.line(columns, row).count(" - ") == 3


def test_lines_are_as_long_as_the_header():
    row = _row([0.010] * 3, [0.010] * 3)
    columns = report.columns(["a longer title", "a row"], ["minigrad", "torch"], "step", ["step_memory"])
    heading, rule = report.header(columns).splitlines()
    assert len(heading) == len(rule) == len(report.line(columns, row))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (12.34e-6, "0.0123 ms"),
        (123.4e-6, "0.123 ms"),
        (0.009999, "10.0 ms"),
        (0.001234, "1.23 ms"),
        (0.01234, "12.3 ms"),
        (1.234, "1234 ms"),
    ],
)
def test_times_are_shown_with_three_digits(seconds, shown):
    assert _cells(_row([seconds] * 3, [seconds] * 3))[1] == shown


def test_times_are_shown_per_item():
    assert _cells(_row([0.5] * 3, [1.0] * 3, items=100))[1:3] == ["5.00 ms", "10.0 ms"]


def test_the_machine_line_names_versions_and_threads():
    rows = [_row([0.01] * 3, [0.01] * 3), _row([0.01] * 3, [0.01] * 3)]
    rows[1]["frameworks"]["minigrad"]["threads"] = 1
    line = report.machine_line({"cpu": "Abacus", "cores": 2, "system": "Linux", "python": "3.12.1"}, rows)
    assert line == "Abacus, 2 cores, Linux; Python 3.12.1, minigrad 1.0, PyTorch 1.0; threads: minigrad 1/2, PyTorch 2"
