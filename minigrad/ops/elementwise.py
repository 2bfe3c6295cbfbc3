"""Arithmetic and functions of one variable, element by element."""

from __future__ import annotations

import math

from minigrad.backend import Array, array_module, on_cpu, quietly
from minigrad.ops.in_memory_order import Elementwise
from minigrad.ops.operands import Operand, floating, operands
from minigrad.ops.select import Keep, Where
from minigrad.tensor import Tensor

__all__ = ["absolute", "add", "cos", "div", "exp", "log", "mul", "neg", "pow", "sin", "sqrt", "sub"]

# ---- arithmetic --------------------------------------------------------------------------------------------------


class Add(Elementwise):
    """y = a + b  ⇒  ∂L/∂a = g, ∂L/∂b = g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, grad: Array) -> tuple:
        return grad, grad


class Sub(Elementwise):
    """y = a − b  ⇒  ∂L/∂a = g, ∂L/∂b = −g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, grad: Array) -> tuple:
        return grad, -grad if self.needs[1] else None


class Mul(Elementwise):
    """y = a·b  ⇒  ∂L/∂a = g·b, ∂L/∂b = g·a."""

    reads = {0: (1,), 1: (0,)}

    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, grad: Array) -> tuple:
        a, b = self.inputs
        return grad * b if self.needs[0] else None, grad * a if self.needs[1] else None


class Div(Elementwise):
    """y = a/b  ⇒  ∂L/∂a = g/b, ∂L/∂b = −g·a/b²."""

    reads = {0: (1,), 1: (0, 1)}

    @quietly
    def forward(self, a: Array, b: Array) -> Array:
        return a / b

    def backward(self, grad: Array) -> tuple:
        a, b = self.inputs
        grad_a = grad / b
        return grad_a if self.needs[0] else None, -grad_a * (a / b) if self.needs[1] else None


class Neg(Elementwise):
    """y = −x  ⇒  ∂L/∂x = −g."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, grad: Array) -> Array:
        return -grad


class Pow(Elementwise):
    """y = aᵇ  ⇒  ∂L/∂a = g·b·aᵇ⁻¹, and 0 where b = 0 and a is 0, infinite or nan (there aᵇ⁻¹ is no number);
    ∂L/∂b = g·aᵇ·ln a, and 0 where a = 0 and b ≥ 0, the limit.
    """

    reads = {0: (0, 1), 1: (0, 1)}

    @quietly
    def forward(self, a: Array, b: Array) -> Array:
        return a**b

    def backward(self, grad: Array) -> tuple:
        a, b = self.inputs
        return self._of_base(grad, a, b) if self.needs[0] else None, self._of_exponent(grad, a, b) if self.needs[
            1
        ] else None

    @staticmethod
    def _of_base(grad: Array, a: Array, b: Array) -> Array:
        if isinstance(b, (int, float)) and b != 0:
            return grad * (b * a ** (b - 1))
        sloped = (b != 0) | ((a != 0) & (abs(a) < math.inf))
        safe = Where.apply(sloped, a, 1.0)
        return Keep.apply(grad * (b * safe ** (b - 1)), sloped)

    @staticmethod
    def _of_exponent(grad: Array, a: Array, b: Array) -> Array:
        at_zero = (a == 0) & (b >= 0)
        safe = Where.apply(at_zero, 1.0, a)
        return Keep.apply(grad * (safe**b * Log.apply(safe)), ~at_zero)


def add(a: Operand, b: Operand) -> Tensor:
    """Return a + b."""
    return Add.apply(*operands("add", a, b))


def sub(a: Operand, b: Operand) -> Tensor:
    """Return a − b."""
    return Sub.apply(*operands("sub", a, b))


def mul(a: Operand, b: Operand) -> Tensor:
    """Return a·b."""
    return Mul.apply(*operands("mul", a, b))


def div(a: Operand, b: Operand) -> Tensor:
    """Return a/b; integers give float32."""
    return Div.apply(*operands("div", a, b, to_float=True))


def neg(x: Tensor) -> Tensor:
    """Return −x."""
    return Neg.apply(x)


def pow(a: Operand, b: Operand) -> Tensor:
    """Return a raised to the power b. For a < 0 the gradient with respect to b is nan, as the logarithm is."""
    base, exponent = operands("pow", a, b)
    if not isinstance(base, Tensor):
        base = Tensor(base, device=exponent.device).astype(exponent.dtype)
    return Pow.apply(base, exponent)


# ---- functions of one variable -----------------------------------------------------------------------------------


class Exp(Elementwise):
    """y = eˣ  ⇒  ∂L/∂x = g·y."""

    reads_output = True

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).exp(x)

    def backward(self, grad: Array) -> Array:
        return grad * self.output


class Log(Elementwise):
    """y = ln x  ⇒  ∂L/∂x = g/x."""

    reads = {0: (0,)}

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).log(x)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        return grad / x


class Sqrt(Elementwise):
    """y = √x  ⇒  ∂L/∂x = g/(2y)."""

    reads_output = True

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).sqrt(x)

    def backward(self, grad: Array) -> Array:
        return grad * 0.5 / self.output


class Sin(Elementwise):
    """y = sin x  ⇒  ∂L/∂x = g·cos x."""

    reads = {0: (0,)}

    def forward(self, x: Array) -> Array:
        return array_module(x).sin(x)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        return grad * Cos.apply(x)


class Cos(Elementwise):
    """y = cos x  ⇒  ∂L/∂x = −g·sin x."""

    reads = {0: (0,)}

    def forward(self, x: Array) -> Array:
        return array_module(x).cos(x)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        return -grad * Sin.apply(x)


class Abs(Elementwise):
    """y = |x|  ⇒  ∂L/∂x = g·sign(x), and 0 at 0."""

    reads = {0: (0,)}

    def forward(self, x: Array) -> Array:
        return abs(x)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        sign = Sign.apply(x)
        if not (on_cpu(sign) and sign.all()):  # at 0, where an infinite slope may arrive
            grad = Keep.apply(grad, sign)
        return grad * sign


class Sign(Elementwise):
    """−1, 0 or 1, and nan where x is nan; no gradient."""

    differentiable = False

    def forward(self, x: Array) -> Array:
        return array_module(x).sign(x)


def exp(x: Tensor) -> Tensor:
    """Return eˣ."""
    return Exp.apply(floating(x))


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm."""
    return Log.apply(floating(x))


def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""
    return Sqrt.apply(floating(x))


def sin(x: Tensor) -> Tensor:
    """Return the sine of x, in radians."""
    return Sin.apply(floating(x))


def cos(x: Tensor) -> Tensor:
    """Return the cosine of x, in radians."""
    return Cos.apply(floating(x))


def absolute(x: Tensor) -> Tensor:
    """Return |x|."""
    return Abs.apply(x)
