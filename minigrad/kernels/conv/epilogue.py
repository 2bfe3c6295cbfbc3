"""What is done to a convolution's result while it is still in the cache: y ← relu(scale·y + shift + shortcut).

A bias is a shift. Batch norm with fixed statistics is a scale and a shift per channel (`kernels.norm`), and in residual
networks the addition and the ReLU behind it complete the block. Each as an operation of its own would read and write
the whole result from memory.
"""

from __future__ import annotations

from typing import NamedTuple

from minigrad.backend import Array, array_module
from minigrad.kernels.layout import repeated, rows_of


class Epilogue(NamedTuple):
    """The steps, each left out if there is nothing to do.

    Attributes:
        scale, shift: (O,), one number for each channel.
        shortcut: (N, OH, OW, O), to be added.
        relu: whether negative numbers become 0 in the end.
    """

    scale: Array | None = None
    shift: Array | None = None
    shortcut: Array | None = None
    relu: bool = False

    def for_rows(self, width: int) -> Epilogue:
        """Return the same for blocks whose rows of `width` positions are one long axis: short loops are slow."""
        scale, shift = (None if v is None else repeated(v, width) for v in (self.scale, self.shift))
        return Epilogue(scale, shift, None if self.shortcut is None else rows_of(self.shortcut), self.relu)

    def __call__(self, y: Array, where: tuple) -> None:
        """Epilogue `y` in place, which is the part `where` of the result."""
        if self.scale is not None:
            y *= self.scale
        if self.shift is not None:
            y += self.shift
        if self.shortcut is not None:
            y += self.shortcut[where]
        if self.relu:
            xp = array_module(y)
            xp.maximum(y, xp.zeros(y.shape[-1], dtype=y.dtype), out=y)  # three times as fast as with the number 0


NOTHING = Epilogue()
