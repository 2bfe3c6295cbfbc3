"""Convolution as a matrix product ("im2col"): the reference, to be read first.

A convolution is a dot product of the weight with every patch of the picture. Copy each patch into a row of a matrix,
and all dot products together are one matrix product, which is what the machine does best:

    patches (N·OH·OW, kh·kw·C)  @  weightᵀ (kh·kw·C, O)  =  result (N·OH·OW, O)

With the pictures channels-last in memory, (N, H, W, C), a patch is made of kh runs of kw·C neighbouring numbers, quick
to copy, and the product *is* the result in the same layout: nothing has to be transposed. The gradients follow from the
product's, y = P·W ⇒ ∂L/∂W = Pᵀ·g, ∂L/∂P = g·Wᵀ: the weight gradient sums the patches, weighted with g; for the input
gradient each number of ∂L/∂P is added back to where it was copied from.

On the CPU the patches are never held all at once: they are made block by block, small enough to stay in the processor's
cache. On a GPU, which works on everything side by side, they are: they take kh·kw/stride² times the memory of the
pictures. Multiply-adds: N·OH·OW·O·kh·kw·C/groups, in each direction.

This form can do every convolution, on every device, in all directions. The others are tested against it, and it is
tested against `specification.py`.

Reference: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for Document Processing",
section 4.1.
"""

from __future__ import annotations

from functools import lru_cache

from minigrad.backend import Array, array_module
from minigrad.kernels.conv.epilogue import Epilogue
from minigrad.kernels.conv.problem import Direction, Problem, Suits
from minigrad.kernels.layout import channels_first, channels_last, cut, rows_of, strided
from minigrad.kernels.matmul import add_product, matmul
from minigrad.kernels.precision import accumulator
from minigrad.kernels.work import Block, Scratch, blocks, parts, products, share

# Patches of one block should fit into a core's own cache (1 MB on the machines of 2024) beside the weight and the
# result.
BLOCK_BYTES = 1 << 20
# A product with a transposed matrix is a little slower; from here on transposing it in memory takes less.
MANY_POSITIONS = 1000


def suits(problem: Problem, direction: Direction) -> Suits:
    """Always."""
    return Suits({}, {})


