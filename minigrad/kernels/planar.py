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
from minigrad.kernels.finish import Finish, rows_of
from minigrad.kernels.parallel import split
from minigrad.kernels.patches import Window
from minigrad.kernels.scratch import Scratch

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

    def forward(part: slice) -> None:
        scratch = Scratch(xp, x.dtype)
        for block, copies in _shifted_copies(x, part, window, scratch):
            rows = scratch("rows", copies.shape)
            rows[...] = copies
            sn, sh, _, sv, sj = rows.strides
            seen = xp.lib.stride_tricks.as_strided(
                rows, (len(rows), oh, ow, len(weight)), (sn, window.stride[0] * sh, sj, sv)
            )
            xp.matmul(seen, weight, out=y[block])
            finish(rows_of(y[block]), block)

    split(forward, len(y), y, y.size * len(weight) // MULTIPLY_ADDS_PER_BYTE)
    return y


def conv2d_weight_grad(x: Array, grads: Array, window: Window) -> Array:
    """Return ∂L/∂w (O, kh, kw, C) from x (N, C, H, W) and ∂L/∂y (N, OH, OW, O)."""
    xp = array_module(x)
    (n, oh, ow, filters), (kh, kw), step, channels = grads.shape, window.kernel, window.stride[0], x.shape[1]
    grads = grads.reshape(n, 1, oh * ow, filters)

    def weigh(part: slice) -> Array:
        scratch = Scratch(xp, x.dtype)
        total = xp.zeros((kh, channels * kw, filters), dtype=x.dtype)
        for block, copies in _shifted_copies(x, part, window, scratch):
            pictures, height = len(copies), copies.shape[1] // step
            planes = scratch("planes", (pictures, channels, kw, step, height, ow))  # every step-th row together
            planes[...] = copies.reshape(pictures, height, step, channels, kw, ow).transpose(0, 3, 4, 2, 1, 5)
            products = scratch("products", (pictures, kh, channels * kw, filters))
            sn, _, sv, _, sh, sj = planes.strides
            for phase in range(step):  # the kernel rows u = phase, phase + step, …
                target = products[:, phase::step]
                runs = xp.lib.stride_tricks.as_strided(
                    planes[:, :, :, phase], (pictures, target.shape[1], channels * kw, oh * ow), (sn, sh, sv, sj)
                )
                xp.matmul(runs, grads[block], out=target)
            total += products.sum(axis=0)
        return total

    parts = split(weigh, n, grads, grads.size * kh * kw * channels // MULTIPLY_ADDS_PER_BYTE)
    total = sum(parts[1:], start=parts[0]).reshape(kh, channels, kw, filters)
    return xp.ascontiguousarray(total.transpose(3, 0, 2, 1))


def _shifted_copies(x: Array, part: slice, window: Window, scratch: Scratch) -> Iterator[tuple[slice, Array]]:
    """Yield slices of the batch and a view of kw copies of their rows, (pictures, H, C, kw, OW), padding included.

    H is a multiple of the vertical stride.
    """
    xp = array_module(x)
    (kh, kw), (sh, sw), (ph, pw), (_, dw) = window.kernel, window.stride, window.padding, window.dilation
    _, channels, h, width = x.shape
    oh, ow = window.output_size((h, width))
    height = sh * (oh - 1 + -(-kh // sh))
    step = max(1, BLOCK_BYTES // max(1, channels * kw * height * ow * x.itemsize))
    for start in range(part.start, part.stop, step):
        block = slice(start, min(start + step, part.stop))
        some = x[block]
        if ph or pw or height > h:
            some = scratch("padded", (len(some), channels, max(height, h + 2 * ph), width + 2 * pw))
            some[...] = 0
            some[:, :, ph : ph + h, pw : pw + width] = x[block]
        sn, sc, sy, sx = some.strides
        shape, strides = (len(some), height, channels, kw, ow), (sn, sy, sc, dw * sx, sw * sx)
        yield block, xp.lib.stride_tricks.as_strided(some, shape, strides)
