"""The same numbers in other memory, in another dtype or on another device; their gradient goes the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array, quietly
from minigrad.function import Function
from minigrad.tensor import Tensor


class Clone(Function):
    """A copy, in the same memory layout  ⇒  ∂L/∂x = g."""

    def forward(self, x: Array) -> Array:
        return x.astype(x.dtype, order="K", copy=True)

    def backward(self, grad: Tensor) -> Tensor:
        return grad


class AsType(Function):
    """Another dtype  ⇒  the gradient in the input's dtype."""

    @quietly
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


def clone(x: Tensor) -> Tensor:
    """Return a copy of `x` in memory of its own, through which gradients flow."""
    return Clone.apply(x)


def astype(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in another dtype; gradients flow between floating types.

    Raises:
        TypeError: the dtype is not one of real numbers or booleans.
    """
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
