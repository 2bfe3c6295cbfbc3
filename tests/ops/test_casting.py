"""Other dtypes, other devices."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader
from tests.ops.helpers import gradients, leaf, show


def test_gradients_pass_between_floating_dtypes_in_the_inputs_dtype(device):
    x = leaf([1, 2], device)
    y = x.astype(np.float64)
    assert y.dtype == np.float64 and gradients(y * y, x)[0].dtype == np.float32
    assert x.astype("float32") is x


def test_integers_have_no_gradient(device):
    x = leaf([1.7, -1.7], device)
    y = x.astype(np.int64)
    assert not y.requires_grad and show(y) == [1, -1]
    assert not y.astype(np.float32).requires_grad


@pytest.mark.parametrize("dtype", ["complex64", "U3", object, np.clongdouble])
def test_dtypes_that_are_not_real_numbers_are_refused(device, dtype):
    with pytest.raises(TypeError, match="astype: expected a numeric dtype"):
        leaf([1], device).astype(dtype)


LONG = pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long doubles are float64 here")


@LONG
def test_long_doubles_are_refused_at_every_door():
    x, numbers = leaf([1, -2], "cpu"), np.array([1, -2], np.longdouble)
    doors = (
        lambda: mg.Tensor(numbers, requires_grad=True),
        lambda: x + numbers,
        lambda: setattr(x, "data", numbers),
        lambda: x.astype(np.longdouble),
        lambda: x.to(np.longdouble),
        lambda: nn.Linear(2, 2).to(np.longdouble),
        lambda: next(iter(DataLoader(numbers))),
    )
    for door in doors:
        with pytest.raises(TypeError, match=r"at most 64 bits, got .*(float|longdouble)"):
            door()


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">i2"])
def test_the_order_of_bytes_is_always_the_machines(dtype):
    x = mg.Tensor([1, -2])
    (batch,) = next(iter(DataLoader(np.array([1, -2], dtype), batch_size=2)))
    for y in (x.astype(dtype), x.to(np.dtype(dtype)), x.to(dtype=dtype), batch):
        assert y.dtype.isnative and y.dtype == np.dtype(dtype).newbyteorder("=") and show(y) == [1, -2]


def test_layers_keep_the_machines_order_of_bytes():
    layer = nn.Linear(2, 1).to(np.dtype(">f4"))
    assert layer.weight.dtype.isnative and layer(mg.Tensor([[1.0, 2.0]])).shape == (1, 1)
    assert nn.Linear(2, 1, dtype=">f8").weight.dtype == np.float64


def test_to_moves_and_brings_the_gradient_back(device):
    x = leaf([1, 2], device)
    there = x.to(device)
    assert there is x
    (gradient,) = mg.grad((x.to("cpu") * 3).sum(), [x])
    assert gradient.device == x.device and gradient.numpy().tolist() == [3, 3]


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", None, 0])
def test_unknown_devices_are_refused(device, name):
    with pytest.raises(ValueError, match="device: expected 'cpu', 'cuda' or 'cuda:<index>'"):
        leaf([1], device).to(name)
