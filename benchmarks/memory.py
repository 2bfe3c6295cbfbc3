"""How much memory a process holds: what the system counts, so NumPy's and PyTorch's own pools are in it."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Memory(NamedTuple):
    """Bytes of this process that are in memory `now`, and the most that ever were; None where the system won't tell."""

    now: int | None
    peak: int | None


def usage() -> Memory:
    """Return what this process holds: Linux tells both numbers, macOS the peak, Windows none."""
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines())
        return Memory(*(int(lines[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM")))
    if sys.platform == "darwin":
        import resource

        return Memory(None, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return Memory(None, None)


def start_counting() -> None:
    """Give back to the system what is free already, and let the peak start again from what is held now.

    Without the first, a step could use what building the network had left behind, and would seem to need nothing.
    """
    gc.collect()
    with suppress(OSError, TypeError, AttributeError):  # only Linux's usual C library has it
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")
