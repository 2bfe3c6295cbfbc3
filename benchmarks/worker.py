"""One process that times one row in one framework and prints one line of JSON.

    python -m benchmarks.worker --framework minigrad --row lenet-4 --steps 100

A process holds one framework only: the threads of a BLAS library keep spinning for a while after each product and would
slow down a competitor in the same process; and only so can peak memory be told apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.frameworks import LOADERS
from benchmarks.workloads import ROWS


def time_steps(step: Callable[[], None], steps: int) -> list[float]:
    """Return the seconds that each of `steps` calls took, after a few that warm up caches, threads and allocators."""
    for _ in range(max(2, steps // 10)):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_memory() -> int | None:
    """Return the largest size that this process ever had in memory, in bytes; None where the system cannot tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(framework_name: str, row_name: str, steps: int | None = None) -> dict[str, Any]:
    """Time a row in this process.

    Returns:
        `seconds` (median over the steps), `steps`, `peak_memory` in bytes, `threads`, and the `versions` of what ran.
    """
    framework, row = LOADERS[framework_name](), ROWS[row_name]
    seconds = time_steps(row.prepare(framework), row.steps if steps is None else steps)
    return {
        "framework": framework_name,
        "row": row_name,
        "steps": len(seconds),
        "seconds": statistics.median(seconds),
        "peak_memory": peak_memory(),
        "threads": framework.threads,
        "versions": framework.versions,
    }


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__.partition("\n")[0])
    parser.add_argument("--framework", choices=LOADERS, required=True)
    parser.add_argument("--row", choices=ROWS, required=True)
    parser.add_argument("--steps", type=int, help="steps to time (default: the row's own number)")
    options = parser.parse_args()
    print(json.dumps(measure(options.framework, options.row, options.steps)))


if __name__ == "__main__":
    main()
