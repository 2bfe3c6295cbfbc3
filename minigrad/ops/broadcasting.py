"""Repeating along an axis, and its transpose, summing over the repetitions.

Operations broadcast their inputs without a word, as NumPy does, and their `backward` returns gradients in the output's
shape; the sweep (`sweep._fitted`) sums them with `SumTo`. Only `MatMul` sums its own: the gradients of stacks of
matrices have neither the input's shape nor the output's.
"""

from __future__ import annotations

from minigrad import kernels
from minigrad.backend import Array, array_module
from minigrad.function import Function


def repeated_axes(shape: tuple[int, ...], broadcast: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of the shape `broadcast` along which `shape` was repeated to become it."""
    added = len(broadcast) - len(shape)
    return (*range(added), *(i + added for i, n in enumerate(shape) if n == 1 and broadcast[i + added] != 1))


class BroadcastTo(Function):
    """x repeated along axes of length 1 and new leading axes  ⇒  ∂L/∂x = Σ g over the repetitions."""

    is_view = True

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        return array_module(x).broadcast_to(x, shape)

    def backward(self, grad: Array) -> Array:
        return grad  # in the output's shape


class SumTo(Function):
    """x summed down to `shape`, the transpose of `BroadcastTo`  ⇒  ∂L/∂x = g, repeated again."""

    def forward(self, x: Array, shape: tuple[int, ...]) -> Array:
        return kernels.reduce.total(x, repeated_axes(shape, x.shape), keepdims=True).reshape(shape)

    def backward(self, grad: Array) -> Array:
        return BroadcastTo.apply(grad, shape=self.edges[0].shape)


class OnesLike(Function):
    """1 for each element of x; no gradient."""

    differentiable = False

    def forward(self, x: Array) -> Array:
        ones = array_module(x).empty_like(x)
        ones.fill(1)
        return ones


class ZerosLike(Function):
    """0 for each element of x; no gradient."""

    differentiable = False

    def forward(self, x: Array) -> Array:
        return array_module(x).zeros_like(x)


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of `shape` can be repeated to the shape `to`."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False))
