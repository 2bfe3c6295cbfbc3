"""Convolutions of pictures cut into strips, against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad.kernels import planar, strips
from minigrad.kernels.conv import Window
from tests.kernels.test_conv import all_three, assert_naive, describe

CASES = [
    *[
        (Window(kernel, padding=padding), (3, channels, 7, 6), filters)
        for kernel, padding, channels, filters in itertools.product(
            [(1, 1), (3, 2), (2, 5)], [(0, 0), (0, 1), (2, 0)], [1, 2], [1, 5]
        )
        if all(p < k for p, k in zip(padding, kernel, strict=True))
    ],
    (Window((3, 3), padding=(2, 2)), (3, 2, 1, 1), 4),  # smaller than the kernel
    (Window((3, 3), padding=(2, 2)), (2, 2, 2, 8), 1),  # no window is complete
    (Window((5, 5)), (2, 3, 5, 5), 4),  # one position
    (Window((2, 2)), (0, 2, 4, 4), 3),
]
every_case = pytest.mark.parametrize("case", CASES, ids=describe)


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Strips for every convolution that they can compute, however many channels and few pictures it has."""
    monkeypatch.setattr(planar, "suits", lambda *sizes: False)
    monkeypatch.setattr(strips, "MAX_CHANNELS", 100)
    monkeypatch.setattr(strips, "MIN_PICTURES", 0)


@every_case
def test_as_defined(case):
    window, shape, _ = case
    assert strips.suits(np.zeros(shape), shape[1], window)
    assert_naive(all_three(case), case)


@every_case
@pytest.mark.parametrize("threads_used", [1, 3])
def test_blocks_and_threads_change_nothing(case, threads, monkeypatch, threads_used):
    for limit in ("BLOCK_PICTURES", "BLOCK_BYTES", "PRODUCT_BYTES"):
        monkeypatch.setattr(strips, limit, 1)
    threads(threads_used)
    assert_naive(all_three(case), case)


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), stride=(1, 2)),
        Window((3, 3), dilation=(2, 1)),
        Window((3, 3), groups=2),
        Window((1, 3), padding=(1, 1)),  # some windows see nothing but padding
    ],
)
def test_what_strips_cannot_compute(window):
    assert not strips.suits(np.zeros((64, 2, 8, 8)), 2, window)


def test_the_rule(monkeypatch):
    monkeypatch.undo()
    assert strips.suits(np.zeros(64), 3, Window((5, 5)))
    assert not strips.suits(np.zeros(4), 3, Window((5, 5)))
    assert not strips.suits(np.zeros(64), 32, Window((5, 5)))
