"""Pooling against its definition; ties, padding, nan, empty batches, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf, naive_pool2d, random_leaf, show

pytestmark = pytest.mark.quick

# shape, kernel, stride, padding
CALLS = {
    "2": ((2, 3, 4, 6), 2, None, 0),
    "odd size": ((2, 3, 5, 7), 2, None, 0),
    "overlapping, padded": ((2, 3, 5, 6), 3, 2, 1),
    "pairs": ((1, 2, 5, 6), (2, 3), (3, 1), (1, 0)),
    "stride beyond kernel": ((1, 2, 7, 6), 2, 3, 0),
    "whole picture": ((2, 2, 3, 4), (3, 4), None, 0),
    "1": ((1, 2, 3, 3), 1, None, 0),
    "more than 256 positions": ((1, 1, 18, 18), 17, 1, 0),
}
every_call = pytest.mark.parametrize("shape, kernel, stride, padding", CALLS.values(), ids=CALLS)
every_pool = pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])


def as_pair(value):
    return value if isinstance(value, tuple) else (value, value)


@every_call
def test_the_definition(device, shape, kernel, stride, padding):
    x = random_leaf(device, *shape)
    sizes = [as_pair(v) for v in (kernel, kernel if stride is None else stride, padding)]
    largest, mean = ops.max_pool2d(x, kernel, stride, padding), ops.avg_pool2d(x, kernel, stride, padding)
    np.testing.assert_array_equal(largest.numpy(), naive_pool2d(x.numpy(), np.max, *sizes, -np.inf))
    np.testing.assert_allclose(mean.numpy(), naive_pool2d(x.numpy(), np.mean, *sizes, 0), rtol=1e-5, atol=1e-6)
    assert largest.dtype == mean.dtype == np.float32


@every_call
def test_max_pool_sends_each_gradient_to_one_element(device, shape, kernel, stride, padding):
    x = random_leaf(device, *shape)
    y = ops.max_pool2d(x, kernel, stride, padding)
    (gradient,) = gradients(y, x)
    assert gradient.dtype == np.float32 and gradient.sum() == y.size
    assert (x.numpy() * gradient).sum() == pytest.approx(y.numpy().sum(), rel=1e-4)


def test_the_first_of_equals_wins(device):
    x = leaf([[[[1, 1, 0, 2], [1, 1, 2, 2]]]], device)
    assert gradients(ops.max_pool2d(x, 2), x)[0].tolist() == [[[[1, 0, 0, 1], [0, 0, 0, 0]]]]


def test_padding_never_wins(device):
    x = leaf([[[[-1, -2], [-3, -4]]]], device)
    y = ops.max_pool2d(x, 2, 2, 1)
    assert show(y) == [[[[-1, -2], [-3, -4]]]] and gradients(y, x)[0].tolist() == [[[[1, 1], [1, 1]]]]


def test_padding_counts_as_zeros_in_the_mean(device):
    x = leaf([[[[4, 8]]]], device)
    y = ops.avg_pool2d(x, (1, 2), 1, (0, 1))
    assert show(y) == [[[[2, 6, 4]]]] and gradients(y, x)[0].tolist() == [[[[1, 1]]]]


def test_padding_may_count_not_at_all_in_the_mean(device):
    x = leaf([[[[1, 2], [3, 4]]]], device)
    y = ops.avg_pool2d(x, 2, 1, 1, count_include_pad=False)
    assert show(y) == [[[[1, 1.5, 2], [2, 2.5, 3], [3, 3.5, 4]]]] and y.dtype == np.float32
    assert gradients(y, x)[0].tolist() == [[[[2.25, 2.25], [2.25, 2.25]]]]  # 1 + ½ + ½ + ¼
    assert show(ops.avg_pool2d(x, (1, 2), 1, (0, 1), count_include_pad=False)) == [[[[1, 1.5, 2], [3, 3.5, 4]]]]
    assert show(ops.avg_pool2d(x, 2, count_include_pad=False)) == [[[[2.5]]]]


@every_pool
def test_nan_is_passed_on(device, name):
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    for position in range(2):
        x[0, 0, position, position] = math.nan
    y = getattr(ops, name)(Tensor(x, device=device), 2)
    assert np.isnan(y.numpy()).tolist() == [[[[True, False]]]]


def test_minus_infinity_is_a_number_like_any_other(device):
    x = leaf([[[[-math.inf, -math.inf], [-math.inf, 1]]]], device)
    assert show(ops.max_pool2d(x, (1, 2))) == [[[[-math.inf], [1]]]]


def test_the_gradient_goes_to_the_first_nan(device):
    nan, inf = math.nan, math.inf
    x = leaf([[[[1, nan, inf, 2], [3, nan, 2, nan]]]], device)
    assert gradients(ops.max_pool2d(x, 2), x)[0].tolist() == [[[[0, 1, 0, 0], [0, 0, 0, 1]]]]


def test_padding_does_not_win_over_minus_infinity(device):
    x = leaf(np.full((1, 1, 4, 4), -math.inf), device)
    y = ops.max_pool2d(x, 3, 2, 1)
    assert (y.numpy() == -math.inf).all()
    (gradient,) = gradients(y, x)
    assert gradient[0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@every_pool
def test_float16(device, name):
    x = leaf(np.full((1, 1, 40, 50), 100), device, np.float16)
    y = getattr(ops, name)(x, (40, 50))
    assert y.dtype == np.float16 and y.item() == 100
    assert gradients(y, x)[0].sum(dtype=np.float32) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_adaptive_means_of_float16(device, size):
    x = Tensor(np.full((1, 1, 40, 50), 100, np.float16), device=device)
    y = ops.adaptive_avg_pool2d(x, size)
    assert y.dtype == np.float16 and (y.numpy() == 100).all()


@every_pool
def test_an_empty_batch(device, name):
    x = random_leaf(device, 0, 3, 4, 4)
    y = getattr(ops, name)(x, 2)
    assert y.shape == (0, 3, 2, 2) and gradients(y, x)[0].shape == x.shape


@every_pool
def test_padding_beyond_half_the_kernel_is_refused(device, name):
    with pytest.raises(ValueError, match=rf"{name}: padding \(2, 2\) is more than half of the kernel \(3, 3\)"):
        getattr(ops, name)(random_leaf(device, 1, 1, 4, 4), 3, 1, 2)


@pytest.mark.parametrize("op", [ops.max_pool2d, ops.avg_pool2d, ops.adaptive_avg_pool2d], ids=lambda op: op.__name__)
def test_integers_are_refused(device, op):
    with pytest.raises(TypeError, match=f"{op.__name__}: expected one floating dtype, got x: int64"):
        op(Tensor(np.ones((1, 1, 5, 5), np.int64), device=device), 2)


# ---- adaptive ----------------------------------------------------------------------------------------------------


def test_adaptive_means_over_an_even_grid_are_plain_pooling(device):
    x = random_leaf(device, 2, 3, 4, 6)
    y = ops.adaptive_avg_pool2d(x, (2, 3))
    assert y.node.name == "AvgPool2d"
    np.testing.assert_array_equal(y.numpy(), ops.avg_pool2d(x, 2).numpy())


def cells(n, count):
    return [slice(i * n // count, math.ceil((i + 1) * n / count)) for i in range(count)]


@pytest.mark.parametrize("size", [1, (1, 1), 2, (3, 2), (5, 7), (2, 3), (4, 6), (6, 9), (2, 1), (1, 2), (5, 2), (2, 7)])
def test_adaptive_means_over_a_grid(device, size):
    x = random_leaf(device, 2, 3, 5, 7)
    y = ops.adaptive_avg_pool2d(x, size)
    rows, columns = as_pair(size)
    expected = [[x.numpy()[:, :, r, c].mean(axis=(2, 3)) for c in cells(7, columns)] for r in cells(5, rows)]
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), np.transpose(expected, (2, 3, 0, 1)), rtol=1e-5, atol=1e-6)
    assert gradients(y, x)[0].sum() == pytest.approx(y.size, rel=1e-5)


def test_an_adaptive_size_of_none_is_that_of_the_picture(device):
    x = leaf([[[[1, 3, 5, 7], [5, 7, 9, 11]]]], device)
    for size, expected in (
        ((None, 2), [[2, 6], [6, 10]]),
        ([1, None], [[3, 5, 7, 9]]),
        ((None, None), [[1, 3, 5, 7], [5, 7, 9, 11]]),
    ):
        assert show(ops.adaptive_avg_pool2d(x, size)) == [[expected]]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_adaptive_of_an_empty_batch(device, size):
    x = random_leaf(device, 0, 2, 4, 4)
    y = ops.adaptive_avg_pool2d(x, size)
    assert y.shape == (0, 2, size, size) and gradients(y, x)[0].shape == x.shape


@pytest.mark.parametrize("size", [0, -1, (1, 0), 1.5, None, (1, 2, 3)])
def test_adaptive_sizes_are_checked(device, size):
    with pytest.raises(ValueError, match="adaptive_avg_pool2d: output_size must be an int >= 1 or a pair of them"):
        ops.adaptive_avg_pool2d(random_leaf(device, 1, 1, 4, 4), size)


@pytest.mark.parametrize("height, width", [(0, 4), (4, 0)])
def test_adaptive_of_an_empty_picture_is_refused(device, height, width):
    with pytest.raises(
        ValueError, match=rf"adaptive_avg_pool2d: pictures of shape \(1, 1, {height}, {width}\) are empty"
    ):
        ops.adaptive_avg_pool2d(random_leaf(device, 1, 1, height, width), 2)


def test_adaptive_of_a_single_line_repeats_it(device):
    x = leaf([[[[1, 3]]]], device)
    assert show(ops.adaptive_avg_pool2d(x, 2)) == [[[[1, 3], [1, 3]]]]
    assert show(ops.adaptive_avg_pool2d(x.permute(0, 1, 3, 2), 2)) == [[[[1, 1], [3, 3]]]]
