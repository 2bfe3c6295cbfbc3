"""10. Find the wrong gradient.

Four operations, one of which has a wrong backward. Do not stare at them: check them. `mg.gradcheck(operation.apply,
[x])` compares the gradient that an operation claims with the slope of a secant, and says where they differ. Use
float64, `x = mg.Tensor(np.array([...]), requires_grad=True)`, and values that show the fault: several, positive and
negative.

Afterwards read minigrad/gradcheck/__init__.py.
"""

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


def culprit() -> type[Function]:
    """Return the operation whose backward is wrong: Cube, Bump, Hinge or Swish."""
    raise NotImplementedError
