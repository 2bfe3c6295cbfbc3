"""Winograd's minimal filtering F(4×4, 3×3): a 3×3 convolution with a quarter of the multiplications.

Two polynomials of degree 3 and 2 have a product of degree 5: six numbers. Multiplying them coefficient by coefficient
takes 4·3 = 12 products. Evaluating both at six points (five numbers and ∞), multiplying value by value and
interpolating takes six. A convolution is a product of polynomials read backwards, so four outputs of a 3-tap filter
cost six multiplications instead of twelve; in two dimensions, 4×4 outputs of a 3×3 filter cost 36 instead of 144.

For every tile d of 6×6 input elements, overlapping its neighbours by two, and every filter g of 3×3:

    y = Aᵀ[ (G g Gᵀ) ⊙ (Bᵀ d B) ]A        with y 4×4, and ⊙ elementwise, summed over channels

Evaluation and interpolation act on each row and then on each column of a tile, and the sum over channels makes each of
the 36 positions a matrix product. With tiles and channels laid out as matrices the whole algorithm is five calls of
`matmul` and two copies:

    D (6, rows·tile columns·C)          the pictures, gathered as the 6 columns of tiles: 1.5 times the input
    V = Bᵀ D, and Bᵀ again on rows      (6×6)·(6, …)                     360 multiply-adds per tile and channel
    M[ξ] = V[ξ] U[ξ], ξ = 1…36          (tiles, C)·(C, O), 36 times      36·C·O per tile, where im2col needs 144·C·O
    Y = Aᵀ M, and Aᵀ again              (4×6)·(6, …)                     240 per tile and filter

Row by row and column by column, because a transform of all 36 numbers at once, by the Kronecker product of the matrix
with itself, would take 1296 multiply-adds for V. D, V and M are written and read in the cache, block by block; main
memory sees the pictures, the result, and the weights once for each block.

The transformed weights U = G g Gᵀ are four times as large as the weights. All steps are linear but the product, so the
weight gradient is the same chain read from right to left, with transposed matrices: Aᵀ becomes A, a product over tiles
gives ∂L/∂U, and Gᵀ takes it back to 3×3.

Powers of the points cost precision. The textbook's 0, ±1, ±2 make short formulas for additions by hand; here the
transforms are matrices anyway, and 0, ±3/4, ±3/2, whose powers stay closer together and are exact in binary, make the
error a third as large (found by trying; the idea is from Barabasz et al. 2018, "Error analysis and improving the
accuracy of Winograd convolution for deep neural networks", arXiv:1803.10986). In float32 the result agrees with im2col
to about 1e-6 of the largest number.

The largest number of a tile, that is: each of its outputs is made of all its 36·C inputs, and those that do not belong
to an output cancel. A pixel ten thousand times as large as its neighbours costs them four digits, in the one to four
tiles that it lies in and nowhere else. But what is infinite or nan does not cancel, and what is huge may overflow on
the way. Then all of a tile is nan, where the definition has 3×3 outputs, so nothing of it is used: `Overflow` is
raised, and `conv.py` computes the whole convolution from patches, as the definition has it. It is noticed block by
block, by the sum of the squares of the results in the corners of the tiles, which between them see all inputs: it is
finite only if none of them is infinite, nan, or in float32 beyond 1e19. The weight gradient is checked in the same way.

Reference: Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from minigrad.backend import Array, array_module, device_of, to_device
from minigrad.kernels.finish import NOTHING, Finish, rows_of
from minigrad.kernels.kept import kept
from minigrad.kernels.matmul import add_product, matmul
from minigrad.kernels.parallel import share, share_slices, split
from minigrad.kernels.patches import Block, blocks, cut
from minigrad.kernels.scratch import Scratch
from minigrad.kernels.strided import strided

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity
TILE = 4  # outputs of a tile along each axis; it reads TILE + 2 inputs

# With fewer channels the transforms cost more than they save; with fewer tiles, making the transformed weights does,
# or, if they are kept, reading them.
MIN_CHANNELS = 16
MIN_TILES = 40
MIN_TILES_FROZEN = 12
# The tiles of one block, before and after their transform, should stay near the core that works on them.
BLOCK_BYTES = 5 << 19  # 2.5 MB

# NumPy shall not warn of what is computed again.
quietly = np.errstate(over="ignore", invalid="ignore")


class Overflow(ArithmeticError):
    """Numbers are infinite, nan or so large that this algorithm would spoil their neighbours."""


def suits(n: int, oh: int, ow: int, filters: int, channels: int, frozen: bool = False) -> bool:
    """Whether this algorithm is expected to be the faster one for n pictures of oh×ow outputs."""
    tiles = n * tiles_along(oh) * tiles_along(ow)
    least = MIN_TILES_FROZEN if frozen else MIN_TILES
    wasted = tiles * TILE * TILE > 1.7 * n * oh * ow  # tiles stick out over the border
    return min(filters, channels) >= MIN_CHANNELS and tiles >= least and not wasted


def tiles_along(n: int) -> int:
    """Return how many tiles cover n outputs."""
    return -(-n // TILE)


def matrices(points: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Return Aᵀ (4×6), Bᵀ (6×6) and G (6×3) for five points and infinity, as "A", "B" and "G".

    Aᵀ and G hold powers of the points: read as a polynomial, a filter times a row of G is its value at a point, up to a
    factor. The rows of Bᵀ are the coefficients of Lagrange's polynomials Π_{k≠j} (x − p_k), whose denominators
    Π_{k≠j} (p_j − p_k) went into G. At infinity only the highest coefficient counts.
    """
    others = [[q for q in points if q != p] for p in points]
    denominators = np.array([np.prod(np.subtract(p, rest)) for p, rest in zip(points, others, strict=True)])
    to_values = np.zeros((6, 6))
    for row, rest in zip(to_values, [*others, points], strict=True):
        row[: len(rest) + 1] = np.poly(rest)[::-1]
    return {
        "A": np.column_stack([np.vander(points, 4, increasing=True).T, [0, 0, 0, 1]]),
        "B": to_values,
        "G": np.vstack([np.vander(points, 3, increasing=True) / denominators[:, None], [0, 0, 1]]),
    }


