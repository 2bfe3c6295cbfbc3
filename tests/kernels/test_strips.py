"""The input gradient by strips, against the specification."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import conv
from minigrad.kernels.conv import Problem, Window, strips
from tests.kernels.test_conv import all_three, assert_specified, describe

CASES = [
    *[
        (Window(kernel, padding=padding), (3, channels, 7, 6), filters)
        for kernel, padding, channels, filters in itertools.product(
            [(1, 1), (3, 2), (2, 5)], [(0, 0), (0, 1), (2, 0)], [1, 2], [1, 5]
        )
    ],
    (Window((3, 3), padding=(2, 2)), (3, 2, 1, 1), 4),  # smaller than the kernel
    (Window((3, 3), padding=(2, 2)), (2, 2, 2, 8), 1),  # no window is complete
    (Window((5, 5)), (2, 3, 5, 5), 4),  # one position
    (Window((2, 2)), (0, 2, 4, 4), 3),
]
every_case = pytest.mark.parametrize("case", CASES, ids=describe)


@pytest.fixture(autouse=True)
def always():
    """Strips for every input gradient that they can compute, however many channels and few pictures it has."""
    with kernels.using("strips"):
        yield


@every_case
def test_as_specified(case):
    with conv.recorded() as calls:
        assert_specified(all_three(case), case)
    assert calls[1].algorithm == "strips"


@every_case
@pytest.mark.parametrize("threads_used", [1, 3])
def test_blocks_and_threads_change_nothing(case, threads, monkeypatch, threads_used):
    for limit in ("BLOCK_PICTURES", "BLOCK_BYTES"):
        monkeypatch.setattr(strips, limit, 1)
    threads(threads_used)
    assert_specified(all_three(case), case)


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), stride=(1, 2)),
        Window((3, 3), dilation=(2, 1)),
        Window((3, 3), groups=2),
    ],
)
def test_what_strips_cannot_compute(window):
    problem = Problem(64, (8, 8), 2, 4, window, np.dtype("f4"))
    assert not strips.suits(problem, "input_grad").possible
