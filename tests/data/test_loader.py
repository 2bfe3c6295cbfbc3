"""The loader: right items, right order, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad.data import DataLoader, TensorDataset, random_split
from minigrad.tensor import Tensor
from tests.data.helpers import Items, numbered


def labels_of(loader):
    return [labels.numpy().tolist() for _, labels in loader]


def add_noise(images, rng):
    return images + rng.random(images.shape, dtype=np.float32)


# ---- batches -----------------------------------------------------------------------------------------------------


def test_batches_in_order():
    loader = DataLoader(numbered(), batch_size=4)
    assert labels_of(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3


def test_drop_last_leaves_out_the_rest():
    loader = DataLoader(numbered(), batch_size=4, drop_last=True)
    assert labels_of(loader) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(loader) == 2


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("size, drop_last, batches", [(0, False, 0), (3, False, 1), (3, True, 0)])
def test_fewer_items_than_a_batch(size, drop_last, batches, workers):
    loader = DataLoader(numbered(size), batch_size=4, shuffle=True, drop_last=drop_last, num_workers=workers)
    assert len(loader) == len(list(loader)) == batches


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_contiguous_tensors_on_the_device(device, workers):
    def flip(images, rng):
        return images[..., ::-1]

    loader = DataLoader(numbered(), batch_size=4, transform=flip, num_workers=workers, device=device)
    for images, labels in loader:
        assert isinstance(images, Tensor) and isinstance(labels, Tensor)
        assert images.device == labels.device == backend.parse_device(device)
        assert images.data.flags.c_contiguous and labels.data.flags.c_contiguous
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert not images.requires_grad


def test_transform_gets_the_first_array_and_does_not_reach_the_data_set():
    def blacken(images, rng):
        images[...] = 0
        return images

    dataset = numbered()
    images, labels = next(iter(DataLoader(dataset, batch_size=10, transform=blacken)))
    assert images.numpy().max() == 0
    assert labels.numpy().tolist() == list(range(10))
    assert dataset.arrays[0].max() == 9


@pytest.mark.parametrize("workers", [0, 2])
def test_batch_transform_changes_all_arrays_together_and_before_the_transform(workers):
    def swap_and_shift(batch, rng):
        images, labels = batch
        shift = int(rng.integers(1, 100))
        return images[::-1] + shift, labels[::-1] + shift

    def halve(images, rng):
        return images / 2

    options = {"batch_size": 4, "transform": halve, "num_workers": workers}
    loader = DataLoader(numbered(), batch_transform=swap_and_shift, seed=3, **options)
    batches = [(images.numpy()[:, 0, 0, 0], labels.numpy()) for images, labels in loader]
    for images, labels in batches:
        np.testing.assert_array_equal(2 * images, labels)
    assert len({int(labels[-1]) - 4 * index for index, (_, labels) in enumerate(batches)}) > 1  # a shift for each batch
    again = DataLoader(numbered(), batch_transform=swap_and_shift, seed=3, **options)
    assert labels_of(again) == [labels.tolist() for _, labels in batches]


@pytest.mark.parametrize(
    "result, error, reason",
    [
        (None, TypeError, "NoneType"),
        (np.ones(4), TypeError, "ndarray"),
        ((np.ones(4), np.ones(3)), ValueError, "4 items"),
    ],
)
def test_batch_transform_that_returns_something_else_is_refused(result, error, reason):
    with pytest.raises(error, match=f"the batch transform: .*{reason}"):
        list(DataLoader(numbered(), batch_size=4, batch_transform=lambda batch, rng: result))


@pytest.mark.parametrize(
    "result, error, reason",
    [(None, TypeError, "NoneType"), ([1, 2, 3, 4], TypeError, "list"), (np.ones((2, 1)), ValueError, "4 items.*2, 1")],
)
def test_transform_that_returns_something_else_is_refused(result, error, reason):
    with pytest.raises(error, match=f"the transform: .*{reason}"):
        list(DataLoader(numbered(), batch_size=4, transform=lambda images, rng: result))


@pytest.mark.parametrize(
    "batch, error, reason",
    [
        (np.ones(1), TypeError, "a tuple of arrays"),
        ((np.array(["cat."]),), TypeError, "<U4"),
        ((np.ones((2, 3)),), ValueError, "1 items"),
        ((np.array(3.0),), ValueError, "1 items"),
    ],
)
def test_data_set_that_gives_something_else_is_refused(batch, error, reason):
    class Wrong(Items):
        def batch(self, indices):
            return batch

    with pytest.raises(error, match=f"Wrong.batch: .*{reason}"):
        list(DataLoader(Wrong((1,), (2,))))


# ---- order and randomness ----------------------------------------------------------------------------------------


def test_every_epoch_has_an_order_of_its_own():
    loader = DataLoader(numbered(100), batch_size=100, shuffle=True, seed=0)
    (first,), (second,) = labels_of(loader), labels_of(loader)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second != list(range(100))


def epochs(count, **options):
    loader = DataLoader(numbered(20), batch_size=3, shuffle=True, transform=add_noise, **options)
    return [[(images.numpy().tolist(), labels.numpy().tolist()) for images, labels in loader] for _ in range(count)]


@pytest.mark.parametrize("workers, prefetch", [(1, 1), (2, 2), (4, 7), (3, 100)])
def test_number_of_workers_does_not_change_anything(workers, prefetch):
    assert epochs(2, seed=5, num_workers=workers, prefetch=prefetch) == epochs(2, seed=5)


def test_batches_get_different_noise():
    images = np.zeros((4, 3), np.float32)
    batches = [x.numpy().tolist() for (x,) in DataLoader(TensorDataset(images), 1, transform=add_noise, seed=0)]
    assert len({tuple(batch[0]) for batch in batches}) == 4


def test_resuming_goes_on_with_the_next_epoch():
    options = {"batch_size": 3, "shuffle": True, "transform": add_noise}
    loader = DataLoader(numbered(), **options)
    list(loader)
    saved = loader.state_dict()
    expected = [images.numpy() for images, _ in loader]

    resumed = DataLoader(numbered(), **options)
    resumed.load_state_dict(saved)
    np.testing.assert_array_equal(np.concatenate([images.numpy() for images, _ in resumed]), np.concatenate(expected))


@pytest.mark.parametrize("state", [{}, {"seed": 1}, {"seed": 1, "epoch": -1}, {"seed": 1, "epoch": 0, "x": 0}])
def test_state_that_does_not_fit_is_refused(state):
    with pytest.raises(ValueError, match="load_state_dict"):
        DataLoader(numbered()).load_state_dict(state)


def test_manual_seed_fixes_the_default_seed():
    mg.manual_seed(7)
    first = epochs(1)
    mg.manual_seed(7)
    assert epochs(1) == first
    assert epochs(1) != first


# ---- arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, error, reason",
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 2.0}, TypeError, "batch_size"),
        ({"num_workers": -1}, ValueError, "num_workers"),
        ({"prefetch": 0}, ValueError, "prefetch"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": "x"}, TypeError, "seed"),
        ({"transform": 3}, TypeError, "transform"),
        ({"batch_transform": 3}, TypeError, "batch_transform"),
        ({"device": "gpu"}, ValueError, "gpu"),
    ],
)
def test_wrong_arguments_are_named(options, error, reason):
    with pytest.raises(error, match=reason):
        DataLoader(numbered(), **options)


@pytest.mark.parametrize("data", [3, "text", {"x": 1}, None])
def test_something_else_than_a_data_set_is_refused(data):
    with pytest.raises(TypeError, match=f"expected a Dataset, arrays, or a list of items, got {type(data).__name__}"):
        DataLoader(data)


def test_arrays_and_lists_of_items_are_data_sets():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    for data in ((x, y), [(x[i], y[i]) for i in range(3)], (Tensor(x), Tensor(y)), TensorDataset(x, y)):
        first, second = next(iter(DataLoader(data, 2)))
        np.testing.assert_array_equal(first.numpy(), x[:2])
        np.testing.assert_array_equal(second.numpy(), y[:2])
        assert sorted(len(part) for part in random_split(data, [2, 1])) == [1, 2]
    (batch,) = next(iter(DataLoader(x, 3)))
    np.testing.assert_array_equal(batch.numpy(), x)
    with pytest.raises(ValueError, match="same length"):
        DataLoader((x, y[:2]))
