"""Activations and the softmax family: values, axes, extreme numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf, random_leaf, show

FAMILY = {"softmax": ops.softmax, "log_softmax": ops.log_softmax, "logsumexp": ops.logsumexp}
every_member = pytest.mark.parametrize("name", FAMILY)


def test_relu_is_flat_at_0_and_below(device):
    x = leaf([-1, 0, 2], device)
    assert show(ops.relu(x)) == [0, 0, 2] and gradients(ops.relu(x), x)[0].tolist() == [0, 0, 1]


def test_relu_passes_nan_on(device):
    assert math.isnan(ops.relu(Tensor([math.nan], device=device)).item())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_of_extreme_numbers(device, dtype):
    x = leaf([-math.inf, -1e4, -100, 0, 100, 1e4, math.inf], device, dtype)
    y = ops.sigmoid(x)
    assert y.dtype == dtype and show(y) == [0, 0, 0, 0.5, 1, 1, 1]
    assert np.round(gradients(y, x)[0], 5).tolist() == [0, 0, 0, 0.25, 0, 0, 0]


def test_sigmoid_keeps_its_digits_where_it_is_small(device):
    y = ops.sigmoid(Tensor([-5.0, -20.0, -80.0], device=device))
    np.testing.assert_allclose(y.numpy(), np.exp([-5, -20, -80]) / (1 + np.exp([-5, -20, -80])), rtol=1e-6)


def test_sigmoid_passes_nan_on(device):
    assert math.isnan(ops.sigmoid(Tensor([math.nan], device=device)).item())


def test_tanh_of_extreme_numbers(device):
    x = leaf([-1e4, 0, 1e4], device)
    assert show(ops.tanh(x)) == [-1, 0, 1] and gradients(ops.tanh(x), x)[0].tolist() == [0, 1, 0]


# ---- softmax, log_softmax, logsumexp -----------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_values_along_each_axis(device, axis):
    x = random_leaf(device, 2, 3, 4, dtype=np.float64)
    exponentials = np.exp(x.numpy())
    total = exponentials.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(ops.softmax(x, axis).numpy(), exponentials / total)
    np.testing.assert_allclose(ops.log_softmax(x, axis).numpy(), np.log(exponentials / total))
    np.testing.assert_allclose(ops.logsumexp(x, axis).numpy(), np.log(total).squeeze(axis))
    np.testing.assert_allclose(ops.logsumexp(x, axis, keepdims=True).numpy(), np.log(total))


def test_large_numbers_do_not_overflow(device):
    x = leaf([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]], device)
    third, half = round(1 / 3, 5), 0.5
    assert show(ops.softmax(x)) == [[half, 0, half], [third] * 3]
    assert show(ops.logsumexp(x)) == pytest.approx([1e4, -1e4], abs=2)
    log = ops.log_softmax(x).numpy()
    np.testing.assert_allclose(log, [[-math.log(2), -2e4, -math.log(2)], [-math.log(3)] * 3], rtol=1e-4)
    for op in FAMILY.values():
        assert np.isfinite(gradients(op(x), x)[0]).all()


def test_minus_infinity_has_probability_0(device):
    x = leaf([[0, -math.inf, 0]], device)
    assert show(ops.softmax(x)) == [[0.5, 0, 0.5]]
    assert show(ops.log_softmax(x)) == [[-0.69315, -math.inf, -0.69315]]
    assert show(ops.logsumexp(x)) == [0.69315]
    assert gradients(ops.logsumexp(x), x)[0].tolist() == [[0.5, 0, 0.5]]
    assert gradients(ops.log_softmax(x)[:, 0], x)[0].tolist() == [[0.5, 0, -0.5]]


def test_logsumexp_of_infinities(device):
    with np.errstate(divide="ignore"):
        x = Tensor([[-math.inf, -math.inf], [math.inf, 0]], device=device)
        assert show(ops.logsumexp(x)) == [-math.inf, math.inf]


def test_one_element_has_probability_1(device):
    x = leaf([[3], [-3]], device)
    assert show(ops.softmax(x)) == [[1], [1]] and show(ops.log_softmax(x)) == [[0], [0]]
    assert gradients(ops.softmax(x), x)[0].tolist() == [[0], [0]]


@every_member
def test_empty_batches(device, name):
    x = leaf(np.ones((0, 3)), device)
    y = FAMILY[name](x)
    assert y.shape == ((0,) if name == "logsumexp" else (0, 3)) and gradients(y, x)[0].shape == (0, 3)


@every_member
def test_integers_become_float32(device, name):
    assert FAMILY[name](Tensor([1, 2], device=device)).dtype == np.float32


@every_member
@pytest.mark.parametrize("shape, axis", [((2, 3), 2), ((2, 3), -3), ((), 0), ((2, 3), (0, 1)), ((2, 3), None)])
def test_a_wrong_axis_is_refused(device, name, shape, axis):
    with pytest.raises(ValueError, match=rf"{name}: axis .* is not an axis of shape \("):
        FAMILY[name](Tensor(np.ones(shape), device=device), axis)


@every_member
def test_an_empty_axis_is_refused(device, name):
    with pytest.raises(ValueError, match=rf"{name}: axis 1 of shape \(2, 0\) is empty"):
        FAMILY[name](Tensor(np.ones((2, 0)), device=device), 1)


@every_member
def test_the_input_is_left_alone(device, name):
    x = Tensor([[1.0, 2.0]], device=device)
    FAMILY[name](x)
    assert show(x) == [[1, 2]]


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_seventy_thousand_float16(device, axis):
    x = leaf(np.zeros((70_000, 1) if axis == 0 else (1, 70_000)), device, np.float16)
    assert (ops.softmax(x, axis).numpy() == np.float16(1 / 70_000)).all()
    for op in (lambda x: -ops.log_softmax(x, axis), lambda x: ops.logsumexp(x, axis)):
        assert (op(x).numpy() == np.float16(np.log(70_000))).all() and op(x).dtype == np.float16
    assert (gradients(ops.logsumexp(x, axis), x)[0] == np.float16(1 / 70_000)).all()


def test_softmax_along_many_rows_sums_to_1(device):
    y = ops.softmax(Tensor(np.zeros((300_000, 2), np.float32), device=device), 0).numpy()
    np.testing.assert_allclose(y, 1 / 300_000, rtol=2e-6)
