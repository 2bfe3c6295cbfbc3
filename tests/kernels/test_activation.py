"""ReLU in any layout, shared among threads or not."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels import activation


@pytest.mark.parametrize("shape", [(0, 3), (5,), (3, 4, 2, 5)])
@pytest.mark.parametrize("threads_used", [1, 3])
def test_as_defined(device, shape, threads, threads_used, rng):
    threads(threads_used)
    x = rng.standard_normal(shape).astype(np.float32)
    y = activation.relu(backend.to_device(x, device))
    np.testing.assert_array_equal(backend.to_numpy(y), np.where(x > 0, x, 0))
    assert y.dtype == np.float32


def test_the_layout_is_kept(rng):
    x = np.asfortranarray(rng.standard_normal((3, 4, 5)))
    assert activation.relu(x).strides == x.strides


def test_integers_stay_integers():
    assert activation.relu(np.array([-1, 2])).tolist() == [0, 2]
