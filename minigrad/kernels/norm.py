"""Sums per channel, and batch normalisation built from them; channels-last.

Pictures (N, H, W, C) are a matrix of N·H rows. The product of a row of ones with it sums them at memory speed, up to
three times as fast as NumPy's own sum along the first axis, and leaves W short sums for each channel. Batch
normalisation goes over the data in blocks that stay in the processor's cache, so that its temporaries cost no memory
traffic; and within a block over whole rows of W·C numbers, with what belongs to a channel repeated W times, because
NumPy's loops along C alone would be too short to be fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.conv import channels_first, channels_last
from minigrad.kernels.finish import Finish, repeated, rows_of
from minigrad.kernels.parallel import share, split
from minigrad.kernels.patches import Block, blocks
from minigrad.kernels.scratch import Scratch
from minigrad.kernels.select import keep_into

# What belongs to one block stays in the cache that the cores share (32 MB on the machines of 2024). Smaller blocks
# would fit into a core's own; but then the threads spend more time on handing Python's lock to each other, between ever
# shorter calls, than they save.
BLOCK_BYTES = 1 << 24
ARRAYS = 4
ROWS = 256  # that are summed one after the other: of many short sums, one loses fewer digits than of a long one
MAX_LOSS = 4  # times the result may cancel, where that saves a pass over the data


def channel_sum(x: Array) -> Array:
    """Return Σ x over pictures and positions: (N, C, H, W) → (C,)."""
    if x.flags.c_contiguous:
        return x.reshape(*x.shape[:2], -1 if x.size else 0).sum(axis=2).sum(axis=0)
    return _rows_sum(channels_last(x))


def _rows_sum(images: Array) -> Array:
    xp, (_, _, w, c) = array_module(images), images.shape
    sums = [(xp.ones((1, rows.shape[1]), dtype=rows.dtype) @ rows).sum(axis=(0, 1)) for rows in _in_rows(images)]
    return sum(sums[1:], start=sums[0]).reshape(w, c).sum(axis=0)


def _products_sum(a: Array, b: Array) -> Array:
    """Return Σ a·b over pictures and positions, (N, H, W, C) twice → (C,), without a temporary of their size."""
    xp, (_, _, w, c) = array_module(a), a.shape
    pairs = zip(_in_rows(a), _in_rows(b), strict=True)
    sums = [xp.einsum("brk,brk->bk", *pair).sum(axis=0) for pair in pairs]
    return sum(sums[1:], start=sums[0]).reshape(w, c).sum(axis=0)


def _in_rows(images: Array) -> list[Array]:
    """Show pictures (N, H, W, C) as rows, (K, ROWS, W·C), and the rest of them as (1, fewer, W·C)."""
    n, h, w, c = images.shape
    rows, whole = images.reshape(n * h, w * c), n * h // ROWS * ROWS
    parts = [rows[:whole].reshape(-1, ROWS, w * c), rows[None, whole:]]
    return [part for part in parts if part.size] or parts[1:]


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel, both (C,), in one pass.

    Means and sums of squared deviations of blocks are combined as in Chan, Golub & LeVeque 1979, "Updating formulae and
    a pairwise algorithm for computing sample variances", section 2: nothing cancels, as it would in E[x²] − E[x]².
    """
    images = channels_last(x)

    def of_part(some: list[Block]) -> tuple:
        scratch, total = Scratch(array_module(x), x.dtype), None
        for block in some:
            pixels = images[block]
            count = pixels.size // images.shape[3]
            mean = _rows_sum(pixels) / count
            lost, squares = count * mean * mean, None
            if on_cpu(x):  # a GPU would have to be waited for
                squares = _products_sum(pixels, pixels) - lost
            if squares is None or not (lost <= MAX_LOSS * squares).all():
                deviations = scratch("deviations", rows_of(pixels).shape)
                array_module(x).subtract(rows_of(pixels), repeated(mean, images.shape[2]), out=deviations)
                deviations *= deviations
                squares = _rows_sum(deviations.reshape(pixels.shape))
            total = _combined(total, (count, mean, squares))
        return total

    total = None
    for other in _split_blocks(of_part, images):
        total = _combined(total, other)
    count, mean, squares = total
    return mean, squares / count


def _combined(a: tuple | None, b: tuple) -> tuple:
    """Return count, mean and sum of squared deviations of two sets of numbers together."""
    if a is None:
        return b
    (count_a, mean_a, squares_a), (count_b, mean_b, squares_b) = a, b
    count, difference = count_a + count_b, mean_b - mean_a
    mean = mean_a + difference * (count_b / count)
    return count, mean, squares_a + squares_b + difference * difference * (count_a * count_b / count)


