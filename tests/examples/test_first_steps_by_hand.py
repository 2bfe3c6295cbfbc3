"""The example in bare NumPy computes what the engine does."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from examples import first_steps_by_hand as by_hand
from minigrad import Tensor, nn, ops


@pytest.fixture
def layers():
    mg.manual_seed(0)
    return nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.Conv2d(16, 32, 3, padding=1), nn.Linear(512, 10)


@pytest.mark.parametrize("count", [1, 7])
def test_losses_scores_and_gradients_are_the_engines(layers, count):
    first, second, last = (layer.double() for layer in layers)
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((count, 3, 32, 32)), rng.integers(10, size=count)
    parameters = [p for layer in (first, second, last) for p in (layer.weight, layer.bias)]
    hidden = ops.max_pool2d(first(Tensor(images)).relu(), 2)
    scores = last(ops.max_pool2d(second(hidden).relu(), 2).flatten(1))
    loss = ops.cross_entropy(scores, labels)
    loss.backward()

    found, own_scores, kept = by_hand.loss_and_scores([p.numpy() for p in parameters], images, labels)
    assert found == pytest.approx(loss.item(), rel=1e-10)
    np.testing.assert_allclose(own_scores, scores.numpy(), rtol=1e-9, atol=1e-12)
    for gradient, p in zip(by_hand.gradients([p.numpy() for p in parameters], kept), parameters, strict=True):
        np.testing.assert_allclose(gradient, p.grad.numpy(), rtol=1e-8, atol=1e-12)


def test_both_print_the_same_after_each_epoch(capsys):
    from examples import first_steps

    first_steps.main(epochs=2)
    engine = capsys.readouterr().out
    by_hand.main(epochs=2)
    assert capsys.readouterr().out == engine
