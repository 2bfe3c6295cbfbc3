"""Masks select: what they hide may have an infinite slope or be nan without spoiling the gradient."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, ops
from minigrad.ops.conv import conv2d_relu
from minigrad.ops.norm import batch_norm_add_relu

inf, nan = np.inf, np.nan


def grad_of(fn, values, device):
    """The gradient of Σ fn(x) at `values`, as nested lists."""
    x = Tensor(np.asarray(values, np.float32), requires_grad=True, device=device)
    fn(x).sum().backward()
    return x.grad.numpy().tolist()


BESIDE_A_POLE = {
    "relu": lambda x: ops.sqrt(ops.relu(x)),
    "clip": lambda x: ops.sqrt(ops.clip(x, 0, 9)),
    "maximum": lambda x: ops.sqrt(ops.maximum(x, 0.0)),
    "maximum of Tensors": lambda x: ops.sqrt(ops.maximum(x.detach() * 0, x)),
    "minimum": lambda x: ops.sqrt(-ops.minimum(-x, 0.0)),
    "where": lambda x: ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 0.0)), 0.0),
    "absolute": lambda x: ops.sqrt(abs(x * Tensor(np.array([0, 1], x.dtype), device=x.device))),
    "max": lambda x: ops.sqrt(ops.stack([x, x.detach() * 0]).max(axis=0)),
    "convolution": lambda x: ops.sqrt(
        conv2d_relu(x.reshape(2, 1, 1, 1), Tensor(np.ones((1, 1, 1, 1), x.dtype), device=x.device))
    ),
}


@pytest.mark.parametrize("fn", BESIDE_A_POLE.values(), ids=BESIDE_A_POLE)
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
def test_where_nothing_passes_an_infinite_slope_is_no_nan(device, fn, dtype):
    x = Tensor(np.array([-1.0, 4.0], dtype), requires_grad=True, device=device)
    fn(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0.25], rtol=1e-3)


def test_the_logarithm_behind_a_condition(device):
    x = Tensor([-1.0, 4.0], requires_grad=True, device=device)
    ops.log(ops.where(x > 0, x, 1.0)).sum().backward()
    assert x.grad.numpy().tolist() == [0, 0.25]


def test_dropout_drops_infinities(device):
    x = Tensor([inf, nan, 1.0] * 20, requires_grad=True, device=device)
    y = ops.dropout(x, 0.5)
    dropped = y.numpy() == 0
    assert 0 < dropped.sum() < 60 and np.array_equal(np.isnan(y.numpy()), np.isnan(x.numpy()) & ~dropped)
    y.backward(np.full(60, inf, np.float32))
    assert np.array_equal(x.grad.numpy(), np.where(dropped, 0, inf))
    assert ops.dropout(x, 1.0).numpy().tolist() == [0.0] * 60


def test_batch_norm_with_a_relu_stops_infinite_gradients(device):
    x = Tensor(np.arange(4.0, dtype=np.float32).reshape(4, 1, 1, 1), requires_grad=True, device=device)
    shortcut = Tensor(np.zeros((4, 1, 1, 1), np.float32), requires_grad=True, device=device)
    y = batch_norm_add_relu(x, None, None, None, None, True, shortcut=shortcut, relu=True)
    g = np.where(y.numpy() > 0, 1, inf).astype(np.float32)
    y.backward(g)
    assert shortcut.grad.numpy().ravel().tolist() == [0, 0, 1, 1] and np.isfinite(x.grad.numpy()).all()


# ---- nan, infinities and zeros: which operand gets the gradient -------------------------------------------------


@pytest.mark.parametrize("operation", [ops.maximum, ops.minimum])
def test_maximum_and_minimum_send_the_gradient_to_the_nan(device, operation):
    a = Tensor([nan, 1.0, nan, 2.0], requires_grad=True, device=device)
    b = Tensor([1.0, nan, nan, 2.0], requires_grad=True, device=device)
    operation(a, b).sum().backward()
    assert a.grad.numpy().tolist() == [1, 0, 0.5, 0.5] and b.grad.numpy().tolist() == [0, 1, 0.5, 0.5]


@pytest.mark.parametrize("operation", [ops.max, ops.min])
def test_max_and_min_send_the_gradient_to_the_first_nan(device, operation):
    x = Tensor([[1.0, nan, 3.0, nan], [2.0, 2.0, 2.0, 2.0]], requires_grad=True, device=device)
    operation(x, axis=1).sum().backward()
    assert x.grad.numpy().tolist() == [[0, 1, 0, 0], [0.25] * 4]


def test_the_first_nan_is_the_first_in_row_major_order(device):
    x = np.ones((2, 2, 2), np.float32)
    x[0, 1, 1] = x[1, 0, 0] = x[1, 1, 0] = nan
    for axes, winner in (((0, 2), {(0, 1, 1), (1, 0, 0)}), (None, {(0, 1, 1)}), ((1, 2), {(0, 1, 1), (1, 0, 0)})):
        grad = np.array(grad_of(lambda x, axes=axes: ops.max(x, axis=axes), x, device))
        assert {tuple(index) for index in np.argwhere(grad).tolist()} == winner and set(grad.ravel()) == {0, 1}


def test_relu_passes_the_gradient_of_nan(device):
    for values in ([nan, -nan], [-inf, inf]):
        x = Tensor(values, requires_grad=True, device=device)
        ops.relu(x).sum().backward()
        assert x.grad.numpy().tolist() == ([1, 1] if np.isnan(values[0]) else [0, 1])


def test_clip_stops_the_gradient_of_nan(device):
    assert grad_of(lambda x: ops.clip(x, 0, 1), [nan, 0.5, inf], device) == [0, 1, 0]


def test_the_power_zero_has_no_slope_anywhere(device):
    values = [0.0, 1.0, inf, -inf, nan]
    zeros = Tensor(np.zeros(5, np.float32), device=device)
    for fn in (lambda x: x**0, lambda x: x**0.0, lambda x: x**zeros):
        assert grad_of(fn, values, device) == [0] * 5


def test_the_slope_in_the_exponent_is_zero_at_the_base_zero(device):
    base = Tensor([0.0, 0.0, 2.0], device=device)
    assert grad_of(lambda b: base**b, [0.0, 2.0, 0.0], device) == pytest.approx([0, 0, np.log(2)])


def test_logsumexp_of_infinities(device):
    x = Tensor(
        [[inf, 0.0, inf], [inf, 1.0, 2.0], [-inf, -inf, -inf], [-inf, 0.0, 0.0]], requires_grad=True, device=device
    )
    y = ops.logsumexp(x)
    assert y.numpy().tolist() == pytest.approx([inf, inf, -inf, np.log(2)])
    y.backward(np.ones(4, np.float32))
    np.testing.assert_allclose(x.grad.numpy(), [[0.5, 0, 0.5], [1, 0, 0], [0, 0, 0], [0, 0.5, 0.5]])


ORDINARY = {
    "max": lambda x: x.max(axis=0),
    "min": lambda x: x.min(axis=1),
    "maximum": lambda x: ops.maximum(x, 0.5),
    "minimum of Tensors": lambda x: ops.minimum(x, x.detach() + 1),
    "absolute": abs,
    "logsumexp": ops.logsumexp,
}


@pytest.mark.parametrize("fn", ORDINARY.values(), ids=ORDINARY)
def test_without_nan_or_ties_backward_makes_no_masks_for_them(fn):
    x = Tensor(np.arange(1.0, 100_001.0).reshape(200, 500).astype(np.float32), requires_grad=True)
    y = fn(x)
    upstream = Tensor(np.ones(y.shape, np.float32))
    tracemalloc.start()
    y.backward(upstream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * x.data.nbytes


# ---- no warnings: an infinite result is a result -----------------------------------------------------------------

WITH_POLES = {
    "log": lambda x: ops.log(ops.relu(x)),
    "division": lambda x: 1 / ops.relu(x),
    "zero by zero": lambda x: ops.relu(x) / ops.relu(x),
    "power": lambda x: ops.relu(x) ** -1.5,
    "exp": lambda x: ops.exp(x * 1000),
    "sqrt": lambda x: ops.sqrt(x),
    "astype": lambda x: (x * x * 1e30).astype(np.float16),
    "softmax": lambda x: ops.softmax(x * inf),
}


@pytest.mark.parametrize("fn", WITH_POLES.values(), ids=WITH_POLES)
def test_infinite_results_and_slopes_are_no_warnings(device, fn):
    x = Tensor([-1.0, 4.0], requires_grad=True, device=device)
    fn(x).sum().backward()  # the tests turn warnings into errors
    (slope,) = mg.grad(fn(x).sum(), x, create_graph=True)
    assert slope.shape == (2,)


@pytest.mark.parametrize("fn", [ops.softmax, ops.log_softmax, ops.logsumexp, ops.sigmoid, ops.exp])
def test_exponentials_may_vanish(fn):
    with np.errstate(all="raise"):
        fn(Tensor([[0.0, -200.0]]))
