"""Selection by a mask, in any layout, shared among threads or not."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels.select import keep


@pytest.mark.parametrize("shape", [(0, 3), (), (5,), (3, 4, 2, 5)])
@pytest.mark.parametrize("threads_used", [1, 3])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_what_the_mask_hides_is_zero_even_if_it_is_infinite(device, shape, threads, threads_used, rng, dtype):
    threads(threads_used)
    mask, g = rng.integers(-1, 2, (2, *shape)).astype(dtype)
    g = np.where(mask == 0, np.inf, g).astype(dtype)
    for m in (mask, mask != 0):
        kept = keep(*[backend.to_device(np.asarray(a), device) for a in (g, m)])
        np.testing.assert_array_equal(backend.to_numpy(kept), np.where(mask != 0, g, 0))
        assert kept.dtype == dtype


def test_a_mask_is_broadcast():
    g, mask = np.full((2, 3), np.inf), np.array([[True], [False]])
    np.testing.assert_array_equal(keep(g, mask), [[np.inf] * 3, [0] * 3])


def test_nan_is_not_zero():
    np.testing.assert_array_equal(keep(np.array([1.0, 2.0]), np.array([np.nan, 0.0])), [1, 0])


def test_the_result_has_the_layout_of_the_mask(rng):
    g, mask = rng.standard_normal((3, 4, 5)), np.asfortranarray(rng.standard_normal((3, 4, 5)))
    assert keep(g, mask).strides == mask.strides
