"""Reductions: sum, mean, max, min, var, argmax, any, all.

`axis` is None (all axes), an int or a tuple of ints; `keepdims` leaves reduced axes with length 1, as in NumPy.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad import kernels
from minigrad.backend import Array, on_cpu
from minigrad.function import Function
from minigrad.kernels.precision import accumulator, in_float32
from minigrad.ops.broadcasting import BroadcastTo
from minigrad.ops.casting import AsType
from minigrad.ops.operands import floating, ints
from minigrad.ops.select import Keep
from minigrad.ops.shape import Reshape
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["all", "amax", "amin", "any", "argmax", "argmin", "max", "mean", "min", "sum", "var"]

Axis = int | tuple[int, ...] | None


def axes_of(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    """Return `axis` as a sorted tuple of non-negative ints.

    Raises:
        TypeError: it is no int, and not several.
        ValueError: x has no such axis, or one is given twice.
    """
    return tuple(range(x.ndim)) if axis is None else _some_axes(name, x, axis)


def _some_axes(name: str, x: Tensor, axis: int | tuple[int, ...]) -> tuple[int, ...]:
    given = (axis,) if type(axis) is int else ints(name, "axis", axis)
    axes = tuple(sorted({a % x.ndim for a in given if -x.ndim <= a < x.ndim}))
    if len(axes) != len(given):
        raise ValueError(f"{name}: axis {axis} does not fit shape {x.shape}")
    return axes


def one_axis(name: str, x: Tensor, axis: int) -> int:
    """Return `axis`, one int, as a non-negative int."""
    if isinstance(axis, (tuple, list)) or np.ndim(axis) or axis is None:
        raise ValueError(f"{name}: expected one axis, got {axis}")
    return axes_of(name, x, axis)[0]


def _with_kept_axes(grad: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Give the gradient of a reduction its reduced axes back, with length 1."""
    return Reshape.apply(grad, shape=tuple([1 if i in axes else n for i, n in enumerate(shape)]))


class Sum(Function):
    """y = s·Σ x, with s = None for 1  ⇒  ∂L/∂x = s·g, repeated along the summed axes."""

    def forward(self, x: Array, axes: tuple[int, ...], keepdims: bool, scale: float | None = None) -> Array:
        self.axes, self.scale = axes, scale
        return kernels.reduce.total(x, axes, keepdims, scale)

    def backward(self, grad: Array) -> Array:
        if self.scale is not None:  # float16 has no such small numbers as 1/n
            grad = (grad.astype(accumulator(grad.dtype)) * self.scale).astype(grad.dtype)
        return BroadcastTo.apply(_with_kept_axes(grad, self.edges[0].shape, self.axes), shape=self.edges[0].shape)


