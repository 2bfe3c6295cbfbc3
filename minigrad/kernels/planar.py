"""Convolutions of pictures as they come, one colour after the other: the first layer of a network.

With three channels the patches of `conv.py` are made of runs of 3·kw numbers, slow to copy, and the pictures, which
nobody has convolved yet, would have to be turned channels-last first. Here each row of a picture is copied kw times
instead, every time shifted by one more column:

    rows[h] (C·kw, OW) with rows[h][c, v, j] = x[c, h, j·stride + v]

The rows that output row i sees are a matrix (kh·C·kw, OW), contiguous in memory, and those that row i + 1 sees begin
one `stride` further down, overlapping: only kw copies are made, not kh·kw. BLAS takes the matrices from where they lie,
and what it returns is channels-last:

    y[i] (OW, O)  =  rows[i·stride … ]ᵀ (OW, kh·C·kw)  @  weightᵀ (kh·C·kw, O)        OH small products for each picture

The weight gradient is the sum over all rows of results of rows[i·stride …] (kh·C·kw, OW) @ ∂L/∂y[i] (OW, O). Sums over
one row are too short to be efficient, so several pictures stand side by side. The idea is that of `strips.py`, turned
by 90°; multiply-adds: N·OH·OW·O·kh·kw·C.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.finish import Finish, rows_of
from minigrad.kernels.parallel import split
from minigrad.kernels.patches import Window
from minigrad.kernels.scratch import Scratch

MAX_CHANNELS = 4
SUM_LENGTH = 128  # over which a product should at least sum
BLOCK_BYTES = 1 << 20  # the rows of as many pictures stay in a core's own cache
# A core multiplies and adds about this often, in such products, in the time in which it copies a byte.
MULTIPLY_ADDS_PER_BYTE = 5


def suits(x: Array, window: Window) -> bool:
    """Whether this form can compute the convolution of x (N, C, H, W), and is expected to be the fastest."""
    return x.shape[1] <= MAX_CHANNELS and window.groups == 1 and window.dilation[0] == 1 and on_cpu(x)


def conv2d(x: Array, w: Array, window: Window, finish: Finish) -> Array:
    """Return the convolution (N, OH, OW, O) of pictures (N, C, H, W) with w (O, C, kh, kw)."""
    xp = array_module(x)
    oh, ow = window.output_size(x.shape[2:])
    filters = len(w)
    y = xp.empty((len(x), oh, ow, filters), dtype=x.dtype)
    weight = xp.ascontiguousarray(w.transpose(2, 1, 3, 0)).reshape(-1, filters)
    finish = finish.for_rows(ow)

    def forward(part: slice) -> None:
        for block, rows in _row_blocks(x, part, window):
            seen = _seen(rows, oh, window)
            groups, side_by_side = len(rows), rows.shape[3]
            seen = seen.reshape(*seen.shape[:3], side_by_side, ow).transpose(0, 1, 3, 4, 2)
            target = y[block].reshape(groups, side_by_side, oh, ow, filters).transpose(0, 2, 1, 3, 4)

            def multiply(part: slice, seen: Array = seen, target: Array = target) -> None:
                xp.matmul(seen[:, part], weight, out=target[:, part])

            split(multiply, oh, y, work)  # a single picture's rows; of several, the pictures are split already
            finish(rows_of(y[block]), block)

    work = y.size * len(weight) // MULTIPLY_ADDS_PER_BYTE
    split(forward, len(y), y, work)
    return y


def conv2d_weight_grad(x: Array, grads: Array, window: Window) -> Array:
    """Return ∂L/∂w (O, kh, kw, C) from x (N, C, H, W) and ∂L/∂y (N, OH, OW, O)."""
    xp = array_module(x)
    (n, oh, ow, filters), (kh, kw), channels = grads.shape, window.kernel, x.shape[1]

    def weigh(part: slice) -> Array:
        total = xp.zeros((kh * channels * kw, filters), dtype=x.dtype)
        for block, rows in _row_blocks(x, part, window):
            groups, side_by_side = len(rows), rows.shape[3]
            g = grads[block].reshape(groups, side_by_side, oh, ow, filters).transpose(0, 2, 1, 3, 4)
            total += (_seen(rows, oh, window) @ g.reshape(groups, oh, -1, filters)).sum(axis=(0, 1))
        return total

    parts = split(weigh, n, grads, grads.size * kh * kw * channels // MULTIPLY_ADDS_PER_BYTE)
    total = sum(parts[1:], start=parts[0]).reshape(kh, channels, kw, filters)
    return xp.ascontiguousarray(total.transpose(3, 0, 2, 1))


def _row_blocks(x: Array, part: slice, window: Window) -> Iterator[tuple[slice, Array]]:
    """Yield slices of the batch and their rows as (groups, H, C·kw, pictures side by side, OW), padding included."""
    xp = array_module(x)
    scratch = Scratch(xp, x.dtype)
    (_, kw), (_, sw), (ph, pw), (_, dw) = window.kernel, window.stride, window.padding, window.dilation
    _, channels, h, width = x.shape
    ow = window.output_size((h, width))[1]
    step = max(1, BLOCK_BYTES // max(1, channels * kw * (h + 2 * ph) * ow * x.itemsize))
    for start in range(part.start, part.stop, step):
        block = slice(start, min(start + step, part.stop))
        some, m = x[block], _side_by_side(min(step, part.stop - start), ow)
        if ph or pw:
            some = scratch("padded", (len(some), channels, h + 2 * ph, width + 2 * pw))
            some[...] = 0
            some[:, :, ph : ph + h, pw : pw + width] = x[block]
        sn, sc, sy, sx = some.strides
        shape = (len(some) // m, some.shape[2], channels, kw, m, ow)
        strides = (m * sn, sy, sc, dw * sx, sn, sw * sx)
        rows = scratch("rows", shape)
        rows[...] = xp.lib.stride_tricks.as_strided(some, shape, strides)
        yield block, rows.reshape(*shape[:2], channels * kw, m, ow)


def _side_by_side(pictures: int, ow: int) -> int:
    """Return how many of `pictures` shall stand side by side: a power of two that divides them."""
    return math.gcd(pictures, 1 << max(0, math.ceil(math.log2(SUM_LENGTH / max(1, ow)))))


def _seen(rows: Array, oh: int, window: Window) -> Array:
    """Show the rows that each row of results sees, as (groups, OH, kh·C·kw, pictures side by side · OW)."""
    groups, _, inner, m, ow = rows.shape
    sg, sh, si, _, sx = rows.strides
    shape = (groups, oh, window.kernel[0] * inner, m * ow)
    return array_module(rows).lib.stride_tricks.as_strided(rows, shape, (sg, window.stride[0] * sh, si, sx))
