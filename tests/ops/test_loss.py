"""Losses: values by hand, reductions, extreme scores, wrong targets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, nn, ops
from minigrad.backend import DeviceError
from tests.ops.helpers import gradients, leaf, random_leaf, show


def test_cross_entropy_by_hand(device):
    logits = leaf(np.log([[1, 1, 2], [1, 2, 1]]), device)
    loss = ops.cross_entropy(logits, [2, 0], "none")
    np.testing.assert_allclose(loss.numpy(), [math.log(2), math.log(4)], rtol=1e-6)
    gradient = gradients(loss, logits)[0]
    np.testing.assert_allclose(gradient, [[0.25, 0.25, -0.5], [-0.75, 0.5, 0.25]], atol=1e-6)
    assert loss.dtype == gradient.dtype == np.float32


def test_label_smoothing_shares_the_probability(device):
    logits = leaf(np.log([[1, 1, 2]]), device)
    loss = ops.cross_entropy(logits, [2], label_smoothing=0.3)
    assert loss.item() == pytest.approx(0.8 * math.log(2) + 0.2 * math.log(4), rel=1e-6)
    np.testing.assert_allclose(gradients(loss, logits)[0], [[0.15, 0.15, -0.3]], atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_a_single_class_is_certain(device, smoothing):
    logits = leaf([[3], [-3]], device)
    loss = ops.cross_entropy(logits, [0, 0], "none", smoothing)
    assert show(loss) == [0, 0] and gradients(loss, logits)[0].tolist() == [[0], [0]]


def test_all_of_the_probability_can_be_shared(device):
    logits = leaf(np.log([[1, 1, 2]]), device)
    for target in range(3):
        loss = ops.cross_entropy(logits, [target], label_smoothing=1)
        assert loss.item() == pytest.approx((math.log(2) + 2 * math.log(4)) / 3, rel=1e-6)


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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_extreme_scores_is_finite(device, smoothing):
    logits = leaf([[1e4, -1e4, 0], [-1e4, 1e4, 0]], device)
    loss = ops.cross_entropy(logits, [0, 0], "none", smoothing)
    expected = [smoothing * 1e4, 2e4 - smoothing * 1e4]
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5, atol=1e-6)
    gradient = gradients(loss, logits)[0]
    assert np.isfinite(gradient).all() and np.abs(gradient.sum(axis=1)).max() < 1e-6


def test_a_class_that_is_ruled_out(device):
    logits = leaf([[0, -math.inf, 0]], device)
    loss = ops.cross_entropy(logits, [0])
    assert loss.item() == pytest.approx(math.log(2)) and gradients(loss, logits)[0].tolist() == [[-0.5, 0, 0.5]]
    assert ops.cross_entropy(logits, [1]).item() == math.inf


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_targets_are_integers_of_any_size(device, dtype):
    logits = random_leaf(device, 3, 4)
    loss = ops.cross_entropy(logits, Tensor(np.array([0, 3, 1], dtype), device=device))
    assert loss.item() == pytest.approx(ops.cross_entropy(logits, [0, 3, 1]).item())
    assert gradients(loss, logits)[0].dtype == np.float32


@pytest.mark.parametrize("targets", [[0, 4], [-1, 0]])
def test_targets_out_of_range(device, targets):
    logits = random_leaf(device, 2, 4)
    if device == "cpu":
        smallest, largest = sorted(targets)
        with pytest.raises(ValueError, match=rf"cross_entropy: targets must lie in 0..3, got {smallest}..{largest}"):
            ops.cross_entropy(logits, targets)
    else:  # reading them back would make the GPU wait
        loss = ops.cross_entropy(logits, targets, "none").numpy()
        assert np.isnan(loss).tolist() == [not 0 <= t < 4 for t in targets]


def test_an_empty_batch(device):
    logits, targets = leaf(np.ones((0, 3)), device), Tensor(np.ones(0, np.int64), device=device)
    assert ops.cross_entropy(logits, targets, "sum").item() == 0
    assert math.isnan(ops.cross_entropy(logits, targets).item())
    assert gradients(ops.cross_entropy(logits, targets, "none"), logits)[0].shape == (0, 3)


@pytest.mark.parametrize(
    "shape, targets, options, error, message",
    [
        ((3,), [0], {}, ValueError, r"expected logits \(N, C\) and targets \(N,\), got \(3,\) and \(1,\)"),
        ((2, 3), [0], {}, ValueError, r"got \(2, 3\) and \(1,\)"),
        ((2, 3), [[0], [1]], {}, ValueError, r"got \(2, 3\) and \(2, 1\)"),
        ((2, 0), [0, 0], {}, ValueError, r"got \(2, 0\) and \(2,\)"),
        ((2, 3), [0.0, 1.0], {}, TypeError, "expected integer class numbers as targets, got float32"),
        ((2, 3), [True, False], {}, TypeError, "expected integer class numbers as targets, got bool"),
        ((2, 3), [0, 1], {"label_smoothing": 1.1}, ValueError, r"label_smoothing must lie in \[0, 1\], got 1.1"),
        ((2, 3), [0, 1], {"label_smoothing": -0.1}, ValueError, r"label_smoothing must lie in \[0, 1\], got -0.1"),
    ],
)
def test_what_does_not_fit_is_refused(device, shape, targets, options, error, message):
    with pytest.raises(error, match=f"cross_entropy: .*{message}"):
        ops.cross_entropy(random_leaf(device, *shape), targets, **options)


def test_logits_are_floating_point(device):
    with pytest.raises(TypeError, match="cross_entropy: expected one floating dtype, got logits: int64"):
        ops.cross_entropy(Tensor(np.ones((2, 3), np.int64), device=device), [0, 1])


def test_ignored_targets_count_neither_in_the_sum_nor_in_the_mean(device):
    logits = leaf(np.log([[1, 1, 2], [1, 2, 1], [3, 1, 1]]), device)
    loss = ops.cross_entropy(logits, [2, -100, 1], "none")
    np.testing.assert_allclose(loss.numpy(), [math.log(2), 0, math.log(5)], rtol=1e-6)
    mean = ops.cross_entropy(logits, [2, -100, 1])
    assert mean.item() == pytest.approx((math.log(2) + math.log(5)) / 2, rel=1e-6)
    np.testing.assert_allclose(
        gradients(mean, logits)[0], [[0.125, 0.125, -0.25], [0, 0, 0], [0.3, -0.4, 0.1]], atol=1e-6
    )
    assert math.isnan(ops.cross_entropy(logits, [7, 7, 7], ignore_index=7).item())


def test_weights_of_classes_by_hand(device):
    logits = leaf(np.log([[1, 1, 2], [1, 2, 1]]), device)
    loss = ops.cross_entropy(logits, [2, 0], weight=[1.0, 5.0, 3.0])
    assert loss.item() == pytest.approx((3 * math.log(2) + 1 * math.log(4)) / 4, rel=1e-6)
    with pytest.raises(ValueError, match="cross_entropy: expected a weight for each of 3 classes, got shape \\(2,\\)"):
        ops.cross_entropy(logits, [2, 0], weight=[1.0, 5.0])


def test_probabilities_as_targets_by_hand(device):
    logits = leaf(np.log([[1, 1, 2]]), device)
    loss = ops.cross_entropy(logits, [[0.5, 0.0, 0.5]])
    assert loss.item() == pytest.approx(0.5 * math.log(4) + 0.5 * math.log(2), rel=1e-6)
    np.testing.assert_allclose(gradients(loss, logits)[0], [[-0.25, 0.25, 0]], atol=1e-6)


def test_places_and_a_single_example(device):
    logits = leaf(np.log([[[1, 3], [1, 1]]]), device)  # two classes at two places
    loss = ops.cross_entropy(logits, [[0, 0]], "none")
    np.testing.assert_allclose(loss.numpy(), [[math.log(2), math.log(4 / 3)]], rtol=1e-6)
    alone = ops.cross_entropy(leaf(np.log([1, 3]), device), 1, "none")
    assert alone.shape == () and alone.item() == pytest.approx(math.log(4 / 3), rel=1e-6)


def test_binary_cross_entropy_is_weighed_element_by_element(device):
    p, weight = leaf([[0.5, 0.75]], device), [2.0, 0.0]
    for loss in (ops.binary_cross_entropy(p, [[1.0, 0.0]], weight=weight),
                 ops.binary_cross_entropy_with_logits(leaf([[0.0, 5.0]], device), [[1.0, 0.0]], weight=weight),
                 nn.BCELoss(weight=np.array(weight, np.float32))(p.cpu(), Tensor([[1.0, 0.0]])),
                 nn.BCEWithLogitsLoss(weight=Tensor(weight))(Tensor([[0.0, 5.0]]), Tensor([[1.0, 0.0]]))):  # fmt: skip
        assert loss.item() == pytest.approx(math.log(2))  # 2·ln 2, over two elements
    with pytest.raises(ValueError, match="broadcast"):
        ops.binary_cross_entropy(p, [[1.0, 0.0]], weight=[[1.0], [1.0]])


def test_binary_cross_entropy_by_hand(device):
    x = leaf([0.0, math.log(3)], device)
    each = ops.binary_cross_entropy_with_logits(x, [1.0, 0.0], "none", pos_weight=2.0)
    np.testing.assert_allclose(each.numpy(), [2 * math.log(2), math.log(4)], rtol=1e-6)
    of_p = ops.binary_cross_entropy(leaf([0.5, 0.75], device), [1.0, 0.0], "none")
    np.testing.assert_allclose(of_p.numpy(), [math.log(2), math.log(4)], rtol=1e-6)


# ---- regression --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_float16(device, reduction):
    """Of 70,000 equal scores each has the probability 1/70,000; their sum is beyond float16."""
    logits = leaf(np.zeros((2, 70_000)), device, np.float16)
    loss = ops.cross_entropy(logits, [0, 69_999], reduction, 0.1)
    expected = math.log(70_000) * (2 if reduction == "sum" else 1)
    assert loss.dtype == np.float16
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-3)
    gradient = gradients(loss, logits)[0]
    scale = 0.5 if reduction == "mean" else 1
    assert gradient.dtype == np.float16 and gradient[0, 0] == pytest.approx(-0.9 * scale, rel=1e-3)
    assert gradient[0, 1] == pytest.approx(0.9 / 70_000 * scale, abs=6e-8)


def test_the_mean_loss_of_many_rows_keeps_its_digits():
    loss = ops.cross_entropy(Tensor(np.zeros((400_000, 2), np.float32)), np.zeros(400_000, np.int64))
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("target", [[0.0] * 300, np.zeros(300), np.zeros(300, np.float32)], ids=["list", "f8", "f4"])
def test_what_stands_beside_float16_does_not_make_it_overflow(target):
    h = leaf([300, 0] * 150, "cpu", np.float16)
    loss = ops.mse_loss(h, target)
    assert loss.dtype == np.float16 and loss.item() == np.float16(45_000)
    assert ops.smooth_l1_loss(h, h * 0, beta=np.float64(1000)).item() == 22.5
