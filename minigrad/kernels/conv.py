"""Convolution as a matrix product ("im2col"), channels-last.

A convolution is a dot product of the weight with every patch of the picture. Copy each patch into a row of a matrix,
and all dot products together are one matrix product, which is what the machine does best:

    patches (N·OH·OW, kh·kw·C)  @  weightᵀ (kh·kw·C, O)  =  result (N·OH·OW, O)

Pictures are kept channels-last in memory, (N, H, W, C), because then a patch is made of kh runs of kw·C neighbouring
numbers, quick to copy, and because the product *is* the result in the same layout: nothing has to be transposed. To the
outside they still are (N, C, H, W) arrays, seen through a transpose.

On the CPU the patches are never held all at once: they are made block by block, small enough to stay in the processor's
cache, and the blocks are shared among threads. On a GPU, which works on everything side by side, they are: they take
kh·kw/stride² times the memory of the pictures. Cost per convolution, in multiply-adds: N·OH·OW·O·kh·kw·C/groups.

float16 is computed in float32: on the CPU, whose BLAS knows no float16, on converted copies; on a GPU within the matrix
products, and where products are summed.

This form can do every convolution. On the CPU others take over where they were measured to be faster, by the rules
named `suits`, and each of them gives the gradients, too:

    winograd.py     3×3 with stride 1, from 16 channels and 40 tiles of 4×4 outputs on (12, if what is made of the
                    weights is kept): a quarter of the multiplications; not if numbers are infinite, nan or huge
    planar.py       up to 4 channels, a network's first layer: copies of rows instead of patches
    strips.py       up to 8 channels and from 16 pictures on, stride 1: copies of columns instead of patches

Reference: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for Document Processing",
section 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels import planar, strips, winograd
from minigrad.kernels.finish import Finish, rows_of
from minigrad.kernels.matmul import add_product, matmul
from minigrad.kernels.parallel import get_num_threads, share, share_slices, slices, split, worth_splitting
from minigrad.kernels.patches import Block, Pair, Window, blocks, patches
from minigrad.kernels.precision import accumulator, in_float32
from minigrad.kernels.scratch import Scratch
from minigrad.kernels.strided import strided

# Patches of one block should fit into a core's own cache (1 MB on the machines of 2024) beside the weight and the
# result.
BLOCK_BYTES = 1 << 20
# A product with a transposed matrix is a little slower; from here on transposing it in memory takes less.
MANY_POSITIONS = 1000
# With fewer input channels than this, copies of single positions are too short to be efficient.
FEW_CHANNELS = 16


def channels_last(x: Array) -> Array:
    """Return the (N, H, W, C) array behind an (N, C, H, W) one; copied only if the memory is in another order."""
    xp = array_module(x)
    if not (on_cpu(x) and x.flags.c_contiguous and 1 < x.shape[1] < FEW_CHANNELS):
        return xp.ascontiguousarray(x.transpose(0, 2, 3, 1))
    images = xp.empty((len(x), *x.shape[2:], x.shape[1]), dtype=x.dtype)
    for channel in range(x.shape[1]):  # a few long copies instead of many short ones
        images[..., channel] = x[:, channel]
    return images


def channels_first(x: Array) -> Array:
    """Show an (N, H, W, C) array as (N, C, H, W), without copying."""
    return x.transpose(0, 3, 1, 2)


@in_float32
def conv2d(
    x: Array,
    w: Array,
    b: Array | None,
    window: Window,
    *,
    scale: Array | None = None,
    shortcut: Array | None = None,
    relu: bool = False,
    frozen: bool = False,
) -> Array:
    """Return y[n,o,i,j] = b[o] + Σ w[o,c,u,v]·x[n,c, i·s+u·d−p, j·s+v·d−p], as (N, O, OH, OW).

    Args:
        x: (N, C, H, W).
        w: (O, C/groups, kh, kw).
        b: (O,) or None.
        window: stride, padding, dilation and groups.
        scale: (O,), what the sum is multiplied by before b is added.
        shortcut: (N, O, OH, OW), added to y.
        relu: whether negative y become 0.
        frozen: w will probably be the same in the next call: what is made of it shall be kept.
    """
    xp = array_module(x)
    oh, ow = window.output_size(x.shape[2:])
    finish = Finish(scale, b, None if shortcut is None else channels_last(shortcut), relu)
    if _by_winograd(x, window, len(x), oh, ow, *w.shape[:2], frozen):
        with suppress(winograd.Overflow):
            return channels_first(winograd.conv3x3(channels_last(x), w, window.padding, finish, frozen))
    if planar.suits(x, window):
        return channels_first(planar.conv2d(x, w, window, finish))
    images = channels_last(x)
    if strips.suits(x, x.shape[1], window):
        return channels_first(strips.conv2d(images, w, window, finish))
    y = xp.empty((len(images), oh, ow, len(w)), dtype=x.dtype)
    weight = _weight_matrices(w, window, len(x) * oh * ow)
    finish = finish.for_rows(ow)
    task_bytes = y.size * weight.shape[1] * y.itemsize
    todo = _blocks(images, window, oh, ow, weight.nbytes // 2, task_bytes)

    def forward(some: Iterator[Block]) -> None:
        scratch = Scratch(xp, x.dtype)
        for block in some:
            target = y[block]
            _grouped_product(patches(images, block, window, ow, scratch), weight, target)
            finish(rows_of(target), block)

    share(forward, todo, y, task_bytes)
    return channels_first(y)


@in_float32
def conv2d_weight_grad(x: Array, g: Array, window: Window) -> Array:
    """Return ∂L/∂w[o,c,u,v] = Σ g[n,o,i,j]·x[n,c, i·s+u·d−p, j·s+v·d−p]: the patches, weighted with the gradient.

    Args:
        x: (N, C, H, W).
        g: ∂L/∂y, (N, O, OH, OW).
    """
    xp = array_module(x)
    grads = channels_last(g)
    if _by_winograd(x, window, *grads.shape, x.shape[1]):
        with suppress(winograd.Overflow):
            return winograd.conv3x3_weight_grad(channels_last(x), grads, window.padding)
    if planar.suits(x, window):
        return channels_first(planar.conv2d_weight_grad(x, grads, window))
    images = channels_last(x)
    if strips.suits(x, x.shape[1], window):
        return channels_first(strips.conv2d_weight_grad(images, grads, window))
    kh, kw = window.kernel
    _, oh, ow, filters = grads.shape
    outputs, inputs = filters // window.groups, x.shape[1] // window.groups
    task_bytes = grads.size * kh * kw * inputs * g.itemsize
    todo = _blocks(images, window, oh, ow, 2 * outputs * kh * kw * inputs * g.itemsize, task_bytes)

    def weigh(part: slice) -> Array:
        scratch, total = Scratch(xp, x.dtype), None
        for block in todo[part]:
            cols = patches(images, block, window, ow, scratch)
            rows = grads[block].reshape(-1, window.groups, outputs).transpose(1, 2, 0)
            total = add_product(total, rows, cols, scratch)
        return xp.zeros((window.groups, outputs, kh * kw * inputs), dtype=x.dtype) if total is None else total

    total = _sum(split(weigh, len(todo), grads, task_bytes))
    return channels_first(total.reshape(filters, kh, kw, inputs))


@in_float32
def conv2d_input_grad(g: Array, w: Array, window: Window, size: Pair) -> Array:
    """Return ∂L/∂x for pictures of `size` (height, width): each patch receives w times the gradient at its position.

    Args:
        g: ∂L/∂y, (N, O, OH, OW).
        w: (O, C/groups, kh, kw).
    """
    outputs, inputs, _, kw = w.shape
    if strips.suits(g, inputs, window):
        return channels_first(strips.conv2d_input_grad(channels_last(g), w, window, size))
    if window.groups == 1 and inputs < FEW_CHANNELS and size[1] + 2 * window.padding[1] <= 8 * kw:
        return _input_grad_by_rows(g, w, window, size)
    # gathering copies patches of O channels once; scattering reads, adds and writes patches of C channels
    fast = _by_winograd(g, window, len(g), *size, inputs, outputs)
    if window.stride == (1, 1) and (fast or outputs <= 2 * inputs):
        return _input_grad_by_gathering(g, w, window, size)
    return _input_grad_by_scattering(g, w, window, size)


def _by_winograd(array: Array, window: Window, *sizes: int) -> bool:
    """Whether a convolution of this window, or a gradient of it, is done by Winograd's algorithm; sizes as of
    `winograd.suits`.
    """
    return window.is_plain_3x3 and on_cpu(array) and winograd.suits(*sizes)


def _input_grad_by_gathering(g: Array, w: Array, window: Window, size: Pair) -> Array:
    """For stride 1: a convolution of g with the kernel turned by 180° and with inputs and outputs exchanged."""
    groups, (kh, kw) = window.groups, window.kernel
    turned = w.reshape(groups, -1, *w.shape[1:])[..., ::-1, ::-1].transpose(0, 2, 1, 3, 4)
    turned = turned.reshape(-1, w.shape[0] // groups, kh, kw)
    reach = tuple(d * (k - 1) - p for k, p, d in zip(window.kernel, window.padding, window.dilation, strict=True))
    if min(reach) < 0:  # padding wider than the kernel: the outermost gradients belong to the padding alone
        rows, columns = (slice(max(0, -r), n + min(0, r)) for r, n in zip(reach, g.shape[2:], strict=True))
        g = g[:, :, rows, columns]
    back = Window(window.kernel, (1, 1), (max(0, reach[0]), max(0, reach[1])), window.dilation, groups)
    return conv2d(g, turned, None, back)


def _input_grad_by_scattering(g: Array, w: Array, window: Window, size: Pair) -> Array:
    """For any stride: one product gives the gradients of all patches; add each back to where its patch was taken."""
    xp = array_module(g)
    grads, weight = channels_last(g), channels_last(w).reshape(window.groups, len(w) // window.groups, -1)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window.kernel, window.stride, window.padding, window.dilation
    n, oh, ow, _ = grads.shape
    channels = w.shape[1] * window.groups
    padded = xp.zeros((n, size[0] + 2 * ph, size[1] + 2 * pw, channels), dtype=accumulator(g.dtype))
    task_bytes = g.size * weight.shape[2]
    count = 1
    if on_cpu(g):  # a GPU does everything at once, however many cores the CPU has
        count = -(-n * oh * ow * channels * kh * kw * g.itemsize // BLOCK_BYTES)
        count = max(count, get_num_threads()) if worth_splitting(task_bytes) else count

    def scatter(some: Iterator[slice]) -> None:
        for rows in some:  # pictures: the patches of one overlap
            block = grads[rows].reshape(-1, window.groups, len(w) // window.groups)
            cols = (block.transpose(1, 0, 2) @ weight).reshape(window.groups, -1, oh, ow, kh, kw, w.shape[1])
            target = padded[rows].reshape(-1, *padded.shape[1:3], window.groups, w.shape[1]).transpose(3, 0, 1, 2, 4)
            for u in range(kh):
                for v in range(kw):
                    i, j = u * dh, v * dw
                    seen = target[:, :, i : i + sh * (oh - 1) + 1 : sh, j : j + sw * (ow - 1) + 1 : sw]
                    seen += cols[:, :, :, :, u, v]

    share(scatter, slices(n, count), g, task_bytes)
    return channels_first(padded[:, ph : ph + size[0], pw : pw + size[1]].astype(g.dtype, copy=False))


def _input_grad_by_rows(g: Array, w: Array, window: Window, size: Pair) -> Array:
    """For few channels: one product per kernel row gives the gradients of whole rows of the picture.

    A row of outputs depends on a row of inputs through a banded (Toeplitz) matrix (OW·O, W·C) that holds the kernel's
    row once for every output position. Most of it is zeros, W/kw times as many multiplications; but nothing is copied,
    and rows are long runs to add.
    """
    xp = array_module(g)
    grads = channels_last(g)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = window.kernel, window.stride, window.padding, window.dilation
    n, oh, ow, outputs = grads.shape
    inputs, width = w.shape[1], size[1] + 2 * pw
    bands = xp.zeros((kh, ow, outputs, width, inputs), dtype=g.dtype)
    su, sj, so, sx, sc = bands.strides
    diagonals = strided(bands, (kh, ow, outputs, kw, inputs), (su, sj + sw * sx, so, dw * sx, sc))
    diagonals[...] = w.transpose(2, 0, 3, 1)[:, None]
    bands = bands.reshape(kh, ow * outputs, width * inputs)
    padded = xp.zeros((n, size[0] + 2 * ph, width, inputs), dtype=accumulator(g.dtype))

    def add_rows(part: slice) -> None:
        rows, target = grads[part].reshape(-1, ow * outputs), padded[part].reshape(-1, size[0] + 2 * ph, width * inputs)
        for u in range(kh):
            target[:, u * dh : u * dh + sh * (oh - 1) + 1 : sh] += (rows @ bands[u]).reshape(-1, oh, width * inputs)

    share_slices(add_rows, n, g, kh * padded.nbytes)
    return channels_first(padded[:, ph : ph + size[0], pw : pw + size[1]].astype(g.dtype, copy=False))


def _weight_matrices(w: Array, window: Window, positions: int) -> Array:
    """Return (O, C/groups, kh, kw) as (groups, kh·kw·C/groups, O/groups), to multiply that many patches with."""
    xp, groups, outputs = array_module(w), window.groups, len(w) // window.groups
    side_by_side = w.strides[0] < w.strides[1]  # the filters: an input gradient's weights
    if not side_by_side and positions < MANY_POSITIONS:
        return channels_last(w).reshape(groups, outputs, -1).transpose(0, 2, 1)
    source = w.reshape(groups, outputs, *w.shape[1:]).transpose(3, 4, 2, 0, 1)  # kh, kw, C/groups, groups, O/groups
    matrices = xp.empty((groups, *w.shape[2:], w.shape[1], outputs), dtype=w.dtype)
    target = matrices.transpose(1, 2, 3, 0, 4)

    def copy(part: slice) -> None:
        target[:, :, part] = source[:, :, part]

    share_slices(copy, w.shape[1], w, 2 * w.nbytes)
    return matrices.reshape(groups, -1, outputs)


def _blocks(images: Array, window: Window, oh: int, ow: int, least: int, task_bytes: int) -> list[Block]:
    """Cut the work into blocks, of at least `least` bytes: the weights are read, or their gradients are read and
    written, for each of them.
    """
    row_bytes = ow * math.prod(window.kernel) * images.shape[3] * images.itemsize
    task_bytes = 0 if len(images) == 1 else task_bytes  # of a single small picture, `matmul` shares the filters
    return blocks(images, oh, row_bytes, max(BLOCK_BYTES, least), task_bytes)


def _grouped_product(cols: Array, weight: Array, out: Array) -> None:
    """Write cols (groups, M, K) @ weight (groups, K, O/groups) to the channels-last block `out` of M positions."""
    if len(cols) == 1:
        matmul(cols[0], weight[0], out=out.reshape(-1, out.shape[-1]))
    else:
        out[...] = (cols @ weight).transpose(1, 0, 2).reshape(out.shape)


def _sum(arrays: list[Array]) -> Array:
    total = arrays[0]
    for array in arrays[1:]:
        total += array
    return total
