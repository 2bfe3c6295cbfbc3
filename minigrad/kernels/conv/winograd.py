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
raised, and the table's next algorithm computes the whole convolution, as the definition has it. It is noticed block by
block, by the sum of the squares of the results in the corners of the tiles, which between them see all inputs: it is
finite only if none of them is infinite, nan, or in float32 beyond 1e19. The weight gradient is checked in the same way.

Gain over im2col (`python -m benchmarks.algorithms`): two to three times its speed on CifarCNN's and ResNet18's
layers from 64 channels on, less with fewer channels or tiles.

Reference: Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section 4.3.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np

from minigrad.backend import Array
from minigrad.kernels.cached import cached
from minigrad.kernels.conv.epilogue import NOTHING, Epilogue
from minigrad.kernels.conv.problem import Direction, Overflow, Problem, Suits, Window
from minigrad.kernels.conv.turned import turned
from minigrad.kernels.layout import channels_first, channels_last, cut, rows_of, strided
from minigrad.kernels.matmul import add_product, matmul
from minigrad.kernels.work import Block, Scratch, blocks, parts, products, share

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity
TILE = 4  # outputs of a tile along each axis; it reads TILE + 2 inputs

# With fewer channels the transforms cost more than they save; with fewer tiles, making the transformed weights does,
# or, if they are kept, reading them.
MIN_CHANNELS = 16
MIN_TILES = 40
MIN_TILES_CACHED = 12
MOST_WASTE = 1.7  # tiles stick out over the border: so many outputs are computed for each one that is wanted
# The tiles of one block, before and after their transform, should stay near the core that works on them.
BLOCK_BYTES = 5 << 19  # 2.5 MB

# NumPy shall not warn of what is computed again.
quietly = np.errstate(over="ignore", invalid="ignore")


def suits(problem: Problem, direction: Direction) -> Suits:
    """For 3×3 kernels on many channels."""
    oh, ow = problem.size if direction == "input_grad" else problem.out
    tiles = problem.pictures * _tiles_along(oh) * _tiles_along(ow)
    least = MIN_TILES_CACHED if problem.cache_weights and direction == "forward" else MIN_TILES
    can = {
        "on the CPU": problem.on_cpu,
        "3×3, stride 1, no dilation, one group": problem.window == Window((3, 3), padding=problem.window.padding),
    }
    pays = {
        f"from {MIN_CHANNELS} channels and filters on": min(problem.channels, problem.filters) >= MIN_CHANNELS,
        f"from {least} tiles on": tiles >= least,
        "most of the tiles inside": tiles * TILE * TILE <= MOST_WASTE * problem.pictures * oh * ow,
    }
    return Suits(can, pays)


def forward(problem: Problem, x: Array, w: Array, epilogue: Epilogue) -> Array:
    """Return the result (N, O, OH, OW), epilogue included.

    Raises:
        Overflow: it has to be computed in another way.
    """
    images, (_, _, ow, filters) = channels_last(x), problem.shape
    weights = cached(_transformed_weights, w, epilogue.scale, keep=problem.cache_weights)
    y = np.empty(problem.shape, x.dtype)
    epilogue = epilogue._replace(scale=None).for_rows(ow)  # the scale is in the weights

    @quietly
    def run(block: Block, scratch: Scratch) -> None:
        values = _gather_and_transform(problem, images, block, scratch)
        found = matmul(values, weights, scratch("products", (36, values.shape[1], filters)))
        tiles = _transformed("A", found.reshape(6, 6, -1), scratch)
        _check(*tiles[0, ::3], *tiles[3, ::3])
        rows = _result_rows(block)
        _place(tiles, y[rows])
        epilogue(rows_of(y[rows]), rows)

    share(run, _blocks(problem, images), y, _size(problem))
    return channels_first(y)


def input_grad(problem: Problem, g: Array, w: Array) -> Array:
    """Return ∂L/∂x (N, C, H, W) for g = ∂L/∂y. Raises Overflow as `forward` does."""
    return forward(*turned(problem, g, w), NOTHING)


