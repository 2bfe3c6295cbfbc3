"""Four operations for exercise 10. One of them has a wrong backward, and only gradcheck should tell which."""

from __future__ import annotations

import numpy as np

from minigrad import Function


class Cube(Function):
    """y = x³."""

    reads = {0: (0,)}

    def forward(self, x):
        return x * x * x

    def backward(self, grad):
        (x,) = self.inputs
        return grad * (3 * x * x)


class Bump(Function):
    """y = 1/(1 + x²)."""

    reads = {0: (0,)}
    reads_output = True

    def forward(self, x):
        return 1 / (1 + x * x)

    def backward(self, grad):
        (x,) = self.inputs
        return grad * (-2 * x * self.output)


class Hinge(Function):
    """y = max(1 − x, 0)."""

    reads_output = True

    def forward(self, x):
        return np.maximum(1 - x, 0)

    def backward(self, grad):
        return -grad * (self.output > 0)


class Swish(Function):
    """y = x/(1 + e⁻ˣ)."""

    reads = {0: (0,)}

    def forward(self, x):
        return x / (1 + np.exp(-x))

    def backward(self, grad):
        (x,) = self.inputs
        s = 1 / (1 + np.exp(-x))
        return grad * (s + x * s * (1 - s))
