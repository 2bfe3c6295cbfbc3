from __future__ import annotations

import json

import pytest

from benchmarks import measure
from benchmarks.tables import ROWS


@pytest.fixture
def asked(monkeypatch):
    """Answer in place of the workers and collect what they are asked for: framework, rows, environment."""
    calls = []

    def answer(*arguments, environment):
        framework = arguments[arguments.index("--framework") + 1]
        rows = arguments[arguments.index("--rows") + 1 :]
        calls.append((framework, rows, environment))
        return json.dumps([{"row": row, "number": len(calls)} for row in rows])

    monkeypatch.setattr(measure, "_python", answer)
    return calls


def test_the_frameworks_take_turns(asked):
    answers = measure.group_rounds([ROWS["lenet-4"]], ["minigrad", "torch"], rounds=2)
    assert [framework for framework, _, _ in asked] == ["minigrad", "torch", "minigrad", "torch"]
    assert [answer["number"] for answer in answers["lenet-4"]["torch"]] == [2, 4]


def test_rows_are_measured_where_they_mean_something(asked):
    group = [ROWS["relu-forward"], ROWS["chain-forward"], ROWS["data-step"]]
    answers = measure.group_rounds(group, ["minigrad", "torch-channels-last"], rounds=1)
    assert [rows for _, rows, _ in asked] == [("relu-forward", "chain-forward", "data-step"), ("relu-forward",)]
    assert list(answers["chain-forward"]) == ["minigrad"]


def test_no_process_is_started_for_nothing(asked):
    ticks = []
    measure.group_rounds([ROWS["data-step"]], ["minigrad", "torch"], rounds=1, tick=lambda: ticks.append(1))
    assert [framework for framework, _, _ in asked] == ["minigrad"]
    assert len(ticks) == 2


def test_threads_are_set_for_all_libraries(asked):
    measure.group_rounds([ROWS["scaling-vgg-64-2"]], ["minigrad"], rounds=1)
    measure.group_rounds([ROWS["vgg-64"]], ["minigrad"], rounds=1)
    assert asked[0][2] == dict.fromkeys(measure.THREADS, "2")
    assert asked[1][2] == {}


def test_the_worker_uses_the_threads_that_the_row_names():
    answers = measure.group_rounds([ROWS["scaling-vgg-16-1"]], ["minigrad"], rounds=1, steps=1)
    assert answers["scaling-vgg-16-1"]["minigrad"][0]["threads"] == 1


def test_workers_are_held_to_an_instruction_set_or_to_none_whatever_the_environment_says(monkeypatch):
    for variable in measure.ISA["avx2"]:
        monkeypatch.setenv(variable, "Prescott")
    shown = f"import os; print(*map(os.environ.get, {list(measure.ISA['avx2'])}))"
    measure.hold_to("avx2")
    assert measure._python("-c", shown) == "Haswell AVX2 AVX2 avx2"
    measure.hold_to("native")
    assert measure._python("-c", shown) == "None None None None"
