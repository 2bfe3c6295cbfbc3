"""Convolutions of pictures with few channels, taken one channel after the other: the first layer of a network.

With three channels the patches of `im2col.py` are made of runs of 3·kw numbers, slow to copy, and the pictures, which
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

Multiply-adds: N·OH·OW·O·kh·kw·C, as by the definition.

Gain over im2col (`python -m benchmarks.algorithms`): about three times its speed on LeNet's first layer, twice
on CifarCNN's, a quarter more on ResNet18's; with six channels, LeNet's second layer, half more.

Reference: the idea is that of Cho & Brand 2017, "MEC: Memory-efficient Convolution for Deep Neural Network",
arXiv:1706.06873, turned by 90°.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from minigrad.backend import Array
from minigrad.kernels.conv.epilogue import Epilogue
from minigrad.kernels.conv.problem import Direction, Problem, Suits
from minigrad.kernels.layout import channels_first, channels_last, copy_runs, rows_of, strided
from minigrad.kernels.reduce import total
from minigrad.kernels.work import Block, Scratch, blocks, products, share

MAX_CHANNELS = 8
BLOCK_BYTES = 1 << 21  # the copies of as many pictures stay close to the core that works on them


def suits(problem: Problem, direction: Direction) -> Suits:
    """For pictures with few channels."""
    can = {
        "on the CPU": problem.on_cpu,
        "one group": problem.window.groups == 1,
        "no vertical dilation": problem.window.dilation[0] == 1,
    }
    return Suits(can, {f"at most {MAX_CHANNELS} channels": problem.channels <= MAX_CHANNELS})


def forward(problem: Problem, x: Array, w: Array, epilogue: Epilogue) -> Array:
    """Return the result (N, O, OH, OW), epilogue included."""
    y = np.empty(problem.shape, x.dtype)
    weight = np.ascontiguousarray(w.transpose(2, 1, 3, 0)).reshape(-1, problem.filters)
    epilogue = epilogue.for_rows(problem.out[1])

    def multiply(block: Block, scratch: Scratch) -> None:
        copies, target = _shifted_copies(problem, x, block, scratch), y[block]
        rows = scratch("rows", copies.shape)
        copy_runs(copies, rows)
        sn, sh, _, sv, sj = rows.strides
        seen = strided(rows, (*target.shape[:3], len(weight)), (sn, problem.window.stride[0] * sh, sj, sv))
        np.matmul(seen, weight, out=target)
        epilogue(rows_of(target), block)

    share(multiply, _blocks(problem, x), y, _size(problem))
    return channels_first(y)


def weight_grad(problem: Problem, x: Array, g: Array) -> Array:
    """Return ∂L/∂w (O, C, kh, kw) for g = ∂L/∂y."""
    grads, (kh, kw), step, ow = channels_last(g), problem.window.kernel, problem.window.stride[0], problem.out[1]

    def weigh(block: Block, scratch: Scratch) -> Array:
        copies = _shifted_copies(problem, x, block, scratch)
        n, height, channels = len(copies), copies.shape[1] // step, problem.channels
        planes = scratch("planes", (n, channels, kw, step, height, ow))  # every step-th row together
        copy_runs(copies.reshape(n, height, step, channels, kw, ow).transpose(0, 3, 4, 2, 1, 5), planes)
        rows = grads[block].reshape(n, 1, -1, problem.filters)
        found = scratch("products", (n, kh, channels * kw, problem.filters))
        sn, _, sv, _, sh, sj = planes.strides
        for phase in range(min(step, kh)):  # the kernel rows u = phase, phase + step, …
            target = found[:, phase::step]
            shape = (n, target.shape[1], channels * kw, rows.shape[2])
            np.matmul(strided(planes[:, :, :, phase], shape, (sn, sh, sv, sj)), rows, out=target)
        return total(found, (0,))

    gradient = np.zeros((kh, problem.channels * kw, problem.filters), x.dtype)
    for found in share(weigh, _blocks(problem, x), g, _size(problem)):
        gradient += found
    gradient = gradient.reshape(kh, problem.channels, kw, -1).transpose(3, 0, 2, 1)
    return channels_first(np.ascontiguousarray(gradient))


def _blocks(problem: Problem, x: Array) -> list[Block]:
    return blocks(x, problem.out[0], _copied(problem) // max(1, len(x) * problem.out[0]), BLOCK_BYTES, _size(problem))


def _copied(problem: Problem) -> int:
    """Bytes of all shifted copies."""
    (oh, ow), rows = problem.out, problem.pictures * problem.channels * problem.window.stride[0]
    return rows * oh * ow * problem.window.kernel[1] * problem.dtype.itemsize


@lru_cache(1000)
def _size(problem: Problem) -> int:
    """Of the work: the copies are made and read, and many small products take twice as long as a large one."""
    return 2 * _copied(problem) + 2 * products(problem.multiply_adds)


def _shifted_copies(problem: Problem, x: Array, block: Block, scratch: Scratch) -> Array:
    """Return a view of kw copies of the rows that a block sees, (pictures, H, C, kw, OW), padding included.

    H is a multiple of the vertical stride.
    """
    (kh, kw), (sh, sw), (ph, pw), (_, dw), _ = problem.window
    (_, channels, h, width), ow = x.shape, problem.out[1]
    height = sh * (block.rows.stop - block.rows.start - 1 + -(-kh // sh))
    top = sh * block.rows.start - ph
    y0, y1 = min(max(0, top), h), max(0, min(h, top + height))
    some = x[block.pictures, :, y0:y1]
    if pw or y1 - y0 < height or some.strides[3] != some.itemsize:  # channels-last: single numbers are copied once
        some = scratch("padded", (len(some), channels, height, width + 2 * pw))
        some[...] = 0
        some[:, :, y0 - top : y1 - top, pw : pw + width] = x[block.pictures, :, y0:y1]
    sn, sc, sy, sx = some.strides
    return strided(some, (len(some), height, channels, kw, ow), (sn, sy, sc, dw * sx, sw * sx))
