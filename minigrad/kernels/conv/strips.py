"""The input gradient for pictures with few channels: ∂L/∂y in strips.

With few channels, adding patches back to their places (`im2col.py`) means adding short runs of numbers, kh·kw times as
many as the pictures have. Here the sum over the kernel's rows is done within the products. Row h of the picture
collects what the kh rows of outputs that saw it send back; a vertical strip of ∂L/∂y, one column wide,

    strip j (OH, O), row after row in memory,

holds what reaches row h as one run of kh·O numbers, and what reaches row h + 1 begins one row further down; above the
first row and below the last one lie zeros. For each row and column, the runs of N pictures are the rows of a matrix,
one picture apart in memory, and BLAS takes it from where it lies:

    collected[j, h] (N, kw·C)  =  runs (N, kh·O)  @  weight, turned upside down (kh·O, kw·C)        OW·H small products

These strips, kw pixels wide, overlap, and are added to their places: kw additions of long runs. Multiply-adds:
N·H·OW·O·kh·kw·C. Pictures being the rows of every product, threads share the rows of the result.

Gain (`python -m benchmarks.algorithms`): three times the speed of `turned.py` on LeNet's second layer from 64
pictures on, half more with four; with fewer, the products have too few rows.

Reference: Cho & Brand 2017, "MEC: Memory-efficient Convolution for Deep Neural Network", arXiv:1706.06873. There a
product takes many positions of one picture, whose runs overlap, which `matmul` would copy; those of different pictures
do not.
"""

from __future__ import annotations

import numpy as np

from minigrad.backend import Array
from minigrad.kernels.conv.problem import Direction, Problem, Suits, Window
from minigrad.kernels.layout import channels_first, channels_last, copy_runs, cut, strided
from minigrad.kernels.work import Scratch, parts, products, share

# Few channels, because then patches are slow to add; several pictures, because they are the rows of every product.
MAX_CHANNELS, MIN_PICTURES = 8, 4
# More pictures make a product no more efficient; strips of so many bytes still are near the core that works on them.
BLOCK_PICTURES, BLOCK_BYTES = 64, 1 << 24


def suits(problem: Problem, direction: Direction) -> Suits:
    """For few channels and several pictures."""
    window = problem.window
    can = {
        "on the CPU": problem.on_cpu,
        "stride 1, no dilation, one group": window == Window(window.kernel, padding=window.padding),
    }
    pays = {
        f"at most {MAX_CHANNELS} channels": problem.channels <= MAX_CHANNELS,
        f"from {MIN_PICTURES} pictures on": problem.pictures >= MIN_PICTURES,
    }
    return Suits(can, pays)


def input_grad(problem: Problem, g: Array, w: Array) -> Array:
    """Return ∂L/∂x (N, C, H, W) for g = ∂L/∂y."""
    grads, (n, oh, ow, filters), (channels, kh, kw) = channels_last(g), problem.shape, w.shape[1:]
    (h, width), (ph, pw) = problem.size, problem.window.padding
    weight = np.ascontiguousarray(w[:, :, ::-1].transpose(2, 0, 3, 1)).reshape(kh * filters, kw * channels)
    x = np.zeros((n, h, width + 2 * pw, channels), g.dtype)
    step = max(1, min(BLOCK_PICTURES, BLOCK_BYTES // max(1, oh * ow * filters * g.itemsize)))

    def collect(rows: slice, scratch: Scratch) -> None:
        top = rows.start - (kh - 1 - ph)  # the first row of ∂L/∂y that reaches these rows, maybe above the border
        height = rows.stop - rows.start + kh - 1
        for start in range(0, n, step):
            some = slice(start, min(start + step, n))
            sent = cut(grads, some, (top, 0), (height, ow), scratch)
            strips, target = scratch("strips", (ow, len(sent), height, filters)), x[some, rows]
            copy_runs(sent.transpose(2, 0, 1, 3), strips)
            sj, sn, sy, so = strips.strides
            runs = strided(strips, (ow, rows.stop - rows.start, len(sent), kh * filters), (sj, sy, sn, so))
            collected = scratch("collected", (ow, *target.shape[:2], kw * channels))
            np.matmul(runs, weight, out=collected.transpose(0, 2, 1, 3))
            for j, strip in enumerate(collected.reshape(*collected.shape[:3], kw, channels)):
                target[:, :, j : j + kw] += strip

    size = 2 * g.nbytes + 2 * products(n * h * ow * filters * kh * kw * channels)  # of small products
    share(collect, parts(h, g, size, each=1), g, size)
    return channels_first(x[:, :, pw : pw + width])
