"""Arguments of convolution and pooling: ints or pairs, checked."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, ops
from minigrad.ops.windows import named_padding, pair

PICTURES = Tensor(np.ones((1, 1, 4, 6), np.float32))
FILTERS = Tensor(np.ones((1, 1, 2, 2), np.float32))


@pytest.mark.parametrize("value, expected", [(2, (2, 2)), ((2, 3), (2, 3)), ([2, 3], (2, 3))])
def test_an_int_or_a_pair(value, expected):
    assert pair("conv2d", "stride", value, 1) == expected


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", None, (1,), (1, 2, 3), (1, 0), (1, 1.5)])
def test_other_values_are_refused_by_name(value):
    with pytest.raises(ValueError, match="conv2d: stride must be an int >= 1 or a pair of them, got "):
        ops.conv2d(PICTURES, FILTERS, stride=value)


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("argument, value", [("kernel_size", 0), ("stride", 0), ("padding", -1)])
def test_pools_refuse_them_too(pool, argument, value):
    with pytest.raises(ValueError, match=rf"{pool}: {argument} must be an int >= \d or a pair of them, got {value}"):
        getattr(ops, pool)(PICTURES, **({"kernel_size": 2} | {argument: value}))


@pytest.mark.parametrize(
    "padding, kernel, dilation, expected",
    [
        (3, (2, 2), 1, (3, (0, 0))),
        ((1, 2), (2, 2), 1, ((1, 2), (0, 0))),
        ("valid", (3, 4), 1, (0, (0, 0))),
        ("same", (1, 1), 1, ((0, 0), (0, 0))),
        ("same", (3, 5), 1, ((1, 2), (0, 0))),
        ("same", (2, 4), 1, ((0, 1), (1, 1))),
        ("same", (4, 5), (1, 2), ((1, 4), (1, 0))),
        ("same", (2, 2), (3, 4), ((1, 2), (1, 0))),
    ],
)
def test_padding_by_name(padding, kernel, dilation, expected):
    assert named_padding("conv2d", padding, kernel, 1, dilation) == expected


@pytest.mark.parametrize(
    "options, message",
    [
        ({"padding": "full"}, "conv2d: padding must be numbers, 'same' or 'valid', got 'full'"),
        ({"padding": "same", "stride": 2}, "conv2d: padding='same' needs stride 1, got 2"),
        ({"padding": "same", "stride": (1, 2)}, r"conv2d: padding='same' needs stride 1, got \(1, 2\)"),
        ({"padding": "same", "stride": 0}, "conv2d: stride must be an int >= 1"),
        ({"padding": "same", "dilation": 0}, "conv2d: dilation must be an int >= 1"),
    ],
)
def test_names_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ops.conv2d(PICTURES, FILTERS, **options)


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6), (1, 1, 1, 4, 6), ()])
@pytest.mark.parametrize(
    "name, op",
    [
        ("conv2d", lambda x: ops.conv2d(x, FILTERS)),
        ("max_pool2d", lambda x: ops.max_pool2d(x, 2)),
        ("avg_pool2d", lambda x: ops.avg_pool2d(x, 2)),
        ("adaptive_avg_pool2d", lambda x: ops.adaptive_avg_pool2d(x, 2)),
    ],
)
def test_pictures_have_four_axes(name, op, shape):
    with pytest.raises(ValueError, match=rf"{name}: expected pictures of shape \(N, C, H, W\), got shape \("):
        op(Tensor(np.ones(shape, np.float32)))


def test_a_kernel_larger_than_the_padded_picture_is_refused():
    with pytest.raises(ValueError, match=r"pictures of 4x6 with padding \(0, 0\) are smaller than the kernel \(5, 1\)"):
        ops.max_pool2d(PICTURES, (5, 1))
    with pytest.raises(ValueError, match=r"smaller than the kernel \(2, 2\) with dilation \(4, 1\)"):
        ops.conv2d(PICTURES, FILTERS, dilation=(4, 1))
    assert ops.conv2d(PICTURES, FILTERS, dilation=(3, 5)).shape == (1, 1, 1, 1)
