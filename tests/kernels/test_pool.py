"""Pooling against loops that follow the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad import backend
from minigrad.backend import array_module
from minigrad.kernels import pool
from minigrad.kernels.conv import Window

CASES = [
    *[
        (Window(kernel, stride, padding), (2, 3, 6, 7))
        for kernel, stride, padding in itertools.product([(2, 2), (3, 2)], [(1, 1), (2, 2), (3, 1)], [(0, 0), (1, 1)])
    ],
    (Window((1, 1)), (2, 3, 4, 4)),
    (Window((4, 4)), (2, 3, 4, 4)),
    (Window((2, 2), (5, 5)), (2, 3, 8, 8)),  # gaps between the windows
    (Window((17, 17), (1, 1)), (1, 2, 18, 17)),  # more than 256 positions: their numbers need two bytes
    (Window((2, 2), (2, 2)), (0, 3, 4, 4)),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].kernel}-{c[0].stride}-{c[0].padding}-{c[1]}")


def windows(x, window):
    """Yield (i, j, all elements of window (i, j) as (N, C, kh·kw)); padding is −inf."""
    (kh, kw), (sh, sw) = window.kernel, window.stride
    picture = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in window.padding)], constant_values=-np.inf)
    oh, ow = window.output_size(x.shape[2:])
    for i, j in itertools.product(range(oh), range(ow)):
        yield i, j, picture[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw].reshape(*x.shape[:2], kh * kw)


def place(values, window, size):
    """Add values[n, c, i, j, k] to element k of window (i, j) of zeros."""
    n, c, oh, ow, _ = values.shape
    (kh, kw), (sh, sw), (ph, pw) = window.kernel, window.stride, window.padding
    picture = np.zeros((n, c, size[0] + 2 * ph, size[1] + 2 * pw))
    for i, j in itertools.product(range(oh), range(ow)):
        picture[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw] += values[:, :, i, j].reshape(n, c, kh, kw)
    return picture[:, :, ph : ph + size[0], pw : pw + size[1]]


def channels_first(x):
    return x


def channels_last(x):
    return array_module(x).ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def naive_max(x, window):
    shape = (*x.shape[:2], *window.output_size(x.shape[2:]))
    y, argmax = np.zeros(shape), np.zeros(shape, int)
    for i, j, elements in windows(x, window):
        y[:, :, i, j], argmax[:, :, i, j] = elements.max(2), elements.argmax(2)
    return y, argmax


def picture(case, device="cpu", ties=False, dtype=np.float64):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, case[1]) if ties else rng.standard_normal(case[1])
    return backend.to_device(x.astype(dtype), device)


def upstream(case, device="cpu", dtype=np.float64):
    window, shape = case
    g = np.random.default_rng(1).standard_normal((*shape[:2], *window.output_size(shape[2:])))
    return backend.to_device(g.astype(dtype), device)


@every_case
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("layout", [channels_first, channels_last])
def test_max_and_its_first_argmax(device, case, ties, layout):
    y, argmax = pool.max_pool2d(layout(picture(case, device, ties)), case[0], with_argmax=True)
    expected, positions = naive_max(picture(case, ties=ties), case[0])
    np.testing.assert_array_equal(backend.to_numpy(y), expected)
    np.testing.assert_array_equal(backend.to_numpy(argmax).transpose(0, 3, 1, 2), positions)


@every_case
def test_max_without_argmax(device, case):
    y, argmax = pool.max_pool2d(picture(case, device), case[0], with_argmax=False)
    assert argmax is None
    np.testing.assert_array_equal(backend.to_numpy(y), naive_max(picture(case), case[0])[0])


@every_case
def test_gradients_go_to_the_largest_and_come_back(device, case):
    window, shape = case
    _, argmax = pool.max_pool2d(picture(case, device), window, with_argmax=True)
    chosen = np.eye(np.prod(window.kernel))[naive_max(picture(case), window)[1]]  # one-hot
    placed = pool.max_unpool2d(upstream(case, device), argmax, window, shape[2:])
    expected = place(upstream(case)[..., None] * chosen, window, shape[2:])
    np.testing.assert_allclose(backend.to_numpy(placed), expected, atol=1e-14)
    taken = pool.take_at_argmax(placed, argmax, window)
    expected_taken = np.zeros(upstream(case).shape)
    for i, j, elements in windows(expected, window):
        expected_taken[:, :, i, j] = np.where(chosen[:, :, i, j] > 0, elements, 0).sum(2)
    np.testing.assert_allclose(backend.to_numpy(taken), expected_taken, atol=1e-14)


@every_case
def test_avg_counts_padding_as_zeros(device, case):
    window, _ = case
    y = pool.avg_pool2d(picture(case, device), window)
    expected = np.zeros(y.shape)
    for i, j, elements in windows(picture(case), window):
        expected[:, :, i, j] = np.where(np.isinf(elements), 0, elements).mean(2)
    np.testing.assert_allclose(backend.to_numpy(y), expected, atol=1e-14)


@every_case
def test_spreading_evenly(device, case):
    window, shape = case
    spread = pool.avg_pool2d_backward(upstream(case, device), window, shape[2:])
    positions = np.prod(window.kernel)
    expected = place(np.repeat(upstream(case)[..., None] / positions, positions, axis=4), window, shape[2:])
    np.testing.assert_allclose(backend.to_numpy(spread), expected, atol=1e-14)


def every_kernel(case, dtype=np.float32, layout=lambda a: a):
    window, shape = case
    x, g = layout(picture(case, dtype=dtype)), layout(upstream(case, dtype=dtype))
    for array in (x, g):
        array.setflags(write=False)
    y, argmax = pool.max_pool2d(x, window, with_argmax=True)
    return [
        y,
        pool.max_unpool2d(g, argmax, window, shape[2:]),
        pool.take_at_argmax(x, argmax, window),
        pool.avg_pool2d(x, window),
        pool.avg_pool2d_backward(g, window, shape[2:]),
    ]


@every_case
def test_any_number_of_threads_gives_the_same_bits(case, threads):
    threads(1)
    expected = every_kernel(case)
    for n in (1, 2, 3):
        threads(n)
        for result, wanted in zip(every_kernel(case), expected, strict=True):
            np.testing.assert_array_equal(result, wanted)


@every_case
def test_tiny_blocks_change_nothing(case, tiny_blocks, monkeypatch):
    window = case[0]
    x = picture(case)
    blocked = [pool.max_pool2d(x, window, True)[0], pool.max_pool2d(x, window, False)[0], pool.avg_pool2d(x, window)]
    monkeypatch.undo()
    for result, wanted in zip(blocked, [naive_max(x, window)[0]] * 2 + [pool.avg_pool2d(x, window)], strict=True):
        np.testing.assert_array_equal(result, wanted)


@every_case
def test_layouts_dtypes_and_inputs(case):
    expected = every_kernel(case)
    for layout in (np.asfortranarray, channels_last, lambda a: a[::-1].copy()[::-1]):
        for result, wanted in zip(every_kernel(case, layout=layout), expected, strict=True):
            np.testing.assert_array_equal(result, wanted)
    assert {result.dtype for result in expected} == {np.dtype(np.float32)}
    for result in expected:
        assert result.strides[1] == result.itemsize or result.size == 0 or case[0].output_size(case[1][2:]) == (1, 1)


def gradient_at_argmax(x, window, device):
    """Pool x (H, W) and give 1 to each window's largest element."""
    there = backend.to_device(np.asarray(x, np.float32)[None, None], device)
    y, argmax = pool.max_pool2d(there, window, with_argmax=True)
    ones = backend.to_device(np.ones(y.shape, np.float32), device)
    gradient = pool.max_unpool2d(ones, argmax, window, there.shape[2:])
    return backend.to_numpy(y)[0, 0], backend.to_numpy(gradient)[0, 0].tolist()


