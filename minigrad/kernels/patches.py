"""The work of a convolution cut into blocks, and what a block needs of the pictures.

A block is a rectangle of results, some rows of some pictures, so small that everything made for it stays in the cache
of the core that works on it. Blocks are what threads share.
"""

from __future__ import annotations

from typing import NamedTuple

from minigrad.backend import Array, on_cpu
from minigrad.kernels.parallel import get_num_threads, worth_splitting
from minigrad.kernels.scratch import Scratch
from minigrad.kernels.strided import strided

Pair = tuple[int, int]


class Window(NamedTuple):
    """How a kernel moves over a picture: everything about a convolution but the arrays."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def is_plain_3x3(self) -> bool:
        """Whether this is the most common convolution, for which there is a faster algorithm: see `winograd.py`."""
        return (self.kernel, self.stride, self.dilation, self.groups) == ((3, 3), (1, 1), (1, 1), 1)

    def output_size(self, size: Pair) -> Pair:
        """Return how many positions the kernel takes along each axis of a picture of `size` (height, width)."""
        (h, w), (kh, kw), (sh, sw), (ph, pw), (dh, dw), _ = size, *self
        return (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1


class Block(NamedTuple):
    """Some rows of some pictures; as an index, the part of an (N, H, …) array."""

    pictures: slice
    rows: slice


def blocks(images: Array, rows: int, row_bytes: int, limit: int, task_bytes: int) -> list[Block]:
    """Divide `rows` rows of results of each picture into blocks for which about `limit` bytes are made.

    Args:
        images: the pictures (N, H, W, C); on a GPU, which has no such caches, everything is one block.
        rows: how many there are in a picture's result.
        row_bytes: what is made for one row.
        limit: whole pictures are taken together as long as they stay below it, else a picture is cut into strips.
        task_bytes: how much work there is, as for `split`: if it is worth splitting, there are blocks for every thread.
    """
    n, threads = len(images), get_num_threads()
    if not on_cpu(images):
        return [Block(slice(0, n), slice(0, rows))] if n else []
    if worth_splitting(task_bytes):
        limit = min(limit, -(-n * rows * row_bytes // threads))
    limit = max(1, limit)
    pictures = max(1, min(n, limit // max(1, rows * row_bytes)))
    strips = -(-rows * row_bytes // limit) if pictures == 1 else 1
    if n == 1 and strips > 1:  # every thread shall have as many as the others
        strips = -(-strips // threads) * threads
    height = max(1, -(-rows // max(1, strips)))
    return [
        Block(slice(first, min(first + pictures, n)), slice(top, min(top + height, rows)))
        for first in range(0, n, pictures)
        for top in range(0, rows, height)
    ]


def cut(images: Array, pictures: slice, corner: Pair, size: Pair, scratch: Scratch, beyond: float = 0) -> Array:
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
    piece[:, : y0 - top] = beyond
    piece[:, y1 - top :] = beyond
    piece[:, :, : x0 - left] = beyond
    piece[:, :, x1 - left :] = beyond
    piece[:, y0 - top : y1 - top, x0 - left : x1 - left] = inside
    return piece


def seen(images: Array, block: Block, window: Window, ow: int, scratch: Scratch, beyond: float = 0) -> Array:
    """Return the piece of the pictures that a block's windows see, `beyond` being the value of the padding.

    Args:
        ow: windows in a row.
    """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window.kernel, window.stride, window.padding, window.dilation
    corner = block.rows.start * sh - ph, -pw
    rows = block.rows.stop - block.rows.start
    size = (rows - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1
    return cut(images, block.pictures, corner, size, scratch, beyond)


def patches(images: Array, block: Block, window: Window, ow: int, scratch: Scratch) -> Array:
    """Return what the kernel sees at each of a block's positions, valid until the next call with this `scratch`.

    Returns:
        (groups, positions, kh·kw·C/groups).
    """
    (kh, kw), (sh, sw), (dh, dw), groups = window.kernel, window.stride, window.dilation, window.groups
    rows = block.rows.stop - block.rows.start
    piece = seen(images, block, window, ow, scratch)
    n, _, _, channels = piece.shape
    if window.kernel == window.stride == (1, 1) and groups == 1 and piece.flags.c_contiguous:
        return piece.reshape(1, -1, channels)  # the pixels themselves
    sn, sy, sx, sc = piece.strides
    shape = (groups, n, rows, ow, kh, kw, channels // groups)
    view = strided(piece, shape, (sc * (channels // groups), sn, sy * sh, sx * sw, sy * dh, sx * dw, sc))
    cols = scratch("patches", shape)
    cols[...] = view
    return cols.reshape(groups, -1, kh * kw * (channels // groups))
