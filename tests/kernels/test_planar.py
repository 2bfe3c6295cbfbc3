"""Convolutions of pictures with few channels, as they come, against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import conv
from minigrad.kernels.conv import Window, planar
from tests.kernels.test_conv import all_three, assert_specified, describe

CASES = [
    (Window(kernel, stride, padding, dilation), (3, 2, 7, 6), 4)
    for kernel, stride, padding, dilation in itertools.product(
        [(1, 1), (3, 2)], [(1, 1), (2, 3)], [(0, 0), (2, 1)], [(1, 1), (1, 3)]
    )
]
CASES += [(Window((2, 2), padding=(1, 1)), (n, 3, 4, 5), 3) for n in (0, 5)]


@pytest.fixture(autouse=True)
def always():
    with kernels.using("planar"):
        yield


@pytest.mark.parametrize("case", CASES, ids=describe)
@pytest.mark.parametrize("threads_used, block_bytes", [(1, 1 << 20), (1, 64), (3, 64)])
def test_as_specified_in_blocks_and_threads(case, threads, monkeypatch, threads_used, block_bytes):
    monkeypatch.setattr(planar, "BLOCK_BYTES", block_bytes)
    threads(threads_used)
    assert_specified(all_three(case), case)


def test_any_layout_gives_the_same(rng):
    x, w = rng.standard_normal((2, 3, 8, 8)), rng.standard_normal((4, 3, 3, 3))
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(*(conv.conv2d(pictures, w, None, Window((3, 3))) for pictures in (x, last)))
