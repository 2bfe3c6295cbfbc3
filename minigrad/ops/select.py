"""Operations that choose between values: maximum, minimum, clip, where, and the comparisons."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minigrad import kernels
from minigrad.backend import Array, array_module, is_array, on_cpu
from minigrad.function import Function
from minigrad.ops.in_memory_order import Elementwise
from minigrad.ops.operands import Number, Operand, floating, operands
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "clip",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "not_equal",
    "where",
]


class Keep(Function):
    """g where the mask is not 0, else 0: linear in g, and its own transpose  ⇒  keep of the gradient's gradient.

    Masks select and never multiply: where they hide an infinite slope, as that of √x at 0, 0·∞ would be nan.
    """

    reads = {0: (1,)}
    constants = (1,)

    def forward(self, g: Array, mask: Array) -> Array:
        return kernels.select.keep(g, mask)

    def backward(self, grad: Array) -> tuple:
        _, mask = self.inputs
        return Keep.apply(grad, mask), None


class Clip(Elementwise):
    """y = min(max(x, low), high)  ⇒  ∂L/∂x = g where low ≤ x ≤ high, else 0 (also where x is nan, as in PyTorch)."""

    reads = {0: (0,)}

    def forward(self, x: Array, low: Number | None, high: Number | None) -> Array:
        self.low, self.high = -math.inf if low is None else low, math.inf if high is None else high
        return x.clip(low, high)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        return Keep.apply(grad, (x >= self.low) & (x <= self.high))


class Extremum(Elementwise):
    """y = the larger, or the smaller, of a and b  ⇒  g goes to that operand, or to the one that is nan; where they are
    equal, or both are nan, half to each.
    """

    reads = {0: (0, 1), 1: (0, 1)}
    choose: ClassVar[Callable[..., Array]]
    wins: ClassVar[Callable[[Any, Any], Any]]

    def forward(self, a: Array, b: Array) -> Array:
        xp = array_module(a if is_array(a) else b)
        return self.choose(xp, a, b)

    def backward(self, grad: Array) -> tuple:
        a, b = self.inputs
        to_a, to_b = self.wins(a, b), self.wins(b, a)
        if not (on_cpu(grad) and (to_a != to_b).all()):  # a GPU would have to be waited for
            to_a, to_b = to_a | ((a != a) & (b == b)), to_b | ((b != b) & (a == a))
            grad = Where.apply(to_a | to_b, grad, grad * 0.5)
        return (
            Keep.apply(grad, ~to_b) if self.needs[0] else None,
            Keep.apply(grad, ~to_a) if self.needs[1] else None,
        )


class Maximum(Extremum):
    """y = max(a, b)  ⇒  g goes to the larger operand."""

    choose = staticmethod(lambda xp, a, b: xp.maximum(a, b))
    wins = staticmethod(operator.gt)


class Minimum(Extremum):
    """y = min(a, b)  ⇒  g goes to the smaller operand."""

    choose = staticmethod(lambda xp, a, b: xp.minimum(a, b))
    wins = staticmethod(operator.lt)


class Where(Elementwise):
    """y = a where the condition holds, else b  ⇒  ∂L/∂a = g there, ∂L/∂b = g elsewhere."""

    reads = {1: (0,), 2: (0,)}

    def forward(self, condition: Array, a: Array, b: Array) -> Array:
        return array_module(condition).where(condition, a, b)

    def backward(self, grad: Array) -> tuple:
        condition, _, _ = self.inputs
        return (
            None,
            Keep.apply(grad, condition) if self.needs[1] else None,
            Keep.apply(grad, ~condition) if self.needs[2] else None,
        )


@also(min="low", max="high")
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


def where(condition: Tensor | Array | bool, a: Operand, b: Operand) -> Tensor:
    """Return a where `condition` (booleans) holds, and b elsewhere; all three broadcast. A condition that is a list or
    a single boolean comes to the device of a and b.

    Raises:
        TypeError: `condition` is not boolean.
    """
    if not isinstance(condition, Tensor):
        places = [x.device for x in (a, b) if isinstance(x, Tensor)]
        condition = Tensor(condition, device=None if is_array(condition) else next(iter(places), None))
    if condition.dtype != bool:
        raise TypeError(f"where: expected a boolean condition, got {condition.dtype}")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(a, device=condition.device)
    return Where.apply(condition, *operands("where", a, b))


# ---- comparisons, and what combines their results: no gradient ---------------------------------------------------


class Relation(Elementwise):
    """A relation between a and b, or their bits combined; the result has no gradient."""

    differentiable = False

    def forward(self, *arrays: Array, relation: Any) -> Array:
        return relation(*arrays)


def _comparison(name: str, relation: Any, sign: str) -> Callable[[Operand, Operand], Tensor]:
    def compare(a: Operand, b: Operand) -> Tensor:
        return Relation.apply(*operands(name, a, b), relation=relation)

    compare.__name__ = compare.__qualname__ = name
    compare.__doc__ = f"Return a {sign} b, elementwise, as booleans."
    return compare


greater = _comparison("greater", operator.gt, ">")
greater_equal = _comparison("greater_equal", operator.ge, "≥")
less = _comparison("less", operator.lt, "<")
less_equal = _comparison("less_equal", operator.le, "≤")
equal = _comparison("equal", operator.eq, "=")
equal.__doc__ += " PyTorch's `equal` gives one answer for all: here `(a == b).all()`."  # type: ignore[operator]
not_equal = _comparison("not_equal", operator.ne, "≠")


def _of_bits(name: str, relation: Any, sign: str) -> Any:
    def combine(a: Tensor, b: Tensor | int) -> Tensor:
        a, b = operands(name, a, b)
        for x in (a, b):
            if isinstance(x, float) or (isinstance(x, Tensor) and x.dtype.kind == "f"):
                raise TypeError(f"{name}: expected booleans or integers, got floating point numbers")
        return Relation.apply(a, b, relation=relation)

    combine.__name__ = combine.__qualname__ = name
    combine.__doc__ = f"Return a {sign} b, elementwise: of booleans, or of the bits of integers."
    return combine


bitwise_and = _of_bits("bitwise_and", operator.and_, "and")
bitwise_or = _of_bits("bitwise_or", operator.or_, "or")
bitwise_xor = _of_bits("bitwise_xor", operator.xor, "exclusive or")


def bitwise_not(x: Tensor) -> Tensor:
    """Return not x, elementwise: of booleans, or of the bits of integers."""
    if x.dtype.kind == "f":
        raise TypeError("bitwise_not: expected booleans or integers, got floating point numbers")
    return Relation.apply(x, relation=operator.invert)
