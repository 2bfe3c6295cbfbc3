"""Copies of short runs: the same as an assignment, whatever the memory layout."""

from __future__ import annotations

import pytest

from minigrad import backend
from minigrad.kernels.copies import copy_runs

LAYOUTS = {
    "contiguous": lambda a: a,
    "every other row": lambda a: a[:, ::2],
    "part of each run": lambda a: a[..., 1:3],
    "transposed outer axes": lambda a: a.transpose(1, 0, 2),
    "transposed runs": lambda a: a.transpose(0, 2, 1),
    "every other number": lambda a: a[..., ::2],
    "runs of one": lambda a: a[..., 2:3],
    "backwards": lambda a: a[::-1],
    "empty runs": lambda a: a[..., :0],
    "nothing": lambda a: a[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_source_and_target_in_any_layout(device, layout, dtype, rng):
    numbers = rng.integers(1, 100, (4, 6, 5)).astype(dtype)
    view = LAYOUTS[layout]
    source, target = backend.to_device(numbers, device), backend.to_device(0 * numbers, device)
    copy_runs(view(source), view(target))  # out of the layout, and into it
    expected = 0 * numbers
    view(expected)[...] = view(numbers)
    assert (backend.to_numpy(target) == expected).all()
