"""Joining Tensors, and adding a border. Both are linear: the gradient is cut apart again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.ops.casting import astype
from minigrad.ops.indexing import GetItem
from minigrad.ops.operands import common_dtype, ints, one_int
from minigrad.ops.shape import unsqueeze
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["concat", "pad", "stack"]


class Concat(Function):
    """Tensors joined along an axis  ⇒  each gets its part of the gradient."""

    def forward(self, *arrays: Array, axis: int) -> Array:
        self.axis, self.lengths = axis, [x.shape[axis] for x in arrays]
        return array_module(arrays[0]).concatenate(arrays, axis=axis)

    def backward(self, grad: Array) -> tuple:
        ends = np.cumsum(self.lengths).tolist()
        parts = [slice(end - n, end) for end, n in zip(ends, self.lengths, strict=True)]
        before = (slice(None),) * self.axis
        return tuple(
            GetItem.apply(grad, index=(*before, part)) if need else None
            for part, need in zip(parts, self.needs, strict=True)
        )


class Pad(Function):
    """A constant border  ⇒  the inner part of the gradient."""

    def forward(self, x: Array, width: tuple[tuple[int, int], ...], value: float) -> Array:
        self.inside = tuple(slice(before, before + n) for (before, _), n in zip(width, x.shape, strict=True))
        return array_module(x).pad(x, width, mode="constant", constant_values=value)

    def backward(self, grad: Array) -> Array:
        return GetItem.apply(grad, index=self.inside)


@also(dim="axis")
def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join Tensors along an existing axis.

    Raises:
        ValueError: there are none, or their shapes differ elsewhere than along `axis`.
    """
    tensors = _tensors("concat", tensors)
    first, axis = tensors[0], one_int("concat", "axis", axis)
    if not -first.ndim <= axis < first.ndim:
        raise ValueError(f"concat: axis {axis} is not an axis of shape {first.shape}")
    axis %= first.ndim
    for x in tensors:
        if x.ndim != first.ndim or any(
            n != m for i, (n, m) in enumerate(zip(x.shape, first.shape, strict=True)) if i != axis
        ):
            raise ValueError(f"concat: shapes {[t.shape for t in tensors]} differ outside axis {axis}")
    dtype = common_dtype([x.dtype for x in tensors])
    return Concat.apply(*[x if x.dtype == dtype else astype(x, dtype) for x in tensors], axis=axis)


def _tensors(name: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    tensors = list(tensors)
    if not tensors:
        raise ValueError(f"{name}: expected at least one Tensor")
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(x).__name__}")
    return tensors


@also(dim="axis")
def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Raises:
        ValueError: there are none, or their shapes differ.
    """
    tensors = _tensors("stack", tensors)
    if len({x.shape for x in tensors}) != 1:
        raise ValueError(f"stack: expected Tensors of one shape, got {[x.shape for x in tensors]}")
    return concat([unsqueeze(x, axis) for x in tensors], axis % (tensors[0].ndim + 1))


def pad(x: Tensor, width: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Add a border of `value`.

    Args:
        width: (before, after) for each axis, in NumPy's order. Not as in PyTorch, where plain numbers begin with the
            last axis: its `(1, 1)` for a matrix is `[(0, 0), (1, 1)]` here.

    Raises:
        TypeError: `width` is not made of pairs of ints.
        ValueError: `width` does not have one non-negative pair for each axis.
    """
    if not isinstance(width, Iterable) or not all(isinstance(pair, Iterable) for pair in width):
        raise TypeError(f"pad: expected a pair (before, after) for each axis, first axis first, got {width}")
    width = tuple(ints("pad", "width", tuple(pair)) for pair in width)
    if len(width) != x.ndim or any(len(pair) != 2 or min(pair) < 0 for pair in width):
        raise ValueError(f"pad: expected {x.ndim} pairs (before, after) >= 0 for shape {x.shape}, got {width}")
    return Pad.apply(x, width=width, value=value) if width else x