def weight_grad(problem: Problem, x: Array, g: Array) -> Array:
    """Return ∂L/∂w (O, C, 3, 3) for g = ∂L/∂y. Raises Overflow as `forward` does."""
    images, grads, filters, channels = channels_last(x), channels_last(g), problem.filters, problem.channels
    todo = _blocks(problem, images)

    @quietly
    def run(some: list[Block], scratch: Scratch) -> Array:
        total = None
        for block in some:
            values = _gather_and_transform(problem, images, block, scratch)
            spread = _transformed("AT", _take(grads[_result_rows(block)], scratch), scratch)
            total = add_product(total, spread.reshape(36, -1, filters).transpose(0, 2, 1), values, scratch)
        return np.zeros((36, filters, channels), x.dtype) if total is None else total

    runs = [todo[part] for part in parts(len(todo), x, _size(problem), each=1)]
    totals, gradient = share(run, runs, x, _size(problem)), np.empty((filters, 3, 3, channels), x.dtype)

    @quietly
    def transform_back(part: slice, scratch: Scratch) -> None:
        total = totals[0][:, part]
        for other in totals[1:]:
            total += other[:, part]
        taps = _transformed("GT", total.reshape(6, 6, -1), scratch)
        _check(taps.reshape(-1))
        gradient[part] = taps.reshape(3, 3, -1, channels).transpose(2, 0, 1, 3)

    share(transform_back, parts(filters, x, 8 * gradient.nbytes), x, 8 * gradient.nbytes)
    return channels_first(gradient)


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
def _matrix(name: str, dtype: np.dtype) -> np.ndarray:
    """Return a matrix of `matrices`, or with a T behind its name its transpose."""
    matrix = matrices(POINTS)[name[0]]
    return np.ascontiguousarray(matrix.T if name.endswith("T") else matrix, dtype=dtype)


def _transformed(name: str, x: Array, scratch: Scratch, out: Array | None = None) -> Array:
    """Return P x Pᵀ (m, m, L) for L small matrices, x (k, k, L), P (m, k) being a matrix by name; in `out`, or else in
    memory of `scratch`.
    """
    matrix = _matrix(name, x.dtype)
    (m, k), length = matrix.shape, x.shape[2]
    halfway = np.matmul(matrix, x.transpose(1, 0, 2), out=scratch("halfway", (k, m, length)))
    out = scratch("transformed", (m, m, length)) if out is None else out
    return np.matmul(matrix, halfway.transpose(1, 0, 2), out=out)


def _transformed_weights(w: Array, scale: Array | None = None) -> Array:
    """Return U = G g Gᵀ as (36, C, O), those of each filter multiplied with its `scale` (O,)."""
    filters, channels = w.shape[:2]
    weights = np.empty((6, 6, channels * filters), w.dtype)

    @quietly
    def run(part: slice, scratch: Scratch) -> None:
        taps = w[:, part].transpose(2, 3, 1, 0)
        taps = (np.ascontiguousarray(taps) if scale is None else taps * scale).reshape(3, 3, -1)
        _transformed("G", taps, scratch, weights[:, :, part.start * filters : part.stop * filters])

    share(run, parts(channels, w, 8 * w.nbytes), w, 8 * w.nbytes)
    return weights.reshape(36, channels, filters)


def _check(*results: Array) -> None:
    """Raise Overflow unless the squares of these numbers, in vectors, have a finite sum."""
    if not math.isfinite(sum([some.dot(some) for some in results])):
        raise Overflow("numbers too large for Winograd's algorithm")


