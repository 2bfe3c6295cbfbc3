"""Data sets and the loader that turns them into batches.

A `Dataset` answers two questions: how many items it has, and what a *batch* of them is, as arrays. Whole batches are
indexed, transformed and made into Tensors at once; there is never a Tensor per picture.

Order and augmentation of a `DataLoader` are functions of (seed, epoch, batch index) alone. So they are the same for any
number of worker threads, and a training run resumed at epoch k sees exactly what the uninterrupted run would have seen.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.tensor import Tensor

Batch = tuple[np.ndarray, ...]
Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Dataset:
    """Base class: `len(dataset)` items, each a tuple such as `(image, label)`.

    Subclasses define `__len__` and `__getitem__`; those whose items lie in arrays override `batch` too, with one
    indexing operation per array.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> tuple:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def batch(self, indices: np.ndarray) -> Batch:
        """Return the items at `indices` `(n,)` int64 as arrays whose first axis has length n, one per tuple entry.

        Python floats become float32 and Python ints int64; arrays keep their dtype. Worker threads call this at the
        same time, so it must not change the data set; and the arrays must be new, because transforms may write to them.

        Raises:
            TypeError: an item is not a tuple.
            ValueError: the items differ in length or shape, or `indices` is empty.
        """
        items = [self[int(index)] for index in indices]
        for item in items:
            if not isinstance(item, tuple):
                raise TypeError(f"{type(self).__name__}: expected items that are tuples, got {type(item).__name__}")
        if len({len(item) for item in items}) != 1:
            lengths = sorted({len(item) for item in items})
            raise ValueError(f"{type(self).__name__}: the {len(items)} items of a batch have lengths {lengths}")
        return tuple(_stack(values, position) for position, values in enumerate(zip(*items, strict=True)))


