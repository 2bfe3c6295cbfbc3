"""Losses of numbers, and what all losses share: values by hand, reductions, float16, wrong targets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from minigrad.backend import DeviceError
from tests.ops.helpers import gradients, leaf, random_leaf, show


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss", "smooth_l1_loss"])
def test_reductions(device, name):
    x = random_leaf(device, 4, 3)
    target = [0, 2, 1, 1] if name == "cross_entropy" else [[0.0] * 3] * 4
    loss = getattr(ops, name)
    each = loss(x, target, reduction="none")
    assert each.shape == ((4,) if name == "cross_entropy" else (4, 3))
    assert loss(x, target, reduction="sum").item() == pytest.approx(each.numpy().sum(), rel=1e-6)
    assert (
        loss(x, target).item()
        == loss(x, target, reduction="mean").item()
        == pytest.approx(each.numpy().mean(), rel=1e-6)
    )
    with pytest.raises(ValueError, match=f"{name}: reduction must be 'mean', 'sum' or 'none', got 'average'"):
        loss(x, target, reduction="average")


def test_mse_by_hand(device):
    x, target = leaf([1, 5], device), leaf([2, 2], device)
    assert ops.mse_loss(x, target).item() == 5
    to_x, to_target = gradients(ops.mse_loss(x, target), x, target)
    assert to_x.tolist() == [-1, 3] and to_target.tolist() == [1, -3]


def test_smooth_l1_is_a_parabola_near_0_and_a_line_beyond(device):
    x, target = leaf([0.5, -0.5, 3, -3, 1, 0], device), [0.0] * 6
    loss = ops.smooth_l1_loss(x, target, reduction="none")
    assert show(loss) == [0.125, 0.125, 2.5, 2.5, 0.5, 0] and gradients(loss, x)[0].tolist() == [0.5, -0.5, 1, -1, 1, 0]
    assert show(ops.smooth_l1_loss(x, target, 4.0, "none")) == [0.03125, 0.03125, 1.125, 1.125, 0.125, 0]


@pytest.mark.parametrize("beta", [0, -1.0])
def test_beta_is_positive(device, beta):
    with pytest.raises(ValueError, match=f"smooth_l1_loss: beta must be positive, got {beta}"):
        ops.smooth_l1_loss(leaf([1], device), leaf([1], device), beta=beta)


@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss"])
def test_nothing_is_broadcast(device, name):
    with pytest.raises(ValueError, match=rf"{name}: pred has shape \(2, 1\), target \(2,\)"):
        getattr(ops, name)(random_leaf(device, 2, 1), random_leaf(device, 2))


@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss"])
def test_an_empty_regression(device, name):
    x = random_leaf(device, 0, 4)
    loss = getattr(ops, name)
    assert math.isnan(loss(x, x.detach()).item()) and loss(x, x.detach(), reduction="sum").item() == 0
    assert gradients(loss(x, x.detach(), reduction="none"), x)[0].shape == (0, 4)


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss"])
def test_an_array_is_not_moved_to_the_other_device_by_itself(device, name):
    x = random_leaf(device, 4, 3)
    target = np.zeros(4, np.int64) if name == "cross_entropy" else np.zeros((4, 3), np.float32)
    if device == "cpu":
        assert getattr(ops, name)(x, target).size == 1
    else:
        with pytest.raises(DeviceError, match="cpu and cuda:0"):
            getattr(ops, name)(x, target)


def test_smooth_l1_of_huge_differences_does_not_overflow(device):
    x = leaf([1e38, -1e38], device)
    loss = ops.smooth_l1_loss(x, [0.0, 0.0], 0.5)
    assert np.isfinite(loss.item()) and gradients(loss, x)[0].tolist() == [0.5, -0.5]


def test_float64_arrays_as_targets_do_not_change_the_dtype(device):
    x = leaf([1.0, 2.0], "cpu")
    assert ops.mse_loss(x, np.zeros(2)).dtype == np.float32


# ---- float16 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, expected", [("mse_loss", 40_000), ("smooth_l1_loss", 199.5)])
def test_regression_of_float16_does_not_overflow_on_the_way(device, name, expected):
    x, target = leaf(np.full(5000, 200), device, np.float16), Tensor(np.zeros(5000, np.float16), device=device)
    loss = getattr(ops, name)(x, target)
    assert loss.item() == expected and loss.dtype == np.float16
    slope = {"mse_loss": 400, "smooth_l1_loss": 1}[name]
    assert gradients(loss, x)[0].tolist() == [np.float16(slope / 5000)] * 5000


def test_two_dtypes_meet_in_the_wider_one(device):
    pred, target = leaf([300], device, np.float16), Tensor(np.zeros(1, np.float32), device=device)
    assert ops.mse_loss(pred, target).dtype == np.float32 and ops.mse_loss(pred, target).item() == 90_000


@pytest.mark.parametrize("target", [[0.0] * 300, np.zeros(300), np.zeros(300, np.float32)], ids=["list", "f8", "f4"])
def test_what_stands_beside_float16_does_not_make_it_overflow(target):
    h = leaf([300, 0] * 150, "cpu", np.float16)
    loss = ops.mse_loss(h, target)
    assert loss.dtype == np.float16 and loss.item() == np.float16(45_000)
    assert ops.smooth_l1_loss(h, h * 0, beta=np.float64(1000)).item() == 22.5
