"""Sums so far, products, deviations and norms: by hand, as NumPy has them, and where steps are too large or small."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, nn, ops
from tests.ops.helpers import gradients, leaf, random_leaf

INF = float("inf")
CUBES = 91 ** (1 / 3)  # the root of 3³ + 4³
REDUCTIONS = {
    "prod": (ops.prod, np.prod),
    "std": (ops.std, lambda x, **axes: np.std(x, ddof=1, **axes)),
    "std, biased": (lambda x, **axes: ops.std(x, correction=0, **axes), np.std),
    "norm": (ops.norm, lambda x, **axes: np.sqrt(np.sum(x**2, **axes))),
    "norm, order 1": (lambda x, **axes: ops.norm(x, 1, **axes), lambda x, **axes: np.sum(abs(x), **axes)),
    "norm, order 3": (lambda x, **axes: ops.norm(x, 3, **axes), lambda x, **axes: np.cbrt(np.sum(abs(x) ** 3, **axes))),
    "norm, order ∞": (lambda x, **axes: ops.norm(x, INF, **axes), lambda x, **axes: np.max(abs(x), **axes)),
}


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, 1), (0, 1, 2)])
@pytest.mark.parametrize("ours, numpys", REDUCTIONS.values(), ids=REDUCTIONS)
def test_values_and_shapes_as_numpy(device, ours, numpys, axis):
    x = random_leaf(device, 2, 3, 4, dtype=np.float64)
    for options in ({}, {"axis": axis}, {"axis": axis, "keepdims": True}):
        y, expected = ours(x, **options), numpys(x.numpy(), **options)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sums_so_far(device, axis):
    x = random_leaf(device, 2, 3, dtype=np.float64)
    np.testing.assert_allclose(ops.cumsum(x, axis).numpy(), x.numpy().cumsum(axis), rtol=1e-12)


def test_an_element_is_in_its_own_sum_and_in_all_later_ones(device):
    x = leaf([1, 2, 3], device)
    y = ops.cumsum(x, 0)
    assert y.tolist() == [1, 3, 6]
    assert gradients(y * Tensor([100.0, 10.0, 1.0], device=device), x)[0].tolist() == [111, 11, 1]
    assert ops.cumsum(Tensor([True, True], device=device), 0).tolist() == [1, 2]


@pytest.mark.parametrize(
    "values, product, slopes",
    [([2, 3, 4], 24, [12, 8, 6]), ([2, 0, 4], 0, [0, 8, 0]), ([0, 0, 4], 0, [0, 0, 0]), ([5], 5, [1]), ([], 1, [])],
)
def test_the_gradient_of_a_product_is_that_of_the_others(device, values, product, slopes):
    x = leaf(values, device)
    y = ops.prod(x)
    assert y.item() == product
    if values:
        assert gradients(y, x)[0].tolist() == slopes


def test_products_of_integers_are_integers(device):
    y = ops.prod(Tensor([2, 3], device=device))
    assert y.item() == 6 and y.dtype == np.int64


def test_the_product_of_nothing_is_1(device):
    nothing = Tensor(np.ones((2, 0), np.float32), device=device)
    assert nothing.prod().item() == 1 and nothing.prod(axis=1).tolist() == [1, 1]
    assert nothing.prod(axis=1, keepdims=True).tolist() == [[1], [1]] and nothing.prod(axis=0).shape == (0,)
    assert nothing.prod().dtype == np.float32 and nothing.prod().device == nothing.device


@pytest.mark.parametrize(
    "p, expected, slopes",
    [
        (1, 7, [1, -1, 0]),
        (2, 5, [0.6, -0.8, 0]),
        (3, CUBES, [9 / CUBES**2, -16 / CUBES**2, 0]),
        (INF, 4, [0, -1, 0]),
    ],
)
def test_norms_by_hand(device, p, expected, slopes):
    x = leaf([3, -4, 0], device)
    y = ops.norm(x, p)
    assert y.item() == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradients(y, x)[0], slopes, rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_the_norm_of_zeros_has_the_gradient_0(device, p):
    x = leaf([[0, 0], [3, 4]], device)
    y = ops.norm(x, p, axis=1)
    assert y.tolist()[0] == 0 and gradients(y, x)[0][0].tolist() == [0, 0]


def test_norms_of_whole_numbers_need_not_be_whole(device):
    y = ops.norm(Tensor([1, 1], device=device))
    assert y.item() == pytest.approx(2**0.5) and y.dtype == np.float32


@pytest.mark.parametrize("p", [0, -1])
def test_the_order_of_a_norm_is_positive(device, p):
    with pytest.raises(ValueError, match=f"norm: expected p > 0, got {p}"):
        ops.norm(leaf([1], device), p)


def test_a_wrong_axis_is_refused(device):
    with pytest.raises(ValueError, match=r"cumsum: axis 2 does not fit shape \(1, 2\)"):
        ops.cumsum(leaf([[1, 2]], device), 2)


@pytest.mark.parametrize(("dtype", "count"), [("f2", 3000), ("f4", 2**24 + 4)])
def test_sums_so_far_keep_their_digits(device, dtype, count):
    x = leaf(np.ones(count), device, dtype)
    y = ops.cumsum(x, 0)
    y[-1].backward()
    assert y.dtype == dtype and y[-1].item() == np.dtype(dtype).type(count)
    assert x.grad.numpy()[0] == 1


FLOAT16 = {
    "std": (lambda x: ops.std(x, correction=0), [1000, -1000] * 150, 1000),
    "norm": (ops.norm, [300] * 4, 600),
    "norm of order 3": (lambda x: ops.norm(x, 3), [300] * 8, 600),
    "prod": (ops.prod, [300, 0.001, 300, 0.001], 0.09),
    "l1_loss": (lambda x: ops.l1_loss(x, -x), [40_000, 0, 0, 0], 20_000),
    "huber_loss": (lambda x: ops.huber_loss(x, -x, delta=0.5), [40_000, 0, 0, 0], 10_000),
    "LayerNorm": (lambda x: nn.LayerNorm(4).half()(x.to("cpu"))[0], [600, -600, 600, -600], 1),
    "GroupNorm": (lambda x: nn.GroupNorm(1, 4).half()(x.to("cpu").reshape(1, 4))[0, 0], [600, -600, 600, -600], 1),
}


@pytest.mark.parametrize(("compute", "values", "expected"), FLOAT16.values(), ids=FLOAT16)
def test_float16_is_computed_in_float32(device, compute, values, expected):
    x = leaf(values, device, np.float16)
    y = compute(x)
    y.backward()
    assert y.dtype == x.grad.dtype == np.float16
    assert y.item() == pytest.approx(expected, rel=1e-3)
    assert np.isfinite(x.grad.numpy()).all()
