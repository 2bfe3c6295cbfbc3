"""Indices as in NumPy, and the gradient at the same places."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor
from minigrad.backend import DeviceError
from tests.ops.helpers import gradients, grid, leaf, random_leaf, show

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


@pytest.mark.parametrize(
    "index",
    [
        [3],
        [0, -4],
        [[1], [3]],
        (0, [2]),
        (slice(None), [0, 2]),
        (..., [-3]),
        (None, [3]),
        ([True, False, True], [2, 0]),
    ],
)
def test_a_list_of_integers_outside_is_refused(device, index):
    with pytest.raises(IndexError):
        grid(device, 3, 2)[index]


@pytest.mark.parametrize("index", [[2], [0, -3], (..., [1]), (None, [2]), ([True, False, True], [1, 0]), ([[2, 0]],)])
def test_a_list_of_integers_inside_is_taken(device, index):
    np.testing.assert_array_equal(grid(device, 3, 2)[index].numpy(), grid("cpu", 3, 2).numpy()[index])


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


@pytest.mark.parametrize(("dtype", "count"), [("f2", 5000), ("f4", 2**24 + 3), ("f4", 7)])
def test_an_element_taken_many_times_gets_every_gradient(device, dtype, count):
    x = Tensor(np.zeros(2, dtype), requires_grad=True, device=device)
    x[Tensor(np.zeros(count, np.int64), device=device)].sum().backward()
    assert x.grad.dtype == dtype and x.grad.numpy().tolist() == [float(np.dtype(dtype).type(count)), 0]


def test_gradients_of_gathered_elements_are_added_up_in_float32(device):
    x = Tensor(np.zeros((1, 2), np.float16), requires_grad=True, device=device)
    x.gather(1, np.zeros((1, 5000), np.int64)).sum().backward()
    assert x.grad.numpy().tolist() == [[5000, 0]]
