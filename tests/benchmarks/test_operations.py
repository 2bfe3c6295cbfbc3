from __future__ import annotations

import numpy as np
import pytest

from benchmarks import operations
from benchmarks.tables import ROWS


def _convolution(made):
    def layer(framework):
        made.append(framework.nn.Conv2d(4, 2, 3))
        return made[0]

    return layer


def _before(framework):
    return framework.nn.Conv2d(4, 4, 1)


def test_backward_times_only_the_way_back_and_leaves_the_gradients_of_one_pass(framework):
    made = []
    step = operations.operation_step(framework, _convolution(made), (2, 4, 6, 6), _before, backward=True)
    assert step() > 0
    once = np.array(made[0].weight.grad.numpy())
    step()
    np.testing.assert_array_equal(made[0].weight.grad.numpy(), once)


def test_forward_leaves_the_timing_to_the_caller_and_no_gradients(framework):
    made = []
    step = operations.operation_step(framework, _convolution(made), (2, 4, 6, 6), _before, backward=False)
    assert step() is None
    assert made[0].weight.grad is None


@pytest.mark.parametrize(("before", "asked"), [(None, False), (_before, True)])
def test_only_pictures_that_come_out_of_a_layer_get_gradients(framework, before, asked):
    seen = []

    class Spy(framework.nn.Conv2d):
        def forward(self, x):
            seen.append(x.requires_grad)
            return super().forward(x)

    operations.operation_step(framework, lambda _: Spy(4, 2, 3), (2, 4, 6, 6), before, backward=True)()
    assert set(seen) == {asked}


@pytest.mark.parametrize("layer", [operations.cross_entropy, operations.chain])
@pytest.mark.parametrize("backward", [False, True])
def test_operations_without_pictures_run(framework, layer, backward):
    shape = (256, 1000) if layer is operations.cross_entropy else (32,)
    seconds = operations.operation_step(framework, layer, shape, None, backward)()
    assert (seconds is not None) == backward


def test_flops_are_two_for_each_multiply_add_and_twice_as_many_backward():
    forward = 2 * (8 * 28 * 28 * 128) * (64 * 3 * 3)  # outputs, and products that each sums up
    assert ROWS["conv3x3/2-64-128-forward"].flops == forward
    assert ROWS["conv3x3/2-64-128-backward"].flops == 2 * forward
    first = 2 * (64 * 28 * 28 * 6) * (3 * 5 * 5)
    assert ROWS["conv5x5-3-6-forward"].flops == ROWS["conv5x5-3-6-backward"].flops == first


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_optimizers_step_with_resnets_parameters(framework, name):
    made = framework.resnet18()
    step = operations.optimizer_step(framework.__class__(**{**vars(framework), "resnet18": lambda: made}), name)
    before = np.array(made.fc.weight.detach().numpy())
    step()
    assert np.abs(made.fc.weight.detach().numpy() - before).max() > 0
