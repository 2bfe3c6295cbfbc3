"""12. A layer of your own that learns XOR.

XOR says 1 for (0, 1) and (1, 0), and 0 for (0, 0) and (1, 1). No straight line separates the two (Minsky & Papert
1969), so a linear layer cannot learn it. Write a module that can: its parameters in `__init__` (numbers that begin at
random, not at 0), and `forward`, which turns points (N, 2) into scores (N, 2), one for each answer.

Two linear layers with a nonlinearity between them will do, with four or more hidden numbers. So will the product of two
linear layers, entry by entry.
`nn.Parameter(array)` makes a parameter of your own.

The check trains it with Adam for 500 steps, from three different seeds; two of them must learn all four points.

Afterwards read `Linear` in minigrad/nn/layers.py, and minigrad/nn/module.py, which finds the parameters.
"""

from __future__ import annotations

from minigrad import Tensor, nn


class XorNet(nn.Module):
    """Scores of 0 and 1 for points."""

    def __init__(self) -> None:
        super().__init__()
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, 2) for points x (N, 2)."""
        raise NotImplementedError