@pytest.mark.parametrize("threads_used", [1, 3])
def test_the_first_nan_of_a_window_wins(device, threads, threads_used):
    threads(threads_used)
    nan, inf = np.nan, np.inf
    x = [[1, 9, nan, 2, 7, 7], [inf, nan, nan, 3, 8, 7]]
    y, gradient = gradient_at_argmax(x, Window((2, 2), (2, 2)), device)
    assert np.isnan(y[0, :2]).all() and y[0, 2] == 8
    assert gradient == [[0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0]]


def test_a_nan_wins_in_every_window_that_sees_it(device):
    x = np.arange(16.0).reshape(4, 4)
    x[1, 1] = np.nan
    y, gradient = gradient_at_argmax(x, Window((3, 3), (1, 1), (1, 1)), device)
    assert np.isnan(y).sum() == 9 and gradient[1][1] == 9 and np.sum(gradient) == 16


@pytest.mark.parametrize("window", [Window((3, 3), (2, 2), (1, 1)), Window((4, 5), (1, 2), (2, 1))], ids=str)
def test_padding_never_wins_over_minus_infinity(device, window, tiny_blocks):
    x = np.full((5, 6), -np.inf)
    y, gradient = gradient_at_argmax(x, window, device)
    assert (y == -np.inf).all() and np.sum(gradient) == y.size
    expected = np.zeros((5, 6))
    for i, j in itertools.product(*map(range, y.shape)):  # the upper left element that is not padding
        corner = (max(0, n * s - p) for n, s, p in zip((i, j), window.stride, window.padding, strict=True))
        expected[tuple(corner)] += 1
    assert gradient == expected.tolist()


