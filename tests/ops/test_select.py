"""Choosing between values: ties, bounds, conditions, comparisons."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf, show


@pytest.mark.parametrize(
    "op, values, slopes", [("maximum", [2, 2, 3], [0, 0.5, 1]), ("minimum", [1, 2, 2], [1, 0.5, 0])]
)
def test_ties_share_the_gradient(device, op, values, slopes):
    a, b = leaf([1, 2, 3], device), leaf([2, 2, 2], device)
    y = getattr(ops, op)(a, b)
    assert show(y) == values
    to_a, to_b = gradients(y, a, b)
    assert to_a.tolist() == slopes and (to_a + to_b).tolist() == [1, 1, 1]


@pytest.mark.parametrize("op", [ops.maximum, ops.minimum])
def test_a_tie_with_a_number_gets_half(device, op):
    x = leaf([2], device)
    assert gradients(op(x, 2), x)[0].tolist() == gradients(op(2.0, x), x)[0].tolist() == [0.5]


@pytest.mark.parametrize("op", [ops.maximum, ops.minimum])
def test_nan_wins(device, op):
    x = Tensor([math.nan, 1.0], device=device)
    assert np.isnan(op(x, 0).numpy()).tolist() == np.isnan(op(0, x).numpy()).tolist() == [True, False]


def test_clip_lets_the_gradient_pass_up_to_and_at_the_bounds(device):
    x = leaf([-2, -1, 0, 1, 2], device)
    assert show(x.clip(-1, 1)) == [-1, -1, 0, 1, 1]
    assert gradients(x.clip(-1, 1), x)[0].tolist() == [0, 1, 1, 1, 0]
    assert show(x.clip(low=0)) == [0, 0, 0, 1, 2] and gradients(x.clip(low=0), x)[0].tolist() == [0, 0, 1, 1, 1]
    assert show(x.clip(high=0)) == [-2, -1, 0, 0, 0] and gradients(x.clip(high=0), x)[0].tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("bound", [1, 0.5, np.float64(0.5), np.int64(1)], ids=repr)
def test_clip_keeps_float32(device, bound):
    assert leaf([0, 2], device).clip(bound).dtype == leaf([0, 2], device).clip(None, bound).dtype == np.float32


def test_clip_of_integers(device):
    x = Tensor([0, 2], device=device)
    assert x.clip(1).dtype == np.int64 and show(x.clip(1)) == [1, 2]
    assert x.clip(0.5).dtype == np.float32 and show(x.clip(0.5)) == [0.5, 2]


def test_clip_without_bounds_is_refused(device):
    with pytest.raises(ValueError, match="clip: give low, high, or both"):
        leaf([1], device).clip()


def test_clip_of_a_number_and_of_nothing(device):
    x, empty = leaf(3, device), leaf(np.ones((0, 2)), device)
    assert gradients(x.clip(0, 1), x)[0] == 0 and gradients(empty.clip(0, 1), empty)[0].shape == (0, 2)


# ---- where -------------------------------------------------------------------------------------------------------


def test_where_sends_gradients_to_what_was_chosen(device):
    a, b = leaf([[1], [2]], device), leaf([10, 20, 30], device)
    y = ops.where(Tensor([[True, False, True], [False, False, True]], device=device), a, b)
    assert show(y) == [[1, 20, 1], [10, 20, 2]]
    to_a, to_b = gradients(y, a, b)
    assert to_a.tolist() == [[2], [1]] and to_b.tolist() == [1, 2, 0]


def test_where_with_numbers_keeps_float32(device):
    x = leaf([-1, 2], device)
    y = ops.where(x > 0, x, 0.5)
    assert y.dtype == np.float32 and show(y) == [0.5, 2] and gradients(y, x)[0].tolist() == [0, 1]
    assert show(ops.where(x > 0, 1, 0)) == [0, 1]


def test_where_takes_an_array_as_condition():
    assert show(ops.where(np.array([True, False]), Tensor([1.0, 2.0]), 0.0)) == [1, 0]


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_a_condition_that_is_not_boolean_is_refused(device, dtype):
    with pytest.raises(TypeError, match=f"where: expected a boolean condition, got {dtype}"):
        ops.where(Tensor(np.ones(2, dtype), device=device), 1.0, 2.0)


# ---- comparisons -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons_give_booleans_without_gradient(device, relation):
    compare = getattr(operator, relation)
    x, y = leaf([1, 2, 3], device), Tensor([[2.0], [3.0]], device=device)
    for other, array in ((y, y.numpy()), (2, 2)):
        result = compare(x, other)
        assert result.dtype == bool and not result.requires_grad
        assert result.numpy().tolist() == compare(x.numpy(), array).tolist()
        assert compare(other, x).numpy().tolist() == compare(array, x.numpy()).tolist()


def test_nothing_compares_with_nan(device):
    x = Tensor([math.nan], device=device)
    assert [c.item() for c in (x == x, x != x, x < 1, x > 1)] == [False, True, False, False]


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
@pytest.mark.parametrize("a, b", [([6, 1], [3, 3]), ([True, False], [True, True]), ([6, 1], 3)])
def test_bits_as_in_numpy(device, name, a, b):
    x, y = Tensor(a, device=device), Tensor(b, device=device) if isinstance(b, list) else b
    result = getattr(ops, name)(x, y)
    assert result.dtype == x.dtype and show(result) == getattr(np, name)(a, b).tolist()
    for floats in ((x, 0.5), (0.5, x), (x, leaf([1, 2], device)), (leaf([1, 2], device), x)):
        with pytest.raises(TypeError, match=f"{name}: expected booleans or integers, got floating point"):
            getattr(ops, name)(*floats)


def test_bits_are_turned_round(device):
    assert show(ops.bitwise_not(Tensor([True, False], device=device))) == [False, True]
    assert show(ops.bitwise_not(Tensor([0, 5], device=device))) == [-1, -6]
    with pytest.raises(TypeError, match="bitwise_not: expected booleans or integers"):
        ops.bitwise_not(leaf([1], device))
