"""Convolution against its definition, by hand and by loops; layouts, empty batches, errors."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, kernels, ops
from minigrad.kernels.conv import Window, specification
from tests.ops.helpers import gradients, leaf, random_leaf, show

pytestmark = pytest.mark.quick

# x, w, stride, padding, dilation, groups
CALLS = {
    "1x1": ((2, 3, 4, 5), (4, 3, 1, 1), 1, 0, 1, 1),
    "3x3 padded": ((2, 3, 5, 4), (2, 3, 3, 3), 1, 1, 1, 1),
    "many filters": ((1, 1, 5, 5), (8, 1, 3, 3), 1, 1, 1, 1),
    "even kernel": ((1, 2, 5, 6), (3, 2, 2, 4), 1, 2, 1, 1),
    "strided": ((2, 2, 7, 8), (3, 2, 3, 3), 2, 1, 1, 1),
    "stride beyond kernel": ((1, 2, 8, 7), (2, 2, 2, 1), 3, 0, 1, 1),
    "padding beyond kernel": ((1, 2, 2, 3), (2, 2, 2, 1), 1, 3, 1, 1),
    "padding beyond kernel, strided": ((1, 2, 2, 3), (2, 2, 2, 1), 2, 3, 1, 1),
    "dilated": ((1, 2, 7, 7), (2, 2, 3, 2), 1, 1, 2, 1),
    "everything in pairs": ((2, 2, 7, 9), (2, 2, 2, 3), (2, 1), (1, 2), (3, 2), 1),
    "groups": ((2, 4, 5, 5), (6, 2, 3, 3), 1, 1, 1, 2),
    "groups, strided": ((2, 6, 5, 5), (3, 2, 3, 3), 2, 0, 1, 3),
    "depthwise": ((2, 3, 5, 5), (3, 1, 3, 3), 1, 1, 1, 3),
    "depthwise, two filters each": ((2, 3, 5, 5), (6, 1, 3, 3), 1, 1, 1, 3),
    "whole picture": ((2, 3, 4, 5), (2, 3, 4, 5), 1, 0, 1, 1),
    "many channels": ((2, 20, 9, 11), (24, 20, 3, 3), 1, 1, 1, 1),
    "many channels, strided": ((2, 20, 8, 7), (6, 20, 3, 3), 2, 1, 1, 1),
    "wide picture": ((2, 3, 3, 40), (2, 3, 2, 3), 1, 1, 1, 1),
    "wide picture, strided": ((2, 3, 3, 40), (2, 3, 2, 3), 2, 0, 1, 1),
    "one pixel": ((3, 2, 1, 1), (2, 2, 3, 3), 1, 1, 1, 1),
}


def pairs(*values):
    return [value if isinstance(value, tuple) else (value, value) for value in values]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_definition(device, call):
    x_shape, w_shape, stride, padding, dilation, groups = call
    x, w = random_leaf(device, *x_shape, dtype=np.float64), random_leaf(device, *w_shape, dtype=np.float64) * 1.0
    b = random_leaf(device, len(w), dtype=np.float64)
    y = ops.conv2d(x, w, b, stride, padding, dilation, groups)
    window = Window(w_shape[2:], *pairs(stride, padding, dilation), groups)
    expected = specification.conv2d(x.numpy(), w.numpy(), window)
    np.testing.assert_allclose(y.numpy(), expected + b.numpy().reshape(1, -1, 1, 1), atol=1e-12)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_gradients_are_the_transposed_maps(device, call):
    """conv2d is linear in x and in w, so ⟨g, conv2d(h, w)⟩ = ⟨∂L/∂x, h⟩ for every h, and the same for w."""
    x_shape, w_shape, *options = call
    x, w = random_leaf(device, *x_shape, dtype=np.float64), random_leaf(device, *w_shape, dtype=np.float64)
    y = ops.conv2d(x, w, None, *options)
    g = Tensor(np.random.default_rng(7).standard_normal(y.shape), device=device)
    to_x, to_w = mg.grad(y, [x, w], g)
    h_x, h_w = (Tensor(np.random.default_rng(8).standard_normal(t.shape), device=device) for t in (x, w))
    assert (g * ops.conv2d(h_x, w, None, *options)).sum().item() == pytest.approx((to_x * h_x).sum().item())
    assert (g * ops.conv2d(x, h_w, None, *options)).sum().item() == pytest.approx((to_w * h_w).sum().item())


def test_by_hand(device):
    x, w, b = leaf([[[[1, 2, 3], [4, 5, 6]]]], device), leaf([[[[1, 0], [0, -1]]]], device), leaf([10], device)
    y = ops.conv2d(x, w, b)
    assert show(y) == [[[[6, 6]]]]  # 1 − 5 + 10 and 2 − 6 + 10
    to_x, to_w, to_b = gradients(y, x, w, b)
    assert to_x.tolist() == [[[[1, 1, 0], [0, -1, -1]]]]
    assert to_w.tolist() == [[[[3, 5], [9, 11]]]] and to_b.tolist() == [2]


@pytest.mark.parametrize(
    "kernel, dilation, expected",
    [
        ((1, 1), 1, [[1, 2, 3], [4, 5, 6]]),
        ((1, 2), 1, [[3, 5, 3], [9, 11, 6]]),  # the odd column is added on the right
        ((2, 1), 1, [[5, 7, 9], [4, 5, 6]]),  # the odd row at the bottom
        ((2, 2), 1, [[12, 16, 9], [9, 11, 6]]),
        ((1, 3), 1, [[3, 6, 5], [9, 15, 11]]),
        ((1, 2), 2, [[2, 4, 2], [5, 10, 5]]),
    ],
)
def test_same_padding_keeps_the_size(device, kernel, dilation, expected):
    x = leaf([[[[1, 2, 3], [4, 5, 6]], [[0] * 3] * 2]], device)
    w = leaf(np.ones((1, 2, *kernel)), device)
    assert show(ops.conv2d(x, w, padding="same", dilation=dilation)) == [[expected]]


def test_valid_padding_is_none(device):
    x, w = leaf([[[[1, 2, 3]]]], device), leaf([[[[1, 1]]]], device)
    assert show(ops.conv2d(x, w, padding="valid")) == show(ops.conv2d(x, w)) == [[[[3, 5]]]]
    assert show(ops.conv2d(x, w, padding="valid", stride=2)) == [[[[3]]]]


@pytest.mark.parametrize(
    "x, w, message", [((1, 3, 3), (1, 1, 2, 2), "pictures"), ((1, 1, 3, 3), (1, 2, 2), "a weight")]
)
def test_padding_by_name_needs_pictures_and_filters_too(device, x, w, message):
    with pytest.raises(ValueError, match=f"conv2d: expected {message} of shape"):
        ops.conv2d(random_leaf(device, *x), random_leaf(device, *w), padding="same")


def test_float32_in_all_gradients(device):
    x, w, b = random_leaf(device, 1, 2, 4, 4), random_leaf(device, 2, 2, 3, 3), random_leaf(device, 2)
    y = ops.conv2d(x, w, b, padding=1)
    assert {y.dtype, *(g.dtype for g in gradients(y, x, w, b))} == {np.dtype("float32")}


def test_the_result_is_channels_last_in_memory():
    x, w = random_leaf("cpu", 2, 3, 4, 5), random_leaf("cpu", 6, 3, 3, 3)
    y = ops.conv2d(x, w)
    assert y.shape == (2, 6, 2, 3) and y.data.transpose(0, 2, 3, 1).flags.c_contiguous


def test_any_layout_of_the_inputs_gives_the_same(device):
    x, w = random_leaf(device, 2, 3, 5, 5), random_leaf(device, 4, 3, 3, 3)
    y = ops.conv2d(x, w)
    stored = [Tensor(t.numpy().transpose(0, 2, 3, 1).copy(), device=device).permute(0, 3, 1, 2) for t in (x, w)]
    np.testing.assert_allclose(ops.conv2d(*stored).numpy(), y.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        ops.conv2d(x[:, :, ::-1], w[:, :, ::-1]).numpy()[:, :, ::-1], y.numpy(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"groups": 2}])
def test_an_empty_batch(device, options):
    channels = 4 // options.get("groups", 1)
    x, w, b = random_leaf(device, 0, 4, 5, 5), random_leaf(device, 2, channels, 3, 3), random_leaf(device, 2)
    y = ops.conv2d(x, w, b, padding=1, **options)
    assert y.shape[:2] == (0, 2)
    to_x, to_w, to_b = gradients(y, x, w, b)
    assert to_x.shape == x.shape and not to_w.any() and to_w.shape == w.shape and to_b.tolist() == [0, 0]


@pytest.mark.parametrize("learns", ["x", "w", "b", ""])
def test_what_is_computed_of_the_weights_is_kept_where_nothing_learns(monkeypatch, learns):
    cache_weights = []
    monkeypatch.setattr(kernels.conv, "conv2d", lambda x, *rest, cache_weights=None, **options: seen(x, cache_weights))

    def seen(x, value):
        cache_weights.append(value)
        return x

    arrays = {"x": np.ones((1, 1, 3, 3)), "w": np.ones((1, 1, 1, 1)), "b": np.ones(1)}
    ops.conv2d(*[Tensor(array, requires_grad=name == learns) for name, array in arrays.items()])
    assert cache_weights == [learns == ""]


def test_nan_spreads_to_the_windows_that_see_it(device):
    x = np.ones((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 0] = np.nan
    y = ops.conv2d(Tensor(x, device=device), Tensor(np.ones((1, 1, 2, 2), np.float32), device=device))
    assert np.isnan(y.numpy())[0, 0].tolist() == [[True, False, False], [False] * 3, [False] * 3]


@pytest.mark.parametrize(
    "x, w, b, options, message",
    [
        (
            (1, 4, 5, 5),
            (16, 3, 5, 5),
            None,
            {},
            r"input has 4 channels but weight \(16, 3, 5, 5\) takes 3 \(groups=1\)",
        ),
        ((1, 4, 5, 5), (2, 4, 3, 3), None, {"groups": 2}, r"input has 4 channels but weight .* takes 8 \(groups=2\)"),
        ((1, 4, 5, 5), (3, 2, 3, 3), None, {"groups": 2}, "groups=2 must be a positive int that divides the 3 output"),
        ((1, 4, 5, 5), (3, 4, 3, 3), None, {"groups": 0}, "groups=0 must be a positive int"),
        ((1, 4, 5, 5), (3, 4, 3, 3), None, {"groups": 1.5}, "groups=1.5 must be a positive int"),
        (
            (1, 4, 5, 5),
            (3, 4, 3),
            None,
            {},
            r"expected a weight of shape \(O, C/groups, kh, kw\), got shape \(3, 4, 3\)",
        ),
        ((1, 4, 5, 5), (3, 4, 3, 3), (4,), {}, r"bias of shape \(4,\) does not fit weight \(3, 4, 3, 3\)"),
        ((1, 4, 5, 5), (3, 4, 3, 3), (3, 1), {}, r"bias of shape \(3, 1\) does not fit weight"),
    ],
)
def test_what_does_not_fit_is_refused(device, x, w, b, options, message):
    tensors = [random_leaf(device, *shape) if shape else None for shape in (x, w, b)]
    with pytest.raises(ValueError, match=f"conv2d: {message}"):
        ops.conv2d(*tensors, **options)


@pytest.mark.parametrize(
    "dtypes", [("float32", "float64", "float32"), ("float32", "float32", "float64"), ("int64",) * 3]
)
def test_dtypes_are_not_mixed(device, dtypes):
    shapes = [(1, 1, 3, 3), (1, 1, 2, 2), (1,)]
    x, w, b = (Tensor(np.ones(s, d), device=device) for s, d in zip(shapes, dtypes, strict=True))
    with pytest.raises(TypeError, match="conv2d: expected one floating dtype, got x: {}, w: {}, b: {}".format(*dtypes)):
        ops.conv2d(x, w, b)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-6), (np.float16, 1e-3)])
def test_a_bias_gets_the_sum_of_many_gradients(dtype, rtol):
    x, w = leaf(np.zeros((2, 1, 300, 500)), dtype=dtype), leaf(np.ones((2, 1, 1, 1)), dtype=dtype)
    b, g = leaf([0, 0], dtype=dtype), Tensor(np.full((2, 2, 300, 500), 0.1, dtype))
    ops.conv2d(x, w, b).backward(g)
    np.testing.assert_allclose(b.grad.numpy(), 300_000 * float(dtype(0.1)), rtol=rtol)