def forward(problem: Problem, x: Array, w: Array, epilogue: Epilogue) -> Array:
    """Return the result (N, O, OH, OW), epilogue included."""
    xp, images, weight = array_module(x), channels_last(x), _matrices(problem, w)
    y, epilogue = xp.empty(problem.shape, dtype=x.dtype), epilogue.for_rows(problem.out[1])

    def multiply(block: Block, scratch: Scratch) -> None:
        target, cols = y[block], _patches(problem, images, block, scratch)
        if len(cols) == 1:
            matmul(cols[0], weight[0], out=target.reshape(-1, problem.filters))
        else:
            target[...] = (cols @ weight).transpose(1, 0, 2).reshape(target.shape)
        epilogue(rows_of(target), block)

    share(multiply, _blocks(problem, images, weight.nbytes // 2), y, _size(problem))
    return channels_first(y)


def weight_grad(problem: Problem, x: Array, g: Array) -> Array:
    """Return ∂L/∂w (O, C/groups, kh, kw) for g = ∂L/∂y."""
    xp, images, grads, groups = array_module(x), channels_last(x), channels_last(g), problem.window.groups
    shape = groups, problem.filters // groups, problem.taps
    todo = _blocks(problem, images, 2 * problem.filters * problem.taps * x.itemsize)

    def weigh(some: list[Block], scratch: Scratch) -> Array:
        total = None  # the weights' gradients are read and written for each block
        for block in some:
            rows = grads[block].reshape(-1, *shape[:2]).transpose(1, 2, 0)
            total = add_product(total, rows, _patches(problem, images, block, scratch), scratch)
        return xp.zeros(shape, dtype=x.dtype) if total is None else total

    runs = [todo[part] for part in parts(len(todo), x, _size(problem), each=1)]
    total, *others = share(weigh, runs, x, _size(problem))
    for other in others:
        total += other
    return channels_first(total.reshape(problem.filters, *problem.window.kernel, -1))


def input_grad(problem: Problem, g: Array, w: Array) -> Array:
    """Return ∂L/∂x (N, C, H, W) for g = ∂L/∂y, by adding the gradients of all patches to where they were taken."""
    xp, grads, groups = array_module(g), channels_last(g), problem.window.groups
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), _ = problem.window
    (h, width), (oh, ow), inputs = problem.size, problem.out, w.shape[1]
    weight = channels_last(w).reshape(groups, -1, problem.taps)
    x = xp.zeros((len(g), h + 2 * ph, width + 2 * pw, groups, inputs), dtype=accumulator(g.dtype))

    def scatter(block: Block, scratch: Scratch) -> None:
        rows = grads[block.pictures].reshape(-1, groups, len(w) // groups).transpose(1, 0, 2)
        cols = (rows @ weight).reshape(groups, -1, oh, ow, kh, kw, inputs)
        target = x[block.pictures].transpose(3, 0, 1, 2, 4)
        for u in range(kh):
            for v in range(kw):
                i, j = u * dh, v * dw
                seen = target[:, :, i : i + sh * (oh - 1) + 1 : sh, j : j + sw * (ow - 1) + 1 : sw]
                seen += cols[:, :, :, :, u, v]

    # The patches of one picture overlap, so blocks are of whole pictures: as if they had a single row.
    todo = blocks(grads, 1, oh * ow * groups * problem.taps * g.itemsize, BLOCK_BYTES, _size(problem))
    share(scatter, todo, g, _size(problem))
    inner = x.reshape(*x.shape[:3], problem.channels)[:, ph : ph + h, pw : pw + width]
    return channels_first(inner.astype(g.dtype, copy=False))


def _patches(problem: Problem, images: Array, block: Block, scratch: Scratch) -> Array:
    """Return what the kernel sees at each of a block's positions, as (groups, positions, kh·kw·C/groups); valid until
    the next call with this `scratch`.
    """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw), groups = problem.window
    rows, ow, inputs = block.rows.stop - block.rows.start, problem.out[1], problem.channels // groups
    size = (rows - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1
    piece = cut(images, block.pictures, (block.rows.start * sh - ph, -pw), size, scratch)
    if kh == kw == sh == sw == groups == 1 and piece.flags.c_contiguous:
        return piece.reshape(1, -1, inputs)  # the pixels themselves
    sn, sy, sx, sc = piece.strides
    shape = (groups, len(piece), rows, ow, kh, kw, inputs)
    cols = scratch("patches", shape)
    cols[...] = strided(piece, shape, (sc * inputs, sn, sy * sh, sx * sw, sy * dh, sx * dw, sc))
    return cols.reshape(groups, -1, problem.taps)


def _matrices(problem: Problem, w: Array) -> Array:
    """Return the weights as (groups, kh·kw·C/groups, O/groups)."""
    xp, groups, inputs = array_module(w), problem.window.groups, w.shape[1]
    side_by_side = w.strides[0] < w.strides[1]  # the filters: an input gradient's weights
    if not side_by_side and problem.pictures * problem.out[0] * problem.out[1] < MANY_POSITIONS:
        return channels_last(w).reshape(groups, -1, problem.taps).transpose(0, 2, 1)
    source = w.reshape(groups, -1, *w.shape[1:]).transpose(0, 3, 4, 2, 1)
    matrices = xp.empty(source.shape, dtype=w.dtype)

    def copy(part: slice, _: Scratch) -> None:
        matrices[:, :, :, part] = source[:, :, :, part]

    share(copy, parts(inputs, w, 2 * w.nbytes), w, 2 * w.nbytes)
    return matrices.reshape(groups, problem.taps, -1)


def _blocks(problem: Problem, images: Array, least: int) -> list[Block]:
    """Cut the work into blocks, of at least `least` bytes, since the weights are read for each of them."""
    row_bytes = problem.out[1] * problem.taps * problem.window.groups * images.itemsize
    size = 0 if len(images) == 1 else _size(problem)  # of a single small picture, `matmul` shares the filters
    return blocks(images, problem.out[0], row_bytes, max(BLOCK_BYTES, least), size)


@lru_cache(1000)
def _size(problem: Problem) -> int:
    """Of the work: the patches are written and read once each, and multiplied."""
    patches = problem.pictures * problem.out[0] * problem.out[1] * problem.taps * problem.window.groups
    return 2 * patches * problem.dtype.itemsize + products(problem.multiply_adds)
