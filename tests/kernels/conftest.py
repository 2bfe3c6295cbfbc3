"""Fixtures for kernels: many threads and blocks on arrays that are small enough for slow reference code."""

from __future__ import annotations

import pytest

from minigrad import get_num_threads, set_num_threads
from minigrad.kernels import conv, norm, parallel, planar, pool, winograd


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks smaller than one picture, mostly smaller than one row of it."""
    for module in (conv, norm, planar, pool, winograd):
        monkeypatch.setattr(module, "BLOCK_BYTES", 64)


@pytest.fixture
def threads(monkeypatch):
    """A function that sets the number of threads; even the smallest task is split among them."""
    before = get_num_threads()
    monkeypatch.setattr(parallel, "SMALLEST_TASK_BYTES", 1)
    yield set_num_threads
    set_num_threads(before)
