"""`make gpu`: everything worth knowing on a machine with a GPU, in five minutes, the most important first.

Such machines are rare and lent for minutes. This needs nothing but a `python3` that has CuPy, pytest and the packages
of minigrad; where it has PyTorch, that is measured beside. What each step prints is shown when it ends, the whole of it
is kept in a folder, and a summary comes at the end. With `--dry` all steps run on the strict stand-in for CuPy, on a
smaller scale, so that they work when it counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = ROOT / "tests" / "strict_cupy" / "importable"
SECONDS = 300
SHOWN_LINES = 25
PATIENCE = 15  # seconds for a step that is interrupted to say what it knows
PYTEST = ("-m", "pytest", "-q", "--tb=short", "-rf", "-p", "no:benchmark", "-p", "no:cacheprovider", "--device", "cuda")
# Tests of what never sees a GPU, some of them against the clock.
ELSEWHERE = ("datasets", "fuzz", "mutation", "plots", "io")
MARK = "pytestmark = pytest.mark.quick"
OWN_KERNELS = ("tests/kernels/test_random.py",)  # what compute-sanitizer watches: the tests that run our own CUDA code

ABOUT = """
import platform, numpy, cupy
print("Python", platform.python_version(), " NumPy", numpy.__version__, " CuPy", cupy.__version__)
for name in ("torch", "pytest"):
    try:
        print(name, __import__(name).__version__)
    except ImportError:
        print(name, "is not installed")
from minigrad import backend
backend.device_module("cuda")
runtime = cupy.cuda.runtime
card = runtime.getDeviceProperties(0)
print("card:", card["name"].decode(), " memory:", card["totalGlobalMem"] // 10**6, "MB",
      " compute capability:", f'{card["major"]}.{card["minor"]}', " multiprocessors:", card["multiProcessorCount"])
print("driver's CUDA:", runtime.driverGetVersion(), " runtime:", runtime.runtimeGetVersion(),
      " NVRTC:", ".".join(map(str, cupy.cuda.nvrtc.getVersion())))
"""


class Step(NamedTuple):
    """A command that is run: its title, its arguments after `python3`, and a program that runs it, if any."""

    title: str
    arguments: Sequence[str]
    under: Sequence[str] = ()


def steps(dry: bool) -> list[Step]:
    """Return what is run, the most important first."""
    in_parallel = ["-n", str(max(1, (os.cpu_count() or 1) - 2))] if importlib.util.find_spec("xdist") else []
    small = ["--filter", "gpu-cifar-cnn", "--steps", "1"] if dry else []
    sanitizer = shutil.which("compute-sanitizer")
    few = ["tests/nn/test_training_step.py", "tests/kernels/test_random.py"] if dry else []
    quick = few or sorted(
        str(p.relative_to(ROOT)) for p in ROOT.glob("tests/**/test_*.py") if MARK in p.read_text("utf-8")
    )
    return [
        Step("versions and card", ["-c", ABOUT]),
        Step("tests, a quick part", [*PYTEST, *quick, *([] if dry else in_parallel)]),
        Step("gradients", ["-m", "minigrad.gradcheck", "--device", "cuda", *(["conv2d", "dropout"] if dry else [])]),
        Step("speed beside PyTorch", ["-m", "benchmarks", "--device", "cuda", *small]),
        Step("pictures per second", ["-m", "benchmarks", "--device", "cuda", "--rounds", "1", "--steps", "1",
                                     *(["--filter", "data-step"] if dry else ["--table", "data"])]),
        Step("tests, all", [*PYTEST, *few[1:], *[f"--ignore=tests/{name}" for name in ELSEWHERE], *in_parallel]),
        *([Step("memory errors in our kernels", [*PYTEST, *OWN_KERNELS],
                [sanitizer, "--error-exitcode", "9", "--target-processes", "all"])] if sanitizer and not dry else []),
    ]  # fmt: skip


def run(step: Step, seconds: float, environment: dict[str, str], log: Path) -> str:
    """Run a step, show the end of what it printed, and return how it ended."""
    command = [*step.under, sys.executable, *step.arguments]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
            _interrupt(process)
        except BaseException:  # Ctrl-C
            _interrupt(process)
            raise
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(lines[-SHOWN_LINES:]), flush=True)
    return "no time left" if status is None else "ok" if status == 0 else f"FAILED ({status})"


def _interrupt(process: subprocess.Popen) -> None:
    """End a step as Ctrl-C would: tests then say which of them failed so far."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all steps; return the exit status: 1 if one failed or had no time."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--dry", action="store_true", help="on the stand-in for CuPy, on a smaller scale")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything; default: %(default)s")
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="the numbers of the steps to run")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu", help="where the whole output is kept")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if options.dry:
        path = filter(None, [str(STAND_IN), str(ROOT), environment.get("PYTHONPATH")])
        environment["PYTHONPATH"] = os.pathsep.join(path)
    end, summary = time.monotonic() + options.seconds, []
    for number, step in enumerate(steps(options.dry), start=1):
        if options.only and number not in options.only:
            continue
        print(f"\n=== {number}. {step.title}: python {' '.join(step.arguments) if number > 1 else ''}", flush=True)
        start = time.monotonic()
        result = run(step, max(0.1, end - start), environment, options.out / f"{number}.log")
        summary.append(f"{number}. {step.title:<30} {result:<14} {time.monotonic() - start:6.1f} s")
        print(summary[-1], flush=True)
    print("\n=== summary", *summary, f"the whole output is in {options.out}", sep="\n")
    return 0 if all(" ok " in line for line in summary) else 1


if __name__ == "__main__":
    sys.exit(main())
