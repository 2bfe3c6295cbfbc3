"""Tensors in a file: what they are described by, what is checked, and how they become arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from minigrad.io.pickle_machine import MAX_NAME
from minigrad.quoting import quoted

MAX_NDIM = 64  # NumPy's limit
MAX_SIZE = 2**59  # elements; in bytes still a 64-bit integer
# A tensor may show the elements of its storage many times (stride 0, from `expand`). A few bytes could claim terabytes
# that nobody would have to write down, but somebody would copy.
MAX_REPEATED_BYTES = 2**30


class Elements(Enum):
    """Types of elements, by their name in PyTorch."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT64 = "int64"
    INT32 = "int32"
    INT16 = "int16"
    INT8 = "int8"
    UINT64 = "uint64"
    UINT32 = "uint32"
    UINT16 = "uint16"
    UINT8 = "uint8"
    BOOL = "bool"
    COMPLEX64 = "complex64"
    COMPLEX128 = "complex128"

    __hash__ = object.__hash__  # members are compared by identity; Enum's own is slow

    @cached_property
    def dtype(self) -> np.dtype:
        """The elements as they lie in the file; NumPy has no bfloat16."""
        return np.dtype("uint16" if self is Elements.BFLOAT16 else self.value)


@dataclass(frozen=True, slots=True)
class Storage:
    """A row of numbers in the file, or a part of one: `count` elements from `first` on, of `size` in all."""

    key: str
    elements: Elements
    size: int
    first: int
    count: int

    @property
    def nbytes(self) -> int:
        """Bytes of the whole row."""
        return self.size * self.elements.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Tensor:
    """A way to look at a storage, as the file gives it; offset and strides count elements.

    It is checked when its array is wanted: what lies beside the weights may be of any kind.
    """

    storage: Storage
    elements: Elements
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def checked_size(value: object, what: str) -> int:
    """Return `value` if it is an integer that can be a size.

    Raises:
        ValueError: it is not.
    """
    if type(value) is not int or not 0 <= value < MAX_SIZE:
        raise ValueError(f"{what} is no integer from 0 to 2⁵⁹")
    return value


def checked_storage(key: object, elements: object, count: object, view: tuple[object, object] | None = None) -> Storage:
    """Return the storage of `count` elements under `key`, or its part `view` (first element, number of elements).

    Raises:
        ValueError: these are not a key, a type of elements and sizes, or the part lies outside.
    """
    if not isinstance(key, str) or len(key) > MAX_NAME or not isinstance(elements, Elements):
        raise ValueError("damaged pickle: a storage needs a short text for its key and a known type of elements")
    count = checked_size(count, "the length of a storage")
    first, part = (0, count) if view is None else (checked_size(n, "the place of a view") for n in view)
    if first + part > count:
        raise ValueError(f"a view of elements {first} to {first + part} lies outside its storage of {count}")
    return Storage(key, elements, count, first, part)


def check(tensor: Tensor) -> None:
    """Compare offset, shape and strides with the storage.

    Raises:
        ValueError: these are not sizes, or reach beyond the end of the storage, or repeat it beyond measure.
    """
    storage, elements, offset, shape, strides = (
        tensor.storage, tensor.elements, tensor.offset, tensor.shape, tensor.strides
    )  # fmt: skip
    # Types that are younger than UntypedStorage, a storage of bytes, have no storages of their own.
    if elements is not storage.elements and (storage.elements is not Elements.UINT8 or storage.first):
        raise ValueError(f"a tensor of type {elements.value} in a storage of type {storage.elements.value}")
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides):
        raise ValueError("damaged pickle: a tensor needs as many strides as it has axes")
    if len(shape) > MAX_NDIM:
        raise ValueError(f"a tensor has {len(shape)} axes, at most {MAX_NDIM} are possible")
    checked_size(offset, "the offset of a tensor")
    for length in shape:
        checked_size(length, "the length of an axis")
    for stride in strides:
        checked_size(stride, "a stride")
    if 0 not in shape:
        itemsize = elements.dtype.itemsize
        available = storage.count * storage.elements.dtype.itemsize // itemsize
        end = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) + 1
        if end > available:
            raise ValueError(
                f"a tensor of shape {shape}, strides {strides} and offset {offset} needs {end} elements,"
                f" its storage has {available}"
            )
        if math.prod(shape) > max(available, MAX_REPEATED_BYTES // itemsize):
            raise ValueError(
                f"a tensor of shape {shape} repeats the {available} elements of its storage beyond measure"
            )


class Arrays:
    """Makes arrays of tensors; a storage is read when first needed, and once.

    Args:
        read: returns the bytes of a storage, all of them.
        byteorder: of the numbers in the file, "<" (little endian) or ">".
    """

    def __init__(self, read: Callable[[Storage], np.ndarray], byteorder: str) -> None:
        self.read, self.byteorder = read, byteorder
        self.contents: dict[str, np.ndarray] = {}
        self.spare = 0  # bytes that may be copied
        self.rows: dict[tuple[str, Elements], np.ndarray] = {}
        self.arrays: dict[int, tuple[Tensor, np.ndarray]] = {}

    def of(self, tensor: Tensor) -> np.ndarray:
        """Return the array of `tensor`, a view of its storage's memory; the same one each time, as in PyTorch.

        Raises:
            ValueError: the tensor cannot be what the file says (`check`).
        """
        if id(tensor) not in self.arrays:
            check(tensor)
            self.arrays[id(tensor)] = tensor, self.made(tensor)
        return self.arrays[id(tensor)][1]

    def made(self, tensor: Tensor) -> np.ndarray:
        """Return the array of a checked tensor."""
        storage, elements = tensor.storage, tensor.elements
        if 0 in tensor.shape:
            return np.empty(tensor.shape, np.float32 if elements is Elements.BFLOAT16 else elements.dtype)
        where = storage.key, elements
        if where not in self.rows:
            self.rows[where] = self.row(storage, elements)
        row = self.rows[where]
        strides = [stride * row.itemsize for stride in tensor.strides]
        return np.ndarray(tensor.shape, row.dtype, row, (storage.first + tensor.offset) * row.itemsize, strides)

    def row(self, storage: Storage, elements: Elements) -> np.ndarray:
        """Return all elements of a storage, which may be looked at as several types: they share its memory."""
        if storage.key not in self.contents:
            self.contents[storage.key] = self.read(storage)
            self.spare += 2 * self.contents[storage.key].nbytes
        content = self.contents[storage.key]
        stored = elements.dtype.newbyteorder(self.byteorder)
        row = content[: content.size // stored.itemsize * stored.itemsize].view(stored)
        if elements is Elements.BFLOAT16:  # the upper half of a float32
            self.count_copy(2 * row.nbytes)
            wide = np.empty(row.shape, np.uint32)
            np.left_shift(row, 16, out=wide, dtype=np.uint32)
            return wide.view(np.float32)
        if elements is Elements.BOOL and content.max(initial=0) > 1:
            raise ValueError(f"storage {quoted(storage.key)} of booleans has bytes other than 0 and 1")
        if stored != elements.dtype:
            self.count_copy(row.nbytes)
        return row.astype(elements.dtype, copy=False)

    def count_copy(self, nbytes: int) -> None:
        """Refuse to copy more than twice of what was read: what bfloat16 needs, and no more."""
        self.spare -= nbytes
        if self.spare < 0:
            raise ValueError("storages are shown as more types of elements than can be copied")
