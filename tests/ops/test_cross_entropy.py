"""Cross-entropy of several classes: values by hand, extreme scores, weights, what is ignored, wrong targets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
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
    for options in ({}, {"weight": [2.0]}):
        loss = ops.cross_entropy(logits, [0, -1], "none", smoothing, ignore_index=-1, **options)
        assert show(loss) == [0, 0] and gradients(loss, logits)[0].tolist() == [[0], [0]]


def test_all_of_the_probability_can_be_shared(device):
    logits = leaf(np.log([[1, 1, 2]]), device)
    for target in range(3):
        loss = ops.cross_entropy(logits, [target], label_smoothing=1)
        assert loss.item() == pytest.approx((math.log(2) + 2 * math.log(4)) / 3, rel=1e-6)


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


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "uint64"])
def test_targets_are_integers_of_any_size(device, dtype):
    logits = random_leaf(device, 3, 4)
    loss = ops.cross_entropy(logits, Tensor(np.array([0, 3, 1], dtype), device=device))
    assert loss.item() == pytest.approx(ops.cross_entropy(logits, [0, 3, 1]).item())
    assert gradients(loss, logits)[0].dtype == np.float32
    for options in ({}, {"weight": [1.0] * 4}):
        ignored = ops.cross_entropy(
            logits, Tensor(np.array([0, 99, 1], dtype), device=device), ignore_index=99, **options
        )
        assert ignored.item() == pytest.approx(ops.cross_entropy(logits, [0, -100, 1], **options).item())


@pytest.mark.parametrize("targets", [[0, 4], [-1, 0]])
def test_targets_out_of_range(device, targets):
    logits = random_leaf(device, 2, 4)
    if device == "cpu":
        smallest, largest = sorted(targets)
        with pytest.raises(ValueError, match=rf"cross_entropy: targets must lie in 0..3, got {smallest}..{largest}"):
            ops.cross_entropy(logits, targets)
    else:  # reading them back would make the GPU wait
        wrong = [not 0 <= t < 4 for t in targets]
        scores = ops.log_softmax(logits)
        for loss in (
            ops.cross_entropy(logits, targets, "none"),
            ops.cross_entropy(logits, targets, "none", weight=Tensor(np.ones(4), device=device)),
            ops.nll_loss(scores, targets, "none"),
        ):
            (grad,) = gradients(loss, logits)
            assert np.isnan(loss.numpy()).tolist() == np.isnan(grad).any(axis=1).tolist() == wrong
        assert np.isnan(gradients(ops.cross_entropy(logits, targets), logits)[0]).any()


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


def test_any_target_can_be_ignored(device):
    logits = np.log([[1, 1, 2], [1, 2, 1], [3, 1, 1]])
    each = np.log([[4, 4, 2], [4, 2, 4], [5 / 3, 5, 5]])
    for ignored in range(3):
        loss = ops.cross_entropy(leaf(logits, device), [0, 1, 2], "none", ignore_index=ignored)
        expected = [0 if target == ignored else each[target, target] for target in range(3)]
        np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-6)
    assert show(ops.cross_entropy(leaf(logits, device), [1, 1, 1], "none", ignore_index=1)) == [0, 0, 0]


@pytest.mark.parametrize(
    "targets, ignored, wrong", [([5, 9], 9, 5), ([-2, -1], -1, -2), ([0, 3], -1, 3), ([1, 3], 2, 3)]
)
def test_beside_an_ignored_target_the_others_are_checked(targets, ignored, wrong):
    with pytest.raises(ValueError, match=rf"cross_entropy: targets must lie in 0..2, got -?\d..{wrong}"):
        ops.cross_entropy(random_leaf("cpu", 2, 3), targets, ignore_index=ignored)


def test_rows_may_differ_much_in_their_scores(device):
    logits = leaf([[0, 0], [1e4, 1e4], [-1e4, -1e4]], device)
    loss = ops.cross_entropy(logits, [0, 1, 0], "none")
    np.testing.assert_allclose(loss.numpy(), [math.log(2)] * 3, rtol=1e-6)
    assert gradients(loss, logits)[0].tolist() == [[-0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]]


# ---- weights of the classes --------------------------------------------------------------------------------------

LN2 = math.log(2)
TWO_ROWS = np.log([[1, 1, 2], [1, 2, 1]])  # −ln p is (2, 2, 1)·ln 2 and (2, 1, 2)·ln 2
WEIGHTS = [1.0, 5.0, 3.0]


@pytest.mark.parametrize("reduction, expected", [("none", [3, 2]), ("sum", 5), ("mean", 5 / 4)])
@pytest.mark.parametrize("ignored", [[], [-100]])
def test_weights_of_classes_by_hand(device, reduction, expected, ignored):
    logits = leaf(np.concatenate([TWO_ROWS, np.zeros((len(ignored), 3))]), device)
    loss = ops.cross_entropy(logits, [2, 0, *ignored], reduction, weight=WEIGHTS)
    expected = expected + [0] * len(ignored) if reduction == "none" else expected
    np.testing.assert_allclose(loss.numpy(), np.array(expected) * LN2, rtol=1e-6)


def test_the_share_of_every_class_in_a_smoothed_loss_has_its_weight(device):
    logits = leaf(np.concatenate([TWO_ROWS, np.zeros((1, 3))]), device)
    options = {"label_smoothing": 0.3, "weight": WEIGHTS}
    each = ops.cross_entropy(logits, [2, 0, -100], "none", **options)
    first = 0.7 * 3 * 1 + 0.1 * (1 * 2 + 5 * 2 + 3 * 1)
    second = 0.7 * 1 * 2 + 0.1 * (1 * 2 + 5 * 1 + 3 * 2)
    np.testing.assert_allclose(each.numpy(), np.array([first, second, 0]) * LN2, rtol=1e-6)
    for rows, targets in ((logits, [2, 0, -100]), (logits[:2], [2, 0])):
        mean = ops.cross_entropy(rows, targets, **options)
        assert mean.item() == pytest.approx((first + second) / (3 + 1) * LN2, rel=1e-6)


def test_there_is_a_weight_for_each_class(device):
    for loss in (ops.cross_entropy, ops.nll_loss):
        with pytest.raises(
            ValueError, match=rf"{loss.__name__}: expected a weight for each of 3 classes, got .*\(2,\)"
        ):
            loss(leaf(TWO_ROWS, device), [2, 0], weight=[1.0, 5.0])


def test_the_mean_of_ignored_targets_alone_is_nan_without_a_gradient(device):
    logits = leaf(TWO_ROWS, device)
    loss = ops.cross_entropy(logits, [7, 7], weight=WEIGHTS, ignore_index=7)
    assert math.isnan(loss.item()) and not gradients(loss, logits)[0].any()
    assert ops.cross_entropy(logits, [7, 7], "sum", weight=WEIGHTS, ignore_index=7).item() == 0


# ---- the negative logarithm of a probability ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "reduction, options, expected",
    [
        ("none", {}, [4, 5, 1]),
        ("sum", {}, 10),
        ("mean", {}, 10 / 3),
        ("none", {"ignore_index": 0}, [4, 0, 1]),
        ("mean", {"ignore_index": 0}, 5 / 2),
        ("none", {"weight": [3.0, 2.0]}, [8, 15, 2]),
        ("mean", {"weight": [3.0, 2.0]}, 25 / 7),
        ("mean", {"weight": [3.0, 2.0], "ignore_index": 0}, 10 / 4),
    ],
)
def test_nll_loss_by_hand(device, reduction, options, expected):
    log_p = leaf([[-3, -4], [-5, -6], [-2, -1]], device)
    loss = ops.nll_loss(log_p, [1, 0, 1], reduction, **options)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-6)
    assert loss.dtype == np.float32


def test_nll_loss_has_a_gradient_at_the_targets_only(device):
    log_p = leaf([[-3, -4], [-5, -6], [-2, -1]], device)
    assert gradients(ops.nll_loss(log_p, [1, 0, 1], "sum"), log_p)[0].tolist() == [[0, -1], [-1, 0], [0, -1]]


# ---- probabilities as targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, 1.5),
        ({"weight": WEIGHTS}, 0.5 * 1 * 2 + 0.5 * 3 * 1),
        ({"label_smoothing": 0.3}, 0.45 * 2 + 0.1 * 2 + 0.45),
    ],
)
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_probabilities_as_targets_by_hand(device, options, expected, reduction):
    logits = leaf([TWO_ROWS[0]] * 2, device)
    loss = ops.cross_entropy(logits, [[0.5, 0.0, 0.5]] * 2, reduction, **options)
    expected = {"none": [expected, expected], "sum": 2 * expected, "mean": expected}[reduction]
    np.testing.assert_allclose(loss.numpy(), np.array(expected) * LN2, rtol=1e-6)


def test_the_gradient_of_probabilities_as_targets(device):
    logits = leaf(TWO_ROWS[:1], device)
    loss = ops.cross_entropy(logits, [[0.5, 0.0, 0.5]])
    np.testing.assert_allclose(gradients(loss, logits)[0], [[-0.25, 0.25, 0]], atol=1e-6)


# ---- places, as in segmentation ----------------------------------------------------------------------------------


def test_places_and_a_single_example(device):
    logits = leaf(np.log([[[1, 3], [1, 1]]]), device)  # two classes at two places
    loss = ops.cross_entropy(logits, [[0, 0]], "none")
    np.testing.assert_allclose(loss.numpy(), [[math.log(2), math.log(4 / 3)]], rtol=1e-6)
    alone = ops.cross_entropy(leaf(np.log([1, 3]), device), 1, "none")
    assert alone.shape == () and alone.item() == pytest.approx(math.log(4 / 3), rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"weight": [2.0, 3.0, 4.0, 5.0]}, {"ignore_index": 1}])
@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (2, 4, 3)])
@pytest.mark.parametrize("kind", ["numbers", "probabilities", "nll_loss"])
def test_each_place_has_the_loss_of_its_own_scores(device, shape, kind, options):
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(shape)
    targets = rng.random(shape) if kind == "probabilities" else rng.integers(0, 4, (2, *shape[2:]))
    loss_of = ops.nll_loss if kind == "nll_loss" else ops.cross_entropy
    loss = loss_of(leaf(scores, device), targets.tolist(), "none", **options).numpy()
    assert loss.shape == (2, *shape[2:])
    for place in np.ndindex(loss.shape):
        row = (place[0], slice(None), *place[1:])
        target = targets[row] if kind == "probabilities" else targets[place]
        alone = loss_of(leaf(scores[row], device), target.tolist(), "none", **options)
        assert loss[place] == pytest.approx(alone.item(), rel=1e-5)


# ---- float16, and many rows --------------------------------------------------------------------------------------


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
