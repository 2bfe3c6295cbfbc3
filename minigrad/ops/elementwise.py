"""Arithmetic and functions of one variable, element by element."""

from __future__ import annotations

from minigrad.backend import Array, array_module, on_cpu, quietly
from minigrad.function import Function
from minigrad.ops.operands import Operand, floating, operands, shape_of, sum_to
from minigrad.ops.select import Keep, where
from minigrad.tensor import Tensor

# ---- arithmetic --------------------------------------------------------------------------------------------------


class Add(Function):
    """y = a + b  ⇒  ∂L/∂a = g, ∂L/∂b = g."""

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        return a + b

    def backward(self, grad: Tensor) -> tuple:
        return tuple(sum_to(grad, shape) if need else None for shape, need in zip(self.shapes, self.needs, strict=True))


class Sub(Function):
    """y = a − b  ⇒  ∂L/∂a = g, ∂L/∂b = −g."""

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        return a - b

    def backward(self, grad: Tensor) -> tuple:
        a_shape, b_shape = self.shapes
        return (
            sum_to(grad, a_shape) if self.needs[0] else None,
            -sum_to(grad, b_shape) if self.needs[1] else None,
        )


class Mul(Function):
    """y = a·b  ⇒  ∂L/∂a = g·b, ∂L/∂b = g·a."""

    reads = {0: (1,), 1: (0,)}

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        return a * b

    def backward(self, grad: Tensor) -> tuple:
        (a, b), (a_shape, b_shape) = self.inputs, self.shapes
        return (
            sum_to(grad * b, a_shape) if self.needs[0] else None,
            sum_to(grad * a, b_shape) if self.needs[1] else None,
        )


class Div(Function):
    """y = a/b  ⇒  ∂L/∂a = g/b, ∂L/∂b = −g·a/b²."""

    reads = {0: (1,), 1: (0, 1)}

    @quietly
    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        return a / b

    def backward(self, grad: Tensor) -> tuple:
        (a, b), (a_shape, b_shape) = self.inputs, self.shapes
        grad_a = grad / b
        return (
            sum_to(grad_a, a_shape) if self.needs[0] else None,
            sum_to(-grad_a * (a / b), b_shape) if self.needs[1] else None,
        )


class Neg(Function):
    """y = −x  ⇒  ∂L/∂x = −g."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, grad: Tensor) -> Tensor:
        return -grad


class Pow(Function):
    """y = aᵇ  ⇒  ∂L/∂a = g·b·aᵇ⁻¹, and 0 where b = 0 and a is 0, infinite or nan (there aᵇ⁻¹ is no number);
    ∂L/∂b = g·aᵇ·ln a, and 0 where a = 0 and b ≥ 0, the limit.
    """

    reads = {0: (0, 1), 1: (0, 1)}

    @quietly
    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = shape_of(a), shape_of(b)
        return a**b

    def backward(self, grad: Tensor) -> tuple:
        (a, b), (a_shape, b_shape) = self.inputs, self.shapes
        base, exponent = (x.data if isinstance(x, Tensor) else x for x in (a, b))  # for the masks
        grad_a = grad_b = None
        if self.needs[0]:
            if isinstance(b, Tensor) or b == 0:
                sloped = (exponent != 0) | (array_module(base).isfinite(base) & (base != 0))
                safe = where(Tensor._wrap(sloped), a, 1.0)
                grad_a = Keep.apply(grad * (b * safe ** (b - 1)), mask=sloped)
            else:
                grad_a = grad * (b * a ** (b - 1))
            grad_a = sum_to(grad_a, a_shape)
        if self.needs[1]:
            a = a if isinstance(a, Tensor) else Tensor(a, device=b.device).astype(b.dtype)
            at_zero = (a.data == 0) & (exponent >= 0)
            safe = where(Tensor._wrap(at_zero), 1.0, a)
            grad_b = sum_to(Keep.apply(grad * (safe**b * log(safe)), mask=~at_zero), b_shape)
        return grad_a, grad_b


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
    return Pow.apply(*operands("pow", a, b))


# ---- functions of one variable -----------------------------------------------------------------------------------


class Exp(Function):
    """y = eˣ  ⇒  ∂L/∂x = g·y."""

    reads_output = True

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).exp(x)

    def backward(self, grad: Tensor) -> Tensor:
        return grad * self.output


class Log(Function):
    """y = ln x  ⇒  ∂L/∂x = g/x."""

    reads = {0: (0,)}

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).log(x)

    def backward(self, grad: Tensor) -> Tensor:
        (x,) = self.inputs
        return grad / x


class Sqrt(Function):
    """y = √x  ⇒  ∂L/∂x = g/(2y)."""

    reads_output = True

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).sqrt(x)

    def backward(self, grad: Tensor) -> Tensor:
        return grad * 0.5 / self.output


class Sin(Function):
    """y = sin x  ⇒  ∂L/∂x = g·cos x."""

    reads = {0: (0,)}

    def forward(self, x: Array) -> Array:
        return array_module(x).sin(x)

    def backward(self, grad: Tensor) -> Tensor:
        (x,) = self.inputs
        return grad * cos(x)


class Cos(Function):
    """y = cos x  ⇒  ∂L/∂x = −g·sin x."""

    reads = {0: (0,)}

    def forward(self, x: Array) -> Array:
        return array_module(x).cos(x)

    def backward(self, grad: Tensor) -> Tensor:
        (x,) = self.inputs
        return -grad * sin(x)


class Abs(Function):
    """y = |x|  ⇒  ∂L/∂x = g·sign(x), and 0 at 0."""

    reads = {0: (0,)}

    def forward(self, x: Array) -> Array:
        return abs(x)

    def backward(self, grad: Tensor) -> Tensor:
        (x,) = self.inputs
        sign = array_module(x.data).sign(x.data)
        if not (on_cpu(sign) and sign.all()):  # at 0, where an infinite slope may arrive
            grad = Keep.apply(grad, mask=sign)
        return grad * Tensor._wrap(sign)


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