def scale_and_shift(
    x: Array, scale: Array, shift: Array | None, shortcut: Array | None = None, relu: bool = False
) -> Array:
    """Return x·scale + shift with one scale and one shift (C,) per channel; plus `shortcut`, if there is one, and of
    this, if asked for, the ReLU.
    """
    images = channels_last(x)
    finish = Finish(None, shift, None if shortcut is None else channels_last(shortcut), relu)
    finish, scale = finish.for_rows(images.shape[2]), repeated(scale, images.shape[2])
    y = array_module(x).empty_like(images)

    def transform(some: Iterable[Block]) -> None:
        for block in some:
            target = rows_of(y[block])
            array_module(x).multiply(rows_of(images[block]), scale, out=target)
            finish(target, block)

    share(transform, *_blocks(images))
    return channels_first(y)


def batch_norm_sums(
    g: Array, x: Array, mean: Array, inverse_deviation: Array, y: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return Σ g and Σ g·x̂ per channel, both (C,), with x̂ = (x − mean)·inverse_deviation, and g.

    With `y`, the result of a ReLU that g is the gradient of, g is 0 first wherever y is.
    """
    xp = array_module(x)
    images, grads = channels_last(x), channels_last(g)
    outputs = None if y is None else channels_last(y)
    kept = grads if y is None else xp.empty_like(grads)
    # Σ g·(x − μ) = Σ g·x − μ·Σ g loses few digits, if means are not much larger than deviations.
    at_once = on_cpu(x) and bool((abs(mean) * inverse_deviation <= MAX_LOSS).all())
    means = repeated(mean, images.shape[2])

    def sums(some: list[Block]) -> Array:
        scratch, total = Scratch(xp, x.dtype), xp.zeros((2, images.shape[3]), dtype=x.dtype)
        for block in some:
            if outputs is not None:
                keep_into(kept[block], grads[block], outputs[block])
            pixels, sum_g = images[block], _rows_sum(kept[block])
            total[0] += sum_g
            if at_once:
                total[1] += _products_sum(kept[block], pixels) - mean * sum_g
            else:
                centred = scratch("centred", rows_of(pixels).shape)
                xp.subtract(rows_of(pixels), means, out=centred)
                centred *= rows_of(kept[block])
                total[1] += _rows_sum(centred.reshape(pixels.shape))
        return total

    parts = _split_blocks(sums, images)
    sum_g, sum_gx = sum(parts[1:], start=parts[0])
    return sum_g, sum_gx * inverse_deviation, channels_first(kept)


def batch_norm_input_grad(
    g: Array, x: Array, scale: Array, mean: Array, inverse_deviation: Array, mean_g: Array, mean_gx: Array
) -> Array:
    """Return scale·inverse_deviation·(g − mean_g − x̂·mean_gx), all of the arguments but g and x being (C,)."""
    xp = array_module(x)
    images, grads = channels_last(x), channels_last(g)
    # As a function of g and x it is factor·g + slope·x + constant.
    factor = scale * inverse_deviation
    slope = -factor * inverse_deviation * mean_gx
    factor, slope, constant = (repeated(v, images.shape[2]) for v in (factor, slope, -factor * mean_g - slope * mean))
    out = xp.empty_like(images)

    def combine(some: Iterable[Block]) -> None:
        scratch = Scratch(xp, x.dtype)
        for block in some:
            target = rows_of(out[block])
            xp.multiply(rows_of(images[block]), slope, out=target)
            target += constant
            target += xp.multiply(rows_of(grads[block]), factor, out=scratch("scaled", target.shape))

    share(combine, *_blocks(images))
    return channels_first(out)


def _split_blocks(task: Callable[[list[Block]], Any], images: Array) -> list[Any]:
    """Call `task` for lists of blocks that together cover the pictures, side by side, and return the results."""
    todo, *size = _blocks(images)
    return split(lambda part: task(todo[part]), len(todo), *size)


def _blocks(images: Array) -> tuple[list[Block], Array, int]:
    """Return blocks that stay in the cache and together cover the pictures; and what `split` and `share` want to know
    of the work.
    """
    _, h, w, c = images.shape
    task_bytes = ARRAYS * images.nbytes
    return blocks(images, h, ARRAYS * w * c * images.itemsize, BLOCK_BYTES, task_bytes), images, task_bytes
