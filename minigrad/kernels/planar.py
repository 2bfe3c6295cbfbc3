"""Convolutions with few filters, channels-first: the first layer of a small network.

With six filters on three channels, the channels-last form of `conv.py` copies runs of a dozen numbers and multiplies by
a matrix of six columns, neither of which the machine does well. Turned on its side the same product has long rows:

    weight (O, C·kh·kw)  @  patches (C·kh·kw, OH·OW)  =  one picture of the result, (O, OH·OW)

A row of the patches holds one kernel position for all outputs, so it is made of runs of OW neighbouring numbers. The
result is channels-first in memory; pooling and elementwise operations go on in that layout. For many channels the runs
of the channels-last form are the longer ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.parallel import split
from minigrad.kernels.scratch import Scratch

MAX_FILTERS = 8
MIN_POSITIONS = 256  # of the result; in smaller pictures, runs of OW numbers are short too
BLOCK_BYTES = 1 << 20


def suits(x: Array, filters: int, oh: int, ow: int, groups: int) -> bool:
    """Whether this form is expected to be the faster one for pictures x and oh×ow outputs."""
    return groups == 1 and filters <= MAX_FILTERS and oh * ow >= MIN_POSITIONS and on_cpu(x)


def conv2d(x: Array, w: Array, b: Array | None, window: tuple) -> Array:
    """Return the convolution of x (N, C, H, W) with w (O, C, kh, kw), as (N, O, OH, OW); `window` as in `conv.py`."""
    xp = array_module(x)
    oh, ow = window.output_size(x.shape[2:])
    y = xp.empty((len(x), len(w), oh, ow), dtype=x.dtype)
    weight = xp.ascontiguousarray(w).reshape(len(w), -1)

    def forward(part: slice) -> None:
        for block, cols in _patch_blocks(x, part, window):
            target = y[block].reshape(-1, len(w), oh * ow)
            xp.matmul(weight, cols, out=target)
            if b is not None:
                target += b[:, None]

    split(forward, len(y), y, _patch_bytes(x, oh * ow, window))
    return y


def conv2d_weight_grad(x: Array, g: Array, window: tuple) -> Array:
    """Return ∂L/∂w (O, C, kh, kw) from x (N, C, H, W) and ∂L/∂y (N, O, OH, OW)."""
    xp = array_module(x)
    n, filters, oh, ow = g.shape
    grads = xp.ascontiguousarray(g).reshape(n, filters, oh * ow)
    shape = (filters, x.shape[1], *window.kernel)

    def weigh(part: slice) -> Array:
        total = xp.zeros((filters, x.shape[1] * window.kernel[0] * window.kernel[1]), dtype=x.dtype)
        for block, cols in _patch_blocks(x, part, window):
            total += (grads[block] @ cols.transpose(0, 2, 1)).sum(axis=0)
        return total

    parts = split(weigh, n, g, _patch_bytes(x, oh * ow, window))
    return sum(parts[1:], start=parts[0]).reshape(shape)


def _patch_bytes(x: Array, positions: int, window: tuple) -> int:
    """Return how many bytes all patches have, written once and read once."""
    return 2 * positions * window.kernel[0] * window.kernel[1] * len(x) * x.shape[1] * x.itemsize


def _patch_blocks(x: Array, part: slice, window: tuple) -> Iterator[tuple[slice, Array]]:
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
