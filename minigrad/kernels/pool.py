"""Pooling windows, channels-last.

A window of kh·kw positions is not cut out of the picture. Instead the picture is looked at kh·kw times, each time
shifted by one position and with the pool's stride: `x[:, u::s, v::s]` holds the (u, v) element of every window. A
maximum over windows is then kh·kw elementwise maxima; if nobody asks which element it was, kh along the columns and kw
along the rows, and so is a sum. All functions take and return (N, C, H, W) arrays that are channels-last in memory;
blocks of them are shared among threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.conv import Pair, Window
from minigrad.kernels.layout import channels_first, channels_last, copy_runs, cut
from minigrad.kernels.precision import in_float32
from minigrad.kernels.select import keep_into
from minigrad.kernels.work import Block, Scratch, blocks, parts, share

BLOCK_BYTES = 1 << 22  # of pictures: between shorter calls, threads would mostly wait for each other


def max_pool2d(x: Array, window: Window, with_argmax: bool) -> tuple[Array, Array | None]:
    """Return the largest element of each window and, if asked, which one it was.

    Returns:
        y (N, C, OH, OW), and argmax (N, OH, OW, C), of the smallest unsigned type that holds all positions: u·kw + v
        of the first largest element, in row-major order. A nan is larger than anything else; padding never wins, not
        even over −∞.
    """
    xp = array_module(x)
    images = channels_last(x)
    oh, ow = window.output_size(images.shape[1:3])
    y = xp.empty((len(images), oh, ow, images.shape[3]), dtype=x.dtype)
    positions = window.kernel[0] * window.kernel[1]
    number = np.uint8 if positions <= 1 << 8 else np.uint16 if positions <= 1 << 16 else np.uint32
    argmax = xp.zeros(y.shape, dtype=number) if with_argmax else None

    def pool(block: Block, scratch: Scratch) -> None:
        piece = _seen(images, block, window, ow, scratch, -xp.inf)
        if argmax is None:
            _combine(xp.maximum, piece, window, y[block], scratch)
        else:
            if window.padding != (0, 0):
                _skip_padding(argmax[block], block.rows.start, window)
            _max_and_argmax(piece, window, y[block], argmax[block], scratch)

    size = y.nbytes * positions * (2 if with_argmax else 1)
    share(pool, _blocks(images, window, oh, size), y, size)
    return channels_first(y), argmax


def _combine(operation: Any, piece: Array, window: Window, y: Array, scratch: Scratch) -> None:
    """Write each window's maximum, or sum, to y: that of its columns, which lie along long runs of memory, and then
    that of these.
    """
    (kh, kw), (sh, sw), (_, oh, ow, _) = window.kernel, window.stride, y.shape
    lines = scratch("lines", (len(y), oh, *piece.shape[2:]))
    rows = [piece[:, u : u + sh * (oh - 1) + 1 : sh] for u in range(kh)]
    columns = [lines[:, :, v : v + sw * (ow - 1) + 1 : sw] for v in range(kw)]
    for (first, *others), out in ((rows, lines), (columns, y)):
        if others:
            operation(first, others[0], out=out)
        else:
            out[...] = first
        for other in others[1:]:
            operation(out, other, out=out)


def _skip_padding(argmax: Array, first_row: int, window: Window) -> None:
    """Set `argmax`, which are 0, to the number of each window's first element that is not padding."""
    (_, kw), (sh, sw), (ph, pw), (_, rows, columns, _) = window.kernel, window.stride, window.padding, argmax.shape
    for i in range(first_row, min(first_row + rows, -(-ph // sh))):
        argmax[:, i - first_row] += (ph - i * sh) * kw
    for j in range(min(columns, -(-pw // sw))):
        argmax[:, :, j] += pw - j * sw


def _max_and_argmax(piece: Array, window: Window, y: Array, argmax: Array, scratch: Scratch) -> None:
    """Write each window's largest element to y, and its number to `argmax`, which hold those of the first ones."""
    xp = array_module(piece)
    candidate, beats = scratch("candidate", y.shape), xp.empty_like(argmax)
    for k, index in _positions(window, *y.shape[1:3]):
        if k == 0:
            copy_runs(piece[index], y)
            continue
        copy_runs(piece[index], candidate)  # gathered once, because scattered numbers are slow to compare
        xp.greater(candidate, y, out=beats)
        beats *= k  # k grows, so the largest k that beat all before it stays
        xp.maximum(argmax, beats, out=argmax)
        xp.maximum(y, candidate, out=y)
    if not on_cpu(y) or (y.size and math.isnan(y.min())):  # a GPU would have to be waited for
        for k, index in reversed(list(_positions(window, *y.shape[1:3]))):
            argmax[...] = xp.where(xp.isnan(piece[index]), k, argmax)  # the first nan's comes last, and stays


@in_float32
def max_unpool2d(g: Array, argmax: Array, window: Window, size: Pair) -> Array:
    """Return zeros for pictures of `size` (height, width) with g (N, C, OH, OW) added where each window's
    largest element was.
    """
    grads = channels_last(g)

    def give(k: int, where: tuple[slice, ...], out: Array) -> None:
        keep_into(out, grads[where], argmax[where] == k)

    return channels_first(_collect(give, grads, window, size))


def take_at_argmax(x: Array, argmax: Array, window: Window) -> Array:
    """Return the elements of x (N, C, H, W) where each window's largest element was, (N, C, OH, OW): the transpose of
    `max_unpool2d`.
    """
    xp, images = array_module(x), channels_last(x)
    y = xp.zeros(argmax.shape, dtype=x.dtype)
    everything = Block(slice(0, len(y)), slice(0, y.shape[1]))
    piece = _seen(images, everything, window, y.shape[2], Scratch(x))
    for k, index in _positions(window, *y.shape[1:3]):
        y = xp.where(argmax == k, piece[index], y)
    return channels_first(y)


@in_float32
def avg_pool2d(x: Array, window: Window) -> Array:
    """Return the mean of each window, padding counted as zeros, (N, C, OH, OW)."""
    xp = array_module(x)
    images = channels_last(x)
    oh, ow = window.output_size(images.shape[1:3])
    y = xp.empty((len(images), oh, ow, images.shape[3]), dtype=x.dtype)
    positions = window.kernel[0] * window.kernel[1]

    def pool(block: Block, scratch: Scratch) -> None:
        _combine(xp.add, _seen(images, block, window, ow, scratch), window, y[block], scratch)
        y[block] *= 1 / positions

    size = y.nbytes * positions
    share(pool, _blocks(images, window, oh, size), y, size)
    return channels_first(y)


@in_float32
def avg_pool2d_backward(g: Array, window: Window, size: Pair) -> Array:
    """Return zeros for pictures of `size` (height, width) with g/(kh·kw) added to all elements of each window."""
    grads = channels_last(g) * (1 / (window.kernel[0] * window.kernel[1]))

    def give(k: int, where: tuple[slice, ...], out: Array) -> None:
        out[...] = grads[where]

    return channels_first(_collect(give, grads, window, size))


def _collect(give: Callable[[int, tuple[slice, ...], Array], None], grads: Array, window: Window, size: Pair) -> Array:
    """Return pictures (N, *size, C), every element being the sum of what the windows that it lies in give it.

    With a stride of 2, an element in an even row and an odd column always is one of the same few elements of its
    windows. All elements of one such kind are summed in contiguous memory, and copied to their places once.

    Args:
        give: `give(k, where, out)` writes what the windows `where`, an index of `grads`, give to their k-th element.
    """
    xp = array_module(grads)
    n, oh, ow, channels = grads.shape
    x = xp.empty((n, *size, channels), dtype=grads.dtype)
    rows, columns = (
        _alike(*axis) for axis in zip(window.kernel, window.stride, window.padding, (oh, ow), size, strict=True)
    )

    def collect(part: slice, scratch: Scratch) -> None:
        for (some_rows, height, row_givers), (some_columns, width, column_givers) in product(rows, columns):
            total = scratch("total", (part.stop - part.start, height, width, channels))
            for nth, ((u, i, to_rows), (v, j, to_columns)) in enumerate(product(row_givers, column_givers)):
                k, where, target = u * window.kernel[1] + v, (part, i, j), total[:, to_rows, to_columns]
                if nth == 0 and target.shape == total.shape:
                    give(k, where, total)
                    continue
                if nth == 0:
                    total[...] = 0
                given = scratch("given", target.shape)
                give(k, where, given)
                target += given
            if not (row_givers and column_givers):
                total[...] = 0
            copy_runs(total, x[part, some_rows, some_columns])

    work = grads.nbytes * 2 * window.kernel[0] * window.kernel[1]
    share(collect, parts(n, grads, work), grads, work)
    return x


@lru_cache(1000)
def _alike(kernel: int, stride: int, padding: int, windows: int, size: int) -> list[tuple[slice, int, list]]:
    """Divide the elements of an axis by the places that they take in their windows.

    With kernel 3, stride 2 and padding 1, window i sees elements 2i − 1, 2i and 2i + 1. So even elements are at place 1
    of one window, i; odd ones at place 2 of window i and at place 0 of window i + 1.

    Returns:
        for each part the elements; how many they are; and for each place in the window that they take, this place, the
        windows in which there is an element at it, and which of the elements these are.
    """
    parts = []
    for phase in range(stride):
        skipped = max(0, -(-(padding - phase) // stride))  # elements of the padding
        start = phase + stride * skipped - padding
        count = len(range(start, size, stride))
        givers = []
        for later, place in enumerate(range(phase, kernel, stride)):
            first, last = max(0, skipped - later), min(windows, count + skipped - later)
            if first < last:
                givers.append((place, slice(first, last), slice(first + later - skipped, last + later - skipped)))
        parts.append((slice(start, size, stride), count, givers))
    return parts


def _blocks(images: Array, window: Window, oh: int, size: int) -> list[Block]:
    row_bytes = window.stride[0] * images.shape[2] * images.shape[3] * images.itemsize
    return blocks(images, oh, row_bytes, BLOCK_BYTES, size)


def _seen(images: Array, block: Block, window: Window, ow: int, scratch: Scratch, beyond: float = 0) -> Array:
    """Return what a block's windows, `ow` in a row, see of the pictures; the padding has the value `beyond`."""
    (kh, kw), (sh, sw), (ph, pw), _, _ = window
    rows = block.rows.stop - block.rows.start
    size = (rows - 1) * sh + kh, (ow - 1) * sw + kw
    return cut(images, block.pictures, (block.rows.start * sh - ph, -pw), size, scratch, beyond)


def _positions(window: Window, oh: int, ow: int) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Yield k = u·kw + v and the index that selects element (u, v) of every window of a padded picture."""
    (kh, kw), (sh, sw) = window.kernel, window.stride
    for u in range(kh):
        for v in range(kw):
            yield u * kw + v, (slice(None), slice(u, u + sh * (oh - 1) + 1, sh), slice(v, v + sw * (ow - 1) + 1, sw))
