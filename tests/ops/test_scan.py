"""Sums so far, products, deviations and norms: what they are where single steps would be too large or too small."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import nn, ops
from tests.ops.helpers import leaf


@pytest.mark.parametrize(("dtype", "count"), [("f2", 3000), ("f4", 2**24 + 4)])
def test_sums_so_far_keep_their_digits(device, dtype, count):
    x = leaf(np.ones(count), device, dtype)
    y = ops.cumsum(x, 0)
    y[-1].backward()
    assert y.dtype == dtype and y[-1].item() == np.dtype(dtype).type(count)
    assert x.grad.numpy()[0] == 1


FLOAT16 = {
    "std": (lambda x: ops.std(x, correction=0), [1000, -1000] * 150, 1000),
    "norm": (ops.norm, [300] * 4, 600),
    "norm of order 3": (lambda x: ops.norm(x, 3), [300] * 8, 600),
    "prod": (ops.prod, [300, 0.001, 300, 0.001], 0.09),
    "l1_loss": (lambda x: ops.l1_loss(x, -x), [40_000, 0, 0, 0], 20_000),
    "huber_loss": (lambda x: ops.huber_loss(x, -x, delta=0.5), [40_000, 0, 0, 0], 10_000),
    "LayerNorm": (lambda x: nn.LayerNorm(4).half()(x.to("cpu"))[0], [600, -600, 600, -600], 1),
    "GroupNorm": (lambda x: nn.GroupNorm(1, 4).half()(x.to("cpu").reshape(1, 4))[0, 0], [600, -600, 600, -600], 1),
}


@pytest.mark.parametrize(("compute", "values", "expected"), FLOAT16.values(), ids=FLOAT16)
def test_float16_is_computed_in_float32(device, compute, values, expected):
    x = leaf(values, device, np.float16)
    y = compute(x)
    y.backward()
    assert y.dtype == x.grad.dtype == np.float16
    assert y.item() == pytest.approx(expected, rel=1e-3)
    assert np.isfinite(x.grad.numpy()).all()
