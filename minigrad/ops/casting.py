"""The same numbers in other memory, in another dtype or on another device; their gradient goes the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array, quietly
from minigrad.function import Function
from minigrad.tensor import Tensor

__all__ = ["astype", "clone", "contiguous", "to", "type_as"]


class Clone(Function):
    """A copy; with order "K" in the same memory layout  ⇒  ∂L/∂x = g."""

    def forward(self, x: Array, order: str) -> Array:
        return x.astype(x.dtype, order=order, copy=True)

    def backward(self, grad: Array) -> Array:
        return grad


class AsType(Function):
    """Another dtype  ⇒  the gradient in the input's dtype."""

    @quietly
    def forward(self, x: Array, dtype: Any) -> Array:
        return x.astype(dtype)

    def backward(self, grad: Array) -> Array:
        return AsType.apply(grad, dtype=self.edges[0].dtype)


class ToDevice(Function):
    """A copy on another device  ⇒  the gradient back on the first."""

    def forward(self, x: Array, device: str) -> Array:
        self.device = backend.device_of(x)
        return backend.to_device(x, device)

    def backward(self, grad: Array) -> Array:
        return ToDevice.apply(grad, device=self.device)


def clone(x: Tensor) -> Tensor:
    """Return a copy of `x` in memory of its own, through which gradients flow."""
    return Clone.apply(x, order="K")


def contiguous(x: Tensor) -> Tensor:
    """Return `x`, or a copy where its elements do not lie in memory in row-major order."""
    return x if x.data.flags.c_contiguous else Clone.apply(x, order="C")


def astype(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in another dtype; gradients flow between floating types.

    Raises:
        TypeError: the dtype is not one of real numbers of at most 64 bits, or booleans.
    """
    if x.dtype == dtype:
        return x
    dtype = _numeric("astype", dtype)
    if dtype.kind != "f":
        x = x.detach()
    return x if x.dtype == dtype else AsType.apply(x, dtype=dtype)


def to(x: Tensor, device: str | Any = None, dtype: Any = None) -> Tensor:
    """Return `x` on `device`, in `dtype`: itself where it is that already, else a copy through which gradients flow
    back. A dtype may come alone: `x.to(np.float64)`; a Tensor stands for its device and dtype.

    Raises:
        DeviceError: there is no such device; the message says what is missing.
    """
    device, dtype = place(x, device, dtype)
    x = x if x.dtype == dtype else astype(x, dtype)
    return x if x.device == backend.parse_device(device) else ToDevice.apply(x, device=device)


def place(x: Tensor, device: Any = None, dtype: Any = None) -> tuple[str, np.dtype]:
    """Return the device and dtype that `to` shall bring `x` to; a dtype or a Tensor may stand in the device's place."""
    if isinstance(device, Tensor):
        return device.device, device.dtype
    if isinstance(device, (type, np.dtype)):
        device, dtype = x.device, device
    elif device is None and dtype is not None:
        device = x.device
    return device, x.dtype if dtype is None else _numeric("to", dtype)


def _numeric(name: str, dtype: Any) -> np.dtype:
    """Return a dtype that operations know, in this machine's order of bytes."""
    dtype = np.dtype(dtype)
    if not backend.is_numeric(dtype):
        raise TypeError(f"{name}: expected a numeric dtype of at most 64 bits, got {dtype}")
    return dtype.newbyteorder("=")


def type_as(x: Tensor, other: Tensor) -> Tensor:
    """Return `x` in the dtype of `other`, and on its device."""
    return to(astype(x, other.dtype), other.device)