def test_a_window_of_more_than_65536_positions():
    x = np.zeros((1, 65537))
    x[0, 65536] = 1
    _, gradient = gradient_at_argmax(x, Window((1, 65537)), "cpu")
    assert np.sum(gradient) == gradient[0][65536] == 1


def test_float16_windows_are_added_up_in_float32(device):
    x = backend.to_device(np.full((1, 1, 60, 60), 1000, np.float16), device)
    mean = pool.avg_pool2d(x, Window((60, 60)))
    assert mean.dtype == np.float16 and backend.to_numpy(mean).item() == 1000
    window = Window((50, 50))  # 11 by 11 of them
    ones = backend.to_device(np.ones((1, 1, 11, 11), np.float16), device)
    spread = pool.avg_pool2d_backward(ones * 50, window, (60, 60))
    assert spread.dtype == np.float16 and backend.to_numpy(spread)[0, 0, 30, 30] == np.float16(121 / 50)
    argmax = backend.to_device(np.full((1, 60, 60, 1), 0, np.uint8), device)
    placed = pool.max_unpool2d(x, argmax, Window((1, 1)), (60, 60))
    assert placed.dtype == np.float16 and (backend.to_numpy(placed) == 1000).all()


def test_the_mean_of_a_large_picture_keeps_its_digits():
    x = np.full((1, 1, 1000, 1000), 0.1, np.float32)
    assert pool.avg_pool2d(x, Window((1000, 1000))).item() == pytest.approx(np.float32(0.1), rel=2e-5)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_an_infinite_gradient_reaches_the_largest_element_alone(device, value):
    x = backend.to_device(np.arange(8.0).reshape(1, 2, 2, 2), device)
    g = backend.to_device(np.array([value, 3.0]).reshape(1, 2, 1, 1), device)
    _, argmax = pool.max_pool2d(x, Window((2, 2), (2, 2)), with_argmax=True)
    placed = backend.to_numpy(pool.max_unpool2d(g, argmax, Window((2, 2), (2, 2)), (2, 2)))
    np.testing.assert_array_equal(placed, [[[[0, 0], [0, value]], [[0, 0], [0, 3]]]])
