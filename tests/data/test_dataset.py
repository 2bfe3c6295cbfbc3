"""Data sets: the right items, one by one and in batches, and every item in exactly one part of a split."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import DataLoader, Subset, TensorDataset, random_split
from minigrad.tensor import Tensor
from tests.data.helpers import Items, numbered


def test_tensor_dataset_gives_items_and_batches():
    dataset = TensorDataset(Tensor(np.arange(6).reshape(3, 2)), np.array([0.5, 1.5, 2.5]))
    assert len(dataset) == 3
    assert [np.asarray(x).tolist() for x in dataset[1]] == [[2, 3], 1.5]
    assert [x.tolist() for x in dataset.batch(np.array([2, 0]))] == [[[4, 5], [0, 1]], [2.5, 0.5]]
    assert len(list(dataset)) == 3


@pytest.mark.parametrize(
    "arrays, error, reason",
    [
        ((), ValueError, "at least one"),
        ((np.ones(3), np.ones(4)), ValueError, r"\(3,\), \(4,\)"),
        ((np.array(3),), ValueError, "shapes"),
        ((np.ones(2), [1, 2]), TypeError, "argument 1 is list"),
    ],
)
def test_tensor_dataset_refuses(arrays, error, reason):
    with pytest.raises(error, match=reason):
        TensorDataset(*arrays)


def test_tensor_dataset_refuses_tensors_on_a_gpu(device):
    if device == "cpu":
        pytest.skip("about GPUs")
    with pytest.raises(ValueError, match="keep the data on the CPU"):
        TensorDataset(Tensor(np.ones(2), device=device))


def test_items_are_collated_with_pythons_numbers_as_float32_and_int64():
    picture = np.ones((2, 2), np.uint8)
    dataset = Items(
        (picture, 1, 0.5, np.float64(3), [1.0, 2.0], True), (picture, 2, 1, np.float64(4), [3.0, 4.0], False)
    )
    batch = dataset.batch(np.array([1, 0]))
    assert [x.dtype.name for x in batch] == ["uint8", "int64", "float32", "float64", "float32", "bool"]
    assert [x.shape for x in batch] == [(2, 2, 2), (2,), (2,), (2,), (2, 2), (2,)]
    assert batch[1].tolist() == [2, 1]


@pytest.mark.parametrize(
    "items, error, reason",
    [
        ([(np.ones(2),), (np.ones(3),)], ValueError, r"entry 0 .* \[\(2,\), \(3,\)\]"),
        ([(1, 2), (1,)], ValueError, "lengths"),
        ([np.ones(2), np.ones(2)], TypeError, "ndarray"),
    ],
)
def test_items_that_do_not_fit_together_are_refused(items, error, reason):
    with pytest.raises(error, match=reason):
        Items(*items).batch(np.array([0, 1]))


def test_subset_of_a_subset():
    subset = Subset(Subset(numbered(), [9, 7, 5, 3]), np.array([3, 0]))
    assert len(subset) == 2
    assert [int(subset[i][1]) for i in range(2)] == [3, 9]
    assert subset.batch(np.array([1, 0]))[1].tolist() == [9, 3]
    assert len(Subset(numbered(), [])) == 0


@pytest.mark.parametrize(
    "indices, error", [([10], IndexError), ([-1], IndexError), ([0.5], ValueError), ([[1]], ValueError)]
)
def test_subset_refuses(indices, error):
    with pytest.raises(error, match="Subset"):
        Subset(numbered(), indices)


@pytest.mark.parametrize(
    "lengths, sizes", [([7, 3], [7, 3]), ([0.7, 0.3], [7, 3]), ([0.25, 0.25, 0.5], [3, 2, 5]), ([0, 10], [0, 10])]
)
def test_random_split_deals_out_every_item_once(lengths, sizes):
    parts = random_split(numbered(), lengths, seed=1)
    assert [len(part) for part in parts] == sizes
    assert sorted(np.concatenate([part.indices for part in parts]).tolist()) == list(range(10))


def test_random_split_depends_on_its_seed_only():
    def first(seed):
        return random_split(numbered(1000), [0.5, 0.5], seed)[0].indices.tolist()

    assert first(1) == first(1)
    assert first(1) != first(2)
    mg.manual_seed(3)
    drawn = first(None)
    mg.manual_seed(3)
    assert first(None) == drawn


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.4], [11, -1], [0.5, 5]])
def test_random_split_refuses(lengths):
    with pytest.raises(ValueError, match="random_split"):
        random_split(numbered(), lengths)


def test_a_list_of_arrays_is_refused_with_advice():
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"items that are tuples, .*got ndarray; arrays, .* go into a tuple"):
        next(iter(DataLoader([x, x], 2)))
