"""A convolution to be computed, apart from its numbers; and what an algorithm says about it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

Pair = tuple[int, int]
Direction = Literal["forward", "input_grad", "weight_grad"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "input_grad", "weight_grad")


class Window(NamedTuple):
    """How a kernel moves over a picture."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def output_size(self, size: Pair) -> Pair:
        """Return how many positions the kernel takes along each axis of a picture of `size` (height, width)."""
        (h, w), (kh, kw), (sh, sw), (ph, pw), (dh, dw), _ = size, *self
        return (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1


class _Fields(NamedTuple):
    pictures: int
    size: Pair
    channels: int
    filters: int
    window: Window
    dtype: np.dtype
    on_cpu: bool
    cache_weights: bool
    out: Pair


class Problem(_Fields):
    """A convolution y (N, O, OH, OW) of pictures x (N, C, H, W) with filters w (O, C/groups, kh, kw), and its gradients
    for g = ∂L/∂y.

    Attributes:
        pictures: N.
        size: (H, W).
        channels, filters: C and O.
        window: how the kernel moves.
        dtype: of all arrays.
        on_cpu: whether they are NumPy's.
        cache_weights: whether the weights will probably be the same in the next call, so that it pays to keep what is
            computed from them.
        out: (OH, OW), which follows.
    """

    __slots__ = ()

    def __new__(
        cls,
        pictures: int,
        size: Pair,
        channels: int,
        filters: int,
        window: Window,
        dtype: np.dtype,
        on_cpu: bool = True,
        cache_weights: bool = False,
    ) -> Problem:
        out = window.output_size(size)
        return super().__new__(cls, pictures, size, channels, filters, window, dtype, on_cpu, cache_weights, out)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the result, as it lies in memory: (N, OH, OW, O)."""
        return (self.pictures, *self.out, self.filters)

    @property
    def taps(self) -> int:
        """Of one filter: kh·kw·C/groups."""
        return math.prod(self.window.kernel) * self.channels // self.window.groups

    @property
    def multiply_adds(self) -> int:
        """N·OH·OW·O·kh·kw·C/groups, in each direction, by the definition."""
        return math.prod(self.shape) * self.taps

    @property
    def nbytes(self) -> int:
        """Of x, w and y together: what must be read and written in each direction."""
        numbers = (
            self.pictures * self.channels * math.prod(self.size) + self.filters * self.taps + math.prod(self.shape)
        )
        return numbers * self.dtype.itemsize


class Suits(NamedTuple):
    """What an algorithm asks of a problem: each condition in words, and whether it holds. True if all hold.

    Attributes:
        can: without these it cannot compute the problem.
        pays: where these hold, too, it was measured to be faster than all that stand below it in the table.
    """

    can: dict[str, bool]
    pays: dict[str, bool]

    def __bool__(self) -> bool:
        return self.possible and all(self.pays.values())

    @property
    def possible(self) -> bool:
        """Whether the algorithm can compute the problem at all."""
        return all(self.can.values())

    @property
    def missing(self) -> list[str]:
        """The conditions that do not hold."""
        return [condition for condition, holds in {**self.can, **self.pays}.items() if not holds]


class Overflow(ArithmeticError):
    """Numbers are infinite, nan or so large that an algorithm would spoil their neighbours: another one has to do."""
