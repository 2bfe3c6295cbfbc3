"""Convolutions of pictures as they come, one colour after the other: the first layer of a network.

With three channels, the patches of `conv.py` are made of runs of 3·kw numbers, and the pictures, which nobody has
convolved yet, would have to be turned channels-last first. Taken as they are, they give the same patches transposed:

    patches (C·kh·kw, OH·OW)        each row holds one kernel position for all outputs, in runs of OW neighbours
    patchesᵀ @ weightᵀ (C·kh·kw, O)  =  one picture of the result, (OH·OW, O), channels-last

BLAS reads either matrix transposed just as well. For many channels the runs of the channels-last form are the longer
ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels import strips
from minigrad.kernels.finish import Finish, rows_of
from minigrad.kernels.parallel import split
from minigrad.kernels.patches import Window
from minigrad.kernels.scratch import Scratch

MAX_CHANNELS = 4
# Every kernel position is another copy of the pictures. Many of them pay only where there are too few pictures for
# `strips.py`.
MAX_POSITIONS, MAX_POSITIONS_OF_FEW_PICTURES = 9, 25
BLOCK_BYTES = 1 << 20


def suits(x: Array, window: Window) -> bool:
    """Whether this form is expected to be the fastest for pictures x (N, C, H, W)."""
    most = MAX_POSITIONS if len(x) >= strips.MIN_PICTURES else MAX_POSITIONS_OF_FEW_PICTURES
    return x.shape[1] <= MAX_CHANNELS and math.prod(window.kernel) <= most and window.groups == 1 and on_cpu(x)


def conv2d(x: Array, w: Array, window: Window, finish: Finish) -> Array:
    """Return the convolution (N, OH, OW, O) of pictures (N, C, H, W) with w (O, C, kh, kw)."""
    xp = array_module(x)
    oh, ow = window.output_size(x.shape[2:])
    y = xp.empty((len(x), oh, ow, len(w)), dtype=x.dtype)
    weight = xp.ascontiguousarray(w).reshape(len(w), -1)
    finish = finish.for_rows(ow)

    def forward(part: slice) -> None:
        for block, cols in _patch_blocks(x, part, window):
            xp.matmul(cols.transpose(0, 2, 1), weight.T, out=y[block].reshape(-1, oh * ow, len(w)))
            finish(rows_of(y[block]), block)

    split(forward, len(y), y, _patch_bytes(x, oh * ow, window))
    return y


def conv2d_weight_grad(x: Array, grads: Array, window: Window) -> Array:
    """Return ∂L/∂w (O, kh, kw, C) from x (N, C, H, W) and ∂L/∂y (N, OH, OW, O)."""
    xp = array_module(x)
    (n, oh, ow, filters), (kh, kw) = grads.shape, window.kernel
    grads = grads.reshape(n, oh * ow, filters)

    def weigh(part: slice) -> Array:
        total = xp.zeros((x.shape[1] * kh * kw, filters), dtype=x.dtype)
        for block, cols in _patch_blocks(x, part, window):
            total += (cols @ grads[block]).sum(axis=0)
        return total

    parts = split(weigh, n, grads, _patch_bytes(x, oh * ow, window))
    return xp.ascontiguousarray(sum(parts[1:], start=parts[0]).reshape(-1, kh, kw, filters).transpose(3, 1, 2, 0))


def _patch_bytes(x: Array, positions: int, window: Window) -> int:
    """Return how many bytes all patches have, written once and read once."""
    return 2 * positions * window.kernel[0] * window.kernel[1] * len(x) * x.shape[1] * x.itemsize


def _patch_blocks(x: Array, part: slice, window: Window) -> Iterator[tuple[slice, Array]]:
    """Yield slices of the batch and their patches (pictures, C·kh·kw, OH·OW), valid until the next block."""
    xp = array_module(x)
    scratch = Scratch(xp, x.dtype)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window.kernel, window.stride, window.padding, window.dilation
    _, channels, h, width = x.shape
    oh, ow = window.output_size((h, width))
    picture_bytes = channels * kh * kw * oh * ow * x.itemsize
    step = max(1, BLOCK_BYTES // max(1, picture_bytes))
    for start in range(part.start, part.stop, step):
        block = slice(start, min(start + step, part.stop))
        some = x[block]
        if ph or pw or not some.flags.c_contiguous:
            padded = scratch("padded", (len(some), channels, h + 2 * ph, width + 2 * pw))
            padded[...] = 0
            padded[:, :, ph : ph + h, pw : pw + width] = some
            some = padded
        sn, sc, sy, sx = some.strides
        shape = (len(some), channels, kh, kw, oh, ow)
        view = xp.lib.stride_tricks.as_strided(some, shape, (sn, sc, sy * dh, sx * dw, sy * sh, sx * sw))
        cols = scratch("cols", shape)
        cols[...] = view
        yield block, cols.reshape(len(some), channels * kh * kw, oh * ow)
