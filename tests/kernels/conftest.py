"""Fixtures for kernels: many threads and blocks on arrays that are small enough for slow reference code."""

from __future__ import annotations

import pytest

from minigrad import get_num_threads, set_num_threads
from minigrad.kernels import norm, pool, work
from minigrad.kernels.conv import im2col, planar, strips, winograd


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks smaller than one picture, mostly smaller than one row of it."""
    for module in (im2col, norm, planar, pool, strips, winograd):
        monkeypatch.setattr(module, "BLOCK_BYTES", 64)


@pytest.fixture
def threads(monkeypatch):
    """A function that sets the number of threads; even the smallest task is split among them."""
    before = get_num_threads()
    monkeypatch.setattr(work, "SMALLEST", 1)
    yield set_num_threads
    set_num_threads(before)
