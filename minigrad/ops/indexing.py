"""Taking elements by index, and its transpose: adding them back at the same index."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.kernels.precision import running_total
from minigrad.tensor import Tensor

__all__ = ["getitem"]


class GetItem(Function):
    """y = x[index]  ⇒  add g into zeros, at the same index."""

    is_view = True

    def forward(self, x: Array, index: Any) -> Array:
        if any(self.needs):  # whoever owns an index array may write into it before backward needs it
            parts = tuple(part.copy() if hasattr(part, "copy") else part for part in _parts(index))
            self.index = parts if isinstance(index, tuple) else parts[0]
        return x[index]

    def backward(self, grad: Array) -> Array:
        return ScatterAdd.apply(grad, shape=self.edges[0].shape, index=self.index)


class ScatterAdd(Function):
    """Zeros of `shape`, with x added at `index`: the transpose of `GetItem`  ⇒  take g at the index."""

    def forward(self, x: Array, shape: tuple[int, ...], index: Any) -> Array:
        self.index = index
        xp = array_module(x)
        if all(isinstance(part, (int, slice)) or part is None or part is Ellipsis for part in _parts(index)):
            y = xp.zeros(shape, dtype=x.dtype)
            y[index] = x  # no element is taken twice
            return y
        wide = running_total(x.dtype, x.size)  # all of x may belong to one element
        y = xp.zeros(shape, dtype=wide)
        xp.add.at(y, index, x.astype(wide, copy=False))
        return y.astype(x.dtype, copy=False)

    def backward(self, grad: Array) -> Array:
        return GetItem.apply(grad, index=self.index)


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return `x[index]`: ints, slices, None, Ellipsis, integer arrays and boolean masks, as in NumPy.

    On a GPU the program would have to wait to see the values of an index Tensor. Integers in it are therefore not
    checked: what is out of range counts on from the other end. A boolean mask is waited for, as how many of its
    elements are true decides the result's shape; `where` and `masked_fill` need not wait.

    Raises:
        IndexError: the index does not fit the shape.
        DeviceError: an index Tensor lies on another device.
    """
    _check_lists(x, _parts(index))
    parts = tuple(_index_part(x, part) for part in _parts(index))
    return GetItem.apply(x, index=parts if isinstance(index, tuple) else parts[0])


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _check_lists(x: Tensor, parts: tuple[Any, ...]) -> None:
    """Check the integers of lists before they go to a GPU, which takes any."""
    lists = [part for part in parts if isinstance(part, list) and part]
    if not lists or x.device == "cpu":
        return
    counts = [_axes_taken(part) for part in parts]
    axis = 0
    for part, count in zip(parts, counts, strict=True):
        if isinstance(part, list) and part and count == 1 and axis < x.ndim:
            places, length = np.asarray(part), x.shape[axis]
            if places.dtype.kind in "iu" and (places.min() < -length or places.max() >= length):
                raise IndexError(f"getitem: an index in {part} is out of bounds for axis {axis} of length {length}")
        axis += x.ndim - sum(counts) if part is Ellipsis else count


def _axes_taken(part: Any) -> int:
    """Return how many axes of the indexed Tensor a part of the index stands for."""
    if part is None or part is Ellipsis:
        return 0
    values = np.asarray(part) if isinstance(part, list) else part
    return values.ndim if getattr(getattr(values, "dtype", None), "kind", "") == "b" else 1


def _index_part(x: Tensor, part: Any) -> Any:
    """Turn lists and Tensors into arrays on x's device, and NumPy integers into Python's."""
    if isinstance(part, list):
        part = Tensor(np.asarray(part, dtype=None if part else np.int64), device=x.device)
    elif isinstance(part, np.integer):
        part = int(part)
    elif isinstance(part, np.ndarray):
        part = Tensor(part)
    if isinstance(part, Tensor):
        if part.device != x.device:
            raise backend.DeviceError(f"getitem: the index is on {part.device}, the Tensor on {x.device}")
        if part.dtype.kind not in "iub":
            raise IndexError(f"getitem: expected integers or booleans as index, got {part.dtype}")
        return part.data
    return part