def _stack(values: tuple, position: int) -> np.ndarray:
    """Stack one entry of all the items of a batch."""
    arrays = [value.numpy() if isinstance(value, Tensor) else np.asarray(value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"Dataset.batch: entry {position} of the items has the shapes {sorted(shapes)}, expected the same in all"
        )
    stacked = np.stack(arrays)
    from_python = not any(isinstance(value, np.ndarray | np.generic | Tensor) for value in values)
    # As in Tensor(...): a Python number says nothing about precision, a NumPy value does.
    return stacked.astype(np.float32) if from_python and stacked.dtype == np.float64 else stacked


class TensorDataset(Dataset):
    """Arrays or CPU Tensors of equal length; item i is `(array_0[i], array_1[i], …)`. The arrays are not copied.

    Raises:
        TypeError: an argument is no array or Tensor.
        ValueError: there are no arrays, they differ in length, are 0-d, or lie on a GPU.
    """

    def __init__(self, *arrays: np.ndarray | Tensor) -> None:
        if not arrays:
            raise ValueError("TensorDataset: expected at least one array")
        for position, array in enumerate(arrays):
            if not isinstance(array, np.ndarray | Tensor):
                raise TypeError(f"TensorDataset: argument {position} is {type(array).__name__}, not an array or Tensor")
            if isinstance(array, Tensor) and array.device != "cpu":
                raise ValueError(
                    f"TensorDataset: argument {position} lies on {array.device}; keep the data on the CPU "
                    "and let the DataLoader send the batches to a device"
                )
        self.arrays = tuple(array.numpy() if isinstance(array, Tensor) else array for array in arrays)
        shapes = [array.shape for array in self.arrays]
        if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"TensorDataset: expected arrays of the same length, got the shapes {shapes}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> tuple:
        return tuple(array[index] for array in self.arrays)

    def batch(self, indices: np.ndarray) -> Batch:
        return tuple(array[indices] for array in self.arrays)


class Subset(Dataset):
    """The items of `dataset` at `indices`, in that order.

    Raises:
        ValueError: `indices` is not a flat list of whole numbers.
        IndexError: an index is outside the data set.
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray) -> None:
        indices = np.asarray(indices)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise ValueError(f"Subset: expected a flat list of ints, got {indices.dtype} of shape {indices.shape}")
        if indices.size and (indices.min() < 0 or indices.max() >= len(dataset)):
            raise IndexError(
                f"Subset: expected indices from 0 to {len(dataset) - 1}, got {indices.min()} to {indices.max()}"
            )
        self.dataset = dataset
        self.indices = indices.astype(np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple:
        return self.dataset[int(self.indices[index])]

    def batch(self, indices: np.ndarray) -> Batch:
        return self.dataset.batch(self.indices[indices])


def random_split(dataset: Dataset, lengths: Sequence[int | float], seed: int | None = None) -> list[Subset]:
    """Split `dataset` at random into disjoint subsets that together cover it.

    Args:
        lengths: the number of items of each part (ints), or its share (fractions that sum to 1). Shares are rounded
            down, and what is left over is dealt out one by one from the first part on, as in PyTorch.
        seed: of the permutation; drawn from `mg.manual_seed`'s generator by default.

    Raises:
        ValueError: a length is negative, or the lengths do not sum to the size of the data set or to 1.
    """
    size = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: expected lengths >= 0, got {list(lengths)}")
    if all(isinstance(length, int | np.integer) for length in lengths):
        counts = [int(length) for length in lengths]
    elif math.isclose(sum(lengths), 1.0):
        counts = [math.floor(size * fraction) for fraction in lengths]
        for position in range(size - sum(counts)):
            counts[position % len(counts)] += 1
    else:
        raise ValueError(f"random_split: expected ints, or fractions that sum to 1, got {list(lengths)}")
    if sum(counts) != size:
        raise ValueError(f"random_split: the lengths {counts} sum to {sum(counts)}, but the data set has {size} items")
    order = np.random.default_rng(_checked_seed("random_split", seed)).permutation(size)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


class DataLoader:
    """Iterate over a data set in batches: each is a tuple of contiguous Tensors on `device`.

    Every pass over the loader is one epoch. With worker threads, up to `prefetch` batches are made in advance while the
    caller works on the current one (NumPy's copies release the GIL); the transfer to a GPU happens in the calling
    thread. Leaving the loop early, by `break` or an exception, stops the workers.

    Args:
        dataset: gives the batches as arrays, see `Dataset.batch`.
        batch_size: items per batch; the last batch may be smaller.
        shuffle: visit the items in a new random order in every epoch.
        drop_last: leave out a last batch that is not full.
        transform: `transform(images, rng) -> images`, applied to the first array of each batch; `rng` is a
            `numpy.random.Generator` of that batch's own.
        seed: of order and transforms; drawn from `mg.manual_seed`'s generator by default.
        num_workers: threads that make batches; 0 makes them in the calling thread.
        prefetch: how many batches to make in advance; fewer than `num_workers` leaves some threads idle.
        device: where the Tensors go.

    Attributes:
        epoch: the number of epochs begun, which is also the number that the next one gets (from 0). Set it to repeat
            an epoch or to skip to one.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range.
        DeviceError: the device cannot be used.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        transform: Transform | None = None,
        seed: int | None = None,
        num_workers: int = 0,
        prefetch: int = 2,
        device: str = "cpu",
    ) -> None:
        if not (hasattr(dataset, "batch") and hasattr(dataset, "__len__")):
            raise TypeError(f"DataLoader: expected a Dataset, got {type(dataset).__name__}")
        if transform is not None and not callable(transform):
            raise TypeError(f"DataLoader: transform must be callable, got {type(transform).__name__}")
        backend.device_module(device)  # a missing GPU is an error now, not in the first batch
        self.dataset = dataset
        self.batch_size = _checked_int("DataLoader: batch_size", batch_size, minimum=1)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.transform = transform
        self.num_workers = _checked_int("DataLoader: num_workers", num_workers, minimum=0)
        self.prefetch = _checked_int("DataLoader: prefetch", prefetch, minimum=1)
        self.device = backend.parse_device(device)
        self.seed = _checked_seed("DataLoader", seed)
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Begin an epoch and return its batches from number `start` on: for a run that was stopped in mid-epoch."""
        start = _checked_int("DataLoader: start", start, minimum=0)
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._iterate(epoch, start)

    def state_dict(self) -> dict[str, int]:
        """Return what fixes the order and the transforms of the epochs to come."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: the entries are not the two expected ones.
        """
        if set(state) != {"seed", "epoch"}:
            raise ValueError(f"DataLoader.load_state_dict: expected the keys 'epoch' and 'seed', got {sorted(state)}")
        seed, epoch = (
            _checked_int(f"DataLoader.load_state_dict: {key}", state[key], minimum=0) for key in ("seed", "epoch")
        )
        self.seed, self.epoch = seed, epoch

    def _iterate(self, epoch: int, start: int) -> Iterator[tuple[Tensor, ...]]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = _generator(self.seed, epoch).permutation(order)
        numbers = range(start, len(self))
        jobs = ((epoch, index, order[index * self.batch_size :][: self.batch_size]) for index in numbers)
        batches = self._make_ahead(jobs) if self.num_workers else (self._make(*job) for job in jobs)
        with closing(batches):  # an error in the transfer, too, ends the workers now, not when memory is collected
            for arrays in batches:
                yield tuple(Tensor._wrap(backend.to_device(array, self.device)) for array in arrays)

    def _make_ahead(self, jobs: Iterator[tuple]) -> Iterator[Batch]:
        """Make the batches of `jobs` in worker threads and yield them in order."""
        executor = ThreadPoolExecutor(self.num_workers, thread_name_prefix="DataLoader")
        pending: deque[Future[Batch]] = deque()
        try:
            while True:
                for job in jobs:
                    pending.append(executor.submit(self._make, *job))
                    if len(pending) > self.prefetch:
                        break
                if not pending:
                    return
                yield pending.popleft().result()  # raises here what went wrong in the worker, with its traceback
        finally:
            # Also reached when the caller leaves its loop: the generator is closed. Threads end after their batch.
            executor.shutdown(wait=True, cancel_futures=True)

    def _make(self, epoch: int, index: int, indices: np.ndarray) -> Batch:
        """Make one batch of arrays (runs in a worker thread)."""
        arrays = self.dataset.batch(indices)
        _check_batch(f"{type(self.dataset).__name__}.batch", arrays, len(indices))
        if self.transform is not None:
            images = self.transform(arrays[0], _generator(self.seed, epoch, index))
            arrays = (images, *arrays[1:])
            _check_batch("DataLoader: the transform", arrays, len(indices))
        return tuple(np.ascontiguousarray(array) for array in arrays)


def _check_batch(source: str, arrays: Any, size: int) -> None:
    if not isinstance(arrays, tuple):
        raise TypeError(f"{source}: expected a tuple of arrays, got {type(arrays).__name__}")
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise TypeError(
                f"{source}: expected numeric NumPy arrays, got {getattr(array, 'dtype', type(array).__name__)}"
            )
        if array.shape[:1] != (size,):
            raise ValueError(f"{source}: expected arrays of {size} items, got shape {array.shape}")


def _generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of an epoch or of a batch: independent streams, as `SeedSequence.spawn` makes them."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _checked_seed(name: str, seed: int | None) -> int:
    if seed is None:
        return int(backend.generator("cpu").integers(2**63))
    return _checked_int(f"{name}: seed", seed, minimum=0)


def _checked_int(name: str, value: Any, minimum: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an int >= {minimum}, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name}: expected an int >= {minimum}, got {value!r}")
    return number
