"""Reductions: axes, empty Tensors, ties, dtypes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf, random_leaf, show

NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "var": lambda x, **options: np.var(x, ddof=1, **options),
}
every_reduction = pytest.mark.parametrize("name", NUMPY)


@every_reduction
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 2, -1, -3, (0, 1), (2, 0), (-1, 1), (0, 1, 2)])
def test_values_and_shapes_as_numpy(device, name, axis, keepdims):
    x = random_leaf(device, 2, 3, 4, dtype=np.float64)
    y = getattr(x, name)(axis=axis, keepdims=keepdims)
    expected = NUMPY[name](x.numpy(), axis=axis, keepdims=keepdims)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)


@every_reduction
def test_float32_stays(device, name):
    x = leaf([1, 2, 3], device)
    y = getattr(ops, name)(x)
    assert y.dtype == np.float32 and y.shape == () and gradients(y, x)[0].dtype == np.float32


@pytest.mark.parametrize(
    "name, dtype", [("sum", "int64"), ("max", "int64"), ("min", "int64"), ("mean", "float32"), ("var", "float32")]
)
def test_integers(device, name, dtype):
    y = getattr(ops, name)(Tensor([1, 2, 3], device=device))
    assert y.dtype == dtype and y.item() == {"sum": 6, "max": 3, "min": 1, "mean": 2, "var": 1}[name]


def test_booleans_are_counted(device):
    assert Tensor([True, False, True], device=device).sum().item() == 2


@every_reduction
@pytest.mark.parametrize("axis", [2, -3, (0, 0), (1, -1), (0, 5)])
def test_a_wrong_axis_is_refused(device, name, axis):
    with pytest.raises(ValueError, match=rf"{name}: axis .* does not fit shape \(2, 3\)"):
        getattr(ops, name)(Tensor(np.ones((2, 3)), device=device), axis)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_a_number_is_its_own_reduction(device, name):
    x = leaf(3, device)
    y = getattr(ops, name)(x)
    assert y.item() == 3 and gradients(y, x)[0] == 1


# ---- nothing to reduce -------------------------------------------------------------------------------------------


def test_the_sum_of_nothing_is_0_and_its_mean_nan(device):
    x = leaf(np.ones((0, 3)), device)
    assert show(x.sum()) == 0 and show(x.sum(axis=0)) == [0, 0, 0]
    assert math.isnan(x.mean().item()) and np.isnan(x.mean(axis=0).numpy()).all()
    assert gradients(x.sum(), x)[0].shape == (0, 3)


@every_reduction
def test_an_empty_batch_is_reduced_along_the_other_axis(device, name):
    x = leaf(np.ones((0, 3)), device)
    y = getattr(ops, name)(x, axis=1)
    assert y.shape == (0,) and gradients(y, x)[0].shape == (0, 3)


def test_argmax_of_an_empty_batch(device):
    assert ops.argmax(Tensor(np.ones((0, 3)), device=device), axis=1).shape == (0,)


@pytest.mark.parametrize("name", ["max", "min", "argmax"])
@pytest.mark.parametrize("axis", [None, 0])
def test_there_is_no_largest_of_nothing(device, name, axis):
    with pytest.raises(ValueError, match=rf"{name}: shape \(0, 3\) has no elements along axis {axis}"):
        getattr(ops, name)(Tensor(np.ones((0, 3)), device=device), axis)


def test_the_variance_of_one_number_needs_no_correction(device):
    x = leaf([[5]], device)
    assert math.isnan(x.var().item())
    assert x.var(correction=0).item() == 0 and gradients(x.var(correction=0), x)[0] == 0


# ---- ties and nan ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, sign", [("max", 1), ("min", -1)])
def test_ties_share_the_gradient_equally(device, name, sign):
    x = leaf(sign * np.array([[1, 2, 2], [3, 0, 0]]), device)
    assert gradients(getattr(ops, name)(x, axis=1), x)[0].tolist() == [[0, 0.5, 0.5], [1, 0, 0]]


@every_reduction
def test_nan_is_passed_on(device, name):
    x = Tensor([[1.0, math.nan], [1.0, 2.0]], device=device)
    assert np.isnan(getattr(ops, name)(x, axis=1).numpy()).tolist() == [True, False]


# ---- argmax, argmin, any, all, amax, amin ---------------------------------------------------------------------------


def test_argmax_and_argmin_are_the_first_of_equals(device):
    x = Tensor([[1.0, 3.0, 3.0], [5.0, 0.0, 5.0]], device=device)
    assert show(x.argmax(axis=1)) == [1, 0] and show(x.argmax(axis=-2)) == [1, 0, 1]
    assert show((-x).argmin(axis=1)) == [1, 0] and show((-x).argmin(axis=-2)) == [1, 0, 1]
    assert x.argmax().item() == (-x).argmin().item() == 3
    assert x.argmax(axis=1).dtype == x.argmin(axis=1).dtype == np.int64


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_indices_may_keep_their_axis(device, name):
    x = random_leaf(device, 2, 3, 4)
    for axis, shape in ((None, (1, 1, 1)), (0, (1, 3, 4)), (-1, (2, 3, 1))):
        expected = getattr(np, name)(x.numpy(), axis=axis)
        kept, flat = getattr(ops, name)(x, axis, keepdims=True), getattr(ops, name)(x, axis)
        assert kept.shape == shape and flat.shape == expected.shape
        assert kept.numpy().ravel().tolist() == flat.numpy().ravel().tolist() == expected.ravel().tolist()


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_indices_along_a_wrong_axis_are_refused(device, name):
    with pytest.raises(ValueError, match=rf"{name}: axis 2 does not fit shape \(2, 3\)"):
        getattr(ops, name)(Tensor(np.ones((2, 3)), device=device), axis=2)


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize(
    "values", [[[0.0, 2.0], [0.0, 0.0]], [[-1.0, 2.0], [0.0, math.nan]], [[True, False], [True, True]]]
)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
def test_what_is_not_0_is_true(device, name, values, axis):
    x = Tensor(values, device=device)
    for options in ({}, {"keepdims": True}):
        found, expected = getattr(ops, name)(x, axis, **options), getattr(np, name)(x.numpy(), axis=axis, **options)
        assert found.dtype == np.bool_ and found.shape == expected.shape and show(found) == expected.tolist()


def test_of_nothing_all_are_true_and_none(device):
    nothing = Tensor(np.ones((2, 0)), device=device)
    assert show(nothing.all(axis=1)) == [True, True] and show(nothing.any(axis=1)) == [False, False]


@pytest.mark.parametrize("name, other", [("amax", "max"), ("amin", "min")])
def test_the_extremes_have_second_names(device, name, other):
    x = random_leaf(device, 2, 3)
    for options in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}):
        assert show(getattr(ops, name)(x, **options)) == show(getattr(ops, other)(x, **options))


# ---- precision ---------------------------------------------------------------------------------------------------


def test_the_variance_of_large_numbers_does_not_cancel(device):
    x = Tensor(np.array([1e4, 1e4 + 1, 1e4 + 2], np.float32), device=device)
    assert x.var().item() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_a_hundred_thousand_equal_numbers_have_their_mean_and_no_variance(axis):
    x = leaf(np.full((100_000, 3) if axis == 0 else (3, 100_000), 0.1))
    np.testing.assert_allclose(x.mean(axis).numpy(), np.float32(0.1), rtol=2e-6)
    assert (x.var(axis).numpy() < 1e-12).all()
    np.testing.assert_allclose(gradients(x.mean(axis), x)[0], x.mean(axis).size / x.size, rtol=1e-6)


def test_a_broadcast_operand_gets_the_sum_of_many_gradients():
    x, row = leaf(np.full((300_000, 2), 0.1)), leaf([1, 2])
    np.testing.assert_allclose(gradients(x * row, row)[0], 300_000 * np.float32(0.1), rtol=2e-6)


# ---- float16 -----------------------------------------------------------------------------------------------------


def half(values, device):
    return leaf(values, device, np.float16)


def test_float16_is_added_up_in_float32(device):
    x = half(np.ones((5000, 2)), device)
    assert show(x.sum(axis=0)) == [5000, 5000] and x.sum(axis=0).dtype == np.float16


def test_the_mean_of_float16_may_be_that_of_a_sum_beyond_65504(device):
    x = half(np.ones(100_000), device)
    assert x.mean().item() == 1 and x.mean().dtype == np.float16
    assert half(np.full((2, 60_000), 60_000), device).mean(axis=1).numpy().tolist() == [60_000] * 2


def test_the_variance_of_float16_may_be_that_of_squares_beyond_65504(device):
    x = half([200] * 3 + [-200] * 3, device)
    assert x.var(correction=0).item() == 40_000
    assert gradients(x.var(correction=0), x)[0].tolist() == [np.float16(400 / 6)] * 3 + [-np.float16(400 / 6)] * 3


def test_the_gradient_of_a_mean_of_many_float16_is_not_0(device):
    """1/n itself, 1e-7, is hardly a float16 number; times a scaled loss it is a good one."""
    x = half(np.ones(10_000_000 if device == "cpu" else 1_000_000), device)
    (x.mean() * 32768).backward()
    assert x.grad.numpy()[0] == np.float16(32768 / x.size)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.bool_, np.uint32])
def test_sums_of_integers_are_int64(device, dtype):
    total = Tensor(np.ones(3, dtype), device=device).sum()
    assert total.dtype == np.int64 and (total - 5).item() == -2


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_numpy_number_as_correction_changes_no_dtype(device, dtype):
    y = leaf([300, 0] * 150, device, dtype).var(correction=np.float64(0))
    assert y.dtype == dtype and y.item() == dtype(22_500)
