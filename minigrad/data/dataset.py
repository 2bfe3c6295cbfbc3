"""What is learned from: items, by number and in batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.data.checks import checked_seed
from minigrad.tensor import Tensor

Batch = tuple[np.ndarray, ...]
Data = Any  # a Dataset, or what `as_dataset` makes one of


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
                raise TypeError(
                    f"Dataset.batch: expected items that are tuples, as (image, label), got {type(item).__name__}; "
                    "arrays, each of all items, go into a tuple: (images, labels)"
                )
        if len({len(item) for item in items}) != 1:
            lengths = sorted({len(item) for item in items})
            raise ValueError(f"Dataset.batch: the {len(items)} items of a batch have lengths {lengths}")
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


class _Items(Dataset):
    """Whatever has items and a length."""

    def __init__(self, items: Sequence[tuple]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple:
        return self.items[index]


def as_dataset(data: Data) -> Dataset:
    """Return `data` as a Dataset: an array, a tuple of arrays, or something with items and a length.

    Raises:
        TypeError: it is none of these.
        ValueError: the arrays do not fit each other.
    """
    if hasattr(data, "batch") and hasattr(data, "__len__"):
        return data
    arrays = data if isinstance(data, tuple) else (data,)
    if arrays and all(isinstance(array, np.ndarray | Tensor) for array in arrays):
        return TensorDataset(*arrays)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes | dict):
        return _Items(data)
    raise TypeError(f"expected a Dataset, arrays, or a list of items, got {type(data).__name__}")


class Subset(Dataset):
    """The items of `dataset` at `indices`, in that order.

    Raises:
        ValueError: `indices` is not a flat list of whole numbers.
        IndexError: an index is outside the data set.
    """

    def __init__(self, dataset: Data, indices: Sequence[int] | np.ndarray) -> None:
        dataset = as_dataset(dataset)
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


def random_split(dataset: Data, lengths: Sequence[int | float], seed: int | None = None) -> list[Subset]:
    """Split `dataset` at random into disjoint subsets that together cover it.

    Args:
        lengths: the number of items of each part (ints), or its share (fractions that sum to 1). Shares are rounded
            down, and what is left over is dealt out one by one from the first part on, as in PyTorch.
        seed: of the permutation; drawn from `mg.manual_seed`'s generator by default.

    Raises:
        ValueError: a length is negative, or the lengths do not sum to the size of the data set or to 1.
    """
    dataset = as_dataset(dataset)
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
    order = np.random.default_rng(checked_seed("random_split", seed)).permutation(size)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]
