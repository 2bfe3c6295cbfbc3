"""Operations that move elements about without changing them: reshape, transpose, index, join, pad, cast, change device.

Each one is linear, so its gradient is the transposed map: reshape back, transpose back, add back at the same index, cut
apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.ops.operands import common_dtype, sum_to
from minigrad.tensor import Tensor


class Reshape(Function):
    """The same elements, in row-major order, in another shape  ⇒  reshape the gradient back."""

    is_view = True

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, grad: Tensor) -> Tensor:
        return grad.reshape(self.shape)


class Permute(Function):
    """Axes in another order  ⇒  undo the permutation."""

    is_view = True

    def forward(self, x: Array, axes: tuple[int, ...]) -> Array:
        self.axes = axes
        return x.transpose(axes)

    def backward(self, grad: Tensor) -> Tensor:
        return permute(grad, tuple(np.argsort(self.axes).tolist()))


class BroadcastTo(Function):
    """Repeat along axes of length 1 and new leading axes  ⇒  sum over the repetitions."""

    is_view = True

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        self.shape = x.shape
        return array_module(x).broadcast_to(x, shape)

    def backward(self, grad: Tensor) -> Tensor:
        return sum_to(grad, self.shape)


class GetItem(Function):
    """y = x[index]  ⇒  add g into zeros, at the same index."""

    is_view = True  # for slices; harmless for the copies that index arrays make

    def forward(self, x: Array, index: Any) -> Array:
        self.shape = x.shape
        if any(self.needs):  # whoever owns an index array may write into it before backward needs it
            parts = tuple(part.copy() if hasattr(part, "copy") else part for part in _parts(index))
            self.index = parts if isinstance(index, tuple) else parts[0]
        return x[index]

    def backward(self, grad: Tensor) -> Tensor:
        return ScatterAdd.apply(grad, shape=self.shape, index=self.index)


class ScatterAdd(Function):
    """Zeros of `shape`, with x added at `index`: the transpose of `GetItem`  ⇒  take g at the index."""

    def forward(self, x: Array, shape: tuple[int, ...], index: Any) -> Array:
        self.index = index
        xp = array_module(x)
        y = xp.zeros(shape, dtype=x.dtype)
        if all(isinstance(part, (int, slice)) or part is None or part is Ellipsis for part in _parts(index)):
            y[index] = x  # no element is taken twice
        else:
            xp.add.at(y, index, x)
        return y

    def backward(self, grad: Tensor) -> Tensor:
        return GetItem.apply(grad, index=self.index)


class Concat(Function):
    """Tensors joined along an axis  ⇒  each gets its part of the gradient."""

    def forward(self, *arrays: Array, axis: int) -> Array:
        self.axis, self.lengths = axis, [x.shape[axis] for x in arrays]
        return array_module(arrays[0]).concatenate(arrays, axis=axis)

    def backward(self, grad: Tensor) -> tuple:
        ends = np.cumsum(self.lengths).tolist()
        parts = [slice(end - n, end) for end, n in zip(ends, self.lengths, strict=True)]
        before = (slice(None),) * self.axis
        return tuple(grad[(*before, part)] if need else None for part, need in zip(parts, self.needs, strict=True))


class Pad(Function):
    """A constant border  ⇒  the inner part of the gradient."""

    def forward(self, x: Array, width: tuple[tuple[int, int], ...], value: float) -> Array:
        self.inside = tuple(slice(before, before + n) for (before, _), n in zip(width, x.shape, strict=True))
        return array_module(x).pad(x, width, mode="constant", constant_values=value)

    def backward(self, grad: Tensor) -> Tensor:
        return grad[self.inside]


class AsType(Function):
    """Another dtype  ⇒  the gradient in the input's dtype."""

    def forward(self, x: Array, dtype: Any) -> Array:
        self.dtype = x.dtype
        return x.astype(dtype)

    def backward(self, grad: Tensor) -> Tensor:
        return astype(grad, self.dtype)


class ToDevice(Function):
    """A copy on another device  ⇒  the gradient back on the first."""

    def forward(self, x: Array, device: str) -> Array:
        self.device = backend.device_of(x)
        return backend.to_device(x, device)

    def backward(self, grad: Tensor) -> Tensor:
        return to(grad, self.device)


