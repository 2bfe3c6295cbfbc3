"""Memory for the temporaries of one thread, used again for every block.

Fresh memory is handed out by the operating system page by page, at the first touch, which costs about as much as
filling it. A kernel that makes the same temporaries for hundreds of blocks asks for them once.
"""

from __future__ import annotations

import ctypes
import math
import os
from types import ModuleType
from typing import Any

from minigrad.backend import Array

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


class Scratch:
    """Gives arrays of one dtype, by name; what an array held before is lost when its name is asked for again."""

    def __init__(self, xp: ModuleType, dtype: Any) -> None:
        self._xp, self._dtype = xp, dtype
        self._memory: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return an uninitialised contiguous array."""
        size = math.prod(shape)
        if name not in self._memory or self._memory[name].size < size:
            self._memory[name] = self._xp.empty(size, dtype=self._dtype)
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
