"""Activations and the softmax family."""

from __future__ import annotations

import math

import numpy as np

from minigrad import kernels
from minigrad.backend import Array, array_module, on_cpu, quietly
from minigrad.function import Function
from minigrad.kernels.precision import in_float32
from minigrad.kernels.reduce import total
from minigrad.ops.elementwise import Exp
from minigrad.ops.in_memory_order import Elementwise
from minigrad.ops.operands import floating, is_int
from minigrad.ops.reduce import Sum
from minigrad.ops.select import Keep, Where
from minigrad.ops.shape import Reshape
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["log_softmax", "logsumexp", "relu", "sigmoid", "softmax", "tanh"]


class ReLU(Elementwise):
    """y = max(x, 0)  ⇒  ∂L/∂x = g where y ≠ 0, else 0; so also where x is nan, as in PyTorch."""

    reads_output = True

    def forward(self, x: Array) -> Array:
        return kernels.activation.relu(x)

    def backward(self, grad: Array) -> Array:
        return Keep.apply(grad, self.output)


class Sigmoid(Elementwise):
    """y = 1/(1 + e⁻ˣ), for x < 0 as eˣ/(1 + eˣ), so that no exponential overflows  ⇒  ∂L/∂x = g·y·(1 − y)."""

    reads_output = True

    @quietly
    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        small = xp.exp(-abs(x))
        return xp.where(x >= 0, 1, small) / (1 + small)

    def backward(self, grad: Array) -> Array:
        y = self.output
        return grad * (y * (1 - y))


class Tanh(Elementwise):
    """y = tanh x  ⇒  ∂L/∂x = g·(1 − y²)."""

    reads_output = True

    def forward(self, x: Array) -> Array:
        return array_module(x).tanh(x)

    def backward(self, grad: Array) -> Array:
        y = self.output
        return grad * (1 - y * y)


class Softmax(Function):
    """yᵢ = e^(xᵢ−m)/Σⱼ e^(xⱼ−m) with m = max x, so that no exponential overflows  ⇒  ∂L/∂x = y·(g − Σ g·y)."""

    reads_output = True

    @quietly
    def forward(self, x: Array, axis: int) -> Array:
        self.axis = axis
        xp = array_module(x)
        y = xp.exp(x - x.max(axis=axis, keepdims=True))
        y /= total(y, (axis,), keepdims=True)
        return y

    def backward(self, grad: Array) -> Array:
        y = self.output
        return y * (grad - Sum.apply(grad * y, axes=(self.axis,), keepdims=True))


class LogSoftmax(Function):
    """yᵢ = xᵢ − m − ln Σⱼ e^(xⱼ−m)  ⇒  ∂L/∂x = g − eʸ·Σ g."""

    reads_output = True

    @quietly
    def forward(self, x: Array, axis: int) -> Array:
        self.axis = axis
        xp = array_module(x)
        y = x - x.max(axis=axis, keepdims=True)
        y -= xp.log(total(xp.exp(y), (axis,), keepdims=True))
        return y

    def backward(self, grad: Array) -> Array:
        return grad - Exp.apply(self.output) * Sum.apply(grad, axes=(self.axis,), keepdims=True)


class LogSumExp(Function):
    """y = m + ln Σⱼ e^(xⱼ−m) with m = max x (0 where that is infinite)  ⇒  ∂L/∂xᵢ = g·e^(xᵢ−y), the softmax.

    Where y = +∞, its gradient goes to the x that are +∞, in equal shares; where y = −∞, it is 0.
    """

    reads = {0: (0,)}
    reads_output = True

    @quietly
    def forward(self, x: Array, axis: int, keepdims: bool) -> Array:
        self.axis, self.keepdims = axis, keepdims
        xp = array_module(x)
        largest = x.max(axis=axis, keepdims=True)
        largest = xp.where(xp.isfinite(largest), largest, 0).astype(x.dtype)
        y = xp.log(total(xp.exp(x - largest), (axis,), keepdims=True)) + largest
        return y if keepdims else y.squeeze(axis)

    def backward(self, grad: Array) -> Array:
        (x,), y = self.inputs, self.output
        if not self.keepdims:
            shape = y.shape[: self.axis] + (1,) + y.shape[self.axis :]
            grad, y = Reshape.apply(grad, shape=shape), Reshape.apply(y, shape=shape)
        if not (on_cpu(y) and not np.isinf(y).any()):  # a GPU would have to be waited for
            winners = Where.apply(x == y, 0.0, -abs(y))  # their softmax: the shares
            x = Where.apply(abs(y) == math.inf, winners, x)
            grad = Keep.apply(grad, y != -math.inf)
        return grad * Softmax.apply(x, axis=self.axis)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0)."""
    return ReLU.apply(x)


def sigmoid(x: Tensor) -> Tensor:
    """Return the logistic function 1/(1 + e⁻ˣ)."""
    return Sigmoid.apply(floating(x))


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return Tanh.apply(floating(x))


@also(dim="axis")
@in_float32
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return e^x normalised to sum 1 along `axis`."""
    x = floating(x)
    return Softmax.apply(x, axis=_one_axis("softmax", x, axis))


@also(dim="axis")
@in_float32
def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the logarithm of `softmax`, computed without leaving the log scale."""
    x = floating(x)
    return LogSoftmax.apply(x, axis=_one_axis("log_softmax", x, axis))


@also(dim="axis", keepdim="keepdims")
@in_float32
def logsumexp(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    """Return ln Σ eˣ along `axis`."""
    x = floating(x)
    return LogSumExp.apply(x, axis=_one_axis("logsumexp", x, axis), keepdims=keepdims)


def _one_axis(name: str, x: Tensor, axis: int) -> int:
    if not is_int(axis) or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{name}: axis {axis} is not an axis of shape {x.shape}")
    if x.shape[axis] == 0:
        raise ValueError(f"{name}: axis {axis} of shape {x.shape} is empty")
    return int(axis) % x.ndim
