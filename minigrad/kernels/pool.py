"""Pooling windows, channels-last.

A window of kh·kw positions is not cut out of the picture. Instead the picture is looked at kh·kw times, each time
shifted by one position and with the pool's stride: `x[:, u::s, v::s]` holds the (u, v) element of every window. A
maximum over windows is then kh·kw elementwise maxima. All functions take and return (N, C, H, W) arrays that are
channels-last in memory; the batch is shared among threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from minigrad.backend import Array, array_module
from minigrad.kernels.conv import Pair, Window, channels_first, channels_last
from minigrad.kernels.parallel import share_slices


def max_pool2d(x: Array, window: Window, with_winners: bool) -> tuple[Array, Array | None]:
    """Return the largest element of each window and, if asked, which one it was.

    Returns:
        y (N, C, OH, OW), and winners (N, OH, OW, C), uint8 or uint16: u·kw + v of the first largest element, in
        row-major order.
    """
    xp = array_module(x)
    images = channels_last(x)
    oh, ow = window.output_size(images.shape[1:3])
    y = xp.empty((len(images), oh, ow, images.shape[3]), dtype=x.dtype)
    positions = window.kernel[0] * window.kernel[1]
    winners = xp.zeros(y.shape, dtype="uint8" if positions <= 256 else "uint16") if with_winners else None

    def pool(part: slice) -> None:
        padded, best = _padded(images[part], window, -xp.inf), y[part]
        candidate = xp.empty_like(best)
        beats = None if winners is None else xp.empty_like(winners[part])
        for k, index in _positions(window, oh, ow):
            if k == 0:
                best[...] = padded[index]
                continue
            candidate[...] = padded[index]  # gathered once, because scattered numbers are slow to compare
            if beats is not None:  # k grows, so the largest k that beat all before it is the winner
                xp.greater(candidate, best, out=beats)
                beats *= k
                xp.maximum(winners[part], beats, out=winners[part])
            xp.maximum(best, candidate, out=best)

    share_slices(pool, len(y), y, y.nbytes * positions * (2 if with_winners else 1))
    return channels_first(y), winners


def place_at_winners(g: Array, winners: Array, window: Window, size: Pair) -> Array:
    """Return zeros for pictures of `size` (height, width) with g (N, C, OH, OW) added where each window's winner
    sits.
    """
    xp, grads = array_module(g), channels_last(g)

    def share(part: slice, k: int) -> Array:
        mine = xp.equal(winners[part], k, out=xp.empty_like(grads[part]))
        mine *= grads[part]
        return mine

    return channels_first(_overlap_add(share, grads, window, size))


def take_from_winners(x: Array, winners: Array, window: Window) -> Array:
    """Return the element of x (N, C, H, W) at each window's winner, (N, C, OH, OW): the transpose of
    `place_at_winners`.
    """
    xp = array_module(x)
    padded = _padded(channels_last(x), window, 0)
    y = xp.zeros(winners.shape, dtype=x.dtype)
    for k, index in _positions(window, *winners.shape[1:3]):
        y = xp.where(winners == k, padded[index], y)
    return channels_first(y)


def avg_pool2d(x: Array, window: Window) -> Array:
    """Return the mean of each window, padding counted as zeros, (N, C, OH, OW)."""
    xp = array_module(x)
    images = channels_last(x)
    oh, ow = window.output_size(images.shape[1:3])
    y = xp.zeros((len(images), oh, ow, images.shape[3]), dtype=x.dtype)
    positions = window.kernel[0] * window.kernel[1]

    def pool(part: slice) -> None:
        padded = _padded(images[part], window, 0)
        total = y[part]
        for _, index in _positions(window, oh, ow):
            total += padded[index]
        total *= 1 / positions

    share_slices(pool, len(y), y, y.nbytes * positions)
    return channels_first(y)


def spread_evenly(g: Array, window: Window, size: Pair) -> Array:
    """Return zeros for pictures of `size` (height, width) with g/(kh·kw) added to all elements of each window."""
    grads = channels_last(g) * (1 / (window.kernel[0] * window.kernel[1]))
    return channels_first(_overlap_add(lambda part, k: grads[part], grads, window, size))


def _overlap_add(share: Callable[[slice, int], Array], grads: Array, window: Window, size: Pair) -> Array:
    """Return zeros for pictures of `size`, with `share(part, k)` added to the k-th element of every window."""
    xp = array_module(grads)
    n, oh, ow, channels = grads.shape
    (ph, pw), positions = window.padding, list(_positions(window, oh, ow))
    shape = (n, size[0] + 2 * ph, size[1] + 2 * pw, channels)
    disjoint = all(s >= k for s, k in zip(window.stride, window.kernel, strict=True))
    tiled = disjoint and window.stride == window.kernel and shape[1:3] == (oh * window.kernel[0], ow * window.kernel[1])
    padded = (xp.empty if tiled else xp.zeros)(shape, dtype=grads.dtype)

    def add(part: slice) -> None:
        target = padded[part]
        for k, index in positions:
            if disjoint:  # no element is in two windows
                target[index] = share(part, k)
            else:
                target[index] += share(part, k)

    share_slices(add, n, grads, grads.nbytes * len(positions) * 2)
    return padded[:, ph : ph + size[0], pw : pw + size[1]]


def _padded(images: Array, window: Window, value: float) -> Array:
    ph, pw = window.padding
    if not (ph or pw):
        return images
    n, h, w, c = images.shape
    padded = array_module(images).full((n, h + 2 * ph, w + 2 * pw, c), value, dtype=images.dtype)
    padded[:, ph : ph + h, pw : pw + w] = images
    return padded


def _positions(window: Window, oh: int, ow: int) -> Iterator[tuple[int, tuple[slice, ...]]]:
    """Yield k = u·kw + v and the index that selects element (u, v) of every window of a padded picture."""
    (kh, kw), (sh, sw) = window.kernel, window.stride
    for u in range(kh):
        for v in range(kw):
            yield u * kw + v, (slice(None), slice(u, u + sh * (oh - 1) + 1, sh), slice(v, v + sw * (ow - 1) + 1, sw))