@cache
def _matrix(name: str, dtype: np.dtype, device: str) -> Array:
    """Return a matrix of `matrices`, or with a T behind its name its transpose."""
    matrix = matrices(POINTS)[name[0]]
    matrix = matrix.T if name.endswith("T") else matrix
    return to_device(np.ascontiguousarray(matrix, dtype=dtype), device)


def _transformed(name: str, x: Array, out: Array, halfway: Array) -> None:
    """Write P x Pᵀ to `out` (m, m, L) for L small matrices, x (k, k, L), P (m, k) being a matrix by name.

    Args:
        halfway: memory for a temporary (m, k, L).
    """
    xp, matrix = array_module(x), _matrix(name, x.dtype, device_of(x))
    xp.matmul(matrix, x.transpose(1, 0, 2), out=halfway.transpose(1, 0, 2))
    xp.matmul(matrix, halfway, out=out)


def conv3x3(images: Array, w: Array, padding: tuple[int, int], finish: Finish = NOTHING, frozen: bool = False) -> Array:
    """Return the convolution with stride 1, channels-last.

    Args:
        images: (N, H, W, C).
        w: (O, C, 3, 3).
        padding: zeros around the pictures, (vertical, horizontal).
        finish: what else is to be done to the result.
        frozen: the transformed weights are to be kept for the next call.

    Returns:
        (N, OH, OW, O).

    Raises:
        Overflow: it has to be computed in another way.
    """
    xp = array_module(images)
    (n, h, width, channels), filters = images.shape, len(w)
    oh, ow = h + 2 * padding[0] - 2, width + 2 * padding[1] - 2
    weights = kept(_transformed_weights, w, finish.scale, keep=frozen)
    y = xp.empty((n, oh, ow, filters), dtype=images.dtype)
    finish = finish._replace(scale=None).for_rows(ow)  # the scale is in the weights
    task_bytes = 8 * y.nbytes + y.size * channels  # in the time of so many bytes, about
    todo = _blocks(images, oh, ow, channels, filters, task_bytes)

    @quietly
    def run(some: Iterator[Block]) -> None:
        scratch = Scratch(xp, images.dtype)
        for block in some:
            values = _gather_and_transform(images, block, padding, ow, scratch)
            products = matmul(values, weights, scratch("products", (36, values.shape[1], filters)))
            length, rows = products[0].size, _result_rows(block)
            tiles = scratch("tiles", (TILE, TILE, length))
            _transformed("A", products.reshape(6, 6, length), tiles, scratch("halfway", (TILE, 6, length)))
            _check(*tiles[0, ::3], *tiles[3, ::3])
            _place(tiles, y[rows])
            finish(rows_of(y[rows]), rows)

    share(run, todo, y, task_bytes)
    return y


