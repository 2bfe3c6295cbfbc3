"""Cross-entropy of two classes, of probabilities and of scores: values and gradients by hand, extremes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, nn, ops
from tests.ops.helpers import gradients, leaf, show

LN2 = math.log(2)


def reduced(each, reduction):
    return {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_binary_cross_entropy_by_hand(device, reduction):
    p = leaf([0.5, 0.75, 0.25], device)
    loss = ops.binary_cross_entropy(p, [1.0, 0.0, 0.5], reduction)
    third = -0.5 * math.log(0.25) - 0.5 * math.log(0.75)
    each = np.array([LN2, 2 * LN2, third])
    np.testing.assert_allclose(
        loss.numpy(), {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction], rtol=1e-6
    )


def test_the_gradient_of_binary_cross_entropy(device):
    p, target = leaf([0.5, 0.75, 0.25], device), leaf([1, 0, 0.25], device)
    ops.binary_cross_entropy(p, target, "sum").backward()
    np.testing.assert_allclose(p.grad.numpy(), [-2, 4, 0], atol=1e-6)
    assert target.grad is None


def test_a_probability_of_0_costs_100_and_its_gradient_is_finite(device):
    p = leaf([0, 1, 0, 1], device)
    loss = ops.binary_cross_entropy(p, [1.0, 0.0, 0.0, 1.0], "none")
    assert show(loss) == [100, 100, 0, 0]
    np.testing.assert_allclose(gradients(loss, p)[0], [-1e12, 1e12, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weight, factor", [(None, 1), (2.0, 2), ([2.0, 2.0, 2.0], 2)])
def test_binary_cross_entropy_of_scores_by_hand(device, reduction, weight, factor):
    x = leaf([0.0, math.log(3), 0.0], device)
    loss = ops.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.5], reduction, pos_weight=weight)
    each = np.array([factor * 1, 2, 0.5 * factor + 0.5]) * LN2
    np.testing.assert_allclose(
        loss.numpy(), {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction], rtol=1e-6
    )


def test_the_gradient_of_binary_cross_entropy_of_scores(device):
    x = leaf([0.0, math.log(3), 0.0], device)
    for weight, expected in ((None, [-0.5, 0.75, 0]), ([2.0, 2.0, 3.0], [-1, 0.75, -0.5])):
        loss = ops.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.5], "sum", pos_weight=weight)
        np.testing.assert_allclose(gradients(loss, x)[0], expected, atol=1e-6)


def test_binary_cross_entropy_of_extreme_scores_is_finite(device):
    x = leaf([1e4, -1e4, 1e4, -1e4], device)
    loss = ops.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.0, 1.0], "none")
    assert show(loss) == [0, 0, 1e4, 1e4] and gradients(loss, x)[0].tolist() == [0, 0, 1, -1]


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_binary_targets_have_the_shape_of_the_scores(device, name):
    with pytest.raises(ValueError, match=rf"{name}: pred has shape \(2, 1\), target \(2,\)"):
        getattr(ops, name)(leaf([[0.5], [0.5]], device), [0.0, 1.0])


def test_binary_cross_entropy_is_weighed_element_by_element(device):
    p, weight = leaf([[0.5, 0.75]], device), [2.0, 0.0]
    for loss in (ops.binary_cross_entropy(p, [[1.0, 0.0]], weight=weight),
                 ops.binary_cross_entropy_with_logits(leaf([[0.0, 5.0]], device), [[1.0, 0.0]], weight=weight),
                 nn.BCELoss(weight=np.array(weight, np.float32))(p.cpu(), Tensor([[1.0, 0.0]])),
                 nn.BCEWithLogitsLoss(weight=Tensor(weight))(Tensor([[0.0, 5.0]]), Tensor([[1.0, 0.0]]))):  # fmt: skip
        assert loss.item() == pytest.approx(math.log(2))  # 2·ln 2, over two elements
    with pytest.raises(ValueError, match="broadcast"):
        ops.binary_cross_entropy(p, [[1.0, 0.0]], weight=[[1.0], [1.0]])
