"""Concatenating, stacking, padding."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, grid, leaf, show


def test_concat_and_stack(device):
    a, b = leaf([[1, 2]], device), leaf([[3, 4]], device)
    assert show(ops.concat([a, b])) == [[1, 2], [3, 4]] and show(ops.concat([a, b], axis=-1)) == [[1, 2, 3, 4]]
    assert show(ops.stack([a, b])) == [[[1, 2]], [[3, 4]]] and show(ops.stack([a, b], axis=-1)) == [[[1, 3], [2, 4]]]
    assert show(ops.concat([a, b], axis=-2)) == [[1, 2], [3, 4]] and ops.stack([a, b], axis=-3).shape == (2, 1, 2)
    assert ops.stack([a]).shape == (1, 1, 2) and ops.concat([a, a[:0], b]).shape == (2, 2)
    weights = Tensor([[1.0, 10.0, 100.0, 1000.0]], device=device)
    to_a, to_b = gradients(ops.concat([a, b], axis=1) * weights, a, b)
    assert to_a.tolist() == [[1, 10]] and to_b.tolist() == [[100, 1000]]


def test_join_of_different_dtypes(device):
    single, double, whole = leaf([1], device), leaf([2], device, np.float64), Tensor([3], device=device)
    assert ops.concat([single, whole]).dtype == ops.stack([whole, single]).dtype == np.float32
    joined = ops.concat([single, double])
    assert joined.dtype == np.float64 and [g.dtype for g in gradients(joined, single, double)] == ["f4", "f8"]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: ops.concat([]), "concat: expected at least one Tensor"),
        (lambda x: ops.concat([x], axis=2), r"concat: axis 2 is not an axis of shape \(2, 3\)"),
        (lambda x: ops.concat([x], axis=-3), r"concat: axis -3 is not an axis of shape \(2, 3\)"),
        (lambda x: ops.concat([x, x[:, :1]]), r"concat: shapes .* differ outside axis 0"),
        (lambda x: ops.concat([x, x[:1]], axis=1), r"concat: shapes .* differ outside axis 1"),
        (lambda x: ops.stack([x], axis=3), r"unsqueeze: axis 3 does not fit shape \(2, 3\)"),
        (lambda x: ops.pad(x, [(1, 1), (0, 1, 1)]), "pad: expected 2 pairs"),
        (lambda x: ops.pad(x, [(1, 1)] * 3), "pad: expected 2 pairs"),
        (lambda x: ops.concat([x, x.T]), r"concat: shapes \[\(2, 3\), \(3, 2\)\] differ outside axis 0"),
        (lambda x: ops.concat([x, x[0]]), r"concat: shapes \[\(2, 3\), \(3,\)\] differ"),
        (lambda x: ops.concat([x.sum()]), r"concat: axis 0 is not an axis of shape \(\)"),
        (lambda x: ops.stack([]), "stack: expected at least one Tensor"),
        (lambda x: ops.stack([x, x.T]), r"stack: expected Tensors of one shape, got \[\(2, 3\), \(3, 2\)\]"),
        (lambda x: ops.pad(x, [(1, 1)]), r"pad: expected 2 pairs \(before, after\) >= 0 for shape \(2, 3\)"),
        (lambda x: ops.pad(x, [(1, 1), (0, -1)]), "pad: expected 2 pairs"),
        (lambda x: ops.pad(x, [(1,), (0,)]), "pad: expected 2 pairs"),
    ],
)
def test_what_cannot_be_joined_or_padded_is_refused(device, call, message):
    with pytest.raises(ValueError, match=message):
        call(grid(device, 2, 3))


@pytest.mark.parametrize("join", [ops.concat, ops.stack])
def test_what_is_no_tensor_cannot_be_joined(device, join):
    with pytest.raises(TypeError, match=f"{join.__name__}: expected Tensors, got list"):
        join([grid(device, 2), [1.0, 2.0]])


def test_pad(device):
    x = leaf([[1, 2]], device)
    y = ops.pad(x, [(1, 0), (0, 2)], value=7)
    assert show(y) == [[7, 7, 7, 7], [1, 2, 7, 7]] and y.dtype == np.float32
    assert gradients(y, x)[0].tolist() == [[1, 1]]
    assert show(ops.pad(x, [(0, 0), (1, 1)])) == [[0, 1, 2, 0]]
    assert show(ops.pad(x[:, :0], [(0, 0), (1, 1)])) == [[0, 0]]


@pytest.mark.parametrize("width", [(1, 1), 1, (1, 1, 2, 2)])
def test_padding_in_the_form_of_pytorch_is_refused(width):
    with pytest.raises(TypeError, match=r"pad: expected a pair \(before, after\) for each axis"):
        ops.pad(Tensor([[1, 2]]), width)
