"""Operations that choose between values: maximum, minimum, clip, where, and the comparisons."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.ops.operands import Number, Operand, floating, operands, shape_of, sum_to
from minigrad.tensor import Tensor


class Clip(Function):
    """y = min(max(x, low), high)  ⇒  ∂L/∂x = g where low ≤ x ≤ high, else 0."""

    def forward(self, x: Array, low: Number | None, high: Number | None) -> Array:
        if any(self.needs):
            inside = array_module(x).ones(x.shape, dtype=bool)
            inside = inside & (x >= low) if low is not None else inside
            self.inside = inside & (x <= high) if high is not None else inside
        return x.clip(low, high)

    def backward(self, grad: Tensor) -> Tensor:
        return grad * Tensor._wrap(self.inside.astype(grad.dtype))


class Maximum(Function):
    """y = max(a, b)  ⇒  g goes to the larger operand; where they are equal, half to each (as in PyTorch)."""

    reads = {0: (0, 1), 1: (0, 1)}
    choose = staticmethod(lambda xp, a, b: xp.maximum(a, b))
    wins = staticmethod(operator.gt)

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        xp = array_module(a if self.shapes[0] is not None else b)
        return self.choose(xp, a, b)

    def backward(self, grad: Tensor) -> tuple:
        (a, b), (a_shape, b_shape) = self.inputs, self.shapes
        a, b = (x.data if isinstance(x, Tensor) else x for x in (a, b))
        share = self.wins(a, b).astype(grad.dtype) + (a == b).astype(grad.dtype) / 2
        to_a = Tensor._wrap(share)
        return (
            sum_to(grad * to_a, a_shape) if self.needs[0] else None,
            sum_to(grad * (1 - to_a), b_shape) if self.needs[1] else None,
        )


class Minimum(Maximum):
    """y = min(a, b)  ⇒  g goes to the smaller operand; where they are equal, half to each (as in PyTorch)."""

    choose = staticmethod(lambda xp, a, b: xp.minimum(a, b))
    wins = staticmethod(operator.lt)


class Where(Function):
    """y = a where the condition holds, else b  ⇒  ∂L/∂a = g there, ∂L/∂b = g elsewhere."""

    reads = {1: (0,), 2: (0,)}

    def forward(self, condition: Array, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        return array_module(condition).where(condition, a, b)

    def backward(self, grad: Tensor) -> tuple:
        (condition, _, _), (a_shape, b_shape) = self.inputs, self.shapes
        to_a = Tensor._wrap(condition.data.astype(grad.dtype))
        return (
            None,
            sum_to(grad * to_a, a_shape) if self.needs[1] else None,
            sum_to(grad * (1 - to_a), b_shape) if self.needs[2] else None,
        )


def clip(x: Tensor, low: Number | None = None, high: Number | None = None) -> Tensor:
    """Return x limited to [low, high]; None leaves a side open.

    Raises:
        ValueError: both sides are None.
    """
    if low is None and high is None:
        raise ValueError("clip: give low, high, or both")
    low, high = (bound.item() if isinstance(bound, np.generic) else bound for bound in (low, high))
    x = floating(x) if isinstance(low, float) or isinstance(high, float) else x
    return Clip.apply(x, low=low, high=high)


def maximum(a: Operand, b: Operand) -> Tensor:
    """Return the larger of a and b, elementwise."""
    return Maximum.apply(*operands("maximum", a, b))


def minimum(a: Operand, b: Operand) -> Tensor:
    """Return the smaller of a and b, elementwise."""
    return Minimum.apply(*operands("minimum", a, b))


def where(condition: Tensor | Array, a: Operand, b: Operand) -> Tensor:
    """Return a where `condition` (booleans) holds, and b elsewhere; all three broadcast.

    Raises:
        TypeError: `condition` is not boolean.
    """
    condition = condition if isinstance(condition, Tensor) else Tensor(condition)
    if condition.dtype != bool:
        raise TypeError(f"where: expected a boolean condition, got {condition.dtype}")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(a, device=condition.device)
    return Where.apply(condition, *operands("where", a, b))


# ---- comparisons: booleans, no gradient --------------------------------------------------------------------------


class Compare(Function):
    """A relation between a and b; its result has no gradient."""

    differentiable = False

    def forward(self, a: Array, b: Array, relation: Any) -> Array:
        return relation(a, b)


def _comparison(name: str, relation: Any, sign: str) -> Callable[[Operand, Operand], Tensor]:
    def compare(a: Operand, b: Operand) -> Tensor:
        return Compare.apply(*operands(name, a, b), relation=relation)

    compare.__name__ = compare.__qualname__ = name
    compare.__doc__ = f"Return a {sign} b, elementwise, as booleans."
    return compare


greater = _comparison("greater", operator.gt, ">")
greater_equal = _comparison("greater_equal", operator.ge, "≥")
less = _comparison("less", operator.lt, "<")
less_equal = _comparison("less_equal", operator.le, "≤")
equal = _comparison("equal", operator.eq, "=")
not_equal = _comparison("not_equal", operator.ne, "≠")
