"""Convolution without patches, for few channels: pictures cut into strips.

The patches of `conv.py` are kh·kw times as large as the pictures, and with few channels they are made of short runs of
numbers, slow to copy. Vertical strips, as wide as the kernel, make them unnecessary:

    strip j of a picture (H, kw·C), row after row in memory

holds the patch of output (i, j) as one run of kh·kw·C numbers that begins at row i; the next patch begins one row
further down. All strips together are only kw times as large as the pictures. For each output position, the runs of N
pictures are the rows of a matrix, one picture apart in memory, and BLAS takes it from where it lies:

    y[:, i, j] (N, O)  =  runs (N, kh·kw·C)  @  weightᵀ (kh·kw·C, O)        OH·OW small products, one call of `matmul`

The weight gradient is the sum of such products, transposed, over all positions. The input gradient turns the roles
round: the runs are those of ∂L/∂y, since row h of the picture collects what the kh rows of outputs that saw it send
back, and the strips, which overlap, are added to their places. Each of the three costs N·OH·OW·O·kh·kw·C multiply-adds.
Pictures being the rows of every product, threads share the rows of the result.

Reference: Cho & Brand 2017, "MEC: Memory-efficient Convolution for Deep Neural Network", arXiv:1706.06873. There a
product takes many positions of one picture, whose runs overlap, which `matmul` would copy; those of different pictures
do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.copies import copy_runs
from minigrad.kernels.finish import Finish, rows_of
from minigrad.kernels.parallel import split
from minigrad.kernels.patches import Pair, Window
from minigrad.kernels.reduce import total
from minigrad.kernels.scratch import Scratch
from minigrad.kernels.strided import strided

# Few channels, because then patches are slow to copy; many pictures, because they are the rows of every product.
MAX_CHANNELS, MIN_PICTURES = 8, 16
# More pictures make a product no more efficient; strips of so many bytes still are near the core that works on them.
BLOCK_PICTURES, BLOCK_BYTES = 64, 1 << 24
PRODUCT_BYTES = 1 << 20  # the weight gradient's products, before they are summed
# A core multiplies and adds about this often, in such products, in the time in which it copies a byte.
MULTIPLY_ADDS_PER_BYTE = 5


class Span(NamedTuple):
    """Windows that one call can deal with: `outputs`, the first of which sees `count` elements from `first` on.

    The window's first `skip` elements, and those after the `count` that it sees, lie in the padding.
    """

    outputs: slice
    first: int
    skip: int
    count: int


def suits(x: Array, channels: int, window: Window) -> bool:
    """Whether this form can compute a convolution of, or gradients for, pictures with so many channels, and is expected
    to be the fastest; x is any array with one entry for each picture.
    """
    few = channels <= MAX_CHANNELS and len(x) >= MIN_PICTURES
    plain = (window.stride, window.dilation, window.groups) == ((1, 1), (1, 1), 1)
    all_padding = any(p >= k for p, k in zip(window.padding, window.kernel, strict=True))  # some windows see nothing
    return few and plain and not all_padding and on_cpu(x)


def conv2d(images: Array, w: Array, window: Window, finish: Finish) -> Array:
    """Return the convolution (N, OH, OW, O) of pictures (N, H, W, C) with w (O, C, kh, kw)."""
    xp = array_module(images)
    n, h, width, _ = images.shape
    (oh, ow), filters, kh = window.output_size((h, width)), len(w), window.kernel[0]
    weight = xp.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(kh, -1, filters)
    y = xp.empty((n, oh, ow, filters), dtype=images.dtype)
    finish = finish.for_rows(ow)

    def forward(rows: slice) -> None:
        scratch = Scratch(xp, images.dtype)
        seen, padding = _rows_seen(rows, kh, window.padding[0], h)
        for block in _blocks(images, window):
            strips, target = _cut(images[block, seen], window, scratch), y[block, rows]
            for span in _spans(target.shape[1], kh, padding, strips.shape[2]):
                matrix = weight[span.skip : span.skip + span.count].reshape(-1, filters)
                xp.matmul(_runs(strips, span), matrix, out=target[:, span.outputs].transpose(2, 1, 0, 3))
            finish(rows_of(target), (block, rows))

    split(forward, oh, y, y.size * weight[..., 0].size // MULTIPLY_ADDS_PER_BYTE)
    return y


def conv2d_weight_grad(images: Array, grads: Array, window: Window) -> Array:
    """Return ∂L/∂w (O, kh, kw, C) from pictures (N, H, W, C) and ∂L/∂y (N, OH, OW, O)."""
    xp = array_module(images)
    (_, h, _, channels), (_, oh, ow, filters), (kh, kw) = images.shape, grads.shape, window.kernel
    at_once = max(1, PRODUCT_BYTES // max(1, ow * filters * kh * kw * channels * grads.itemsize))

    def weigh(rows: slice) -> Array:
        scratch = Scratch(xp, images.dtype)
        found = xp.zeros((filters, kh, kw * channels), dtype=images.dtype)
        seen, padding = _rows_seen(rows, kh, window.padding[0], h)
        for block in _blocks(images, window):
            strips, g = _cut(images[block, seen], window, scratch), grads[block, rows]
            for span in _spans(g.shape[1], kh, padding, strips.shape[2], at_once):
                runs = _runs(strips, span)
                products = scratch("products", (*runs.shape[:2], filters, runs.shape[3]))
                xp.matmul(g[:, span.outputs].transpose(2, 1, 3, 0), runs, out=products)
                part = found[:, span.skip : span.skip + span.count]
                part += total(products, (0, 1)).reshape(part.shape)
        return found

    parts = split(weigh, oh, grads, grads.size * kh * kw * channels // MULTIPLY_ADDS_PER_BYTE)
    return sum(parts[1:], start=parts[0]).reshape(filters, kh, kw, channels)


def conv2d_input_grad(grads: Array, w: Array, window: Window, size: Pair) -> Array:
    """Return ∂L/∂x (N, H, W, C) for pictures of `size` (H, W) from ∂L/∂y (N, OH, OW, O) and w (O, C, kh, kw)."""
    xp = array_module(grads)
    (n, oh, ow, filters), (channels, kh, kw) = grads.shape, w.shape[1:]
    (ph, pw), run = window.padding, kw * channels
    weight = xp.ascontiguousarray(w[:, :, ::-1].transpose(2, 0, 3, 1)).reshape(kh, filters, run)
    x = xp.zeros((n, size[0], size[1] + 2 * pw, channels), dtype=grads.dtype)

    def collect(rows: slice) -> None:
        scratch = Scratch(xp, grads.dtype)
        senders, padding = _rows_seen(rows, kh, kh - 1 - ph, oh)
        for block in _blocks(x, window):
            sent, target = _cut(grads[block, senders], Window((kh, 1)), scratch), x[block, rows]
            strips = scratch("collected", (ow, *target.shape[:2], run))
            for span in _spans(target.shape[1], kh, padding, sent.shape[2]):
                matrix = weight[span.skip : span.skip + span.count].reshape(-1, run)
                xp.matmul(_runs(sent, span), matrix, out=strips[:, :, span.outputs].transpose(0, 2, 1, 3))
            for j, strip in enumerate(strips.reshape(*strips.shape[:3], kw, channels)):
                target[:, :, j : j + kw] += strip

    split(collect, size[0], x, grads.size * kh * run // MULTIPLY_ADDS_PER_BYTE)
    return x[:, :, pw : pw + size[1]]


def _rows_seen(rows: slice, kh: int, padding: int, size: int) -> tuple[slice, int]:
    """Return which of `size` rows the windows `rows` see, and how many of padding lie above the first of them."""
    first = rows.start - padding
    return slice(max(0, first), min(size, rows.stop - 1 - padding + kh)), max(0, -first)


def _spans(outputs: int, width: int, padding: int, size: int, at_once: int | None = None) -> Iterator[Span]:
    """Yield windows of `width` over `size` elements: those that lie inside together, clipped ones one by one."""
    i = 0
    while i < outputs:
        start, end = i - padding, i + 1
        skip, stop = max(0, -start), min(width, size - start)
        if stop - skip == width:
            end = min(outputs, size + padding - width + 1, i + (at_once or outputs))
        yield Span(slice(i, end), start + skip, skip, stop - skip)
        i = end


def _cut(images: Array, window: Window, scratch: Scratch) -> Array:
    """Return the strips of pictures (N, H, W, C), as (OW, N, H, kw·C), without the rows of padding."""
    (n, h, width, c), kw, pw = images.shape, window.kernel[1], window.padding[1]
    sn, sy, sx, _ = images.strides
    strips = scratch("strips", (width + 2 * pw - kw + 1, n, h, kw * c))
    for span in _spans(len(strips), kw, pw, width):
        target = strips[span.outputs]
        if span.count < kw:
            target[...] = 0
        target = target[..., span.skip * c : (span.skip + span.count) * c]
        strides = (sx, sn, sy, images.itemsize)  # the stride of a single channel could be anything
        everywhere = strided(images, (width - span.count + 1, n, h, span.count * c), strides)
        copy_runs(everywhere[span.first : span.first + len(target)], target)
    return strips


def _runs(strips: Array, span: Span) -> Array:
    """Show what the windows of a span see of strips (S, N, H, L), one run each, as (S, rows, N, count·L)."""
    (s, n, _, length), (ss, sn, sy, sc) = strips.shape, strips.strides
    everywhere = strided(strips, (s, strips.shape[2] - span.count + 1, n, span.count * length), (ss, sy, sn, sc))
    return everywhere[:, span.first : span.first + span.outputs.stop - span.outputs.start]


def _blocks(images: Array, window: Window) -> Iterator[slice]:
    """Cut the batch into slices of as many pictures as their strips may have bytes."""
    strip_bytes = max(1, images.nbytes // max(1, len(images)) * window.kernel[1])
    step = max(1, min(BLOCK_PICTURES, BLOCK_BYTES // strip_bytes))
    for start in range(0, len(images), step):
        yield slice(start, min(start + step, len(images)))
