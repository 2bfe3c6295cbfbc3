"""The command line: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks import measure, operations, report
from benchmarks.frameworks import LOADERS, installed
from benchmarks.rows import Row
from benchmarks.tables import TABLES, Table
from minigrad.backend import DeviceError, device_module
from minigrad.io.files import atomic_path
from minigrad.kernels.threads import get_num_threads
from minigrad.output import tolerant_program

BUSY = 0.5  # load average from which on times are not to be trusted
BUSY_ADVICE = "If other programs still run, the ratios mislead: PyTorch's threads wait for each other and lose most."
IMPORTS = "imports"
IMPORT_ROUNDS = 5
IMPORTS_TITLE = "time of `import minigrad` in a fresh interpreter, with NumPy alone beside it"


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for; return the exit status."""
    with tolerant_program():
        return _main(arguments)


def _main(arguments: list[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        get_num_threads()
    except ValueError as error:
        parser.error(str(error))
    # Asked for by name or for a list, a row may be in any table.
    usual = "main" if options.device == "cpu" else "gpu"
    tables = options.table or (TABLES if options.filter or options.list else [usual])
    rows = [row for name in tables for row in TABLES[name].rows if _chosen(row.name, options.filter)]
    imports = "main" in tables and _chosen(IMPORTS, options.filter)
    if not rows and not imports:
        parser.error(f"--filter: no row's name contains {' or '.join(options.filter)}; --list shows the names")
    if options.list:
        titles = {row.name: row.title for row in rows} | ({IMPORTS: IMPORTS_TITLE} if imports else {})
        width = max(map(len, titles)) + 2
        print("\n".join(f"{name:<{width}}{title}" for name, title in titles.items()))
        return 0
    try:
        device_module(options.device)
    except DeviceError as error:
        parser.error(str(error))
    measure.hold_to(options.isa)
    available = installed(options.device)
    frameworks = [name for name in LOADERS if name in options.frameworks and name in available]
    for name in options.frameworks:
        if name not in available:
            print(f"{name} is not installed{_for(options.device)}: it is left out of the comparison")
    try:
        results = _measure(tables, rows, frameworks, imports, options.rounds, options.steps, options.device)
    except measure.WorkerError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    with atomic_path(options.out) as temporary:
        temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"written to {options.out}")
    return 0


def _measure(
    tables: Sequence[str],
    rows: list[Row],
    frameworks: list[str],
    imports: bool,
    rounds: int | None,
    steps: int | None,
    device: str,
) -> dict[str, Any]:
    """Measure table by table, printing rows as soon as they are known, and return everything for the JSON file."""
    results: dict[str, Any] = {"machine": measure.machine(), "rows": []}
    if (load := results["machine"]["load"]) > BUSY:
        print(
            f"warning: the machine was busy in the last minute (load average {load:.1f}). {BUSY_ADVICE}",
            file=sys.stderr,
        )
    for name in tables:
        chosen = [row for row in TABLES[name].rows if row in rows and set(row.frameworks) & set(frameworks)]
        if chosen:
            measured = _measure_table(TABLES[name], chosen, frameworks, rounds, steps, device)
            results["rows"] += [{"table": name, **row} for row in measured]
            results |= _conclude(name, measured)
            print()
    if imports:
        seconds = results["import_seconds"] = measure.import_seconds(["minigrad", "numpy"], rounds or IMPORT_ROUNDS)
        print("import time: " + ", ".join(f"{module} {time:.3f} s" for module, time in seconds.items()))
    print(report.machine_line(results["machine"], results["rows"]))
    return results


def _measure_table(
    table: Table, rows: list[Row], frameworks: list[str], rounds: int | None, steps: int | None, device: str
) -> list[dict[str, Any]]:
    """Measure rows of one table and print them; return them as `report.summarize` does."""
    if any(row.flops for row in rows) and operations.PRODUCT not in rows:
        rows = [operations.PRODUCT, *rows]  # what the others are compared with
    frameworks = [name for name in frameworks if any(name in row.frameworks for row in rows)]
    rounds = rounds or table.rounds
    columns = report.columns([row.title for row in rows], frameworks, table.unit, table.extra)
    print(f"{table.title}\n\n{report.header(columns)}", flush=True)
    groups, measured = table.groups(rows), []
    with tqdm(total=len(groups) * rounds * len(frameworks), unit="process", leave=False, disable=None) as bar:
        for group in groups:
            answers = measure.group_rounds(group, frameworks, rounds, steps, bar.update, device)
            summaries = [report.summarize(row, answers[row.name], table.alone) for row in group]
            report.add_shares(summaries, operations.PRODUCT.name)
            measured += summaries
            for summary in summaries:
                tqdm.write(report.line(columns, summary))
            sys.stdout.flush()
    if table.note:
        print(f"({table.note})")
    return measured


def _conclude(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Print what follows from the rows of the table `name`, and return it for the JSON file."""
    if name in ("main", "gpu"):
        speed = report.geometric_means(rows)
        for other, ratio in speed.items():
            label = report.LABELS[other]
            print(f"geometric mean of the speeds beside {label}: {ratio:.2f}x (1.0x is equal, above is faster)")
        return {"speed": speed}  # a file has one of the two tables, or rows picked from all
    if name == "ops" and (peak := report.peak(rows, operations.PRODUCT.name)):
        print(f"peak: {peak / 1e9:.0f} GFLOP/s")
        return {"peak_flops": peak}
    if name == "data" and len(rows) == 2:
        data = report.share_of_step(*rows)
        step, loop = data["per_second"].values()
        share = data["share"]["median"]
        print(f"the loop: {loop:.0f} pictures/s, the step alone: {step:.0f} pictures/s; share {share:.1%}")
        return {"data_path": data}
    return {}


def _for(device: str) -> str:
    return "" if device == "cpu" else " for a GPU"


def _chosen(name: str, filters: list[str]) -> bool:
    return not filters or any(part in name for part in filters)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time minigrad beside PyTorch, on the CPU or on a GPU. Each framework runs in its own process, in "
        "turn, several rounds; shown are medians. Close other programs first: threads that must wait for a core "
        "distort all times.",
        epilog="Both use every core unless the environment says otherwise: "
        "OMP_NUM_THREADS=1 MINIGRAD_NUM_THREADS=1 python -m benchmarks --filter lenet",
    )
    parser.add_argument("--list", action="store_true", help="show the rows and stop")
    parser.add_argument(
        "--table", nargs="+", choices=TABLES, metavar="NAME",
        help=f"of: {', '.join(f'{name} ({table.title})' for name, table in TABLES.items())}; "
        "default: main, on a GPU gpu, or with --filter all",
    )  # fmt: skip
    parser.add_argument(
        "--filter", action="append", default=[], metavar="NAME",
        help="only rows whose name contains NAME; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--frameworks", nargs="+", choices=LOADERS, default=list(LOADERS), metavar="NAME",
        help=f"what to compare, of: {', '.join(LOADERS)} (default: all that are installed)",
    )  # fmt: skip
    parser.add_argument(
        "--isa", choices=measure.ISA, default="native",
        help="avx2: hold both sides to what a laptop's processor has; native: whatever is here (default)",
    )  # fmt: skip
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to compute (default: cpu)")
    parser.add_argument(
        "--rounds", type=_positive, help="processes per row and framework (default: 5 for the main table, else 3)"
    )
    parser.add_argument(
        "--steps", type=_positive, help="timed steps per process and row (default: half a second's worth)"
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
