"""Matrix products: shapes, broadcasting, empty ones, errors."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf, random_leaf, show


@pytest.mark.parametrize(
    "a, b",
    [
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((0, 2, 3), (3, 2)),
    ],
)
def test_values_and_gradients_as_numpy(device, a, b):
    x, y = random_leaf(device, *a, dtype=np.float64), random_leaf(device, *b, dtype=np.float64)
    product = x @ y
    expected = x.numpy() @ y.numpy()
    assert product.shape == expected.shape
    np.testing.assert_allclose(product.numpy(), expected)
    to_x, to_y = gradients(product, x, y)
    assert to_x.shape == a and to_y.shape == b


def test_a_product_by_hand(device):
    x, w = leaf([[1, 2]], device), leaf([[3, 4], [5, 6]], device)
    assert show(x @ w) == [[13, 16]]
    to_x, to_w = gradients(x @ w, x, w)
    assert to_x.tolist() == [[7, 11]] and to_w.tolist() == [[1, 1], [2, 2]]


def test_integers_and_arrays(device):
    x = Tensor([[1, 2]], device=device)
    assert (x @ x.T).dtype == np.int64 and show(x @ x.T) == [[5]]
    assert show(np.array([[1.0, 2.0]]) @ Tensor(np.array([3.0, 4.0]))) == [11]


@pytest.mark.parametrize(
    "a, b", [((2, 3), (2, 3)), ((3,), (2,)), ((2, 3), (2,)), ((), (2,)), ((2,), ()), ((4,), (3, 4))]
)
def test_shapes_that_do_not_fit_are_refused(device, a, b):
    message = rf"matmul: shapes \({', '.join(map(str, a))},?\) and \({', '.join(map(str, b))},?\) do not fit"
    with pytest.raises(ValueError, match=message):
        random_leaf(device, *a) @ random_leaf(device, *b)


def test_stacks_that_do_not_broadcast_are_refused(device):
    for a, b in [((2, 3, 4), (3, 4, 5)), ((5, 2, 3, 4), (3, 4, 5))]:
        with pytest.raises(ValueError, match=r"matmul \(stacks of matrices\): shapes \(.*\) do not broadcast"):
            random_leaf(device, *a) @ random_leaf(device, *b)


def test_dtypes_are_not_mixed(device):
    with pytest.raises(TypeError, match="matmul: dtypes float32 and float64 differ"):
        random_leaf(device, 2, 2) @ random_leaf(device, 2, 2, dtype=np.float64)


# ---- linear ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3), (2, 0, 3), (0, 2, 3)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear_of_any_leading_shape(device, shape, with_bias):
    x, w, b = (random_leaf(device, *s, dtype=np.float64) for s in (shape, (2, 3), (2,)))
    inputs = (x, w, b) if with_bias else (x, w)
    y = ops.linear(*inputs)
    assert y.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(y.numpy(), x.numpy() @ w.numpy().T + with_bias * b.numpy())
    for tensor, gradient in zip(inputs, gradients(y, *inputs), strict=True):
        assert gradient.shape == tensor.shape


@pytest.mark.parametrize("shape", [(2, 0), (2, 3, 0)])
def test_linear_of_no_features_is_the_bias(device, shape):
    x, w, b = leaf(np.ones(shape), device), leaf(np.ones((2, 0)), device), leaf([1, 2], device)
    y = ops.linear(x, w, b)
    assert y.shape == (*shape[:-1], 2) and (y.numpy() == [1, 2]).all()


@pytest.mark.parametrize(
    "x, w, b, message",
    [
        ((4, 2), (5, 3), None, r"linear: input of shape \(4, 2\) does not fit weight \(5, 3\) \(out, in\)"),
        ((4, 3), (3,), None, r"linear: input of shape \(4, 3\) does not fit weight \(3,\)"),
        ((), (5, 3), None, r"linear: input of shape \(\) does not fit"),
        ((4, 3), (1, 5, 3), None, r"linear: input of shape \(4, 3\) does not fit weight \(1, 5, 3\)"),
        ((3,), (5, 2), None, r"linear: input of shape \(3,\) does not fit weight \(5, 2\)"),
        ((4, 3), (5, 3), (5, 1), r"linear: bias of shape \(5, 1\) does not fit weight \(5, 3\)"),
        ((4, 3), (5, 3), (3,), r"linear: bias of shape \(3,\) does not fit weight \(5, 3\) \(out, in\)"),
    ],
)
def test_linear_shapes_that_do_not_fit_are_refused(device, x, w, b, message):
    with pytest.raises(ValueError, match=message):
        ops.linear(*(random_leaf(device, *shape) for shape in (x, w, b) if shape is not None))


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_linear_dtypes_are_not_mixed(device, odd):
    dtypes = ["float64" if i == odd else "float32" for i in range(3)]
    x, w, b = (random_leaf(device, *s, dtype=d) for s, d in zip([(4, 3), (2, 3), (2,)], dtypes, strict=True))
    with pytest.raises(TypeError, match=f"linear: .*x: {dtypes[0]}, w: {dtypes[1]}, b: {dtypes[2]}"):
        ops.linear(x, w, b)


def test_a_bias_gets_the_sum_of_many_gradients():
    x, w, b = leaf(np.full((300_000, 1), 0.1)), leaf([[1], [1]]), leaf([0, 0])
    for create_graph in (False, True):
        (to_b,) = mg.grad((ops.linear(x, w, b) * x).sum(), [b], create_graph=create_graph)
        np.testing.assert_allclose(to_b.numpy(), 300_000 * np.float32(0.1), rtol=2e-6)
