"""Sorting, and taking elements along an axis: values by hand, indices, what does not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, leaf

X = [[3.0, -1.0, 2.0], [-4.0, 5.0, 0.5]]


def test_sorting_the_last_axis(device):
    values, indices = ops.sort(Tensor(X, device=device))
    assert values.tolist() == [[-1, 2, 3], [-4, 0.5, 5]] and indices.tolist() == [[1, 2, 0], [0, 2, 1]]
    assert ops.argsort(Tensor(X, device=device)).tolist() == indices.tolist() and indices.dtype == np.int64


def test_sorting_another_axis_backwards(device):
    x = Tensor(X, device=device)
    values, indices = ops.sort(x, axis=0, descending=True)
    assert values.tolist() == [[3, 5, 2], [-4, -1, 0.5]] and indices.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert ops.argsort(x, -2, True).tolist() == indices.tolist()
    assert ops.sort(x, axis=0).values.tolist() == [[-4, -1, 0.5], [3, 5, 2]]


def test_the_last_axis_is_meant_where_none_is_named(device):
    for shape in ((4,), (2, 2, 4)):
        x = Tensor(np.broadcast_to([2.0, 0.0, 3.0, 1.0], shape), device=device)
        for found in (ops.argsort(x), ops.sort(x).indices, ops.topk(x, 4, largest=False).indices):
            assert found.shape == shape and (found.numpy() == [1, 3, 0, 2]).all()


def test_nan_is_the_largest_number(device):
    x = Tensor([1.0, math.nan, 0.0], device=device)
    assert ops.argsort(x).tolist() == [2, 0, 1] and ops.argsort(x, descending=True).tolist() == [1, 0, 2]


def test_equals_stay_in_their_order_also_backwards(device):
    even, odd = list(range(0, 100, 2)), list(range(1, 100, 2))
    x = Tensor([0.0, 1.0] * 50, device=device)
    assert ops.argsort(x).tolist() == even + odd and ops.argsort(x, descending=True).tolist() == odd + even
    assert ops.topk(x, 1).indices.item() == ops.argmax(x).item() == 1


def test_the_largest_and_the_smallest_elements(device):
    x = Tensor(X, device=device)
    values, indices = ops.topk(x, 2)
    assert values.tolist() == [[3, 2], [5, 0.5]] and indices.tolist() == [[0, 2], [1, 2]]
    values, indices = ops.topk(x, 2, largest=False)
    assert values.tolist() == [[-1, 2], [-4, 0.5]] and indices.tolist() == [[1, 2], [0, 2]]
    values, indices = ops.topk(x, 1, axis=0)
    assert values.tolist() == [[3, 5, 2]] and indices.tolist() == [[0, 1, 0]]


def test_none_and_all_of_the_elements_may_be_wanted(device):
    x = Tensor(X, device=device)
    assert ops.topk(x, 0).values.shape == (2, 0) and ops.topk(x, 0, 0).indices.shape == (0, 3)
    assert ops.topk(x, 3).values.tolist() == ops.sort(x, descending=True).values.tolist()


def test_gradients_go_back_to_where_the_elements_were(device):
    x = leaf(X, device)
    weights = Tensor([[1.0, 2.0, 3.0]] * 2, device=device)
    assert gradients(ops.sort(x).values * weights, x)[0].tolist() == [[3, 1, 2], [1, 3, 2]]
    assert gradients(ops.topk(x, 2).values, x)[0].tolist() == [[1, 0, 1], [0, 1, 1]]


def test_gather_takes_along_an_axis(device):
    x = leaf(X, device)
    y = ops.gather(x, 1, [[0, 0], [2, 1]])
    assert y.tolist() == [[3, 3], [0.5, 5]] and gradients(y, x)[0].tolist() == [[2, 0, 0], [0, 1, 1]]
    assert ops.gather(x, -2, [[1, 0]]).tolist() == [[-4, -1]]
    assert ops.gather(x, 0, Tensor([[1], [0], [1]], device=device)).tolist() == [[-4], [3], [-4]]


def test_gather_along_the_middle_axis(device):
    x = np.arange(24.0).reshape(2, 3, 4)
    index = np.array([[[0, 2, 1, 0]], [[1, 1, 0, 2]]])
    found = ops.gather(Tensor(x, device=device), 1, index.tolist())
    assert found.tolist() == np.take_along_axis(x, index, 1).tolist()


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: ops.topk(x, 4), ValueError, "topk: expected k from 0 to 3, the length of axis 1, got 4"),
        (lambda x: ops.topk(x, -1), ValueError, "topk: expected k from 0 to 3"),
        (lambda x: ops.topk(x, 1.0), TypeError, "topk: k must be an int"),
        (lambda x: ops.sort(x, 2), ValueError, r"argsort: axis 2 does not fit shape \(2, 3\)"),
        (lambda x: ops.gather(x, 0, [0]), ValueError, r"gather: an index of shape \(1,\) does not fit shape \(2, 3\)"),
        (lambda x: ops.gather(x, 0, [[0, 0, 0, 0]]), ValueError, r"shape \(1, 4\) does not fit .* along axis 0"),
        (lambda x: ops.gather(x, 1, [[0]] * 3), ValueError, r"shape \(3, 1\) does not fit .* along axis 1"),
        (lambda x: ops.gather(x, 0, [[0], [1], [2]]), IndexError, None),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(Tensor(X))
