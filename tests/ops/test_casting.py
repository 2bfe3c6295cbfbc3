"""Other dtypes, other devices."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
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


@pytest.mark.parametrize("dtype", ["complex64", "U3", object])
def test_dtypes_that_are_not_real_numbers_are_refused(device, dtype):
    with pytest.raises(TypeError, match="astype: expected a numeric dtype"):
        leaf([1], device).astype(dtype)


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
