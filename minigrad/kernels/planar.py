"""Convolutions of pictures as they come, one colour after the other: the first layer of a network.

With three channels the patches of `conv.py` are made of runs of 3·kw numbers, slow to copy, and the pictures, which
nobody has convolved yet, would have to be turned channels-last first. Here each row of a picture is copied kw times
instead, every time shifted by one more column, and all runs are OW numbers long:

    rows[h] (C·kw, OW) with rows[h][c, v, j] = x[c, h, j·stride + v]

The rows that output row i sees are a matrix (kh·C·kw, OW), contiguous in memory, and those that row i + 1 sees begin
one `stride` further down, overlapping: only kw copies are made, not kh·kw. BLAS takes the matrices from where they lie,
and what it returns is channels-last:

    y[i] (OW, O)  =  rows[i·stride … ]ᵀ (OW, kh·C·kw)  @  weightᵀ (kh·C·kw, O)        OH small products for each picture

For the weight gradient the copies lie in another order, all rows of one (c, v) together, so that the sum over all
positions of a picture is one long run for each kernel row u:

    ∂L/∂w[u] (C·kw, O)  =  planes[c, v][u·OW … ] (C·kw, OH·OW)  @  ∂L/∂y (OH·OW, O)        kh products for each picture

The idea is that of `strips.py`, turned by 90°. Multiply-adds: N·OH·OW·O·kh·kw·C.
"""

from __future__ import annotations

from collections.abc import Iterator

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.copies import copy_runs
from minigrad.kernels.finish import Finish, rows_of
from minigrad.kernels.parallel import share, split
from minigrad.kernels.patches import Block, Window, blocks
from minigrad.kernels.reduce import total
from minigrad.kernels.scratch import Scratch
from minigrad.kernels.strided import strided

MAX_CHANNELS = 4
BLOCK_BYTES = 1 << 21  # the copies of as many pictures stay close to the core that works on them
# A core multiplies and adds about this often, in such products, in the time in which it copies a byte.
MULTIPLY_ADDS_PER_BYTE = 5


def suits(x: Array, window: Window) -> bool:
    """Whether this form can compute the convolution of x (N, C, H, W), and is expected to be the fastest."""
    return x.shape[1] <= MAX_CHANNELS and window.groups == 1 and window.dilation[0] == 1 and on_cpu(x)


def conv2d(x: Array, w: Array, window: Window, finish: Finish) -> Array:
    """Return the convolution (N, OH, OW, O) of pictures (N, C, H, W) with w (O, C, kh, kw)."""
    xp = array_module(x)
    (oh, ow), filters = window.output_size(x.shape[2:]), len(w)
    y = xp.empty((len(x), oh, ow, filters), dtype=x.dtype)
    weight = xp.ascontiguousarray(w.transpose(2, 1, 3, 0)).reshape(-1, filters)
    finish = finish.for_rows(ow)

    def forward(some: Iterator[Block]) -> None:
        scratch = Scratch(xp, x.dtype)
        for block in some:
            copies, target = _shifted_copies(x, block, window, scratch), y[block]
            rows = scratch("rows", copies.shape)
            copy_runs(copies, rows)
            sn, sh, _, sv, sj = rows.strides
            seen = strided(rows, (*target.shape[:3], len(weight)), (sn, window.stride[0] * sh, sj, sv))
            xp.matmul(seen, weight, out=target)
            finish(rows_of(target), block)

    task_bytes = y.size * len(weight) // MULTIPLY_ADDS_PER_BYTE
    share(forward, _blocks(x, window, task_bytes), y, task_bytes)
    return y


def conv2d_weight_grad(x: Array, grads: Array, window: Window) -> Array:
    """Return ∂L/∂w (O, kh, kw, C) from x (N, C, H, W) and ∂L/∂y (N, OH, OW, O)."""
    xp = array_module(x)
    ow, filters, (kh, kw), step, channels = *grads.shape[2:], window.kernel, window.stride[0], x.shape[1]
    task_bytes = grads.size * kh * kw * channels // MULTIPLY_ADDS_PER_BYTE
    todo = _blocks(x, window, task_bytes)

    def weigh(part: slice) -> Array:
        scratch = Scratch(xp, x.dtype)
        found = xp.zeros((kh, channels * kw, filters), dtype=x.dtype)
        for block in todo[part]:
            copies, g = _shifted_copies(x, block, window, scratch), grads[block]
            g = g.reshape(len(g), 1, -1, filters)
            pictures, height = len(copies), copies.shape[1] // step
            planes = scratch("planes", (pictures, channels, kw, step, height, ow))  # every step-th row together
            copy_runs(copies.reshape(pictures, height, step, channels, kw, ow).transpose(0, 3, 4, 2, 1, 5), planes)
            products = scratch("products", (pictures, kh, channels * kw, filters))
            sn, _, sv, _, sh, sj = planes.strides
            for phase in range(step):  # the kernel rows u = phase, phase + step, …
                target = products[:, phase::step]
                runs = strided(
                    planes[:, :, :, phase], (pictures, target.shape[1], channels * kw, g.shape[2]), (sn, sh, sv, sj)
                )
                xp.matmul(runs, g, out=target)
            found += total(products, (0,))
        return found

    parts = split(weigh, len(todo), grads, task_bytes)
    gradient = sum(parts[1:], start=parts[0]).reshape(kh, channels, kw, filters)
    return xp.ascontiguousarray(gradient.transpose(3, 0, 2, 1))


def _blocks(x: Array, window: Window, task_bytes: int) -> list[Block]:
    oh, ow = window.output_size(x.shape[2:])
    row_bytes = x.shape[1] * window.kernel[1] * window.stride[0] * ow * x.itemsize
    return blocks(x, oh, row_bytes, BLOCK_BYTES, task_bytes)


def _shifted_copies(x: Array, block: Block, window: Window, scratch: Scratch) -> Array:
    """Return a view of kw copies of the rows that a block sees, (pictures, H, C, kw, OW), padding included.

    H is a multiple of the vertical stride.
    """
    (kh, kw), (sh, sw), (ph, pw), (_, dw) = window.kernel, window.stride, window.padding, window.dilation
    (_, channels, h, width), ow = x.shape, window.output_size(x.shape[2:])[1]
    height = sh * (block.rows.stop - block.rows.start - 1 + -(-kh // sh))
    top = sh * block.rows.start - ph
    y0, y1 = min(max(0, top), h), max(0, min(h, top + height))
    some = x[block.pictures, :, y0:y1]
    if pw or y1 - y0 < height:
        some = scratch("padded", (len(some), channels, height, width + 2 * pw))
        some[...] = 0
        some[:, :, y0 - top : y1 - top, pw : pw + width] = x[block.pictures, :, y0:y1]
    sn, sc, sy, sx = some.strides
    shape, strides = (len(some), height, channels, kw, ow), (sn, sy, sc, dw * sx, sw * sx)
    return strided(some, shape, strides)
