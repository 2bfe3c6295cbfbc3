from __future__ import annotations

import pytest

from benchmarks import report


def _answers(seconds, peaks, version):
    known = {"steps": 3, "threads": 2, "versions": {version: "1.0"}}
    return [{"seconds": s, "peak_memory": p, **known} for s, p in zip(seconds, peaks, strict=True)]


def _row(own, theirs):
    peaks = [2_000_000, 5_000_000, 4_000_000]
    answers = {"minigrad": _answers(own, peaks, "minigrad"), "torch": _answers(theirs, [None] * 3, "PyTorch")}
    return report.summarize("row-1", "a row", answers)


def test_times_are_medians_and_peaks_are_the_largest():
    row = _row([0.010, 0.030, 0.020], [0.040, 0.030, 0.010])
    assert row["frameworks"]["minigrad"]["seconds"] == 0.020
    assert row["frameworks"]["torch"]["seconds"] == 0.030
    assert row["frameworks"]["minigrad"]["peak_memory"] == 5_000_000
    assert row["frameworks"]["torch"]["peak_memory"] is None


def test_speed_is_the_median_of_the_ratios_within_each_round():
    row = _row([0.010, 0.030, 0.020], [0.040, 0.030, 0.010])
    assert row["speed"]["torch"]["per_round"] == pytest.approx([4.0, 1.0, 0.5])
    assert row["speed"]["torch"]["median"] == pytest.approx(1.0)  # not the ratio of the medians, 1.5


def test_without_another_framework_there_is_no_speed():
    row = report.summarize("row-1", "a row", {"minigrad": _answers([0.010], [1], "minigrad")})
    assert row["speed"] == {}
    assert report.geometric_means([row]) == {}
    assert "x" not in report.line(row, 5)


def test_the_average_over_rows_is_the_geometric_mean():
    twice, half = _row([0.01] * 3, [0.02] * 3), _row([0.02] * 3, [0.01] * 3)
    assert report.geometric_means([twice, half]) == {"torch": pytest.approx(1.0)}
    assert report.geometric_means([twice, twice]) == {"torch": pytest.approx(2.0)}


def test_a_line_shows_times_speed_range_and_memory():
    line = report.line(_row([0.010, 0.030, 0.020], [0.040, 0.030, 0.010]), 5)
    assert line.split() == ["a", "row", "20.0", "ms", "30.0", "ms", "1.00x", "(0.50-4.00)", "5", "/", "?", "MB"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0001234, "0.123 ms"), (0.001234, "1.23 ms"), (0.01234, "12.3 ms"), (1.234, "1234 ms")]
)
def test_times_are_shown_with_three_digits(seconds, shown):
    assert shown in report.line(_row([seconds] * 3, [seconds] * 3), 5)


def test_the_machine_line_names_versions_and_threads():
    line = report.machine_line(
        {"cpu": "Abacus", "cores": 2, "system": "Linux", "python": "3.12.1"}, [_row([0.01] * 3, [0.01] * 3)]
    )
    assert line == ("Abacus, 2 cores, Linux; Python 3.12.1, minigrad 1.0, PyTorch 1.0; threads: minigrad 2, torch 2")
