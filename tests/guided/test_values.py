"""How arrays are held: numbers, heat maps, pictures, filters, histograms, and what is left out."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from minigrad.guided import values
from minigrad.guided.values import Values, described


@pytest.mark.parametrize(
    ("shape", "show", "held"),
    [
        ((), "number", 1),
        ((2, 2, 2, 2), "numbers", 16),
        ((17,), "matrix", 17),
        ((64, 64), "matrix", 4096),
        ((64, 65), "histogram", 0),
        ((3, 3, 3), "histogram", 0),
        ((2, 3, 8, 8), "pictures", 384),
        ((100, 3, 32, 32), "pictures", 2 * 3 * 32 * 32),
        ((2, 64, 32, 32), "pictures", 8 * 32 * 32),
        ((1, 1, 100, 100), "histogram", 0),
    ],
)
def test_what_is_shown_how(shape, show, held):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    entry = described(array)
    assert entry["show"] == show and entry["shape"] == list(shape) and values.held(entry) == held
    if isinstance(entry["data"], dict):
        numbers = np.frombuffer(base64.b64decode(entry["data"]["f32"]), "<f4")
        n, c = entry.get("part", shape[:2] + (1, 1)[len(shape) :])
        np.testing.assert_array_equal(numbers, (array[:n, :c] if len(shape) == 4 else array).reshape(-1))


def test_numbers_are_the_shortest_of_their_dtype():
    for dtype in (np.float16, np.float32, np.float64):
        array = np.array([0.1, 1e-7, -3], dtype)
        assert np.array(described(array)["data"], dtype).tolist() == array.tolist()
    assert described(np.array([0.1], np.float32))["data"] == [0.1]
    assert described(np.array([True, False]))["data"] == [1, 0]
    assert json.dumps(described(np.array([np.nan, np.inf, -np.inf]))["data"]) == '["nan", "inf", "-inf"]'


def test_statistics_are_of_what_is_finite():
    array = np.array([0.0, 0, 1, 3, np.nan, np.inf] + [0.0] * 14)
    found = values.statistics(array)
    assert (found["mean"], found["min"], found["max"]) == (pytest.approx(4 / 18), 0, 3)
    assert found["zeros"] == pytest.approx(16 / 18, abs=1e-6) and sum(found["bins"][1]) == 18
    assert values.statistics(np.full(20, np.nan))["mean"] == "nan"


def test_equal_arrays_are_held_once_in_whatever_order_they_lie_in_memory():
    kept, array = Values(), np.arange(20, dtype=np.float32).reshape(4, 5)
    assert kept.add(array) == kept.add(np.asfortranarray(array)) == 0
    assert kept.add(array.reshape(5, 4)) == 1 and kept.add(array.astype(np.float64)) == 2


def test_an_array_is_held_as_it_was_when_it_was_added():
    kept, array = Values(), np.zeros(2)
    kept.add(array)
    array[:] = 7
    assert kept.entries[0]["data"] == [0, 0]


def test_a_full_page_holds_histograms_and_only_what_is_used(monkeypatch):
    monkeypatch.setattr(values, "PAGE", 100)
    kept = Values()
    used = [kept.add(np.arange(60.0) + i) for i in range(3)]
    kept.add(np.arange(50.0))
    small = kept.add(np.arange(3.0))
    graph = {"nodes": [{"value": i} for i in (*used, small)], "steps": []}
    entries, left_out = kept.used([graph])
    assert [n["value"] for n in graph["nodes"]] == [0, 1, 2, 3]
    assert [e["show"] for e in entries] == ["matrix", "histogram", "histogram", "numbers"] and left_out == 2


@pytest.mark.parametrize("extreme", [[1.0, 1 + 2e-16], [1e308, -1e308], [1e300, 0.0], [5e-324, 0.0], [3.0, 3.0]])
def test_a_histogram_of_numbers_that_are_nearly_equal_or_very_far_apart(extreme):
    found = values.statistics(np.array(extreme * 10))
    assert sum(found["bins"][1]) == 20 and len(found["bins"][0]) == len(found["bins"][1]) + 1
    json.dumps(found, allow_nan=False)
