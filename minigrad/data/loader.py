"""The loader: order, batches made ahead by threads, transforms, and the way to the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.data.checks import check_batch, checked_int, checked_seed
from minigrad.data.dataset import Batch, Data, as_dataset
from minigrad.tensor import Tensor

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]
BatchTransform = Callable[[Any, np.random.Generator], Batch]  # the first argument is a Batch, of known length


class DataLoader:
    """Iterate over a data set in batches: each is a tuple of contiguous Tensors on `device`.

    Every pass over the loader is one epoch. With worker threads, up to `prefetch` batches are made in advance while the
    caller works on the current one (NumPy's copies release the GIL); the transfer to a GPU happens in the calling
    thread. Leaving the loop early, by `break` or an exception, stops the workers.

    Args:
        dataset: gives the batches as arrays, see `Dataset.batch`. An array or a tuple of arrays will do, too, as in
            `TensorDataset`, and so will a list of items, or whatever has items that are tuples, and a length.
        batch_size: items per batch; the last batch may be smaller.
        shuffle: visit the items in a new random order in every epoch.
        drop_last: leave out a last batch that is not full.
        transform: `transform(images, rng) -> images`, applied to the first array of each batch; `rng` is a
            `numpy.random.Generator` of that batch's own.
        batch_transform: `batch_transform(arrays, rng) -> arrays`, applied to the whole batch, a tuple of arrays, before
            `transform`: for what changes several of them together, such as pictures and the boxes in them.
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
        dataset: Data,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        transform: Transform | None = None,
        seed: int | None = None,
        num_workers: int = 0,
        prefetch: int = 2,
        device: str = "cpu",
        batch_transform: BatchTransform | None = None,
    ) -> None:
        for name, function in (("transform", transform), ("batch_transform", batch_transform)):
            if function is not None and not callable(function):
                raise TypeError(f"DataLoader: {name} must be callable, got {type(function).__name__}")
        backend.device_module(device)  # a missing GPU is an error now, not in the first batch
        self.dataset = as_dataset(dataset)
        self.batch_size = checked_int("DataLoader: batch_size", batch_size, minimum=1)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.transform = transform
        self.batch_transform = batch_transform
        self.num_workers = checked_int("DataLoader: num_workers", num_workers, minimum=0)
        self.prefetch = checked_int("DataLoader: prefetch", prefetch, minimum=1)
        self.device = backend.parse_device(device)
        self.seed = checked_seed("DataLoader", seed)
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (1 if rest and not self.drop_last else 0)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Begin an epoch and return its batches from number `start` on: for a run that was stopped in mid-epoch."""
        start = checked_int("DataLoader: start", start, minimum=0)
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
            checked_int(f"DataLoader.load_state_dict: {key}", state[key], minimum=0) for key in ("seed", "epoch")
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
        check_batch(f"{type(self.dataset).__name__}.batch", arrays, len(indices))
        rng = _generator(self.seed, epoch, index)
        if self.batch_transform is not None:
            arrays = self.batch_transform(arrays, rng)
            check_batch("DataLoader: the batch transform", arrays, len(indices))
        if self.transform is not None:
            arrays = (self.transform(arrays[0], rng), *arrays[1:])
            check_batch("DataLoader: the transform", arrays, len(indices))
        return tuple(np.ascontiguousarray(array, array.dtype.newbyteorder("=")) for array in arrays)


def _generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of an epoch or of a batch: independent streams, as `SeedSequence.spawn` makes them."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