class Max(Function):
    """y = max x  ⇒  g goes to the largest element; ties share it equally (as in `torch.amax`). A nan is larger than
    every number, and the first one, in row-major order, gets all of g.
    """

    reads = {0: (0,)}
    reads_output = True
    pick = "max"

    def forward(self, x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        self.axes = axes
        return getattr(x, self.pick)(axis=axes, keepdims=keepdims)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        grad, largest = (_with_kept_axes(v, x.shape, self.axes) for v in (grad, self.output))
        winners = Winners.apply(x, largest, axes=self.axes)
        counts = Sum.apply(AsType.apply(winners, dtype=accumulator(grad.dtype)), axes=self.axes, keepdims=True)
        each = AsType.apply(grad / counts, dtype=grad.dtype)
        return Keep.apply(BroadcastTo.apply(each, shape=x.shape), winners)


class Min(Max):
    """y = min x  ⇒  g goes to the smallest element; ties and nan as for the maximum."""

    pick = "min"


class Winners(Function):
    """Which elements are the largest; where there is a nan, the first one. No gradient."""

    differentiable = False

    def forward(self, x: Array, largest: Array, axes: tuple[int, ...]) -> Array:
        winners = x == largest
        if not on_cpu(largest) or np.isnan(largest).any():  # a GPU would have to be waited for
            winners = winners | _first_nans(x, axes)
        return winners


def _first_nans(x: Array, axes: tuple[int, ...]) -> Array:
    """Return a mask of the first nan, in row-major order, of all that is reduced together along `axes`."""
    kept = [i for i in range(x.ndim) if i not in axes]
    order = (*kept, *axes)
    is_nan = (x != x).transpose(order)
    flat = is_nan.reshape(*(x.shape[i] for i in kept), math.prod(x.shape[i] for i in axes))
    first = (flat & (flat.cumsum(axis=-1) == 1)).reshape(is_nan.shape)
    return first.transpose(sorted(range(x.ndim), key=order.__getitem__))


class ArgExtreme(Function):
    """Where the largest or the smallest element is; no gradient."""

    differentiable = False

    def forward(self, x: Array, axis: int | None, pick: str) -> Array:
        return getattr(x, pick)(axis=axis)


class Truth(Function):
    """Whether any element, or every element, differs from 0; no gradient."""

    differentiable = False

    def forward(self, x: Array, axes: tuple[int, ...], keepdims: bool, pick: str) -> Array:
        return getattr(x != 0, pick)(axis=axes, keepdims=keepdims)


WITHOUT_INDICES = "dim=, as PyTorch gives values and indices then; here a{0}(dim=…) gives values, arg{0}(dim=…) indices"


@also(dim="axis", keepdim="keepdims")
def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum of all elements, or the sums along `axis`, float16 being added up in float32.

    Args:
        axis: an int, a tuple of ints, or None for all axes; PyTorch's name `dim` will do, too.
        keepdims: whether the reduced axes stay, with length 1, so that the result broadcasts against x; or `keepdim`.

    Raises:
        ValueError: x has no such axis.
    """
    return Sum.apply(x, axes=axes_of("sum", x, axis), keepdims=keepdims)


@also(dim="axis", keepdim="keepdims")
def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the arithmetic mean, of all elements or along `axis`; arguments as `sum`. Integers give float32. The
    mean of nothing is nan.
    """
    x = floating(x)
    axes = axes_of("mean", x, axis)
    count = math.prod([x.shape[a] for a in axes])
    return Sum.apply(x, axes=axes, keepdims=keepdims, scale=1 / count if count else math.nan)


@also(dim="axis", keepdim="keepdims", unbiased="correction")
@in_float32
def var(x: Tensor, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
    """Return the variance Σ(x − x̄)²/(n − correction), of all elements or along `axis`; arguments as `sum`.

    As in PyTorch the default is the unbiased estimate; `correction=0`, or `unbiased=False`, divides by n, as NumPy
    does and as normalisation layers need.
    """
    x = floating(x)
    axes = axes_of("var", x, axis)
    count = math.prod([x.shape[a] for a in axes])
    centred = x - x.mean(axis, keepdims=True)
    scale = 1 / (count - float(correction)) if count > correction else math.nan
    return Sum.apply(centred * centred, axes=axes, keepdims=keepdims, scale=scale)


@also(keepdim="keepdims", dim=WITHOUT_INDICES.format("max"))
def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the largest element, of all or along `axis`; arguments as `sum`.

    PyTorch's `max(dim=…)` returns indices, too, so `dim=` is refused here: use `amax(dim=…)` and `argmax(dim=…)`. Do
    not write `values, indices = x.max(1)`: of a matrix with two rows it unpacks the two maxima.

    Raises:
        ValueError: there are no elements along `axis`.
    """
    return Max.apply(x, axes=_nonempty_axes("max", x, axis), keepdims=keepdims)


@also(keepdim="keepdims", dim=WITHOUT_INDICES.format("min"))
def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element, of all or along `axis`; see `max`.

    Raises:
        ValueError: there are no elements along `axis`.
    """
    return Min.apply(x, axes=_nonempty_axes("min", x, axis), keepdims=keepdims)


@also(dim="axis", keepdim="keepdims")
def amax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the largest element, of all or along `axis`: `max` under the name that PyTorch has for it."""
    return max(x, axis, keepdims)


@also(dim="axis", keepdim="keepdims")
def amin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element, of all or along `axis`: `min` under the name that PyTorch has for it."""
    return min(x, axis, keepdims)


@also(dim="axis", keepdim="keepdims")
def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the index (int64) of the largest element along `axis`, the first one of equals; of the flat Tensor if
    None.
    """
    return _arg("argmax", x, axis, keepdims)


@also(dim="axis", keepdim="keepdims")
def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return the index (int64) of the smallest element along `axis`, the first one of equals; of the flat Tensor if
    None.
    """
    return _arg("argmin", x, axis, keepdims)


def _arg(name: str, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    axes = _nonempty_axes(name, x, axis)
    found = ArgExtreme.apply(x, axis=None if axis is None else one_axis(name, x, axis), pick=name)
    return found.reshape(tuple(1 if i in axes else n for i, n in enumerate(x.shape))) if keepdims else found


@also(dim="axis", keepdim="keepdims")
def any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return whether any element is not 0, of all or along `axis`: booleans. Arguments as `sum`."""
    return Truth.apply(x, axes=axes_of("any", x, axis), keepdims=keepdims, pick="any")


@also(dim="axis", keepdim="keepdims")
def all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return whether no element is 0, of all or along `axis`: booleans. Arguments as `sum`."""
    return Truth.apply(x, axes=axes_of("all", x, axis), keepdims=keepdims, pick="all")


def _nonempty_axes(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    axes = axes_of(name, x, axis)
    if 0 in [x.shape[a] for a in axes]:
        raise ValueError(f"{name}: shape {x.shape} has no elements along axis {axis}")
    return axes
