"""Moving elements about: shapes, indices, joins, casts, devices."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, ops
from minigrad.backend import DeviceError
from tests.ops.helpers import gradients, leaf, random_leaf, show


def grid(device, *shape):
    return leaf(np.arange(np.prod(shape)).reshape(shape), device)


# ---- reshape and its kin -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, expected",
    [
        (lambda x: x.reshape(6, 4), (6, 4)),
        (lambda x: x.reshape((4, -1)), (4, 6)),
        (lambda x: x.reshape(-1), (24,)),
        (lambda x: x.flatten(), (24,)),
        (lambda x: x.flatten(1), (2, 12)),
        (lambda x: x.flatten(-1), (2, 3, 4)),
        (lambda x: x.unsqueeze(0), (1, 2, 3, 4)),
        (lambda x: x.unsqueeze(-1), (2, 3, 4, 1)),
        (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(), (2, 3, 4)),
        (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(1), (2, 3, 4, 1)),
        (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze((1, -1)), (2, 3, 4)),
        (lambda x: x.permute(2, 0, 1), (4, 2, 3)),
        (lambda x: x.permute((-1, 0, 1)), (4, 2, 3)),
        (lambda x: x.T, (4, 3, 2)),
        (lambda x: x.transpose(), (4, 3, 2)),
        (lambda x: x.transpose(0, -1), (4, 3, 2)),
        (lambda x: x.transpose(1, 1), (2, 3, 4)),
        (lambda x: x.transpose((1, 0, 2)), (3, 2, 4)),
        (lambda x: x.broadcast_to(5, 2, 3, 4), (5, 2, 3, 4)),
    ],
)
def test_shapes(device, call, expected):
    x = grid(device, 2, 3, 4)
    y = call(x)
    assert y.shape == expected
    assert (gradients(y * 2, x)[0] == 2 * y.size / x.size).all()


def test_values_as_numpy(device):
    x = grid(device, 2, 3, 4)
    array = x.numpy()
    np.testing.assert_array_equal(x.permute(2, 0, 1).numpy(), array.transpose(2, 0, 1))
    np.testing.assert_array_equal(x.transpose(0, 2).reshape(6, 4).numpy(), array.swapaxes(0, 2).reshape(6, 4))
    np.testing.assert_array_equal(x.T.numpy(), array.T)
    np.testing.assert_array_equal(x[:1].broadcast_to(3, 3, 4).numpy(), np.broadcast_to(array[:1], (3, 3, 4)))


def test_a_number_has_no_axes_but_can_get_some(device):
    x = leaf(5, device)
    assert x.reshape(1, 1).shape == (1, 1) and x.flatten().shape == (1,) and x.unsqueeze(0).shape == (1,)
    assert x.T.shape == x.squeeze().shape == () and x.broadcast_to(2, 3).shape == (2, 3)


def test_empty_tensors(device):
    x = leaf(np.ones((0, 3)), device)
    assert x.reshape(-1, 3).shape == x.reshape(0, 3).shape == (0, 3)
    assert x.flatten().shape == (0,) and x.T.shape == (3, 0) and x.unsqueeze(1).squeeze(1).shape == (0, 3)
    assert gradients(x.T * 2, x)[0].shape == (0, 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: x.reshape(4, 2), r"reshape: shape \(2, 3\) with 6 elements does not fit \(4, 2\)"),
        (lambda x: x.reshape(-1, 4), r"reshape: .* does not fit \(-1, 4\)"),
        (lambda x: x.reshape(-1, -1), r"reshape: .* does not fit \(-1, -1\)"),
        (lambda x: x.permute(0), r"permute: \(0,\) is no permutation of the 2 axes"),
        (lambda x: x.permute(0, 0), r"permute: \(0, 0\) is no permutation"),
        (lambda x: x.permute(0, 2), r"permute: \(0, 2\) is no permutation"),
        (lambda x: x.transpose(0, 2), r"transpose: axes \(0, 2\) do not fit shape \(2, 3\)"),
        (lambda x: x.broadcast_to(3, 3), r"broadcast_to: shape \(2, 3\) does not broadcast to \(3, 3\)"),
        (lambda x: x.broadcast_to(3), r"broadcast_to: shape \(2, 3\) does not broadcast to \(3,\)"),
        (lambda x: x.flatten(2), r"flatten: start 2 is not an axis of shape \(2, 3\)"),
        (lambda x: x.squeeze(0), r"squeeze: axis 0 of shape \(2, 3\) is not of length 1"),
        (lambda x: x.squeeze(5), r"squeeze: axis 5 of shape \(2, 3\)"),
        (lambda x: x.unsqueeze(4), r"unsqueeze: axis 4 does not fit shape \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(device, call, message):
    with pytest.raises(ValueError, match=message):
        call(grid(device, 2, 3))


# ---- indexing ----------------------------------------------------------------------------------------------------


INDICES = {
    "int": 1,
    "negative int": -1,
    "NumPy int": np.int64(1),
    "slice": slice(1, None),
    "step": (slice(None), slice(None, None, 2)),
    "backwards": slice(None, None, -1),
    "None": (None, slice(None), None, 0),
    "Ellipsis": (..., -1),
    "nothing": slice(2, 2),
    "list": [2, 0, 2],
    "list of an axis": (slice(None), [1, 1]),
    "negative in a list": [-1, 0],
    "lists": ([0, 2], [1, 3]),
    "matrix": [[0, 1], [2, 2]],
    "lists apart": ([0, 1], slice(None), [0, 0]),
    "mask of the first axis": [True, False, True],
    "mask of an axis": (slice(None), [True, False, False, True]),
    "empty list": [],
    "whole": (),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_indices_as_numpy(device, index):
    x = random_leaf(device, 3, 4, 2)
    y = x[index]
    same = np.array(index, int) if isinstance(index, list) and not index else index
    np.testing.assert_array_equal(y.numpy(), x.numpy()[same])
    expected = np.zeros((3, 4, 2), np.float32)
    np.add.at(expected, same, 1)
    np.testing.assert_array_equal(gradients(y, x)[0], expected)


def test_elements_that_are_taken_twice_get_both_gradients(device):
    x = leaf([1, 2, 3], device)
    y = x[[0, 2, 0]] * Tensor([1.0, 10.0, 100.0], device=device)
    assert gradients(y, x)[0].tolist() == [101, 0, 10]


def test_tensors_and_masks_as_indices(device):
    x = leaf([[1, -2], [-3, 4]], device)
    assert show(x[x > 0]) == [1, 4] and gradients(x[x > 0], x)[0].tolist() == [[1, 0], [0, 1]]
    assert show(x[Tensor([1, 1], device=device)]) == [[-3, 4], [-3, 4]]
    assert show(x[x > 10]) == []


def test_arrays_as_indices():
    x = leaf([1, 2, 3])
    assert show(x[np.array([2, 0])]) == [3, 1] and show(x[np.array([True, False, True])]) == [1, 3]


@pytest.mark.parametrize("index", [3, -4, (0, 0, 0), (..., ...)])
def test_an_index_outside_is_refused(device, index):
    with pytest.raises(IndexError):
        grid(device, 3, 2)[index]


@pytest.mark.parametrize("index", [[0.5], [[1.0]]])
def test_an_index_of_floats_is_refused(device, index):
    with pytest.raises(IndexError, match="getitem: expected integers or booleans as index, got float"):
        grid(device, 3, 2)[index]


def test_an_index_on_another_device_is_refused(device):
    index = np.array([0, 1])
    if device == "cpu":
        assert grid(device, 3)[index].shape == (2,)
    else:
        with pytest.raises(DeviceError, match="getitem: the index is on cpu, the Tensor on cuda:0"):
            grid(device, 3)[index]


def test_iterating_yields_the_rows(device):
    assert [show(row) for row in grid(device, 2, 2)] == [[0, 1], [2, 3]]


# ---- joining and padding -----------------------------------------------------------------------------------------


def test_concat_and_stack(device):
    a, b = leaf([[1, 2]], device), leaf([[3, 4]], device)
    assert show(ops.concat([a, b])) == [[1, 2], [3, 4]] and show(ops.concat([a, b], axis=-1)) == [[1, 2, 3, 4]]
    assert show(ops.stack([a, b])) == [[[1, 2]], [[3, 4]]] and show(ops.stack([a, b], axis=-1)) == [[[1, 3], [2, 4]]]
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
        (lambda x: ops.concat([x, x.T]), r"concat: shapes \[\(2, 3\), \(3, 2\)\] differ outside axis 0"),
        (lambda x: ops.concat([x, x[0]]), r"concat: shapes \[\(2, 3\), \(3,\)\] differ"),
        (lambda x: ops.concat([x.sum()]), r"concat: axis 0 is not an axis of shape \(\)"),
        (lambda x: ops.stack([]), r"stack: expected Tensors of one shape, got \[\]"),
        (lambda x: ops.stack([x, x.T]), r"stack: expected Tensors of one shape, got \[\(2, 3\), \(3, 2\)\]"),
        (lambda x: ops.pad(x, [(1, 1)]), r"pad: expected 2 pairs \(before, after\) >= 0 for shape \(2, 3\)"),
        (lambda x: ops.pad(x, [(1, 1), (0, -1)]), "pad: expected 2 pairs"),
        (lambda x: ops.pad(x, [(1,), (0,)]), "pad: expected 2 pairs"),
    ],
)
def test_what_cannot_be_joined_or_padded_is_refused(device, call, message):
    with pytest.raises(ValueError, match=message):
        call(grid(device, 2, 3))


def test_pad(device):
    x = leaf([[1, 2]], device)
    y = ops.pad(x, [(1, 0), (0, 2)], value=7)
    assert show(y) == [[7, 7, 7, 7], [1, 2, 7, 7]] and y.dtype == np.float32
    assert gradients(y, x)[0].tolist() == [[1, 1]]
    assert show(ops.pad(x[:, :0], [(0, 0), (1, 1)])) == [[0, 0]]


# ---- dtype and device --------------------------------------------------------------------------------------------


def test_gradients_pass_between_floating_dtypes_in_the_inputs_dtype(device):
    x = leaf([1, 2], device)
    y = x.astype(np.float64)
    assert y.dtype == np.float64 and gradients(y * y, x)[0].dtype == np.float32
    assert x.astype("float32") is x


def test_integers_have_no_gradient(device):
    x = leaf([1.7, -1.7], device)
    y = x.astype(np.int64)
    assert not y.requires_grad and show(y) == [1, -1]
    assert not y.astype(np.float32).requires_grad


@pytest.mark.parametrize("dtype", ["complex64", "U3", object])
def test_dtypes_that_are_not_real_numbers_are_refused(device, dtype):
    with pytest.raises(TypeError, match="astype: expected a numeric dtype"):
        leaf([1], device).astype(dtype)


def test_to_moves_and_brings_the_gradient_back(device):
    x = leaf([1, 2], device)
    there = x.to(device)
    assert there is x
    (gradient,) = mg.grad((x.to("cpu") * 3).sum(), [x])
    assert gradient.device == x.device and gradient.numpy().tolist() == [3, 3]


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", None, 0])
def test_unknown_devices_are_refused(device, name):
    with pytest.raises(ValueError, match="device: expected 'cpu', 'cuda' or 'cuda:<index>'"):
        leaf([1], device).to(name)
