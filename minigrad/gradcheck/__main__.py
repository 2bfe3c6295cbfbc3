"""`python -m minigrad.gradcheck [--device cuda] [operation …]`: check every operation and print the table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from minigrad import backend
from minigrad.gradcheck import largest_error, largest_second_error
from minigrad.gradcheck.case import Case
from minigrad.gradcheck.cases import CASES
from minigrad.kernels.threads import get_num_threads
from minigrad.output import tolerant_program

ORDERS = {"first order": largest_error, "second order": largest_second_error}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the operations named on the command line, or all, and return the exit status: 1 if a case fails."""
    with tolerant_program():
        return _check_all(*_parse(arguments))


def _check_all(cases: Sequence[Case], device: str) -> int:
    operations = len({case.operation for case in cases})
    widths = [max(len(getattr(case, key)) for case in cases) for key in ("operation", "description")]
    header = f"{'operation':{widths[0]}}  {'case':{widths[1]}}  " + "  ".join(f"{name:>12}" for name in ORDERS)
    print(f"{header}\n{'-' * (len(header) + 6)}")
    start, failures, worst = time.perf_counter(), [], dict.fromkeys(ORDERS, 0.0)
    for case in cases:
        row = f"{case.operation:{widths[0]}}  {case.description:{widths[1]}}"
        failed = False
        for order, measure in ORDERS.items():
            error = _measure(measure, case, device)
            if isinstance(error, float):
                worst[order] = max(worst[order], error)
                row += f"  {error:12.1e}"
            else:
                failures.append(f"{case}, {order}: {error}")
                row += f"  {'wrong':>12}"
                failed = True
        print(f"{row}  {'FAIL' if failed else 'pass'}", flush=True)
    seconds = time.perf_counter() - start
    largest = ", ".join(f"{error:.1e} at {order}" for order, error in worst.items())
    print(f"\n{len(cases)} cases of {operations} operations on {device} in {seconds:.1f} s; largest error {largest}")
    for failure in failures:
        print(f"FAIL {failure}")
    print(f"{len(failures)} checks failed" if failures else "all pass")
    return 1 if failures else 0


def _parse(arguments: Sequence[str] | None) -> tuple[list[Case], str]:
    parser = argparse.ArgumentParser(
        prog="python -m minigrad.gradcheck",
        description="Compare the gradients of every operation, first and second order, with finite differences.",
        epilog="Errors are |analytic - numeric| / max(1, |numeric|), the largest of a case. Exit status 1: one failed.",
    )
    parser.add_argument("operations", nargs="*", metavar="operation", help="such as conv2d; default: all of them")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<index>; default: cpu")
    options = parser.parse_args(arguments)
    known = dict.fromkeys(case.operation for case in CASES)
    unknown = [name for name in options.operations if name not in known]
    if unknown:
        parser.error(f"no such operation: {', '.join(unknown)}. There are: {', '.join(known)}")
    try:
        backend.device_module(options.device)
        get_num_threads()
    except (ValueError, backend.DeviceError) as error:
        parser.error(str(error))
    return [case for case in CASES if not options.operations or case.operation in options.operations], options.device


def _measure(measure: Callable[..., float], case: Case, device: str) -> float | str:
    """Return a case's largest error, or what is wrong with it."""
    try:
        return case.check(measure, device)
    except Exception as error:  # an operation that breaks is a line of the table too, the rest of which is still wanted
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
