from __future__ import annotations

import pytest

from benchmarks import data_path
from benchmarks.frameworks import LOADERS
from minigrad import optim


@pytest.fixture
def steps(monkeypatch):
    """Make the epochs tiny and collect the optimizer's steps."""
    monkeypatch.setattr(data_path, "BATCH", 4)
    monkeypatch.setattr(data_path, "BATCHES", 3)
    taken = []
    monkeypatch.setattr(optim.SGD, "step", lambda self: taken.append(self.param_groups[0]["lr"]))
    return taken


def test_the_loop_trains_an_epoch_and_returns_its_seconds(steps, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = data_path.loop_step(LOADERS["minigrad"]())
    assert step() > 0
    assert step() > 0
    assert len(steps) == 2 * 3
    assert not list(tmp_path.iterdir())  # no checkpoint


def test_the_step_alone_does_as_many_steps_with_the_same_schedule(steps):
    data_path.bare_step(LOADERS["minigrad"]())()
    alone = list(steps)
    data_path.loop_step(LOADERS["minigrad"]())()
    assert steps == alone * 2
