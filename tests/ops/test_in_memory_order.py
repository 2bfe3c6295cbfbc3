"""On a GPU, too, operations element by element keep the memory order; and what they compute does not depend on it."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, backend, nn, ops
from minigrad.ops.in_memory_order import Elementwise

pytestmark = pytest.mark.quick

ONE = {
    "neg": lambda x: -x,
    "exp": lambda x: x.exp(),
    "sqrt": lambda x: (x * x + 1).sqrt(),
    "log": lambda x: (x * x + 1).log(),
    "abs": abs,
    "tanh": lambda x: x.tanh(),
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
    "silu": ops.silu,
    "elu": ops.elu,
    "softplus": ops.softplus,
    "clip": lambda x: x.clip(-0.5, 0.5),
    "power": lambda x: x**3,
    "a number": lambda x: 2 / (3 - x * 0.1),
}
TWO = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (y * y + 1),
    "maximum": ops.maximum,
    "where": lambda x, y: ops.where(x > y, x, y),
    "pow": lambda x, y: (x * x + 1) ** y,
}


def channels_last(device, seed=0, dtype=np.float64, grad=True):
    """(2, 3, 4, 5), with the channels last in memory, as convolutions return it."""
    array = np.random.default_rng(seed).standard_normal((2, 4, 5, 3)).astype(dtype)
    x = Tensor(array, device=device).permute(0, 3, 1, 2).detach()
    return x.requires_grad_(grad)


def is_channels_last(x):
    return x.data.transpose(0, 2, 3, 1).flags.c_contiguous


def gradients_of(y, *inputs):
    """The gradients, given one for y in its own memory order."""
    return mg.grad(y, inputs, y.detach() * 0.5 + 1)


@pytest.mark.parametrize("name", ONE)
def test_of_one_operand(device, name):
    x, plain = channels_last(device), channels_last(device).detach().contiguous().requires_grad_()
    y, expected = ONE[name](x), ONE[name](plain)
    (grad,), (expected_grad,) = gradients_of(y, x), gradients_of(expected, plain)
    for found, right in ((y, expected), (grad, expected_grad)):
        assert is_channels_last(found)
        np.testing.assert_allclose(found.numpy(), right.numpy(), rtol=1e-13)


@pytest.mark.parametrize("name", TWO)
def test_of_two_operands(device, name):
    inputs = channels_last(device), channels_last(device, 1)
    plain = [x.detach().contiguous().requires_grad_() for x in inputs]
    y, expected = TWO[name](*inputs), TWO[name](*plain)
    grads, expected_grads = gradients_of(y, *inputs), gradients_of(expected, *plain)
    for found, right in zip((y, *grads), (expected, *expected_grads), strict=True):
        assert is_channels_last(found)
        np.testing.assert_allclose(found.numpy(), right.numpy(), rtol=1e-13)


@pytest.mark.parametrize(
    "shape", [(), (5,), (4, 1), (3, 1, 1), (1, 3, 1, 5), (2, 1, 4, 5), (2, 3, 4, 5), (7, 1, 1, 1, 1)]
)
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", TWO)
def test_operands_that_broadcast(device, name, shape, swapped):
    x, array = channels_last(device), np.random.default_rng(1).standard_normal(shape)
    y = Tensor(array, requires_grad=True, device=device)
    plain = [Tensor(v.detach().numpy(), requires_grad=True) for v in (x, y)]
    order = slice(None, None, -1 if swapped else 1)
    found, expected = TWO[name](*(x, y)[order]), TWO[name](*plain[order])
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-13)
    if device != "cpu" and len(shape) <= 4:
        assert is_channels_last(found)
    for one, other in zip(gradients_of(found, x, y), gradients_of(expected, *plain), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-12)


def test_second_derivatives_and_a_graph_that_is_kept(device):
    x = channels_last(device)
    y = x.tanh() * x.exp()
    for _ in range(2):  # the first sweep leaves what was saved as it was
        (first,) = mg.grad(y, x, y.detach(), retain_graph=True)
    (recorded,) = mg.grad(y, x, y.detach(), create_graph=True)
    np.testing.assert_allclose(first.numpy(), recorded.numpy(), rtol=1e-13)
    assert np.isfinite(mg.grad(recorded.sum(), x)[0].numpy()).all()


def test_a_change_in_place_is_noticed_in_any_memory_order(device):
    x = channels_last(device)
    y = x * x
    with mg.no_grad():
        x += 1
    with pytest.raises(RuntimeError, match="backward of Mul: an input of shape .* was changed in place"):
        mg.grad(y, x, channels_last(device, 2, grad=False))


def test_a_residual_block_stays_channels_last(device):
    x = channels_last(device, dtype=np.float32)
    conv = nn.Conv2d(3, 3, 3, padding=1).to(device)
    norm = nn.BatchNorm2d(3).to(device)
    y = ops.relu(norm(conv(x)) + x) * 2
    assert is_channels_last(y)
    y.sum().backward()
    assert is_channels_last(x.grad)


def test_every_operation_element_by_element_is_known_as_one():
    """Those that pass elements on are not: copies, casts, and what chooses by a mask, which has its own care."""
    names = {cls.__name__ for cls in Elementwise.__subclasses__()}
    assert {"Add", "Mul", "ReLU", "Sigmoid", "Tanh", "Clip", "Where", "Exp", "Relation", "Softplus"} <= names
    assert backend.memory_order(np.zeros((2, 3, 4)).transpose(2, 0, 1)) == (1, 2, 0)
