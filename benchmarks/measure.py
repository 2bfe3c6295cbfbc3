"""Running the workers: every measurement in a fresh process.

The frameworks take turns, so that a machine that grows slower or faster meanwhile does so for all of them.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

ROOT = Path(__file__).resolve().parents[1]
IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
# minigrad's threads, and those of OpenMP (PyTorch) and of the two usual BLAS libraries.
THREADS = ("MINIGRAD_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# What holds NumPy's BLAS and PyTorch's libraries to an instruction set that the processor may exceed.
ISA: dict[str, dict[str, str]] = {
    "native": {},
    "avx2": {
        "OPENBLAS_CORETYPE": "Haswell",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
}


def hold_to(isa: str) -> None:
    """Let all workers to come compute with an instruction set, a name in `ISA`, whatever the environment says."""
    for variable in ISA["avx2"]:
        os.environ.pop(variable, None)
    os.environ.update(ISA[isa])


class WorkerError(RuntimeError):
    """A worker process failed; the message carries what it said."""


def group_rounds(
    group: Sequence[Row],
    frameworks: Sequence[str],
    rounds: int,
    steps: int | None = None,
    tick: Callable[[], Any] = lambda: None,
    device: str = "cpu",
) -> dict[str, dict[str, list[dict]]]:
    """Time rows that share processes `rounds` times in each framework, alternating (A B C A B C …).

    Args:
        group: rows for the same number of threads.
        frameworks: names in `frameworks.LOADERS`; each times those of the rows that are for it.
        rounds: processes per framework.
        steps: timed steps per process and row; None for half a second's worth.
        tick: called after each process.
        device: where the steps run.

    Returns:
        For each row, by name, and each framework the workers' answers in order, as `worker.measure` returns them.

    Raises:
        WorkerError: a worker failed.
    """
    answers = {row.name: {name: [] for name in frameworks if name in row.frameworks} for row in group}
    environment = {variable: str(group[0].threads) for variable in THREADS} if group[0].threads else {}
    for _ in range(rounds):
        for framework in frameworks:
            names = [row.name for row in group if framework in row.frameworks]
            if names:
                command = ["-m", "benchmarks.worker", "--framework", framework, "--device", device, "--rows", *names]
                printed = _python(*command, *(["--steps", str(steps)] if steps else []), environment=environment)
                for answer in json.loads(printed):
                    answers[answer["row"]][framework].append(answer)
            tick()
    return answers


def import_seconds(modules: Sequence[str], rounds: int) -> dict[str, float]:
    """Return how long `import module` takes in a fresh interpreter, the median of `rounds`, for each module."""
    for module in modules:  # once untimed: it compiles the bytecode and brings the files into memory
        _python("-c", IMPORT.format(module))
    seconds = [{module: float(_python("-c", IMPORT.format(module))) for module in modules} for _ in range(rounds)]
    return {module: statistics.median(one[module] for one in seconds) for module in modules}


def machine() -> dict[str, Any]:
    """Describe this machine: processor, usable cores, system, Python, and how busy it was in the last minute."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _python(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run the same interpreter with `arguments` in the repository's root and return the last line that it printed.

    Args:
        environment: variables that differ from this process's.
    """
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | (environment or {}), capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = done.stderr.strip() or f"exit status {done.returncode} and no output"
        raise WorkerError(f"python {' '.join(arguments)} failed:\n{said}")
    return lines[-1]
