"""Products, and sums so far."""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.function import Function
from minigrad.kernels.precision import in_float32, running_total
from minigrad.ops.elementwise import mul, sqrt
from minigrad.ops.indexing import GetItem, getitem
from minigrad.ops.joining import concat
from minigrad.ops.operands import floating
from minigrad.ops.reduce import Axis, amax, axes_of, one_axis, var
from minigrad.ops.select import where
from minigrad.ops.shape import permute, reshape
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["cumsum", "norm", "prod", "std"]


class CumSum(Function):
    """yᵢ = x₀ + … + xᵢ  ⇒  ∂L/∂xᵢ = gᵢ + gᵢ₊₁ + …, the sums so far from the other end."""

    def forward(self, x: Array, axis: int) -> Array:
        self.axis = axis
        if x.dtype.kind != "f":
            return x.cumsum(axis=axis)
        return x.cumsum(axis=axis, dtype=running_total(x.dtype, x.shape[axis])).astype(x.dtype, copy=False)

    def backward(self, grad: Array) -> Array:
        backwards = (slice(None),) * self.axis + (slice(None, None, -1),)
        return GetItem.apply(CumSum.apply(GetItem.apply(grad, index=backwards), axis=self.axis), index=backwards)


@also(dim="axis")
def cumsum(x: Tensor, axis: int) -> Tensor:
    """Return the sums of the elements up to each one, along `axis`."""
    return CumSum.apply(x, axis=one_axis("cumsum", x, axis))


@also(dim="axis", keepdim="keepdims")
@in_float32
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the product of all elements, or the products along `axis`.

    The first half is multiplied by the second until one is left; so the gradient, the product of all others, is right
    where an element is 0, too. Integers give their own dtype.
    """
    axes = axes_of("prod", x, axis)
    kept = [i for i in range(x.ndim) if i not in axes]
    y = reshape(permute(x, *axes, *kept), (-1, *[x.shape[i] for i in kept])) if x.size else _ones(x, kept)
    while len(y) > 1:
        half = len(y) // 2
        y = concat([mul(getitem(y, slice(half)), getitem(y, slice(half, 2 * half))), getitem(y, slice(2 * half, None))])
    return reshape(y, tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes))


def _ones(x: Tensor, kept: list[int]) -> Tensor:
    """The product of nothing."""
    return Tensor([1], device=x.device).astype(x.dtype).broadcast_to(1, *[x.shape[i] for i in kept])


@also(dim="axis", keepdim="keepdims", unbiased="correction")
@in_float32
def std(x: Tensor, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
    """Return the standard deviation, the root of `var`."""
    return sqrt(var(x, axis, keepdims, correction))


@also(dim="axis", keepdim="keepdims")
@in_float32
def norm(x: Tensor, p: float = 2, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the p-norm (Σ|x|ᵖ)^(1/p), of all elements or along `axis`; for p = ∞ the largest |x|.

    Its gradient where all elements are 0 is 0, as PyTorch's.

    Raises:
        ValueError: p is not positive.
    """
    if not p > 0:
        raise ValueError(f"norm: expected p > 0, got {p}")
    x = floating(x)
    if p == float("inf"):
        return amax(abs(x), axis, keepdims)
    if p == 1:
        return abs(x).sum(axis, keepdims)
    powers = (x * x if p == 2 else abs(x) ** p).sum(axis, keepdims)
    is_zero = powers == 0
    root = where(is_zero, 1.0, powers)  # so that no gradient is 0·∞
    return where(is_zero, 0.0, sqrt(root) if p == 2 else root ** (1 / p))
