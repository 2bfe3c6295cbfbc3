"""Batch normalisation against NumPy's own means and variances."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels import norm

AXES = (0, 2, 3)
SHAPES = [(4, 3, 5, 6), (1, 1, 1, 1), (7, 2, 1, 3), (3, 5, 4, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def array(shape, seed, device="cpu", dtype=np.float64):
    values = np.random.default_rng(seed).standard_normal(shape) * 2 + 3
    return backend.to_device(values.astype(dtype), device)


def channel(values):
    return np.asarray(values).reshape(1, -1, 1, 1)


def assert_close(result, expected, tolerance=1e-12):
    np.testing.assert_allclose(backend.to_numpy(result), expected, rtol=tolerance, atol=tolerance * 100)


@every_shape
def test_moments(device, shape):
    mean, variance = norm.moments(array(shape, 0, device))
    assert_close(mean, array(shape, 0).mean(AXES))
    assert_close(variance, array(shape, 0).var(AXES))


@every_shape
def test_scale_and_shift(device, shape):
    scale, shift = array(shape[1], 1), array(shape[1], 2)
    y = norm.scale_and_shift(array(shape, 0, device), array(shape[1], 1, device), array(shape[1], 2, device))
    assert_close(y, array(shape, 0) * channel(scale) + channel(shift))


@every_shape
def test_gradients(device, shape):
    x, g = array(shape, 0), array(shape, 1)
    mean, r, scale = x.mean(AXES), 1 / np.sqrt(x.var(AXES) + 0.1), array(shape[1], 2)
    normal = (x - channel(mean)) * channel(r)
    sums = g.sum(AXES), (g * normal).sum(AXES)
    move = [backend.to_device(a, device) for a in (g, x, scale, mean, r, *sums)]
    there_g, there_x, there_scale, there_mean, there_r, there_sum, there_sum_x = move
    for result, expected in zip(norm.batch_norm_sums(there_g, there_x, there_mean, there_r)[:2], sums, strict=True):
        assert_close(result, expected, 1e-11)
    result = norm.batch_norm_input_grad(there_g, there_x, there_scale, there_mean, there_r, there_sum, there_sum_x)
    assert_close(result, channel(scale * r) * (g - channel(sums[0]) - normal * channel(sums[1])), 1e-11)


def every_kernel(shape, dtype=np.float64, layout=lambda a: a):
    x, g, c = (
        layout(array(shape, 0, dtype=dtype)),
        layout(array(shape, 1, dtype=dtype)),
        array(shape[1], 2, dtype=dtype),
    )
    for a in (x, g, c):
        a.setflags(write=False)
    return [
        *norm.moments(x),
        norm.scale_and_shift(x, c, c),
        *norm.batch_norm_sums(g, x, c, c)[:2],
        norm.batch_norm_input_grad(g, x, c, c, c, c, c),
    ]


@every_shape
def test_tiny_blocks_change_nothing(shape, tiny_blocks, monkeypatch):
    blocked = every_kernel(shape)
    monkeypatch.undo()
    for result, expected in zip(blocked, every_kernel(shape), strict=True):
        assert_close(result, expected)


@every_shape
def test_any_number_of_threads_gives_the_same(shape, threads, tiny_blocks):
    threads(1)
    reference = every_kernel(shape, np.float32)
    for n in (1, 2, 3):
        threads(n)
        results = every_kernel(shape, np.float32)
        for result, again, expected in zip(results, every_kernel(shape, np.float32), reference, strict=True):
            np.testing.assert_array_equal(result, again)  # run to run: bit for bit
            assert_close(result, expected, 1e-5)
            assert result.dtype == np.float32


@every_shape
def test_any_layout_will_do_and_inputs_are_left_alone(shape):
    expected = every_kernel(shape)
    for layout in (np.asfortranarray, lambda a: a[::-1].copy()[::-1]):
        for result, wanted in zip(every_kernel(shape, layout=layout), expected, strict=True):
            assert_close(result, wanted)
    for result in expected:
        assert result.ndim == 1 or result.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_variance_of_large_numbers_does_not_cancel():
    x = (np.random.default_rng(0).standard_normal((8, 1, 16, 16)) + 1000).astype(np.float32)
    _, variance = norm.moments(x)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(AXES), rtol=1e-4)


@pytest.mark.parametrize("distance", [0, 1, 1.9, 2.1, 5, 9])
@pytest.mark.parametrize("shape", [(300, 16, 8, 8), (2048, 64, 1, 1), (4, 2, 50000, 1)])
def test_the_variance_keeps_its_digits(shape, distance):
    x = (np.random.default_rng(0).standard_normal(shape) + distance).astype(np.float32)
    _, variance = norm.moments(x)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(AXES), rtol=1e-5)


@pytest.mark.parametrize("distance", [0, 3, 5, 1000])
def test_gradients_of_numbers_far_from_zero(distance):
    rng = np.random.default_rng(0)
    x, g = ((rng.standard_normal((8, 2, 16, 16)) + d).astype(np.float32) for d in (distance, 0))
    mean, r = x.mean(AXES, dtype=np.float64), 1 / x.std(AXES, dtype=np.float64)
    _, sum_gx = norm.batch_norm_sums(g, x, mean.astype(np.float32), r.astype(np.float32))
    expected = (g * (x - channel(mean)) * channel(r)).sum(AXES)
    np.testing.assert_allclose(sum_gx, expected, atol=2e-8 * np.abs(g).sum() * (1 + distance / 10))


@pytest.mark.parametrize("value", [0, 3, np.nan, np.inf])
def test_the_variance_of_equal_numbers(value, device):
    x = backend.to_device(np.full((2, 3, 4, 4), value, np.float32), device)
    with np.errstate(invalid="ignore"):
        _, variance = norm.moments(x)
    np.testing.assert_array_equal(backend.to_numpy(variance), np.full(3, 0 if np.isfinite(value) else np.nan))


def test_nothing_stays_nothing(device):
    x = array((0, 3, 4, 4), 0, device)
    assert norm.scale_and_shift(x, array(3, 1, device), array(3, 2, device)).shape == (0, 3, 4, 4)
