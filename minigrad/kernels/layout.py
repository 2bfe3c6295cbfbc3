"""Layout: where numbers lie in memory, and how they are brought elsewhere quickly.

To the outside, pictures are (N, C, H, W) arrays. In memory they are kept channels-last, (N, H, W, C), seen through a
transpose: then the numbers of a pixel are neighbours, a row of a patch is one run, and the result of a matrix product
with the filters *is* a picture again.

NumPy's loops run along the innermost axis of an array, and to begin one takes as long as to handle some dozens of
numbers. So rows are made long wherever possible: a row of W pixels with C channels is one axis of W·C numbers
(`rows_of`), with what belongs to a channel repeated W times (`repeated`), and runs are copied as items (`copy_runs`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from minigrad.backend import Array, array_module, on_cpu

if TYPE_CHECKING:
    from minigrad.kernels.work import Scratch

FEW_CHANNELS = 16  # with fewer of them, copies of single pixels are too short to be efficient


def channels_last(x: Array) -> Array:
    """Return the (N, H, W, C) array behind an (N, C, H, W) one; copied only if the memory is in another order."""
    xp = array_module(x)
    if not (on_cpu(x) and x.flags.c_contiguous and 1 < x.shape[1] < FEW_CHANNELS):
        return xp.ascontiguousarray(x.transpose(0, 2, 3, 1))
    images = xp.empty((len(x), *x.shape[2:], x.shape[1]), dtype=x.dtype)
    for channel in range(x.shape[1]):  # a few long copies instead of many short ones
        images[..., channel] = x[:, channel]
    return images


def channels_first(x: Array) -> Array:
    """Show an (N, H, W, C) array as (N, C, H, W), without copying."""
    return x.transpose(0, 3, 1, 2)


def rows_of(pictures: Array) -> Array:
    """Show (N, H, W, C) pictures as (N, H, W·C)."""
    n, h, w, c = pictures.shape
    return pictures.reshape(n, h, w * c)


def repeated(channels: Array, width: int) -> Array:
    """Return (C,) as (width·C,): one number for each channel, for a row of so many positions."""
    row = array_module(channels).empty((width, len(channels)), dtype=channels.dtype)
    row[...] = channels
    return row.reshape(-1)


def copy_runs(source: Array, target: Array) -> None:
    """Write `target[...] = source` for arrays of the same shape and dtype, quickly if the last axis is contiguous: a
    copy need not know that runs consist of numbers. Seen as items of so many bytes, a whole row of them is one loop,
    and takes half as long.
    """
    run_bytes = target.shape[-1] * target.itemsize
    if source.strides[-1] == target.strides[-1] == target.itemsize and run_bytes and on_cpu(target):
        source, target = source.view(_item(run_bytes)), target.view(_item(run_bytes))
    target[...] = source


@cache
def _item(size: int) -> np.dtype:
    return np.dtype(f"V{size}")


def strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Return what lies in the memory of `x`, from its first element on, with this shape and these steps in bytes.

    As `as_strided`, where x has no gaps in a tenth of its time; and on the CPU leaving the memory is an error.

    Raises:
        ValueError: some element would lie outside of the memory.
    """
    if not on_cpu(x):
        return array_module(x).lib.stride_tricks.as_strided(x, shape, strides)
    memory, offset = x, 0
    if not x.flags.c_contiguous and x.base is not None:
        if not isinstance(x.base, np.ndarray) or not x.base.flags.forc:
            return np.lib.stride_tricks.as_strided(x, shape, strides)
        memory, offset = x.base, _address(x) - _address(x.base)
    return np.ndarray(shape, x.dtype, memory, offset, strides)


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def cut(
    images: Array, pictures: slice, corner: tuple[int, int], size: tuple[int, int], scratch: Scratch, beyond: float = 0
) -> Array:
    """Return a piece of (N, H, W, C) pictures that may reach beyond their border.

    Args:
        images: the pictures.
        pictures: which of them.
        corner, size: first (row, column), possibly negative, and (height, width) of the piece.
        scratch: where the piece is put together; if it lies inside, it is a view.
        beyond: the value of everything beyond the border.
    """
    (_, h, w, channels), (top, left), (height, width) = images.shape, corner, size
    y0, x0 = min(max(0, top), h), min(max(0, left), w)  # a piece may lie beyond the border altogether
    y1, x1 = max(y0, min(h, top + height)), max(x0, min(w, left + width))
    inside = images[pictures, y0:y1, x0:x1]
    if inside.shape[1:3] == size:
        return inside
    piece = scratch("piece", (len(inside), height, width, channels))
    for border in (piece[:, : y0 - top], piece[:, y1 - top :], piece[:, :, : x0 - left], piece[:, :, x1 - left :]):
        border[...] = beyond
    piece[:, y0 - top : y1 - top, x0 - left : x1 - left] = inside
    return piece
