"""Convolution: the table of its algorithms, and the choice among them.

An algorithm is a file with the same names: `suits(problem, direction)` tells what it needs, and `forward`,
`input_grad` and `weight_grad` compute; it may serve fewer directions. The first in the table that suits is taken; the
reference suits everything. Which one that is, and why, `python -m minigrad.kernels` shows for each layer of a model.

    algorithm     for                                                        directions
    winograd      3×3, stride 1, 16 channels and filters or more, 40 tiles     all
    planar        up to 8 channels: a network's first layers                 forwards, weight gradient
    strips        up to 8 channels, from 4 pictures on                       input gradient
    turned        stride 1, at most 3 times as many filters as channels       input gradient
    im2col        everything, on every device: the reference                 all

float16 is computed in float32: on the CPU, whose BLAS knows no float16, on converted copies; on a GPU within the matrix
products, and where products are summed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

from minigrad.backend import Array, on_cpu
from minigrad.kernels.conv import im2col, planar, strips, turned, winograd
from minigrad.kernels.conv.epilogue import Epilogue
from minigrad.kernels.conv.problem import DIRECTIONS, Direction, Overflow, Pair, Problem, Suits, Window
from minigrad.kernels.layout import channels_last
from minigrad.kernels.precision import in_float32

__all__ = [
    "ALGORITHMS",
    "DIRECTIONS",
    "Call",
    "Pair",
    "Problem",
    "Window",
    "choice",
    "conditions",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "recorded",
    "using",
]

# In order of preference.
ALGORITHMS: dict[str, ModuleType] = {
    "winograd": winograd,
    "planar": planar,
    "strips": strips,
    "turned": turned,
    "im2col": im2col,
}


def conditions(problem: Problem, direction: Direction) -> dict[str, Suits]:
    """Return what each algorithm that serves a direction says about a problem, in order of preference."""
    return {name: how.suits(problem, direction) for name, how in ALGORITHMS.items() if hasattr(how, direction)}


@lru_cache(1000)
def choice(problem: Problem, direction: Direction, first: str | None = None) -> tuple[str, ...]:
    """Return the algorithms that suit a problem, the one that is taken at the beginning; but if it can compute the
    problem at all, `first` before all others.
    """
    suits = conditions(problem, direction)
    suiting = [name for name in suits if suits[name]]
    return (first, *suiting) if first in suits and suits[first].possible else tuple(suiting)


class Call(NamedTuple):
    """A convolution that was computed: the problem, the direction, the algorithm, and those two of x, w and g that it
    was computed from.
    """

    problem: Problem
    direction: Direction
    algorithm: str
    a: Array
    b: Array


def _compute(direction: Direction, problem: Problem, a: Array, b: Array, *epilogue: Epilogue) -> Array:
    """Return what the first algorithm that is chosen returns."""
    for name in choice(problem, direction, _wishes.first):
        try:
            result = getattr(ALGORITHMS[name], direction)(problem, a, b, *epilogue)
        except Overflow:  # the next one, then; the reference never says so
            continue
        if _wishes.calls is not None:
            _wishes.calls.append(Call(problem, direction, name, a, b))
        return result
    raise AssertionError(f"no algorithm for {problem}, {direction}")


class _Wishes(threading.local):
    """Of this thread: the algorithm that is to be taken first, and where calls are noted."""

    first: str | None = None
    calls: list[Call] | None = None


_wishes = _Wishes()


@contextmanager
def using(name: str) -> Iterator[None]:
    """Have convolutions, their gradients included, computed by one algorithm, in this thread: `with using("im2col"):`.

    Where it cannot, because it does not serve the direction, say, the table decides as always. `im2col` always can.

    Raises:
        ValueError: there is no such algorithm.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"using: expected one of {', '.join(ALGORITHMS)}, got {name!r}")
    before, _wishes.first = _wishes.first, name
    try:
        yield
    finally:
        _wishes.first = before


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Give a list to which all convolutions of this thread are added, until the end of the `with` block."""
    before, calls = _wishes.calls, []
    _wishes.calls = calls
    try:
        yield calls
    finally:
        _wishes.calls = before
        if before is not None:
            before.extend(calls)


@in_float32
def conv2d(
    x: Array,
    w: Array,
    b: Array | None,
    window: Window,
    *,
    scale: Array | None = None,
    shortcut: Array | None = None,
    relu: bool = False,
    cache_weights: bool = False,
) -> Array:
    """Return y[n,o,i,j] = b[o] + Σ w[o,c,u,v]·x[n,c, i·s+u·d−p, j·s+v·d−p], as (N, O, OH, OW), channels-last in memory.

    Args:
        x: (N, C, H, W).
        w: (O, C/groups, kh, kw).
        b: (O,) or None.
        window: stride, padding, dilation and groups.
        scale: (O,), what the sum is multiplied by before b is added.
        shortcut: (N, O, OH, OW), added to y.
        relu: whether negative y become 0.
        cache_weights: whether to keep what is computed from w for the next call, in which it will probably be the same.
    """
    problem = Problem(len(x), x.shape[2:], x.shape[1], len(w), window, x.dtype, on_cpu(x), cache_weights)
    epilogue = Epilogue(scale, b, None if shortcut is None else channels_last(shortcut), relu)
    return _compute("forward", problem, x, w, epilogue)


@in_float32
def conv2d_weight_grad(x: Array, g: Array, window: Window) -> Array:
    """Return ∂L/∂w[o,c,u,v] = Σ g[n,o,i,j]·x[n,c, i·s+u·d−p, j·s+v·d−p], channels-last in memory.

    Args:
        x: (N, C, H, W).
        g: ∂L/∂y, (N, O, OH, OW).
    """
    problem = Problem(len(x), x.shape[2:], x.shape[1], g.shape[1], window, x.dtype, on_cpu(x))
    return _compute("weight_grad", problem, x, g)


@in_float32
def conv2d_input_grad(g: Array, w: Array, window: Window, size: Pair) -> Array:
    """Return ∂L/∂x for pictures of `size` (height, width): each patch receives w times the gradient at its position.

    Args:
        g: ∂L/∂y, (N, O, OH, OW).
        w: (O, C/groups, kh, kw).
    """
    problem = Problem(len(g), size, w.shape[1] * window.groups, len(w), window, g.dtype, on_cpu(g))
    return _compute("input_grad", problem, g, w)
