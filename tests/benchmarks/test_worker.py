from __future__ import annotations

import importlib.util

import pytest

from benchmarks import memory, worker
from benchmarks.frameworks import LOADERS
from benchmarks.tables import ROWS
from tests import strict_cupy


def test_as_many_steps_are_timed_as_asked_for():
    assert len(worker.time_steps(lambda: None, 7)) == 7


def test_slow_steps_are_timed_at_least_three_times(monkeypatch):
    monkeypatch.setattr(worker, "SECONDS", 0)
    calls = []
    assert len(worker.time_steps(lambda: calls.append(1))) == worker.MIN_STEPS == 3
    assert len(calls) > 3  # one warms up


def test_a_step_may_tell_its_own_seconds():
    assert worker.time_steps(lambda: 42.0, 2) == [42.0, 42.0]


def test_memory_of_the_step_is_counted_from_where_it_begins(monkeypatch):
    # before counting starts, when it does, and after the steps: building had needed more than they do
    answers = iter([memory.Memory(500, 1000), memory.Memory(300, 300), memory.Memory(350, 700)])
    monkeypatch.setattr(memory, "usage", lambda: next(answers))
    measured = worker.measure(LOADERS["minigrad"](), ROWS["perceptron-4"], steps=1)
    assert (measured["step_memory"], measured["process_memory"]) == (400, 1000)


@pytest.mark.parametrize(("peak", "process"), [(None, None), (700, 700)])
def test_memory_that_the_system_does_not_tell_is_none(peak, process, monkeypatch):
    monkeypatch.setattr(memory, "usage", lambda: memory.Memory(None, peak))
    measured = worker.measure(LOADERS["minigrad"](), ROWS["perceptron-4"], steps=1)
    assert (measured["step_memory"], measured["process_memory"]) == (None, process)


def test_on_a_gpu_a_step_is_awaited_and_its_memory_and_launches_are_told(monkeypatch):
    strict_cupy.install(monkeypatch)
    monkeypatch.setattr(worker.launches, "count", lambda step: step() or 7)
    reads = strict_cupy.host_reads.count
    measured = worker.measure(LOADERS["minigrad"]("cuda"), ROWS["perceptron-4"], steps=2)
    assert measured["launches"] == 7 and measured["device_memory"] == 0
    assert (
        strict_cupy.host_reads.count == reads + 1 + 2 + 1
    )  # a step to warm up, two, and one whose kernels are counted
    assert "launches" not in worker.measure(LOADERS["minigrad"](), ROWS["perceptron-4"], steps=1)
    assert measured["versions"]["CuPy"] == "14.2.0"


def test_without_pytorch_launches_are_not_known(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert worker.launches.count(lambda: pytest.fail("not to be run")) is None
