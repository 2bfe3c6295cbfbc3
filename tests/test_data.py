"""Data sets and the loader: right items, right order, whatever the number of threads, and no thread left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

from minigrad import backend
from minigrad.data import DataLoader, Dataset, Subset, TensorDataset, random_split
from minigrad.tensor import Tensor


def numbered(size=10):
    """Pictures (size, 1, 2, 2) filled with their number, and the numbers as labels."""
    labels = np.arange(size)
    return TensorDataset(np.broadcast_to(labels[:, None, None, None], (size, 1, 2, 2)).astype(np.float32), labels)


def labels_of(loader):
    return [labels.numpy().tolist() for _, labels in loader]


def add_noise(images, rng):
    return images + rng.random(images.shape, dtype=np.float32)


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader")]


class Items(Dataset):
    """A data set that has items only, so that `batch` must collate them."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


# ---- data sets ---------------------------------------------------------------------------------------------------


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
    backend.manual_seed(3)
    drawn = first(None)
    backend.manual_seed(3)
    assert first(None) == drawn


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.4], [11, -1], [0.5, 5]])
def test_random_split_refuses(lengths):
    with pytest.raises(ValueError, match="random_split"):
        random_split(numbered(), lengths)


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
    backend.manual_seed(7)
    first = epochs(1)
    backend.manual_seed(7)
    assert epochs(1) == first
    assert epochs(1) != first


# ---- threads -----------------------------------------------------------------------------------------------------


class Failing(TensorDataset):
    def batch(self, indices):
        if 6 in indices:
            raise KeyError("picture 6 is broken")
        return super().batch(indices)


@pytest.mark.parametrize("workers", [0, 2])
def test_error_in_a_worker_arrives_in_order_with_its_traceback(workers):
    seen = []
    with pytest.raises(KeyError, match="picture 6") as caught:
        for (labels,) in DataLoader(Failing(np.arange(10)), batch_size=2, num_workers=workers, prefetch=5):
            seen.extend(labels.numpy().tolist())
    assert seen == [0, 1, 2, 3, 4, 5]
    assert "batch" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert not worker_threads()


class Counting(TensorDataset):
    made = 0

    def batch(self, indices):
        self.made += 1
        return super().batch(indices)


def test_no_more_than_prefetch_batches_are_made_in_advance():
    dataset = Counting(np.arange(100))
    for number, _ in enumerate(DataLoader(dataset, batch_size=1, num_workers=1, prefetch=3), start=1):
        assert dataset.made <= number + 3


def test_batches_are_made_in_advance():
    made_ahead = threading.Event()

    class Signalling(TensorDataset):
        def batch(self, indices):
            if indices[0] == 2:
                made_ahead.set()
            return super().batch(indices)

    next_batch = iter(DataLoader(Signalling(np.arange(9)), batch_size=1, num_workers=1, prefetch=2))
    next(next_batch)
    assert made_ahead.wait(timeout=30)  # although only batch 0 was asked for
    next_batch.close()


def test_leaving_the_loop_early_stops_the_workers():
    loader = DataLoader(numbered(100), num_workers=3)
    for _ in loader:
        assert worker_threads()
        break
    assert not worker_threads()


@pytest.mark.parametrize(
    "interrupt", [lambda: 1 / 0, lambda: signal.raise_signal(signal.SIGINT)], ids=["error", "Ctrl-C"]
)
def test_interrupted_loop_stops_the_workers(interrupt):
    with pytest.raises((ZeroDivisionError, KeyboardInterrupt)):
        for _ in DataLoader(numbered(100), num_workers=3):
            interrupt()
    assert not worker_threads()


@pytest.mark.skipif(os.name != "posix", reason="signals between threads are POSIX's")
def test_interrupt_while_waiting_for_a_batch_stops_the_workers():
    class Slow(TensorDataset):
        def batch(self, indices):
            if indices[0] == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            return super().batch(indices)

    with pytest.raises(KeyboardInterrupt):
        list(DataLoader(Slow(np.arange(100)), num_workers=2))
    assert not worker_threads()


@pytest.mark.parametrize("ending", ["", "raise SystemExit", "del batches"])
def test_interpreter_ends_while_an_iteration_is_open(ending):
    program = f"""
import numpy as np
from minigrad.data import DataLoader, TensorDataset
batches = iter(DataLoader(TensorDataset(np.arange(1000)), num_workers=2, prefetch=4))
next(batches)
{ending}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


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
        ({"device": "gpu"}, ValueError, "gpu"),
    ],
)
def test_wrong_arguments_are_named(options, error, reason):
    with pytest.raises(error, match=reason):
        DataLoader(numbered(), **options)


def test_something_else_than_a_data_set_is_refused():
    with pytest.raises(TypeError, match="expected a Dataset, got list"):
        DataLoader([1, 2, 3])
