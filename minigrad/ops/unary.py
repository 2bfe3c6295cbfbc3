"""More functions of one variable: rounding, tests, and activations that are written with other operations."""

from __future__ import annotations

from minigrad.backend import Array, array_module, quietly
from minigrad.ops.activation import Sigmoid, sigmoid
from minigrad.ops.broadcasting import ZerosLike
from minigrad.ops.elementwise import div, mul, sqrt
from minigrad.ops.in_memory_order import Elementwise
from minigrad.ops.operands import Number, floating
from minigrad.ops.select import where
from minigrad.tensor import Tensor

__all__ = [
    "ceil",
    "elu",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "leaky_relu",
    "log1p",
    "masked_fill",
    "round",
    "rsqrt",
    "sign",
    "silu",
    "softplus",
    "square",
]


class Steps(Elementwise):
    """y is constant between jumps  ⇒  ∂L/∂x = 0."""

    def forward(self, x: Array, of: str) -> Array:
        return getattr(array_module(x), of)(x)

    def backward(self, grad: Array) -> Array:
        return ZerosLike.apply(grad)


class Test(Elementwise):
    """A question about each element; no gradient."""

    differentiable = False

    def forward(self, x: Array, of: str) -> Array:
        return getattr(array_module(x), of)(x)


class Log1p(Elementwise):
    """y = ln(1 + x)  ⇒  ∂L/∂x = g/(1 + x)."""

    reads = {0: (0,)}

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).log1p(x)

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        return grad / (1 + x)


class Expm1(Elementwise):
    """y = eˣ − 1  ⇒  ∂L/∂x = g·(y + 1)."""

    reads_output = True

    @quietly
    def forward(self, x: Array) -> Array:
        return array_module(x).expm1(x)

    def backward(self, grad: Array) -> Array:
        return grad * (self.output + 1)


class Softplus(Elementwise):
    """y = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), in which nothing overflows  ⇒  ∂L/∂x = g·sigmoid(x)."""

    reads = {0: (0,)}

    @quietly
    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        return xp.maximum(x, 0) + xp.log1p(xp.exp(-abs(x)))

    def backward(self, grad: Array) -> Array:
        (x,) = self.inputs
        return grad * Sigmoid.apply(x)


def sign(x: Tensor) -> Tensor:
    """Return −1, 0 or 1, and nan where x is nan (PyTorch: 0). Its gradient is 0."""
    return Steps.apply(x, of="sign")


def floor(x: Tensor) -> Tensor:
    """Return the largest whole number that is not above x. Its gradient is 0."""
    return Steps.apply(x, of="floor")


def ceil(x: Tensor) -> Tensor:
    """Return the smallest whole number that is not below x. Its gradient is 0."""
    return Steps.apply(x, of="ceil")


def round(x: Tensor) -> Tensor:
    """Return the nearest whole number, of two the even one. Its gradient is 0."""
    return Steps.apply(x, of="rint") if x.dtype.kind == "f" else x


def isnan(x: Tensor) -> Tensor:
    """Return where x is nan, as booleans."""
    return Test.apply(x, of="isnan")


def isinf(x: Tensor) -> Tensor:
    """Return where x is infinite, as booleans."""
    return Test.apply(x, of="isinf")


def isfinite(x: Tensor) -> Tensor:
    """Return where x is neither nan nor infinite, as booleans."""
    return Test.apply(x, of="isfinite")


def square(x: Tensor) -> Tensor:
    """Return x²."""
    return mul(x, x)


def rsqrt(x: Tensor) -> Tensor:
    """Return 1/√x."""
    return div(1.0, sqrt(x))


def expm1(x: Tensor) -> Tensor:
    """Return eˣ − 1, precise for small x."""
    return Expm1.apply(floating(x))


def log1p(x: Tensor) -> Tensor:
    """Return ln(1 + x), precise for small x."""
    return Log1p.apply(floating(x))


def masked_fill(x: Tensor, mask: Tensor | Array, value: Number) -> Tensor:
    """Return x with `value` where the mask (booleans) holds; the mask broadcasts to x's shape."""
    return where(mask, value, x)


def softplus(x: Tensor) -> Tensor:
    """Return ln(1 + eˣ), a smooth max(x, 0)."""
    return Softplus.apply(floating(x))


def silu(x: Tensor) -> Tensor:
    """Return x·sigmoid(x) (Elfwing et al. 2017, arXiv:1702.03118)."""
    return x * sigmoid(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return x where it is positive, and `negative_slope`·x elsewhere."""
    return where(x > 0, x, x * negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return x where it is positive, and α(eˣ − 1) elsewhere (Clevert et al. 2015, arXiv:1511.07289)."""
    is_positive = x > 0
    return where(is_positive, x, alpha * expm1(where(is_positive, 0.0, x)))
