"""Arithmetic and functions of one variable: values, edge cases, gradients at special points."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf, show

pytestmark = pytest.mark.quick

UNARY = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "absolute": np.abs,
    "neg": np.negative,
}
every_function = pytest.mark.parametrize("name", UNARY)


@every_function
@pytest.mark.parametrize("shape", [(), (3,), (0, 2), (2, 1, 3)])
def test_values_and_dtype(device, name, shape):
    values = np.random.default_rng(0).uniform(0.5, 2, shape).astype(np.float32)
    y = getattr(ops, name)(Tensor(values, device=device))
    assert y.shape == shape and y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), UNARY[name](values), rtol=1e-6)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid"])
def test_integers_become_float32(device, name):
    assert getattr(ops, name)(Tensor([1, 2], device=device)).dtype == np.float32


@pytest.mark.parametrize("name", ["absolute", "neg", "relu"])
def test_integers_stay_where_the_result_is_one(device, name):
    assert getattr(ops, name)(Tensor([1, -2], device=device)).dtype == np.int64


def test_python_operators(device):
    x = Tensor([1.0, 4.0], device=device)
    results = [x + 1, 1 + x, x - 1, 1 - x, x * 3, 3 * x, x / 2, 2 / x, x**2, 2**x, -x, abs(-x)]
    expected = [
        [2, 5],
        [2, 5],
        [0, 3],
        [0, -3],
        [3, 12],
        [3, 12],
        [0.5, 2],
        [2, 0.5],
        [1, 16],
        [2, 16],
        [-1, -4],
        [1, 4],
    ]
    assert [show(y) for y in results] == expected


def test_a_tensor_used_twice_gets_both_gradients(device):
    x = leaf([3], device)
    assert gradients(x * x + x, x)[0].tolist() == [7]


def test_an_operand_without_gradient_gets_none(device):
    x, constant = leaf([3], device), Tensor([2.0], device=device)
    y = (x * constant / constant - constant) ** constant
    assert y.requires_grad and gradients(y, x)[0] == pytest.approx([2])


def test_memory_layout_is_kept():
    pictures = Tensor(np.ones((2, 3, 4, 5), np.float32)).permute(0, 3, 1, 2)  # channels-last in memory
    weight = Tensor(np.ones((1, 5, 1, 1), np.float32))
    for y in (pictures * 2, pictures + pictures, pictures * weight, ops.relu(pictures), ops.exp(pictures)):
        assert y.data.strides == pictures.data.strides


# ---- powers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent, slope", [(0, 0), (1, 1), (2, 0), (3, 0)])
def test_the_slope_of_a_power_at_0(device, exponent, slope):
    x, b = leaf([0], device), Tensor([float(exponent)], device=device)
    assert gradients(ops.pow(x, exponent), x)[0].tolist() == [slope]
    if exponent:  # with a Tensor, 0⁻¹ is computed on the way
        assert gradients(ops.pow(x, b), x)[0].tolist() == [slope]


def test_powers_of_negative_numbers(device):
    x = leaf([-2], device)
    assert show(x**3) == [-8] and gradients(x**3, x)[0].tolist() == [12]
    assert show(x**-1) == [-0.5] and gradients(x**-1, x)[0].tolist() == [-0.25]
    with np.errstate(invalid="ignore"):
        assert math.isnan((x**0.5).item())


def test_the_gradient_of_the_exponent(device):
    base, b = leaf([0, 1, 2], device), leaf([2, 3, 3], device)
    assert gradients(base**b, b)[0] == pytest.approx([0, 0, 8 * math.log(2)])
    assert gradients(2**b, b)[0] == pytest.approx([4 * math.log(2), 8 * math.log(2), 8 * math.log(2)])


# ---- special points and numbers ----------------------------------------------------------------------------------


def test_the_slope_of_the_absolute_value_at_0_is_0(device):
    x = leaf([-3, 0, 3], device)
    assert gradients(abs(x), x)[0].tolist() == [-1, 0, 1]


def test_division_by_0_and_logarithm_of_0_are_infinite(device):
    with np.errstate(divide="ignore"):
        x = leaf([0], device)
        assert (1 / x).item() == math.inf and ops.log(x).item() == -math.inf
        assert gradients(ops.log(x), x)[0].tolist() == [math.inf]
        assert gradients(ops.sqrt(x), x)[0].tolist() == [math.inf]


@every_function
def test_nan_stays_nan(device, name):
    assert math.isnan(getattr(ops, name)(Tensor([math.nan], device=device)).item())


def test_large_and_small_exponents(device):
    x = leaf([-1e4, 0], device)
    assert show(ops.exp(x)) == [0, 1] and gradients(ops.exp(x), x)[0].tolist() == [0, 1]
    with np.errstate(over="ignore"):
        assert ops.exp(Tensor([1e4], device=device)).item() == math.inf


def test_integers_divided_are_float32(device):
    x = Tensor([1, 2], device=device)
    for y in (x / x, x / 2, 2 / x, x / 2.0):
        assert y.dtype == np.float32
    assert show(x / 4) == [0.25, 0.5]
