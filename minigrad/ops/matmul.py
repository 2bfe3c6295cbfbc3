"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

from minigrad import kernels
from minigrad.backend import Array
from minigrad.function import Function
from minigrad.ops.broadcasting import SumTo
from minigrad.ops.operands import check_broadcast, check_dtypes
from minigrad.ops.reduce import Sum
from minigrad.ops.shape import Permute
from minigrad.tensor import Tensor

__all__ = ["linear", "matmul"]


class MatMul(Function):
    """y = a·b for matrices, or stacks of them that broadcast  ⇒  ∂L/∂a = g·bᵀ, ∂L/∂b = aᵀ·g."""

    reads = {0: (1,), 1: (0,)}

    def forward(self, a: Array, b: Array) -> Array:
        return kernels.matmul.matmul(a, b)

    def backward(self, grad: Array) -> tuple:
        a, b = self.inputs
        return (
            _summed(MatMul.apply(grad, _transposed(b)), self.edges[0]) if self.needs[0] else None,
            _summed(MatMul.apply(_transposed(a), grad), self.edges[1]) if self.needs[1] else None,
        )


def _transposed(x: Array) -> Array:
    return Permute.apply(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _summed(grad: Array, edge: Any) -> Array:
    """Sum over the axes along which a stack of matrices was repeated."""
    return grad if grad.shape == edge.shape else SumTo.apply(grad, shape=edge.shape)


class Linear(Function):
    """y = x·wᵀ + b for rows x (N, in), w (out, in), b (out)  ⇒  ∂L/∂x = g·w, ∂L/∂w = gᵀ·x, ∂L/∂b = Σₙ g."""

    reads = {0: (1,), 1: (0,)}

    def forward(self, x: Array, w: Array, b: Array | None) -> Array:
        y = kernels.matmul.matmul(x, w.T)
        if b is not None:
            y += b
        return y

    def backward(self, grad: Array) -> tuple:
        x, w, _ = self.inputs
        return (
            MatMul.apply(grad, w) if self.needs[0] else None,
            MatMul.apply(grad.T, x) if self.needs[1] else None,
            Sum.apply(grad, axes=(0,), keepdims=False) if self.needs[2] else None,
        )


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product with NumPy's rules: leading axes broadcast, 1-D operands are a row or a column.

    Raises:
        ValueError: an operand is 0-dimensional, or the inner lengths differ.
    """
    a, b = [x if isinstance(x, Tensor) else Tensor(x) for x in (a, b)]
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit: the last axis of the first meets the "
                         "second-last of the second")  # fmt: skip
    if a.dtype != b.dtype:
        raise TypeError(f"matmul: dtypes {a.dtype} and {b.dtype} differ; use .astype")
    if a.ndim > 2 and b.ndim > 2:
        check_broadcast("matmul (stacks of matrices)", a.shape[:-2], b.shape[:-2])
    row, column = a.ndim == 1, b.ndim == 1
    y = MatMul.apply(a.unsqueeze(0) if row else a, b.unsqueeze(1) if column else b)
    if row:
        y = y.squeeze(-2)
    return y.squeeze(-1) if column else y


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Return x·wᵀ + b.

    Args:
        x: (..., in).
        w: (out, in).
        b: (out,), or None.

    Returns:
        (..., out).

    Raises:
        ValueError: the shapes do not fit.
        TypeError: x, w and b differ in dtype.
    """
    if w.ndim != 2 or x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"linear: input of shape {x.shape} does not fit weight {w.shape} (out, in)")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"linear: bias of shape {b.shape} does not fit weight {w.shape} (out, in)")
    check_dtypes("linear", x=x, w=w, b=b)
    if x.ndim == 2:
        return Linear.apply(x, w, b)
    rows = Linear.apply(x.reshape(math.prod(x.shape[:-1]), w.shape[1]), w, b)
    return rows.reshape(*x.shape[:-1], w.shape[0])