def _shape_argument(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """Accept both f(2, 3) and f((2, 3))."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


def reshape(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """Return the elements in row-major order in a new shape; one length may be -1.

    Raises:
        ValueError: the number of elements differs.
    """
    new = _shape_argument(shape)
    known = math.prod(n for n in new if n != -1)
    fits = x.size == known if -1 not in new else known > 0 and x.size % known == 0
    if new.count(-1) > 1 or not fits:
        raise ValueError(f"reshape: shape {x.shape} with {x.size} elements does not fit {new}")
    return Reshape.apply(x, shape=new)


def permute(x: Tensor, *axes: int | tuple[int, ...]) -> Tensor:
    """Return `x` with its axes in the order `axes`.

    Raises:
        ValueError: `axes` is not a permutation of the axes.
    """
    order = _shape_argument(axes)
    if sorted(a % x.ndim if -x.ndim <= a < x.ndim else a for a in order) != list(range(x.ndim)):
        raise ValueError(f"permute: {order} is no permutation of the {x.ndim} axes of shape {x.shape}")
    return Permute.apply(x, axes=tuple(a % x.ndim for a in order))


def transpose(x: Tensor, *axes: int | tuple[int, ...]) -> Tensor:
    """Exchange two axes, `x.transpose(0, 1)` as in PyTorch; without arguments reverse all axes, and with a tuple of all
    of them, or three and more, permute them, as in NumPy.

    Raises:
        ValueError: an axis does not exist.
    """
    if len(axes) != 2:
        return permute(x, *axes) if axes else permute(x, tuple(reversed(range(x.ndim))))
    if not all(-x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"transpose: axes {axes} do not fit shape {x.shape}")
    order = list(range(x.ndim))
    i, j = axes
    order[i], order[j] = order[j], order[i]
    return Permute.apply(x, axes=tuple(order))


def broadcast_to(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """Return `x` repeated to `shape` by NumPy's broadcasting rules, without copying.

    Raises:
        ValueError: the shapes do not fit.
    """
    new = _shape_argument(shape)
    if len(new) < x.ndim or any(n not in (1, m) for n, m in zip(x.shape[::-1], new[::-1], strict=False)):
        raise ValueError(f"broadcast_to: shape {x.shape} does not broadcast to {new}")
    return x if new == x.shape else BroadcastTo.apply(x, shape=new)


def flatten(x: Tensor, start: int = 0) -> Tensor:
    """Return `x` with the axes from `start` on joined into one."""
    if x.ndim == 0:
        return reshape(x, 1)
    if not -x.ndim <= start < x.ndim:
        raise ValueError(f"flatten: start {start} is not an axis of shape {x.shape}")
    kept = x.shape[: start % x.ndim]
    return reshape(x, *kept, math.prod(x.shape[start % x.ndim :]))


def squeeze(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Remove axes of length 1: all of them, or those in `axis`.

    Raises:
        ValueError: an axis in `axis` does not exist or is longer than 1.
    """
    if axis is None:
        return reshape(x, tuple(n for n in x.shape if n != 1))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    if not all(-x.ndim <= a < x.ndim and x.shape[a] == 1 for a in given):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} is not of length 1")
    removed = {a % x.ndim for a in given}
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in removed))


def unsqueeze(x: Tensor, axis: int) -> Tensor:
    """Insert an axis of length 1 at position `axis`."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise ValueError(f"unsqueeze: axis {axis} does not fit shape {x.shape}")
    at = axis % (x.ndim + 1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return `x[index]`: ints, slices, None, Ellipsis, integer arrays and boolean masks, as in NumPy.

    Raises:
        IndexError: the index does not fit the shape.
        DeviceError: an index Tensor lies on another device.
    """
    parts = tuple(_index_part(x, part) for part in _parts(index))
    return GetItem.apply(x, index=parts if isinstance(index, tuple) else parts[0])


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


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


def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join Tensors along an existing axis.

    Raises:
        ValueError: there are none, or their shapes differ elsewhere than along `axis`.
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("concat: expected at least one Tensor")
    first = tensors[0]
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


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Raises:
        ValueError: there are none, or their shapes differ.
    """
    tensors = list(tensors)
    if len({x.shape for x in tensors}) != 1:
        raise ValueError(f"stack: expected Tensors of one shape, got {[x.shape for x in tensors]}")
    return concat([unsqueeze(x, axis) for x in tensors], axis % (tensors[0].ndim + 1))


def pad(x: Tensor, width: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Add a border of `value`.

    Args:
        width: (before, after) for each axis, in NumPy's order.

    Raises:
        ValueError: `width` does not have one non-negative pair for each axis.
    """
    width = tuple(tuple(pair) for pair in width)
    if len(width) != x.ndim or any(len(pair) != 2 or min(pair) < 0 for pair in width):
        raise ValueError(f"pad: expected {x.ndim} pairs (before, after) >= 0 for shape {x.shape}, got {width}")
    return Pad.apply(x, width=width, value=value)


def astype(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in another dtype; gradients flow between floating types."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"astype: expected a numeric dtype, got {dtype}")
    if dtype.kind != "f":
        x = x.detach()
    return x if x.dtype == dtype else AsType.apply(x, dtype=dtype)


def to(x: Tensor, device: str) -> Tensor:
    """Return `x` on `device`: itself where it is there already, else a copy through which gradients flow back.

    Raises:
        DeviceError: there is no such device; the message says what is missing.
    """
    return x if x.device == backend.parse_device(device) else ToDevice.apply(x, device=device)