def _tiles_along(n: int) -> int:
    """Return how many tiles cover n outputs."""
    return -(-n // TILE)


def _blocks(problem: Problem, images: Array) -> list[Block]:
    """Cut the work into blocks of rows of tiles.

    For every block the transformed weights are read once (or the sums for their gradient are read and written), so a
    block must not be much smaller than they are. If even all tiles together are, there is one block, and its products
    are what threads share.
    """
    (_, oh, ow, filters), channels = problem.shape, problem.channels
    rows, row_bytes = _tiles_along(oh), _tiles_along(ow) * 36 * (channels + filters) * images.itemsize
    weight_bytes = 36 * channels * filters * images.itemsize
    size = 0 if len(images) * rows * row_bytes <= weight_bytes // 4 else _size(problem)
    return blocks(images, rows, row_bytes, max(BLOCK_BYTES, weight_bytes // 2), size)


@lru_cache(1000)
def _size(problem: Problem) -> int:
    """Of the work: the transforms' and the products', which move more than those of large matrices."""
    return 8 * math.prod(problem.shape) * problem.dtype.itemsize + products(problem.multiply_adds)


def _result_rows(block: Block) -> Block:
    """Return which rows of the result a block of rows of tiles covers; indices may reach beyond the last row."""
    return Block(block.pictures, slice(TILE * block.rows.start, TILE * block.rows.stop))


def _gather_and_transform(problem: Problem, images: Array, block: Block, scratch: Scratch) -> Array:
    """Return V = Bᵀ d B for a block of tiles, as (36, tiles, C)."""
    matrix, (pictures, rows), padding = _matrix("B", images.dtype), block, problem.window.padding
    tile_rows, tile_columns = rows.stop - rows.start, _tiles_along(problem.out[1])
    corner = TILE * rows.start - padding[0], -padding[1]
    piece = cut(images, pictures, corner, (TILE * tile_rows + 2, TILE * tile_columns + 2), scratch)
    n, height, _, channels = piece.shape
    length = tile_columns * channels
    sn, sy, sx, sc = piece.strides
    columns, halfway = (scratch(name, (6, n * height, length)) for name in ("columns", "halfway"))  # column j of tiles
    columns.reshape(6, n, height, tile_columns, channels)[...] = strided(
        piece, (6, n, height, tile_columns, channels), (sx, sn, sy, TILE * sx, sc)
    )
    np.matmul(matrix, columns.transpose(1, 0, 2), out=halfway.transpose(1, 0, 2))
    sj, sy, sc = halfway.strides
    tiles = strided(halfway, (6, n, tile_rows, 6, length), (sj, height * sy, TILE * sy, sy, sc))
    values = scratch("values", (6, 6, n, tile_rows, length))
    np.matmul(matrix, tiles, out=values.transpose(1, 2, 3, 0, 4))
    return values.reshape(36, -1, channels)


def _place(tiles: Array, target: Array) -> None:
    """Write 4×4 tiles (4, 4, tiles·O) to their places in rows of the result (n, rows, OW, O); what sticks out at the
    border is cut off.
    """
    n, height, width, filters = target.shape
    rows, columns = _tiles_along(height), _tiles_along(width)
    whole = tiles.reshape(TILE, TILE, n, rows, columns, filters).transpose(2, 3, 0, 4, 1, 5)
    if height % TILE == 0 and width % TILE == 0:
        target.reshape(n, rows, TILE, columns, TILE, filters)[...] = whole
    else:
        target[...] = whole.reshape(n, -1, columns * TILE, filters)[:, :height, :width]


def _take(source: Array, scratch: Scratch) -> Array:
    """Return the 4×4 tiles of rows of ∂L/∂y as (4, 4, tiles·O), zeros beyond the border: the transpose of `_place`."""
    n, height, width, filters = source.shape
    rows, columns = _tiles_along(height), _tiles_along(width)
    whole = cut(source, slice(0, n), (0, 0), (TILE * rows, TILE * columns), scratch)
    tiles = whole.reshape(n, rows, TILE, columns, TILE, filters).transpose(2, 4, 0, 1, 3, 5)
    taken = scratch("taken", tiles.shape)
    taken[...] = tiles
    return taken.reshape(TILE, TILE, -1)
