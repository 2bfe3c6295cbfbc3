"""Batch normalisation: what it normalises, which statistics it keeps, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, ops
from minigrad.backend import DeviceError
from minigrad.ops.norm import batch_norm_add_relu
from tests import strict_cupy
from tests.ops.helpers import gradients, leaf, random_leaf

pytestmark = pytest.mark.quick


def running(device, channels=3):
    return Tensor(np.zeros(channels, np.float32), device=device), Tensor(np.ones(channels, np.float32), device=device)


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 5, 2), (2, 3, 2, 2, 2)])
def test_each_channel_gets_mean_0_and_variance_1(device, shape):
    x = random_leaf(device, *shape) * 5 + 3
    y = ops.batch_norm(x, None, None, None, None, training=True)
    axes = (0, *range(2, len(shape)))
    assert y.shape == shape and y.dtype == np.float32
    np.testing.assert_allclose(y.numpy().mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(y.numpy().var(axis=axes), 1, rtol=1e-4)


def test_scale_and_shift(device):
    x, w, b = random_leaf(device, 4, 3, 2, 2), leaf([1, 2, 3], device), leaf([4, 5, 6], device)
    plain = ops.batch_norm(x, None, None, None, None, True).numpy()
    y = ops.batch_norm(x, w, b, None, None, True)
    np.testing.assert_allclose(
        y.numpy(), plain * [[[[1]], [[2]], [[3]]]] + [[[[4]], [[5]], [[6]]]], rtol=1e-4, atol=1e-5
    )
    _, to_w, to_b = gradients(y, x, w, b)
    np.testing.assert_allclose(to_w, 0, atol=1e-4)  # Σ x̂ = 0
    assert to_b.tolist() == [16, 16, 16]


def test_training_moves_the_running_statistics_towards_the_batch(device):
    x, (mean, variance) = random_leaf(device, 4, 3, 2, 2), running(device)
    ops.batch_norm(x, None, None, mean, variance, True, momentum=0.25)
    batch = x.numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(mean.numpy(), 0.25 * batch.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(variance.numpy(), 0.75 + 0.25 * batch.var(axis=1, ddof=1), rtol=1e-5)
    assert mean.dtype == variance.dtype == np.float32 and not mean.requires_grad


def test_evaluation_uses_the_running_statistics_and_leaves_them(device):
    mean, variance = Tensor([1.0, 2.0], device=device), Tensor([4.0, 9.0], device=device)
    x, w, b = leaf([[3, 5]], device), leaf([2, 3], device), leaf([1, 0], device)
    y = ops.batch_norm(x, w, b, mean, variance, False, eps=0.0)
    np.testing.assert_allclose(y.numpy(), [[3, 3]], rtol=1e-6)
    to_x, to_w, to_b = gradients(y, x, w, b)
    np.testing.assert_allclose(to_x, [[1, 1]], rtol=1e-6)
    np.testing.assert_allclose(to_w, [1, 1], rtol=1e-6)
    assert to_b.tolist() == [1, 1] and mean.numpy().tolist() == [1, 2] and variance.numpy().tolist() == [4, 9]


def test_a_later_training_step_does_not_disturb_the_backward_of_an_evaluation(device):
    x, (mean, variance) = random_leaf(device, 4, 3), running(device)
    y = ops.batch_norm(x, None, None, mean, variance, False, eps=0.0)
    ops.batch_norm(x * 7, None, None, mean, variance, True)
    assert (gradients(y, x)[0] == 1).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wanted", ["x", "w", "b", "xw", "xb", "wb", "xwb"])
def test_any_subset_of_gradients(device, training, wanted):
    arrays = {"x": random_leaf(device, 4, 3, 2, 2), "w": leaf([1, 2, 3], device), "b": leaf([4, 5, 6], device)}
    every = gradients(ops.batch_norm(*arrays.values(), *running(device), training) ** 2, *arrays.values())
    some = [t if name in wanted else t.detach() for name, t in arrays.items()]
    y = ops.batch_norm(*some, *running(device), training) ** 2
    for name, expected in zip(arrays, every, strict=True):
        if name in wanted:
            np.testing.assert_allclose(gradients_of(y, arrays[name]), expected, rtol=1e-5, atol=1e-5)


def gradients_of(y, x):
    return mg.grad(y.sum(), [x], retain_graph=True)[0].numpy()


@pytest.mark.parametrize("training", [True, False])
def test_the_two_ways_of_computing_the_gradient_agree(device, training):
    """Without create_graph a kernel computes it, with create_graph Tensor operations do."""
    x, w, b = (random_leaf(device, *s, dtype=np.float64) for s in ((4, 3, 2, 2), (3,), (3,)))
    statistics = [Tensor(np.full(3, value), device=device) for value in (0.5, 2.0)]
    loss = (ops.batch_norm(x, w, b, *statistics, training) ** 3).sum()
    fast = mg.grad(loss, [x, w, b], retain_graph=True)
    slow = mg.grad(loss, [x, w, b], create_graph=True)
    for a, c in zip(fast, slow, strict=True):
        np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-10, atol=1e-10)


def test_a_large_mean_does_not_cancel(device):
    x = random_leaf(device, 64, 2) + 1e4
    y = ops.batch_norm(x, None, None, None, None, True)
    np.testing.assert_allclose(y.numpy().var(axis=0), 1, rtol=1e-2)


def test_a_constant_channel_becomes_0(device):
    x = leaf(np.full((4, 2), 3), device)
    y = ops.batch_norm(x, None, None, None, None, True)
    assert not y.numpy().any() and np.isfinite(gradients(y * y, x)[0]).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2), (0, 3, 2, 2)])
def test_an_empty_batch_leaves_no_trace(device, shape, training):
    x, w, b = random_leaf(device, *shape), leaf([1, 1, 1], device), leaf([0, 0, 0], device)
    mean, variance = running(device)
    y = ops.batch_norm(x, w, b, mean, variance, training)
    to_x, to_w, to_b = gradients(y, x, w, b)
    assert y.shape == to_x.shape == shape and to_w.tolist() == to_b.tolist() == [0, 0, 0]
    assert mean.numpy().tolist() == [0, 0, 0] and variance.numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_training_needs_two_values(device, shape):
    with pytest.raises(ValueError, match=r"batch_norm: training needs at least two values per channel, .* has one"):
        ops.batch_norm(random_leaf(device, *shape), None, None, None, None, True)


@pytest.mark.parametrize("missing", [0, 1])
def test_evaluation_needs_statistics(device, missing):
    statistics = list(running(device))
    statistics[missing] = None
    with pytest.raises(
        ValueError, match=r"batch_norm: evaluation \(training=False\) needs running_mean and running_var"
    ):
        ops.batch_norm(random_leaf(device, 4, 3), None, None, *statistics, False)


def test_what_is_left_out_is_a_hundred_thousandth_and_a_tenth(device):
    x = leaf([[-1], [1]], device, np.float64)
    mean, variance = Tensor(np.array([3.0]), device=device), Tensor(np.array([4.0]), device=device)
    y = ops.batch_norm(x, None, None, mean, variance, True)
    np.testing.assert_allclose(y.numpy(), np.array([[-1], [1]]) / np.sqrt(1 + 1e-5), rtol=1e-12)
    np.testing.assert_allclose([mean.item(), variance.item()], [0.9 * 3, 0.9 * 4 + 0.1 * 2], rtol=1e-12)


def test_one_of_the_running_statistics_may_be_left_out(device):
    x, (mean, variance) = random_leaf(device, 4, 3), running(device)
    ops.batch_norm(x, None, None, mean, None, True)
    ops.batch_norm(x, None, None, None, variance, True)
    assert mean.numpy().all() and (variance.numpy() != 1).all()


@pytest.mark.parametrize("shape", [(3, 0), (3, 0, 2)])
def test_no_channels_at_all(device, shape):
    x = random_leaf(device, *shape)
    assert ops.batch_norm(x, None, None, None, None, True).shape == shape


@pytest.mark.parametrize("position, name", list(enumerate(["weight", "bias", "running_mean", "running_var"])))
def test_shapes_and_dtypes_are_checked(device, position, name):
    for bad, error, message in [
        (np.ones(2, np.float32), ValueError, rf"batch_norm: {name} has shape \(2,\), input \(4, 3\) has 3 channels"),
        (np.ones(3, np.float64), TypeError, f"batch_norm: expected one floating dtype, .*{name}: float64"),
    ]:
        arguments = [None, None, *running(device)]
        arguments[position] = Tensor(bad, device=device)
        with pytest.raises(error, match=message):
            ops.batch_norm(random_leaf(device, 4, 3), *arguments, True)


def test_integers_are_refused(device):
    with pytest.raises(TypeError, match="batch_norm: expected one floating dtype, got x: int64"):
        ops.batch_norm(Tensor(np.ones((4, 3), np.int64), device=device), None, None, None, None, True)


@pytest.mark.parametrize("position, name", list(enumerate(["weight", "bias", "running_mean", "running_var"])))
def test_devices_are_checked(monkeypatch, position, name):
    strict_cupy.install(monkeypatch)
    arguments = [None, None, *running("cuda")]
    arguments[position] = Tensor([1.0, 1.0, 1.0])
    with pytest.raises(DeviceError, match=f"batch_norm: {name} is on cpu, the input on cuda:0"):
        ops.batch_norm(random_leaf("cuda", 4, 3), *arguments, True)


def test_an_input_without_channels_is_refused(device):
    with pytest.raises(ValueError, match=r"batch_norm: expected an input of shape \(N, C, ...\), got shape \(3,\)"):
        ops.batch_norm(random_leaf(device, 3), None, None, *running(device), True)


def test_a_shortcut_of_another_shape_is_named(device):
    x, shortcut = random_leaf(device, 4, 3), random_leaf(device, 1, 3)
    with pytest.raises(ValueError, match=r"batch_norm: shortcut has shape \(1, 3\), the input \(4, 3\)"):
        batch_norm_add_relu(x, None, None, None, None, True, shortcut=shortcut)


# ---- float16 -----------------------------------------------------------------------------------------------------


def half_and_single(device, shape, scale=1.0):
    rng = np.random.default_rng(0)
    values = [scale * rng.standard_normal(shape), 1 + rng.random(3), rng.random(3)]
    halves = [v.astype(np.float16) for v in values]
    return [leaf(v, device, np.float16) for v in halves], [leaf(v, device) for v in halves]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("scale", [1, 1000])
def test_float16_is_as_exact_as_float16(device, scale, create_graph):
    """Sums of 16,384 numbers, of squares up to 9 million: far beyond float16."""
    results = []
    for x, w, b in half_and_single(device, (16, 3, 32, 32), scale):
        y = ops.batch_norm(x, w, b, None, None, True)
        weights = leaf(np.random.default_rng(1).random(x.shape).astype(np.float16), device, x.dtype)
        results.append([y, *mg.grad(y, [x, w, b], weights, create_graph=create_graph)])
    for half, single in zip(*results, strict=True):
        assert half.dtype == np.float16
        assert np.abs(half.numpy() - single.numpy()).max() < 1e-3 * np.abs(single.numpy()).max()


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_of_float16_stay_float16(device, training):
    (x, w, b), _ = half_and_single(device, (16, 3, 32, 32))
    mean, variance = (Tensor(np.full(3, v, np.float16), device=device) for v in (0.5, 2))
    y = ops.batch_norm(x, w, b, mean, variance, training, momentum=0.5)
    assert {t.dtype for t in (y, mean, variance)} == {np.dtype(np.float16)}
    expected = (0.25, 1.5) if training else (0.5, 2)
    np.testing.assert_allclose(mean.numpy(), expected[0], atol=0.01)
    np.testing.assert_allclose(variance.numpy(), expected[1], atol=0.02)


def test_a_float16_batch_that_never_moves_leaves_its_mean(device):
    """0.9 is 0.8999 in float16; with it the running mean would end at 0.999."""
    x, (mean, variance) = Tensor(np.ones((4, 1), np.float16), device=device), running(device, 1)
    mean, variance = mean.astype(np.float16), variance.astype(np.float16)
    for _ in range(100):
        ops.batch_norm(x, None, None, mean, variance, True)
    assert mean.item() == pytest.approx(1, abs=6e-3) and variance.item() < 1e-3


def test_running_statistics_count_as_changed(device):
    x, (mean, variance) = random_leaf(device, 4, 3), running(device)
    kept = (mean.detach() * random_leaf(device, 3)).sum()
    before = mean._version[0]
    ops.batch_norm(x, None, None, mean, variance, True)
    assert mean._version[0] > before and kept.size == 1
