"""Work: cut into blocks, shared among threads, with memory for what is made on the way.

A block is a rectangle of results, some rows of some pictures, so small that everything made for it stays in the cache
of the core that works on it. Threads take block after block, whoever is free the next one: nobody waits long for the
others at the end, though threads start at different times and cores are not equally fast. `share` is the one verb.

The size of a piece of work is given in one unit, *bytes*: as many as a core copies in the time. `products` turns
multiply-adds of matrix products into it.

Results are the same from run to run, whichever thread computes which part: the parts' results are kept apart, and
added up in the order of the parts. With another *number* of threads the last bits may differ, because numbers are
grouped differently, in three places:

* `blocks` makes enough blocks for all threads;
* the weight gradients of `im2col.py` and `winograd.py` are summed in one part for each thread (`parts(each=1)`), since
  such sums are too large to be kept for each block;
* large products in `matmul.py` are cut into one part for each thread.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.threads import get_num_threads, may_have_help, side_by_side

# Handing a task to a thread and waiting for it takes about 0.1 ms, and threads with little to do between two steps of
# Python wait for each other's turn. A core copies about 4 MB in the time from which on it pays.
SMALLEST = 1 << 22
MULTIPLY_ADDS_PER_BYTE = 8  # what a core does of them in the time in which it copies a byte, about
SHARES = 4  # parts for each thread, where any thread may work on any part

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def products(multiply_adds: int) -> int:
    """Return the size of matrix products that have so many multiply-adds."""
    return multiply_adds // MULTIPLY_ADDS_PER_BYTE


def worth_sharing(size: int) -> bool:
    """Whether there are threads for work of this size, and it is enough to occupy them."""
    return size >= SMALLEST and get_num_threads() > 1


def share(task: Callable[[Any, Scratch], Any], items: Sequence[Any], like: Array, size: int) -> list[Any]:
    """Call `task(item, scratch)` for every item, side by side if it is worth it, and return the results in order.

    Args:
        task: works on one item, and writes to nothing that another item's task touches but to `scratch`.
        items: parts of the work. A task that shares its own work again does it alone: the cores are busy.
        like: an array of the dtype and the device of the temporaries. Work on a GPU is not shared.
        size: of all items together, in bytes; small work is done in this thread.
    """
    threads = _threads_for(len(items), like, size)
    if threads == 1:
        scratch = Scratch(like)
        return [task(item, scratch) for item in items]
    left, results = deque(enumerate(items)), [None] * len(items)

    def work() -> None:
        scratch = Scratch(like)
        try:
            while left:
                try:
                    i, item = left.popleft()
                except IndexError:  # another thread was quicker
                    return
                results[i] = task(item, scratch)
        except BaseException:
            left.clear()  # nobody begins another item
            raise

    side_by_side(work, threads)
    return results


def parts(n: int, like: Array, size: int, each: int = SHARES) -> list[slice]:
    """Divide `range(n)` into `each` slices for each thread that `share` will use, or leave it whole for one."""
    threads = _threads_for(n, like, size)
    return slices(n, threads * each) if threads > 1 else [slice(0, n)]


def slices(n: int, count: int) -> list[slice]:
    """Divide `range(n)` into so many slices, as equal as possible; fewer, if n is smaller, but at least one."""
    count = max(1, min(n, count))
    bounds = [n * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False)]


def _threads_for(n: int, like: Array, size: int) -> int:
    if size < SMALLEST or n < 2 or not (on_cpu(like) and may_have_help()):
        return 1
    return min(get_num_threads(), n, 1 + size // SMALLEST)


class Block(NamedTuple):
    """Some rows of some pictures; as an index, the part of an (N, H, …) array."""

    pictures: slice
    rows: slice


def blocks(images: Array, rows: int, row_bytes: int, limit: int, size: int) -> list[Block]:
    """Divide `rows` rows of results of each picture into blocks for which about `limit` bytes are made.

    Args:
        images: the pictures (N, H, W, C); on a GPU, which has no such caches, everything is one block.
        rows: how many there are in a picture's result.
        row_bytes: what is made for one row.
        limit: whole pictures are taken together as long as they stay below it, else a picture is cut into strips.
        size: of the work, as for `share`: if it is worth sharing, there are blocks for every thread.
    """
    n, threads = len(images), get_num_threads()
    if not on_cpu(images):
        return [Block(slice(0, n), slice(0, rows))] if n else []
    if worth_sharing(size):
        limit = min(limit, -(-n * rows * row_bytes // threads))
    limit = max(1, limit)
    pictures = max(1, min(n, limit // max(1, rows * row_bytes)))
    strips = -(-rows * row_bytes // limit) if pictures == 1 else 1
    if n == 1 and strips > 1:  # every thread shall have as many as the others
        strips = -(-strips // threads) * threads
    height = max(1, -(-rows // max(1, strips)))
    return [
        Block(slice(first, min(first + pictures, n)), slice(top, min(top + height, rows)))
        for first in range(0, n, pictures)
        for top in range(0, rows, height)
    ]


class Scratch:
    """Memory for the temporaries of one thread, used again for every block: it gives arrays by name, and what one held
    before is lost when its name is asked for again.

    Fresh memory is handed out by the operating system page by page, at the first touch, which costs about as much as
    filling it. A kernel that makes the same temporaries for hundreds of blocks asks for them once.
    """

    def __init__(self, like: Array) -> None:
        self._like = like
        self._memory: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return an uninitialised contiguous array."""
        size = math.prod(shape)
        if name not in self._memory or self._memory[name].size < size:
            self._memory[name] = array_module(self._like).empty(size, dtype=self._like.dtype)
        return self._memory[name][:size].reshape(shape)


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next array, instead of giving it back to the system each time.

    A training step otherwise spends up to a fifth of its time on first touches of fresh pages. This is glibc's
    mallopt(3); where there is no such function, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
        mallopt(M_TRIM_THRESHOLD, 256 << 20)
