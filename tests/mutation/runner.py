"""Which tests concern a file, and whether they notice a mutant of it."""

from __future__ import annotations

import ast
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.substitute import run_tests

ROOT = Path(__file__).resolve().parents[2]
GRADIENTS = "tests/gradcheck/test_cases.py"  # every operation against finite differences

# The tests that concern a file, those that are most likely to notice something first.
TESTS = {
    **{
        f"minigrad/optim/{name}.py": ["tests/test_optim.py", "tests/test_optimizer.py"]
        for name in ("sgd", "adam", "clipping", "optimizer")
    },
    "minigrad/optim/schedules.py": ["tests/test_schedules.py"],
    "minigrad/grad_mode.py": ["tests/test_grad_mode.py", "tests/test_function.py"],
    "minigrad/sweep.py": [
        "tests/test_sweep.py",
        "tests/test_sweep_grad.py",
        "tests/test_in_place.py",
        "tests/test_function.py",
        "tests/test_tensor_memory.py",
        GRADIENTS,
    ],
    "minigrad/function.py": [
        "tests/test_function.py",
        "tests/test_sweep.py",
        "tests/test_tensor_changes.py",
        "tests/test_tensor_memory.py",
        GRADIENTS,
    ],
    "minigrad/ops/conv.py": ["tests/ops/test_conv.py", "tests/nn/test_fusion.py"],
    "minigrad/ops/cross_entropy.py": [
        "tests/ops/test_cross_entropy.py",
        "tests/ops/test_binary_cross_entropy.py",
        "tests/ops/test_loss.py",
    ],
    "minigrad/ops/operands.py": [
        "tests/ops/test_operands.py",
        "tests/test_operators.py",
        "tests/ops/test_loss.py",
        GRADIENTS,
    ],
    "minigrad/ops/windows.py": ["tests/ops/test_windows.py", "tests/ops/test_conv.py", "tests/ops/test_pool.py"],
}
# An operation that is not named there has a twin in tests/ops. After its tests come those that all operations have to
# pass, and the gradient checks of what the file defines.
EVERY_OPERATION = ["tests/ops/test_masks.py", "tests/test_tensor_changes.py"]


def sources() -> list[str]:
    """Return the files that are mutated: what computes gradients, and what learns with them."""
    named = [path for path in TESTS if (ROOT / path).exists()]
    ops = [str(path.relative_to(ROOT)) for path in (ROOT / "minigrad/ops").rglob("*.py") if path.name != "__init__.py"]
    return sorted({*named, *ops})


def draw(seed: int, count: int, paths: Sequence[str]) -> list[Mutant]:
    """Return `count` mutants of the files `paths`, drawn by `seed`; all of them if there are not so many."""
    every = [mutant for path in paths for mutant in mutants(path, (ROOT / path).read_text("utf-8"))]
    return random.Random(seed).sample(every, min(count, len(every)))


def tests_for(path: str) -> list[list[str]]:
    """Return what to run for the file `path`: pytest's arguments, once or several times."""
    if "/ops/" not in path or GRADIENTS in TESTS.get(path, []):
        return [_existing(TESTS[path])]
    twin = f"tests/ops/test_{Path(path).name}"
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return [_existing([*TESTS.get(path, [twin]), *EVERY_OPERATION]), [GRADIENTS, "-k", " or ".join(names)]]


def _existing(tests: list[str]) -> list[str]:
    return [test for test in tests if (ROOT / test).exists()]


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: "killed" by a test that failed, "timed out", which counts as killed, or "survived"."""

    mutant: Mutant
    outcome: str


class Runner:
    """Runs tests in processes forked from this one, which has imported pytest already, but nothing of minigrad.

    Args:
        scratch: a folder for what the tests print.
        jobs: how many processes at a time.
    """

    def __init__(self, scratch: Path, jobs: int) -> None:
        self.scratch, self.jobs = scratch, jobs
        self._running: dict[int, multiprocessing.Process] = {}
        self._deadlines: dict[int, float] = {}

    def seconds(self, paths: Sequence[str]) -> float:
        """Run all tests that concern the files `paths`, as they are, and return how long that took.

        Raises:
            RuntimeError: a test fails.
        """
        tests = {argument for path in paths for arguments in tests_for(path) for argument in arguments}
        start = time.monotonic()
        self._start(0, [sorted(test for test in tests if test.startswith("tests/"))], None, limit=3600)
        try:
            ((_, code),) = self._finished()
        finally:
            self._end_all()
        if code:
            raise RuntimeError(f"tests fail before anything is changed:\n{self._output(0).read_text()}")
        return time.monotonic() - start

    def verdicts(self, drawn: Sequence[Mutant], limit: float) -> Iterator[Verdict]:
        """Try every mutant, for at most `limit` seconds each, and yield the verdicts as they come."""
        waiting = list(enumerate(drawn))[::-1]
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self.jobs:
                    number, mutant = waiting.pop()
                    self._start(number, tests_for(mutant.path), mutant, limit)
                for number, code in self._finished():
                    outcome = {None: "timed out", 0: "survived"}.get(code, "killed")
                    yield Verdict(drawn[number], outcome)
        finally:
            self._end_all()

    def _output(self, number: int) -> Path:
        return self.scratch / f"{number}.txt"

    def _start(self, number: int, runs: list[list[str]], mutant: Mutant | None, limit: float) -> None:
        process = multiprocessing.get_context("fork").Process(
            target=_run_and_exit, args=(runs, mutant, self._output(number))
        )
        process.start()
        self._running[number], self._deadlines[number] = process, time.monotonic() + limit

    def _finished(self) -> list[tuple[int, int | None]]:
        """Wait until processes have ended, or run out of time; return their numbers and exit codes, None for those."""
        ended = []
        while not ended:
            patience = min(self._deadlines.values()) - time.monotonic()
            connection.wait([process.sentinel for process in self._running.values()], max(0, patience))
            for number, process in list(self._running.items()):
                if not process.is_alive():
                    ended.append((number, process.exitcode))
                elif time.monotonic() > self._deadlines[number]:
                    ended.append((number, None))
        for number, _ in ended:
            self._end(number)
        return ended

    def _end(self, number: int) -> None:
        process = self._running.pop(number)
        try:
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it has started
        except ProcessLookupError:
            process.kill()  # nobody is left, or it has no group of its own yet
        process.join()

    def _end_all(self) -> None:
        for number in list(self._running):
            self._end(number)


def _run_and_exit(runs: list[list[str]], mutant: Mutant | None, output: Path) -> None:
    os.setsid()  # a group of its own; the terminal's Ctrl-C is for the parent
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(ROOT)
    try:
        code = run_tests(runs, mutant)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that a mutant left behind are not waited for
