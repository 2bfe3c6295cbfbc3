"""Updating large arrays in place, a block at a time.

An optimizer's step is a few passes over a parameter, its gradient and what the optimizer remembers. Run over a large
parameter as a whole, every pass fetches all of it from main memory again. In blocks, all passes over one block run
while it lies in the cache, temporary results included, and main memory is read and written once.
"""

from __future__ import annotations

from collections.abc import Callable

from minigrad.backend import Array, memory_order, on_cpu
from minigrad.kernels.work import Scratch, share, slices

# A megabyte of float32. Some of these fit the cache; between much shorter calls the threads would mostly hand Python's
# lock to each other.
BLOCK_ELEMENTS = 1 << 18


def in_blocks(update: Callable[..., None], *arrays: Array) -> None:
    """Call `update(*blocks)` for blocks that together cover the arrays; large arrays are shared among threads.

    Args:
        update: works element by element, in place.
        arrays: of one shape. Unless they lie in memory in the same order and without gaps, `update` is called once,
            on the arrays themselves; so it is for small arrays, and on a GPU.
    """
    first = arrays[0]
    if first.size <= BLOCK_ELEMENTS or not on_cpu(first):
        update(*arrays)
        return
    axes = memory_order(first)
    arrays = [x.transpose(axes) for x in arrays]
    if not all(x.flags.c_contiguous for x in arrays):
        update(*arrays)
        return
    vectors = [x.reshape(-1) for x in arrays]

    def update_block(part: slice, _: Scratch) -> None:
        update(*[x[part] for x in vectors])

    blocks = slices(first.size, -(-first.size // BLOCK_ELEMENTS))
    share(update_block, blocks, first, sum(x.nbytes for x in vectors))
