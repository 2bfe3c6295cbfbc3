"""Sums per channel, and batch normalisation built from them; channels-last.

A sum over all rows of an (M, C) matrix is the product of a row of ones with it, which BLAS does at memory speed, eight
times faster than NumPy's own sum along the first axis. It is taken picture by picture first: short sums lose fewer
digits than one long one. Batch normalisation goes over the data in blocks that stay in the processor's cache, so that
its temporaries cost no memory traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.conv import BLOCK_BYTES, channels_first, channels_last
from minigrad.kernels.parallel import split


def channel_sum(x: Array) -> Array:
    """Return Σ x over pictures and positions: (N, C, H, W) → (C,)."""
    if x.flags.c_contiguous:
        return x.reshape(*x.shape[:2], -1 if x.size else 0).sum(axis=2).sum(axis=0)
    return _rows_sum(channels_last(x))


def _rows_sum(images: Array) -> Array:
    n, h, w, c = images.shape
    ones = array_module(images).ones((1, h * w), dtype=images.dtype)
    return (ones @ images.reshape(n, h * w, c)).sum(axis=(0, 1))


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of each channel, both (C,); two passes, so that nothing cancels."""
    images = channels_last(x)
    count = images.size // images.shape[3]
    mean = _split_sum(lambda part: _rows_sum(images[part]), images) / count

    def squares(part: slice) -> Array:
        total = array_module(x).zeros_like(mean)
        for block in _blocks(images, part):
            centred = images[block] - mean
            centred *= centred
            total += _rows_sum(centred)
        return total

    return mean, _split_sum(squares, images) / count


def scale_and_shift(x: Array, scale: Array, shift: Array) -> Array:
    """Return x·scale + shift with one scale and one shift (C,) per channel."""
    xp = array_module(x)
    images = channels_last(x)
    y = xp.empty_like(images)

    def transform(part: slice) -> None:
        for block in _blocks(images, part):
            xp.multiply(images[block], scale, out=y[block])
            y[block] += shift

    split(transform, len(y), y, 2 * y.nbytes)
    return channels_first(y)


def batch_norm_sums(g: Array, x: Array, mean: Array, inverse_deviation: Array) -> tuple[Array, Array]:
    """Return Σ g and Σ g·x̂ per channel, both (C,), with x̂ = (x − mean)·inverse_deviation."""
    xp = array_module(x)
    images, grads = channels_last(x), channels_last(g)

    def sums(part: slice) -> Array:
        total = xp.zeros((2, images.shape[3]), dtype=x.dtype)
        for block in _blocks(images, part):
            centred = images[block] - mean
            centred *= grads[block]
            total[0] += _rows_sum(grads[block])
            total[1] += _rows_sum(centred)
        return total

    sum_g, sum_gx = _split_sum(sums, images)
    return sum_g, sum_gx * inverse_deviation


def batch_norm_input_grad(
    g: Array, x: Array, scale: Array, mean: Array, inverse_deviation: Array, mean_g: Array, mean_gx: Array
) -> Array:
    """Return scale·inverse_deviation·(g − mean_g − x̂·mean_gx), all of the arguments but g and x being (C,)."""
    xp = array_module(x)
    images, grads = channels_last(x), channels_last(g)
    factor = scale * inverse_deviation
    slope = -factor * inverse_deviation * mean_gx
    out = xp.empty_like(images)

    def combine(part: slice) -> None:
        for block in _blocks(images, part):
            target = out[block]
            xp.subtract(images[block], mean, out=target)
            target *= slope
            centred_g = grads[block] - mean_g
            centred_g *= factor
            target += centred_g

    split(combine, len(out), out, 3 * out.nbytes)
    return channels_first(out)


def _blocks(images: Array, part: slice) -> Iterator[slice]:
    """Cut `part` of the batch into slices of a few pictures each that stay in cache."""
    step = max(1, len(images))
    if on_cpu(images):
        step = max(1, BLOCK_BYTES * len(images) // max(1, images.nbytes))
    for start in range(part.start, part.stop, step):
        yield slice(start, min(start + step, part.stop))


def _split_sum(task: Callable[[slice], Array], images: Array) -> Array:
    parts = split(task, len(images), images, images.nbytes)
    total = parts[0]
    for other in parts[1:]:
        total = total + other
    return total
