"""One process that times rows in one framework and prints one line of JSON.

    python -m benchmarks.worker --framework minigrad --rows lenet-4 --steps 100

A process holds one framework only: the threads of a BLAS library keep spinning for a while after each product and would
slow down a competitor in the same process; and only so can memory be told apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

from benchmarks import launches, memory
from benchmarks.frameworks import LOADERS, Framework
from benchmarks.rows import Row, Step
from benchmarks.tables import ROWS

SECONDS = 0.5  # of timed steps for each row
MIN_STEPS = 3


def time_steps(step: Step, steps: int | None = None) -> list[float]:
    """Return the seconds of `steps` calls, by default of as many as half a second holds, after some that warm up
    caches, threads and allocators.
    """
    _run(step, steps and max(1, steps // 10), 1, SECONDS / 5)
    return _run(step, steps, MIN_STEPS, SECONDS)


def _run(step: Step, steps: int | None, at_least: int, seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < (steps or at_least) or (not steps and time.perf_counter() < end):
        start = time.perf_counter()
        own = step()
        times.append(time.perf_counter() - start if own is None else own)
    return times


def measure(framework: Framework, row: Row, steps: int | None = None) -> dict[str, Any]:
    """Time a row in this process.

    Returns:
        `seconds` (median over the steps), `fastest`, `steps`, `threads` and the `versions` of what ran; and in bytes,
        or None where the system does not tell, `process_memory`, the most that this process ever held, and
        `step_memory`, how much of that came on top when everything was built and the steps began. Of a GPU also
        `device_memory`, what the row took of its memory, and `launches`, the kernels that one step starts, or None
        where PyTorch, whose profiler counts them, is not installed.
    """
    framework.free_device_memory()
    step = _awaited(framework, row.prepare(framework))
    before = memory.usage()
    memory.start_counting()
    built = memory.usage()
    seconds = time_steps(step, steps)
    peak = memory.usage().peak
    on_gpu = {} if framework.device == "cpu" else {"device_memory": framework.device_memory()}
    if on_gpu:
        on_gpu["launches"] = launches.count(step)
    return {
        "row": row.name,
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "steps": len(seconds),
        "threads": framework.threads,
        "versions": framework.versions,
        "process_memory": peak and max(peak, before.peak),
        "step_memory": built.now and peak - built.now,
        **on_gpu,
    }


def _awaited(framework: Framework, step: Step) -> Step:
    """Return the step, at whose end the GPU has done all of it."""
    if framework.device == "cpu":
        return step

    def awaited() -> float | None:
        own = step()
        framework.synchronize()
        return own

    return awaited


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__.partition("\n")[0])
    parser.add_argument("--framework", choices=LOADERS, required=True)
    parser.add_argument("--rows", metavar="ROW", choices=ROWS, required=True, nargs="+")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: cpu")
    parser.add_argument("--steps", type=int, help="steps to time (default: half a second's worth)")
    options = parser.parse_args()
    framework = LOADERS[options.framework](options.device)
    print(json.dumps([measure(framework, ROWS[name], options.steps) for name in options.rows]))


if __name__ == "__main__":
    main()
