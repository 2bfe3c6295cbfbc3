"""From the workers' answers to numbers and a table.

Speed is the other framework's time over minigrad's: 1.0x means equal, above is faster. It is taken from two times of
one round, measured one right after the other, because a processor's clock moves within minutes by more than the
frameworks differ.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

SUBJECT = "minigrad"
MEGABYTE = 1e6


def summarize(name: str, title: str, answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Reduce the rounds of one row to medians.

    Args:
        name, title: of the row.
        answers: for each framework its workers' answers, one per round, as `measure.row_rounds` returns them.

    Returns:
        `frameworks`: for each the median time per step in `seconds`, the `seconds_per_round`, the largest `peak_memory`
        in bytes, `steps`, `threads` and `versions`.
        `speed`: minigrad's speed beside each other framework, `median` and `per_round`.
    """
    frameworks = {
        framework: {
            "seconds": statistics.median(one["seconds"] for one in rounds),
            "seconds_per_round": [one["seconds"] for one in rounds],
            "peak_memory": max((one["peak_memory"] for one in rounds if one["peak_memory"]), default=None),
            **{key: rounds[-1][key] for key in ("steps", "threads", "versions")},
        }
        for framework, rounds in answers.items()
    }
    speed = {}
    for other in frameworks:
        if other != SUBJECT and SUBJECT in frameworks:
            times, own = frameworks[other]["seconds_per_round"], frameworks[SUBJECT]["seconds_per_round"]
            ratios = [theirs / ours for theirs, ours in zip(times, own, strict=True)]
            speed[other] = {"median": statistics.median(ratios), "per_round": ratios}
    return {"name": name, "title": title, "frameworks": frameworks, "speed": speed}


def geometric_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return minigrad's speed beside each other framework over all rows; ratios are averaged by multiplying them."""
    others = dict.fromkeys(other for row in rows for other in row["speed"])
    return {
        other: statistics.geometric_mean(row["speed"][other]["median"] for row in rows if other in row["speed"])
        for other in others
    }


def header(frameworks: Sequence[str], width: int) -> str:
    """Return the table's head, for titles of at most `width` characters."""
    others = [name for name in frameworks if name != SUBJECT and SUBJECT in frameworks]
    cells = [f"{'time per step':<{width}}", *(f"{name:>11}" for name in frameworks)]
    cells += [f"{'vs ' + name:>10}  {'(range)':<13}" for name in others]
    cells += [f"{'peak memory: ' + ' / '.join(frameworks)}"]
    line = "  ".join(cells)
    return f"{line}\n{'-' * len(line)}"


def line(row: Mapping[str, Any], width: int) -> str:
    """Return a row's line of the table."""
    times = [f"{one['seconds'] * 1e3:>8.{_decimals(one['seconds'] * 1e3)}f} ms" for one in row["frameworks"].values()]
    speeds = []
    for speed in row["speed"].values():
        spread = f"({min(speed['per_round']):.2f}-{max(speed['per_round']):.2f})"
        speeds.append(f"{speed['median']:>9.2f}x  {spread:<13}")
    peaks = [one["peak_memory"] for one in row["frameworks"].values()]
    memory = " / ".join(f"{peak / MEGABYTE:.0f}" if peak else "?" for peak in peaks) + " MB"
    return "  ".join([f"{row['title']:<{width}}", *times, *speeds, memory])


def _decimals(milliseconds: float) -> int:
    """Three digits that say something: 0.123, 1.23, 12.3, 123."""
    return max(0, min(3, 2 - math.floor(math.log10(milliseconds)))) if milliseconds > 0 else 3


def machine_line(machine: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what was measured with: processor, cores, versions, threads."""
    used = {name: one for row in rows for name, one in row["frameworks"].items()}
    versions = {name: version for one in used.values() for name, version in one["versions"].items()}
    named = ", ".join(f"{name} {version}" for name, version in {"Python": machine["python"], **versions}.items())
    threads = ", ".join(f"{name} {one['threads']}" for name, one in used.items())
    place = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    return f"{place}; {named}" + (f"; threads: {threads}" if threads else "")
