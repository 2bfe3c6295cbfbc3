"""Elements repeated, turned round, moved and taken apart: all of it by slices, reshapes and joining."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.ops.indexing import getitem
from minigrad.ops.joining import concat
from minigrad.ops.operands import ints, is_int, one_int
from minigrad.ops.reduce import Axis, axes_of, one_axis
from minigrad.ops.shape import broadcast_to, reshape, shape_argument
from minigrad.ops.spellings import also
from minigrad.tensor import Tensor

__all__ = ["chunk", "expand", "flip", "repeat", "roll", "split"]


def expand(x: Tensor, *sizes: int | tuple[int, ...]) -> Tensor:
    """Return `x` repeated to `sizes` without copying, as `broadcast_to`; -1 keeps an axis as it is."""
    wanted = shape_argument("expand", sizes)
    own = (1,) * (len(wanted) - x.ndim) + x.shape
    return broadcast_to(x, tuple(m if n == -1 else n for n, m in zip(wanted, own, strict=False)))


def repeat(x: Tensor, *counts: int | tuple[int, ...]) -> Tensor:
    """Return `x` repeated `counts` times along each axis, as `torch.Tensor.repeat` and `numpy.tile`.

    Raises:
        ValueError: there are fewer counts than axes, or one is negative.
    """
    times = shape_argument("repeat", counts)
    if len(times) < x.ndim or min(times, default=0) < 0:
        raise ValueError(f"repeat: expected at least {x.ndim} counts >= 0 for shape {x.shape}, got {times}")
    own = (1,) * (len(times) - x.ndim) + x.shape
    apart = broadcast_to(
        reshape(x, tuple(n for size in own for n in (1, size))),
        tuple(n for count, size in zip(times, own, strict=True) for n in (count, size)),
    )
    return reshape(apart, tuple(count * size for count, size in zip(times, own, strict=True)))


@also(dims="axis", dim="axis")
def flip(x: Tensor, axis: Axis = None) -> Tensor:
    """Return `x` backwards along one axis, several, or all."""
    axes = axes_of("flip", x, axis)
    return getitem(x, tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim)))


@also(dims="axis", dim="axis")
def roll(x: Tensor, shifts: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Return `x` moved by `shifts` along `axis`, or as a flat Tensor; what leaves at the end comes in at the start.

    Raises:
        ValueError: there are not as many shifts as axes.
    """
    if axis is None:
        return reshape(roll(reshape(x, -1), shifts, 0), x.shape)
    by, along = ints("roll", "shifts", shifts), ints("roll", "axis", axis)
    if len(by) != len(along):
        raise ValueError(f"roll: got {len(by)} shifts for {len(along)} axes")
    for shift, a in zip(by, along, strict=True):
        a = one_axis("roll", x, a)
        before, n = (slice(None),) * a, x.shape[a]
        if n and shift % n:
            parts = [getitem(x, (*before, slice(n - shift % n, None))), getitem(x, (*before, slice(n - shift % n)))]
            x = concat(parts, a)
    return x


@also(dim="axis", split_size="sizes")
def split(x: Tensor, sizes: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """Return `x` cut along `axis` into pieces of the given lengths, or all of one length and a shorter last one.

    Raises:
        ValueError: the lengths do not add up, or one is negative; or the one length for all is not positive.
    """
    axis = one_axis("split", x, axis)
    n = x.shape[axis]
    if is_int(sizes):
        sizes = int(sizes)
        if sizes < 1:
            raise ValueError(f"split: expected a length >= 1, got {sizes}")
        sizes = [min(sizes, n - start) for start in range(0, n, sizes)] or [0]
    sizes = ints("split", "sizes", sizes)
    if sum(sizes) != n or min(sizes, default=0) < 0:
        raise ValueError(f"split: lengths {list(sizes)} do not add up to {n}, the length of axis {axis}")
    pieces, start = [], 0
    for size in sizes:
        pieces.append(getitem(x, ((slice(None),) * axis + (slice(start, start + size),))))
        start += size
    return tuple(pieces)


@also(dim="axis")
def chunk(x: Tensor, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
    """Return `x` cut along `axis` into at most `chunks` pieces of one length, the last of which may be shorter."""
    chunks = one_int("chunk", "chunks", chunks)
    if chunks < 1:
        raise ValueError(f"chunk: expected chunks >= 1, got {chunks}")
    return split(x, max(1, -(-x.shape[one_axis("chunk", x, axis)] // chunks)), axis)
