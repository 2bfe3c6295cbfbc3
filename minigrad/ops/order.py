"""Sorting, and taking elements along an axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.ops.indexing import getitem
from minigrad.ops.operands import one_int
from minigrad.ops.reduce import one_axis
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["argsort", "gather", "sort", "topk"]


class Ordered(NamedTuple):
    """Elements in order, and where they were (int64)."""

    values: Tensor
    indices: Tensor


class ArgSort(Function):
    """Where the elements are, in order, equals from first to last; no gradient."""

    differentiable = False

    def forward(self, x: Array, axis: int, descending: bool) -> Array:
        xp = array_module(x)
        if not descending:
            return xp.argsort(x, axis=axis, kind="stable").astype(np.int64)
        from_the_end = xp.argsort(xp.flip(x, axis=axis), axis=axis, kind="stable").astype(np.int64)
        return xp.flip(x.shape[axis] - 1 - from_the_end, axis=axis)


@also(dim="axis")
def argsort(x: Tensor, axis: int = -1, descending: bool = False) -> Tensor:
    """Return the indices (int64) that sort `x` along `axis`, equals from first to last; nan is the largest number."""
    return ArgSort.apply(x, axis=one_axis("argsort", x, axis), descending=descending)


@also(dim="axis")
def sort(x: Tensor, axis: int = -1, descending: bool = False) -> Ordered:
    """Return the elements in order along `axis`, and the indices where they were: `values, indices = x.sort()`."""
    indices = argsort(x, axis, descending)
    return Ordered(gather(x, axis, indices), indices)


@also(dim="axis")
def topk(x: Tensor, k: int, axis: int = -1, largest: bool = True) -> Ordered:
    """Return the k largest (or smallest) elements along `axis`, in order, and the indices where they were.

    Raises:
        ValueError: there are fewer than k elements.
    """
    axis, k = one_axis("topk", x, axis), one_int("topk", "k", k)
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"topk: expected k from 0 to {x.shape[axis]}, the length of axis {axis}, got {k}")
    indices = argsort(x, axis, descending=largest)[(slice(None),) * axis + (slice(k),)]
    return Ordered(gather(x, axis, indices), indices)


@also(dim="axis")
def gather(x: Tensor, axis: int, index: Tensor | Array) -> Tensor:
    """Return y[i, j, …] = x[i, …, index[i, j, …], …], with the index in the place of `axis`; as `torch.gather`.

    Args:
        index: integers, with as many axes as x; along the others than `axis` it may be shorter than x.

    Raises:
        ValueError: `index` has another number of axes, or is longer than x along another axis.
    """
    index = index if isinstance(index, Tensor) else Tensor(index, device=x.device)
    axis = one_axis("gather", x, axis)
    if index.ndim != x.ndim or any(n > m for i, (n, m) in enumerate(zip(index.shape, x.shape)) if i != axis):  # noqa: B905
        raise ValueError(f"gather: an index of shape {index.shape} does not fit shape {x.shape} along axis {axis}")
    places: list[Any] = []
    for i, n in enumerate(index.shape):
        along = np.arange(n).reshape([n if j == i else 1 for j in range(x.ndim)])
        places.append(index if i == axis else Tensor(along, device=x.device))
    return getitem(x, tuple(places))
