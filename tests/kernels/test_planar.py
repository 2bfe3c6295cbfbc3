"""Convolutions of pictures with few channels, as they come, against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad.kernels import conv, planar
from minigrad.kernels.conv import Window
from tests.kernels.test_conv import all_three, assert_naive, describe

CASES = [
    (Window(kernel, stride, padding, dilation), (3, 2, 7, 6), 4)
    for kernel, stride, padding, dilation in itertools.product(
        [(1, 1), (3, 2)], [(1, 1), (2, 3)], [(0, 0), (2, 1)], [(1, 1), (2, 3)]
    )
] + [(Window((2, 2)), (0, 2, 4, 4), 3)]


@pytest.mark.parametrize("case", CASES, ids=describe)
@pytest.mark.parametrize("threads_used", [1, 3])
def test_as_defined_in_blocks_and_threads(case, threads, monkeypatch, threads_used):
    monkeypatch.setattr(planar, "BLOCK_BYTES", 64)
    threads(threads_used)
    assert_naive(all_three(case), case)


def test_any_layout_gives_the_same(rng):
    x, w = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, 3, 3))
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(*(conv.conv2d(pictures, w, None, Window((3, 3))) for pictures in (x, last)))


@pytest.mark.parametrize(
    "pictures, channels, window, expected",
    [
        (64, 3, Window((3, 3)), True),
        (64, 3, Window((5, 5)), False),
        (4, 3, Window((5, 5)), True),
        (4, 3, Window((7, 7)), False),
        (64, 8, Window((3, 3)), False),
        (64, 4, Window((3, 3), groups=2), False),
    ],
)
def test_the_rule(pictures, channels, window, expected):
    assert planar.suits(np.zeros((pictures, channels, 9, 9)), window) == expected
