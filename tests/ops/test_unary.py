"""More functions of one variable: values and slopes by hand, small and large arguments, nan."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf

INF, NAN = math.inf, math.nan

STEPS = {
    "sign": ([-2, 0, 0.5, -INF], [-1, 0, 1, -1]),
    "floor": ([-1.5, -1, 0.5, 2], [-2, -1, 0, 2]),
    "ceil": ([-1.5, -1, 0.5, 2], [-1, -1, 1, 2]),
    "round": ([-1.5, 0.5, 1.5, 2.4], [-2, 0, 2, 2]),
}


@pytest.mark.parametrize("name, values, expected", [(name, *case) for name, case in STEPS.items()])
def test_steps_have_the_slope_0(device, name, values, expected):
    x = leaf([*values, NAN], device)
    y = getattr(ops, name)(x)
    np.testing.assert_array_equal(y.numpy(), [*expected, NAN])
    assert gradients(y, x)[0].tolist() == [0] * 5 and y.dtype == np.float32


def test_whole_numbers_are_round(device):
    x = Tensor([1, -2], device=device)
    assert ops.round(x).tolist() == [1, -2] and ops.round(x).dtype == np.int64


def test_questions(device):
    x = leaf([1, NAN, INF, -INF], device)
    for name, expected in (("isnan", [0, 1, 0, 0]), ("isinf", [0, 0, 1, 1]), ("isfinite", [1, 0, 0, 0])):
        answer = getattr(ops, name)(x)
        assert answer.tolist() == [bool(e) for e in expected] and answer.dtype == np.bool_
        assert not answer.requires_grad


LN2 = math.log(2)
FUNCTIONS = {  # of these arguments: the values, the slopes
    "square": (ops.square, [-3, 0, 2], [9, 0, 4], [-6, 0, 4]),
    "rsqrt": (ops.rsqrt, [1, 4, 0.25], [1, 0.5, 2], [-0.5, -1 / 16, -4]),
    "expm1": (ops.expm1, [0, LN2, -LN2, 1e-10, -1e4], [0, 1, -0.5, 1e-10, -1], [1, 2, 0.5, 1, 0]),
    "log1p": (ops.log1p, [0, 1, -0.5, 1e-10], [0, LN2, -LN2, 1e-10], [1, 0.5, 2, 1]),
    "softplus": (ops.softplus, [0, LN2, -LN2], [LN2, math.log(3), math.log(1.5)], [1 / 2, 2 / 3, 1 / 3]),
    "softplus, far out": (ops.softplus, [1e4, -1e4], [1e4, 0], [1, 0]),
    "silu": (ops.silu, [0, LN2, 1e4, -1e4], [0, 2 / 3 * LN2, 1e4, 0], [1 / 2, 2 / 3 + 2 / 9 * LN2, 1, 0]),
    "leaky_relu": (ops.leaky_relu, [3, -2, 0], [3, -0.02, 0], [1, 0.01, 0.01]),
    "leaky_relu, steeper": (lambda x: ops.leaky_relu(x, 0.5), [3, -2, 0], [3, -1, 0], [1, 0.5, 0.5]),
    "elu": (ops.elu, [3, 0, -LN2, 1e4, -1e4], [3, 0, -0.5, 1e4, -1], [1, 1, 0.5, 1, 0]),
    "elu, larger": (lambda x: ops.elu(x, 2.0), [3, 0, -LN2], [3, 0, -1], [1, 2, 1]),
}


@pytest.mark.parametrize("function, values, expected, slopes", FUNCTIONS.values(), ids=FUNCTIONS)
def test_values_and_slopes_by_hand(device, function, values, expected, slopes):
    x = leaf(values, device)
    y = function(x)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(gradients(y, x)[0], slopes, rtol=1e-6)
    assert y.dtype == np.float32 and np.isnan(function(leaf([NAN], device)).item())


@pytest.mark.parametrize("name", ["expm1", "log1p", "softplus", "rsqrt", "silu", "leaky_relu", "elu"])
def test_integers_become_float32(device, name):
    whole, same = Tensor([1, 2], device=device), Tensor([1.0, 2.0], device=device)
    y = getattr(ops, name)(whole)
    assert y.dtype == np.float32 and y.tolist() == getattr(ops, name)(same).tolist()


def test_the_edges_of_what_is_defined(device):
    assert ops.log1p(Tensor([-1.0], device=device)).tolist() == [-INF]
    assert ops.expm1(Tensor([1e4], device=device)).tolist() == [INF]
    assert ops.rsqrt(Tensor([0.0], device=device)).tolist() == [INF]


def test_what_a_mask_covers_is_filled_and_gets_no_gradient(device):
    x, mask = leaf([[1, 2], [3, 4]], device), Tensor([True, False], device=device)
    y = ops.masked_fill(x, mask, -INF)
    assert y.tolist() == [[-INF, 2], [-INF, 4]] and gradients(y, x)[0].tolist() == [[0, 1], [0, 1]]
