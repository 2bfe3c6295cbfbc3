"""Random masks from a hash: element n depends only on n and a key, so masks are the same on every device, in
whatever parts they are computed.

The hash is SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 16):
the k-th 64 bits are mix(key + k·γ), k = 1, 2, …, with the odd number γ = ⌊2⁶⁴/golden ratio⌋. Each gives two elements,
its low 32 bits first.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minigrad.backend import Array, device_module
from minigrad.kernels import work

GAMMA, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
BLOCK = 1 << 13  # 64-bit numbers: what is computed of a block at a time stays in the cache
STEPS = np.arange(BLOCK, dtype=np.uint64) * np.uint64(GAMMA)

CUDA = f"""
    unsigned long long z = key + (i / 2 + 1) * {GAMMA}ULL;
    z = (z ^ (z >> 30)) * {MIX_1}ULL;
    z = (z ^ (z >> 27)) * {MIX_2}ULL;
    z = z ^ (z >> 31);
    kept = (unsigned int)(z >> (32 * (i % 2))) < below;
"""


def mask(shape: tuple[int, ...], share: float, key: int, device: str) -> Array:
    """Return booleans, each true with probability `share`, on the current device, which is `device`.

    Args:
        shape: of the result; elements are numbered in row-major order.
        share: is rounded to a multiple of 2⁻³²; 1 to the largest below.
        key: 64 bits.
    """
    below = min(round(share * 2**32), 2**32 - 1)
    xp = device_module(device)
    kept = xp.empty(shape, dtype=bool)
    if xp is np:
        row, pairs = kept.reshape(-1), -(-kept.size // 2)

        def fill(part: slice, _: work.Scratch) -> None:
            _fill(row[2 * part.start : 2 * part.stop], key, part.start, below)

        work.share(fill, work.parts(pairs, row, 8 * pairs), row, 8 * pairs)
    else:
        _on_gpu(xp)(np.uint64(key), np.uint32(below), kept)
    return kept


def _fill(kept: np.ndarray, key: int, first: int, below: int) -> None:
    """Compute the part of a mask that starts at the element 2·first."""
    for start in range(0, kept.size, 2 * BLOCK):
        block = kept[start : start + 2 * BLOCK]
        counter = first + start // 2 + 1
        words = hashed(key, counter, -(-block.size // 2)).astype("<u8", copy=False).view("<u4")
        np.less(words[: block.size], np.uint32(below), out=block)


def hashed(key: int, counter: int, count: int) -> np.ndarray:
    """Return mix(key + k·γ) for `count` numbers k ≤ `BLOCK` from `counter` on, as 64-bit integers."""
    z = STEPS[:count] + np.uint64((key + counter * GAMMA) % 2**64)
    shifted = np.empty_like(z)
    for shift, factor in ((30, MIX_1), (27, MIX_2)):
        np.right_shift(z, shift, out=shifted)
        z ^= shifted
        z *= np.uint64(factor)
    np.right_shift(z, 31, out=shifted)
    z ^= shifted
    return z


@functools.cache
def _on_gpu(cupy: Any) -> Any:
    return cupy.ElementwiseKernel("uint64 key, uint32 below", "bool kept", CUDA, "minigrad_random_mask")
