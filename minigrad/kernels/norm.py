"""Batch normalisation, channels-last.

It goes over pictures (N, H, W, C) in blocks that stay in the processor's cache, so that its temporaries cost no memory
traffic; and within a block over whole rows of W·C numbers, with what belongs to a channel repeated W times, because
NumPy's loops along C alone would be too short to be fast.
"""

from __future__ import annotations

from functools import reduce

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.conv.epilogue import Epilogue
from minigrad.kernels.layout import channels_first, channels_last, repeated, rows_of
from minigrad.kernels.reduce import total
from minigrad.kernels.work import Block, Scratch, blocks, share

# What belongs to one block stays in the cache that the cores share (32 MB on the machines of 2024). Smaller blocks
# would fit into a core's own; but then the threads spend more time on handing Python's lock to each other, between ever
# shorter calls, than they save.
BLOCK_BYTES = 1 << 24
ARRAYS = 4
ROWS = 256  # of products that are added one after the other
POSITIONS = (0, 1, 2)  # all axes but that of the channels
MAX_LOSS = 4  # times the result may cancel, where that saves a pass over the data


def _products_sum(a: Array, b: Array) -> Array:
    """Return Σ a·b over pictures and positions, (N, H, W, C) twice → (C,), without a temporary of their size."""
    xp, (_, _, w, c) = array_module(a), a.shape
    pairs = zip(_in_rows(a), _in_rows(b), strict=True)
    sums = [total(xp.einsum("brk,brk->bk", *pair), (0,)) for pair in pairs]
    return total(sum(sums[1:], start=sums[0]).reshape(w, c), (0,))


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

    def of_block(block: Block, scratch: Scratch) -> tuple:
        pixels = images[block]
        count = pixels.size // images.shape[3]
        mean = total(pixels, POSITIONS) / count
        lost, squares = count * mean * mean, None
        if on_cpu(x):  # a GPU would have to be waited for
            squares = _products_sum(pixels, pixels) - lost
        if squares is None or not (lost <= MAX_LOSS * squares).all():
            deviations = scratch("deviations", rows_of(pixels).shape)
            array_module(x).subtract(rows_of(pixels), repeated(mean, images.shape[2]), out=deviations)
            deviations *= deviations
            squares = total(deviations.reshape(pixels.shape), POSITIONS)
        return count, mean, squares

    count, mean, squares = reduce(_combined, share(of_block, *_blocks(images)))
    return mean, squares / count


def _combined(a: tuple, b: tuple) -> tuple:
    """Return count, mean and sum of squared deviations of two sets of numbers together."""
    (count_a, mean_a, squares_a), (count_b, mean_b, squares_b) = a, b
    count, difference = count_a + count_b, mean_b - mean_a
    mean = mean_a + difference * (count_b / count)
    return count, mean, squares_a + squares_b + difference * difference * (count_a * count_b / count)


def scale_and_shift(
    x: Array, scale: Array, shift: Array | None, shortcut: Array | None = None, relu: bool = False
) -> Array:
    """Return x·scale + shift with one scale and one shift (C,) per channel; plus `shortcut`, if there is one; then
    the ReLU, if `relu`.
    """
    images = channels_last(x)
    epilogue = Epilogue(None, shift, None if shortcut is None else channels_last(shortcut), relu)
    epilogue, scale = epilogue.for_rows(images.shape[2]), repeated(scale, images.shape[2])
    y = array_module(x).empty_like(images)

    def transform(block: Block, _: Scratch) -> None:
        target = rows_of(y[block])
        array_module(x).multiply(rows_of(images[block]), scale, out=target)
        epilogue(target, block)

    share(transform, *_blocks(images))
    return channels_first(y)


def batch_norm_sums(g: Array, x: Array, mean: Array, inv_std: Array) -> Array:
    """Return Σ g and Σ g·x̂ per channel, together (2, C), with x̂ = (x − mean)·inv_std."""
    xp = array_module(x)
    images, grads = channels_last(x), channels_last(g)
    # Σ g·(x − μ) = Σ g·x − μ·Σ g loses few digits, if means are not much larger than deviations.
    at_once = on_cpu(x) and bool((abs(mean) * inv_std <= MAX_LOSS).all())
    means = repeated(mean, images.shape[2])

    def sums(block: Block, scratch: Scratch) -> Array:
        pixels, slopes = images[block], grads[block]
        sum_g = total(slopes, POSITIONS)
        if at_once:
            return xp.stack([sum_g, _products_sum(slopes, pixels) - mean * sum_g])
        centred = scratch("centred", rows_of(pixels).shape)
        xp.subtract(rows_of(pixels), means, out=centred)
        centred *= rows_of(slopes)
        return xp.stack([sum_g, total(centred.reshape(pixels.shape), POSITIONS)])

    found = xp.zeros((2, images.shape[3]), dtype=x.dtype)
    for some in share(sums, *_blocks(images)):
        found += some
    found[1] *= inv_std
    return found


def batch_norm_input_grad(
    g: Array, x: Array, scale: Array, mean: Array, inv_std: Array, mean_g: Array, mean_gx: Array
) -> Array:
    """Return scale·inv_std·(g − mean_g − x̂·mean_gx), all of the arguments but g and x being (C,)."""
    xp = array_module(x)
    images, grads = channels_last(x), channels_last(g)
    # As a function of g and x it is factor·g + slope·x + constant.
    factor = scale * inv_std
    slope = -factor * inv_std * mean_gx
    factor, slope, constant = (repeated(v, images.shape[2]) for v in (factor, slope, -factor * mean_g - slope * mean))
    out = xp.empty_like(images)

    def combine(block: Block, scratch: Scratch) -> None:
        target = rows_of(out[block])
        xp.multiply(rows_of(images[block]), slope, out=target)
        target += constant
        target += xp.multiply(rows_of(grads[block]), factor, out=scratch("scaled", target.shape))

    share(combine, *_blocks(images))
    return channels_first(out)


def _blocks(images: Array) -> tuple[list[Block], Array, int]:
    """Return blocks that stay in the cache and together cover the pictures; and what else `share` wants to know."""
    _, h, w, c = images.shape
    size = ARRAYS * images.nbytes
    return blocks(images, h, ARRAYS * w * c * images.itemsize, BLOCK_BYTES, size), images, size