def _transformed_weights(w: Array, scale: Array | None = None) -> Array:
    """Return U = G g Gᵀ as (36, C, O), those of each filter multiplied with its `scale` (O,)."""
    xp, (filters, channels) = array_module(w), w.shape[:2]
    weights = xp.empty((6, 6, channels * filters), dtype=w.dtype)

    @quietly
    def run(part: slice) -> None:
        taps = w[:, part].transpose(2, 3, 1, 0)
        taps = (xp.ascontiguousarray(taps) if scale is None else taps * scale).reshape(3, 3, -1)
        target = weights[:, :, part.start * filters : part.stop * filters]
        _transformed("G", taps, target, xp.empty((6, *taps.shape[1:]), dtype=w.dtype))

    share_slices(run, channels, w, 8 * w.nbytes)
    return weights.reshape(36, channels, filters)


def conv3x3_weight_grad(images: Array, grads: Array, padding: tuple[int, int]) -> Array:
    """Return ∂L/∂w (O, C, 3, 3), channels-last in memory, from pictures (N, H, W, C) and ∂L/∂y (N, OH, OW, O).

    Raises:
        Overflow: it has to be computed in another way.
    """
    xp = array_module(images)
    channels, (_, oh, ow, filters) = images.shape[3], grads.shape
    task_bytes = 8 * grads.nbytes + grads.size * channels
    todo = _blocks(images, oh, ow, channels, filters, task_bytes)

    @quietly
    def run(part: slice) -> Array:
        scratch = Scratch(xp, images.dtype)
        total = None
        for block in todo[part]:
            values = _gather_and_transform(images, block, padding, ow, scratch)
            tiles = _take(grads[_result_rows(block)], scratch)
            length = tiles.shape[2]
            spread = scratch("spread", (6, 6, length))
            _transformed("AT", tiles, spread, scratch("halfway", (6, TILE, length)))
            products = spread.reshape(36, -1, filters).transpose(0, 2, 1)
            total = add_product(total, products, values, scratch)
        return xp.zeros((36, filters, channels), dtype=images.dtype) if total is None else total

    totals = split(run, len(todo), grads, task_bytes)
    gradient = xp.empty((filters, 3, 3, channels), dtype=images.dtype)

    @quietly
    def finish(part: slice) -> None:
        total = totals[0][:, part]
        for other in totals[1:]:
            total += other[:, part]
        values = total.reshape(6, 6, -1)
        taps, halfway = (xp.empty((3, k, values.shape[2]), dtype=images.dtype) for k in (3, 6))
        _transformed("GT", values, taps, halfway)
        _check(taps.reshape(-1))
        gradient[part] = taps.reshape(3, 3, -1, channels).transpose(2, 0, 1, 3)

    share_slices(finish, filters, grads, 8 * gradient.nbytes)
    return gradient.transpose(0, 3, 1, 2)


def _check(*results: Array) -> None:
    """Raise Overflow unless the squares of these numbers, in vectors, have a finite sum."""
    if not math.isfinite(sum([some.dot(some) for some in results])):
        raise Overflow("numbers too large for Winograd's algorithm")


