"""Where numbers lie in memory: copies of short runs are assignments, whatever the layout; views copy nothing."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels.layout import channels_first, channels_last, copy_runs

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


def test_channels_last_input_is_not_copied():
    images = np.zeros((2, 4, 5, 3))
    assert channels_last(channels_first(images)).base is images
    assert np.shares_memory(channels_last(images.transpose(0, 3, 1, 2)), images)
