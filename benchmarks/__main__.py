"""The command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import measure, report
from benchmarks.frameworks import LOADERS, installed
from benchmarks.workloads import ROWS, Row
from minigrad.files import atomic_path

BUSY = 0.5  # load average from which on times are not to be trusted
BUSY_ADVICE = "If other programs still run, the ratios mislead: PyTorch's threads wait for each other and lose most."
IMPORTS = "imports"
IMPORTS_TITLE = "time of `import minigrad` in a fresh interpreter, with NumPy alone beside it"


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    rows = [row for row in ROWS.values() if _chosen(row.name, options.filter)]
    imports = _chosen(IMPORTS, options.filter)
    if not rows and not imports:
        parser.error(f"--filter: no row's name contains {' or '.join(options.filter)}; --list shows the names")
    if options.list:
        names = {row.name: row.title for row in rows} | ({IMPORTS: IMPORTS_TITLE} if imports else {})
        print("\n".join(f"{name:<14}{title}" for name, title in names.items()))
        return 0
    available = installed()
    frameworks = [name for name in options.frameworks if name in available]
    for name in options.frameworks:
        if name not in available:
            print(f"{name} is not installed: it is left out of the comparison")
    try:
        results = _measure(rows, frameworks, imports, options.rounds, options.steps)
    except measure.WorkerError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    with atomic_path(options.out) as temporary:
        temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written to {options.out}")
    return 0


def _measure(rows: list[Row], frameworks: list[str], imports: bool, rounds: int, steps: int | None) -> dict:
    """Measure row by row, printing each as soon as it is known, and return everything for the JSON file."""
    results: dict = {"machine": measure.machine(), "rounds": rounds, "rows": []}
    if (load := results["machine"]["load"]) > BUSY:
        print(
            f"warning: the machine was busy in the last minute (load average {load:.1f}). {BUSY_ADVICE}",
            file=sys.stderr,
        )
    if rows:
        width = max(len(row.title) for row in rows)
        print(report.header(frameworks, width), flush=True)
        for row in rows:
            answers = measure.row_rounds(row.name, frameworks, rounds, steps)
            results["rows"].append(report.summarize(row.name, row.title, answers))
            print(report.line(results["rows"][-1], width), flush=True)
        print()
        results["speed"] = report.geometric_means(results["rows"])
        for other, speed in results["speed"].items():
            print(f"geometric mean of the speeds beside {other}: {speed:.2f}x (1.0x is equal, above is faster)")
    if imports:
        seconds = results["import_seconds"] = measure.import_seconds(["minigrad", "numpy"], rounds)
        print("import time: " + ", ".join(f"{module} {time:.3f} s" for module, time in seconds.items()))
    print(report.machine_line(results["machine"], results["rows"]))
    return results


def _chosen(name: str, filters: list[str]) -> bool:
    return not filters or any(part in name for part in filters)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time minigrad beside PyTorch on the CPU. Each framework runs in its own process, in turn, several "
        "rounds; shown are medians. Close other programs first: threads that must wait for a core distort all times.",
        epilog="Both use every core unless the environment says otherwise: "
        "OMP_NUM_THREADS=1 MINIGRAD_NUM_THREADS=1 python -m benchmarks --filter lenet",
    )
    parser.add_argument("--list", action="store_true", help="show the rows and stop")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="NAME",
        help="only rows whose name contains NAME; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--frameworks", nargs="+", choices=LOADERS, default=list(LOADERS), metavar="NAME",
        help=f"what to compare, of: {', '.join(LOADERS)} (default: all that are installed)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=_positive, default=5, help="processes per row and framework (default: 5)")
    parser.add_argument(
        "--steps", type=_positive, help="timed steps per process (default: about half a second's worth)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/benchmarks/benchmarks.json"), metavar="FILE",
        help="where the JSON goes (default: %(default)s)",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