def _blocks(images: Array, oh: int, ow: int, channels: int, filters: int, task_bytes: int) -> list[Block]:
    """Cut the work into blocks of rows of tiles.

    For every block the transformed weights are read once (or the sums for their gradient are read and written), so a
    block must not be much smaller than they are. If even all tiles together are, there is one block, and its products
    are what threads share.
    """
    rows, row_bytes = tiles_along(oh), tiles_along(ow) * 36 * (channels + filters) * images.itemsize
    weight_bytes = 36 * channels * filters * images.itemsize
    if len(images) * rows * row_bytes <= weight_bytes // 4:
        task_bytes = 0
    return blocks(images, rows, row_bytes, max(BLOCK_BYTES, weight_bytes // 2), task_bytes)


def _result_rows(block: Block) -> Block:
    """Return which rows of the result a block of rows of tiles covers; indices may reach beyond the last row."""
    return Block(block.pictures, slice(TILE * block.rows.start, TILE * block.rows.stop))


def _gather_and_transform(images: Array, block: Block, padding: tuple[int, int], ow: int, scratch: Scratch) -> Array:
    """Return V = Bᵀ d B for a block of tiles, as (36, tiles, C)."""
    xp, matrix = array_module(images), _matrix("B", images.dtype, device_of(images))
    pictures, rows = block
    tile_rows, tile_columns = rows.stop - rows.start, tiles_along(ow)
    corner = TILE * rows.start - padding[0], -padding[1]
    piece = cut(images, pictures, corner, (TILE * tile_rows + 2, TILE * tile_columns + 2), scratch)
    n, height, _, channels = piece.shape
    length = tile_columns * channels
    sn, sy, sx, sc = piece.strides
    columns, halfway = (scratch(name, (6, n * height, length)) for name in ("columns", "halfway"))  # column j of tiles
    columns.reshape(6, n, height, tile_columns, channels)[...] = strided(
        piece, (6, n, height, tile_columns, channels), (sx, sn, sy, TILE * sx, sc)
    )
    xp.matmul(matrix, columns.transpose(1, 0, 2), out=halfway.transpose(1, 0, 2))
    sj, sy, sc = halfway.strides
    tiles = strided(halfway, (6, n, tile_rows, 6, length), (sj, height * sy, TILE * sy, sy, sc))
    values = scratch("values", (6, 6, n, tile_rows, length))
    xp.matmul(matrix, tiles, out=values.transpose(1, 2, 3, 0, 4))
    return values.reshape(36, -1, channels)


def _place(tiles: Array, target: Array) -> None:
    """Write 4×4 tiles (4, 4, tiles·O) to their places in rows of the result (n, rows, OW, O); what sticks out at the
    border is cut off.
    """
    n, height, width, filters = target.shape
    rows, columns = tiles_along(height), tiles_along(width)
    whole = tiles.reshape(TILE, TILE, n, rows, columns, filters).transpose(2, 3, 0, 4, 1, 5)
    if height % TILE == 0 and width % TILE == 0:
        target.reshape(n, rows, TILE, columns, TILE, filters)[...] = whole
    else:
        target[...] = whole.reshape(n, -1, columns * TILE, filters)[:, :height, :width]


def _take(source: Array, scratch: Scratch) -> Array:
    """Return the 4×4 tiles of rows of ∂L/∂y as (4, 4, tiles·O), zeros beyond the border: the transpose of `_place`."""
    n, height, width, filters = source.shape
    rows, columns = tiles_along(height), tiles_along(width)
    whole = cut(source, slice(0, n), (0, 0), (TILE * rows, TILE * columns), scratch)
    tiles = whole.reshape(n, rows, TILE, columns, TILE, filters).transpose(2, 4, 0, 1, 3, 5)
    taken = scratch("taken", tiles.shape)
    taken[...] = tiles
    return taken.reshape(TILE, TILE, -1)
