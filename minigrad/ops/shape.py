"""Operations that arrange the same elements in another shape: reshape, permute, repeat.

Each one is linear, so its gradient is the transposed map: reshape back, permute back, sum over the repetitions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.backend import Array
from minigrad.function import Function
from minigrad.ops.broadcasting import BroadcastTo
from minigrad.ops.operands import ints, one_int
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["broadcast_to", "flatten", "permute", "reshape", "squeeze", "t", "transpose", "unsqueeze"]


class Reshape(Function):
    """The same elements, in row-major order, in another shape  ⇒  reshape the gradient back."""

    is_view = True

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        return x.reshape(shape)

    def backward(self, grad: Array) -> Array:
        return Reshape.apply(grad, shape=self.edges[0].shape)


class Permute(Function):
    """Axes in another order  ⇒  undo the permutation."""

    is_view = True

    def forward(self, x: Array, axes: tuple[int, ...]) -> Array:
        self.axes = axes
        return x.transpose(axes)

    def backward(self, grad: Array) -> Array:
        return Permute.apply(grad, axes=tuple(np.argsort(self.axes).tolist()))


def shape_argument(name: str, shape: tuple[Any, ...]) -> tuple[int, ...]:
    """Accept both f(2, 3) and f((2, 3)). Raises TypeError unless these are ints."""
    return ints(name, "a shape", shape[0] if len(shape) == 1 else shape)


def reshape(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """Return the elements in row-major order in a new shape; one length may be -1.

    Raises:
        ValueError: the number of elements differs.
    """
    new = shape_argument("reshape", shape)
    known = math.prod(n for n in new if n != -1)
    fits = x.numel() == known if -1 not in new else known > 0 and x.numel() % known == 0
    if new.count(-1) > 1 or not fits:
        raise ValueError(f"reshape: shape {x.shape} with {x.numel()} elements does not fit {new}")
    return Reshape.apply(x, shape=new)


def permute(x: Tensor, *axes: int | tuple[int, ...], dims: tuple[int, ...] | None = None) -> Tensor:
    """Return `x` with its axes in the order `axes`, or `dims`.

    Raises:
        ValueError: `axes` is not a permutation of the axes.
    """
    if dims is not None:
        axes = (*axes, dims)
    order = ints("permute", "an order of axes", axes[0] if len(axes) == 1 else axes)
    if sorted(a % x.ndim if -x.ndim <= a < x.ndim else a for a in order) != list(range(x.ndim)):
        raise ValueError(f"permute: {order} is no permutation of the {x.ndim} axes of shape {x.shape}")
    return Permute.apply(x, axes=tuple(a % x.ndim for a in order))


def transpose(x: Tensor, *axes: int | tuple[int, ...], dim0: int | None = None, dim1: int | None = None) -> Tensor:
    """Exchange two axes, `x.transpose(0, 1)` or `x.transpose(dim0=0, dim1=1)` as in PyTorch; without arguments reverse
    all axes, and with a tuple of all of them, or three and more, permute them, as in NumPy.

    Raises:
        ValueError: an axis does not exist.
    """
    axes += tuple(a for a in (dim0, dim1) if a is not None)
    if len(axes) != 2:
        return permute(x, *axes) if axes else Permute.apply(x, axes=tuple(range(x.ndim))[::-1])
    i, j = axes = ints("transpose", "an axis", axes)
    if not all(-x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"transpose: axes {axes} do not fit shape {x.shape}")
    order = list(range(x.ndim))
    order[i], order[j] = order[j], order[i]
    return Permute.apply(x, axes=tuple(order))


def t(x: Tensor) -> Tensor:
    """Return the transpose of a matrix; vectors and numbers stay as they are.

    Raises:
        ValueError: x has more than two axes.
    """
    if x.ndim > 2:
        raise ValueError(f"t: expected a matrix, got shape {x.shape}; use transpose(i, j)")
    return transpose(x)


def broadcast_to(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """Return `x` repeated to `shape` by NumPy's broadcasting rules, without copying.

    Raises:
        ValueError: the shapes do not fit.
    """
    new = shape_argument("broadcast_to", shape)
    if len(new) < x.ndim or any(n not in (1, m) for n, m in zip(x.shape[::-1], new[::-1], strict=False)):
        raise ValueError(f"broadcast_to: shape {x.shape} does not broadcast to {new}")
    return x if new == x.shape else BroadcastTo.apply(x, shape=new)


@also(start_dim="start", end_dim="end")
def flatten(x: Tensor, start: int = 0, end: int = -1) -> Tensor:
    """Return `x` with the axes from `start` to `end`, both included, joined into one.

    Raises:
        ValueError: these are no axes, or `end` comes before `start`.
    """
    start, end = one_int("flatten", "start", start), one_int("flatten", "end", end)
    if x.ndim == 0:
        return reshape(x, 1)
    for name, axis in (("start", start), ("end", end)):
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"flatten: {name} {axis} is not an axis of shape {x.shape}")
    first, last = start % x.ndim, end % x.ndim
    if last < first:
        raise ValueError(f"flatten: end {end} comes before start {start} in shape {x.shape}")
    return reshape(x, *x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


@also(dim="axis")
def squeeze(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Remove axes of length 1: all of them, or those in `axis`, where PyTorch passes over those that are longer.

    Raises:
        ValueError: an axis in `axis` does not exist or is longer than 1.
    """
    if axis is None:
        return reshape(x, tuple(n for n in x.shape if n != 1))
    given = ints("squeeze", "axis", axis)
    if not all(-x.ndim <= a < x.ndim and x.shape[a] == 1 for a in given):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} is not of length 1")
    removed = {a % x.ndim for a in given}
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in removed))


@also(dim="axis")
def unsqueeze(x: Tensor, axis: int) -> Tensor:
    """Insert an axis of length 1 at position `axis`."""
    axis = one_int("unsqueeze", "axis", axis)
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise ValueError(f"unsqueeze: axis {axis} does not fit shape {x.shape}")
    at = axis % (x.ndim + 1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))
