"""Dropout: seeded, scaled, off outside training."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf

pytestmark = pytest.mark.quick


def ones(device, *shape):
    return leaf(np.ones(shape), device)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_expectation_stays(device, p):
    y = ops.dropout(ones(device, 100, 100), p).numpy()
    assert (y == 0).mean() == pytest.approx(p, abs=0.02) and y.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-6)


def test_half_is_dropped_by_default(device):
    assert (ops.dropout(ones(device, 100, 100)).numpy() == 0).mean() == pytest.approx(0.5, abs=0.02)


def test_the_gradient_uses_the_same_mask(device):
    x = ones(device, 10, 10)
    y = ops.dropout(x, 0.5)
    np.testing.assert_array_equal(gradients(y, x)[0], y.numpy())


def test_the_same_seed_gives_the_same_mask_and_each_call_another(device):
    x = ones(device, 50)
    mg.manual_seed(3)
    first, second = ops.dropout(x).numpy(), ops.dropout(x).numpy()
    mg.manual_seed(3)
    assert (ops.dropout(x).numpy() == first).all() and (first != second).any()


def test_nothing_happens_outside_training_or_with_p_0(device):
    x = ones(device, 3)
    assert ops.dropout(x, 0.5, training=False) is x and ops.dropout(x, 0) is x


def test_p_1_leaves_nothing(device):
    x = ones(device, 3)
    y = ops.dropout(x, 1)
    assert not y.numpy().any() and not gradients(y, x)[0].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_shape_and_dtype_stay(device, dtype, shape):
    y = ops.dropout(leaf(np.ones(shape), device, dtype), np.float64(0.5))
    assert y.shape == shape and y.dtype == dtype


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_refused(device, p):
    with pytest.raises(ValueError, match=rf"dropout: p must lie in \[0, 1\], got {p}"):
        ops.dropout(ones(device, 3), p)


def test_integers_are_refused(device):
    with pytest.raises(TypeError, match="dropout: expected a floating point Tensor, got int64"):
        ops.dropout(Tensor([1, 2], device=device))
