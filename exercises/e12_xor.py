"""12. A layer of your own that learns XOR.

XOR says 1 for (0, 1) and (1, 0), and 0 for (0, 0) and (1, 1). No straight line separates the two (Minsky & Papert
1969), so a linear layer cannot learn it. Write a module that can: its parameters in `__init__` (numbers that begin at
random, not at 0), and `forward`, which turns points (N, 2) into scores (N, 2), one for each answer.

Two linear layers with a nonlinearity between them will do; so will a layer that multiplies two linear forms, which has
a name nobody has given it yet. `nn.Parameter(array)` makes a parameter, `mg.manual_seed` repeats random numbers.

The check trains it with Adam for 500 steps, from three different seeds.
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
