"""From the workers' answers to numbers and tables.

Speed is the other framework's time over minigrad's: 1.0x means equal, above is faster. It is taken from two times of
one round, measured soon after one another, because a processor's clock moves within minutes by more than the frameworks
differ.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.rows import Row

SUBJECT = "minigrad"
LABELS = {
    "minigrad": "minigrad",
    "minigrad-plain": "plain",
    "torch": "PyTorch",
    "torch-channels-last": "channels-last",
}
MEGABYTE = 1e6

Summary = Mapping[str, Any]


def summarize(row: Row, answers: Mapping[str, Sequence[Summary]], with_memory: bool) -> dict[str, Any]:
    """Reduce the rounds of one row to medians.

    Args:
        row: what was measured.
        answers: for each framework its workers' answers, one per round, as `measure.group_rounds` returns them.
        with_memory: whether the row had its processes to itself, so that their memory was its own.

    Returns:
        `name`, `title`, `items` and `flops` of the row.
        `frameworks`: for each the median time per step in `seconds`, the `seconds_per_round`, the `fastest` step,
        `steps`, `threads` and `versions`; and the largest `step_memory` and `process_memory` in bytes; of a GPU
        `device_memory` and `launches`.
        `speed`: minigrad's speed beside each other framework, `median` and `per_round`.
    """
    frameworks = {framework: _medians(rounds, with_memory) for framework, rounds in answers.items()}
    speed = {}
    for other in frameworks:
        if other != SUBJECT and SUBJECT in frameworks:
            times, own = frameworks[other]["seconds_per_round"], frameworks[SUBJECT]["seconds_per_round"]
            ratios = [theirs / ours for theirs, ours in zip(times, own, strict=True)]
            speed[other] = {"median": statistics.median(ratios), "per_round": ratios}
    about = {"name": row.name, "title": row.title, "items": row.items, "flops": row.flops}
    return {**about, "frameworks": frameworks, "speed": speed}


def _medians(rounds: Sequence[Summary], with_memory: bool) -> dict[str, Any]:
    memory = ("step_memory", "process_memory") if with_memory else ()
    return {
        "seconds": statistics.median(one["seconds"] for one in rounds),
        "seconds_per_round": [one["seconds"] for one in rounds],
        "fastest": min(one["fastest"] for one in rounds),
        **{key: max((one[key] for one in rounds if one[key] is not None), default=None) for key in memory},
        **{key: rounds[-1][key] for key in ("device_memory", "launches") if key in rounds[-1]},
        **{key: rounds[-1][key] for key in ("steps", "threads", "versions")},
    }


def geometric_means(rows: Sequence[Summary]) -> dict[str, float]:
    """Return minigrad's speed beside each other framework over all rows; ratios are averaged by multiplying them."""
    others = dict.fromkeys(other for row in rows for other in row["speed"])
    return {
        other: statistics.geometric_mean(row["speed"][other]["median"] for row in rows if other in row["speed"])
        for other in others
    }


def peak(rows: Sequence[Summary], product: str) -> float | None:
    """Return the machine's peak in flops per second: the fastest of the large matrix products, which the row called
    `product` measured in every framework. None if it is not among `rows`.
    """
    rates = [row["flops"] / one["fastest"] for row in rows if row["name"] == product for one in _each(row)]
    return max(rates, default=None)


def add_shares(rows: Sequence[Summary], product: str) -> None:
    """Note in the rows with flops which `share` of the peak each framework reaches."""
    best = peak(rows, product)
    for row in rows:
        if best and row["flops"]:
            for one in _each(row):
                one["share"] = row["flops"] / one["seconds"] / best


def _each(row: Summary) -> Iterable[dict[str, Any]]:
    return row["frameworks"].values()


def share_of_step(step: Summary, loop: Summary) -> dict[str, Any]:
    """Return how many items per second two rows reach, and which share of the step's the loop does, round by round."""
    steps, loops = (row["frameworks"][SUBJECT]["seconds_per_round"] for row in (step, loop))
    shares = [one / other for one, other in zip(steps, loops, strict=True)]
    per_second = {row["name"]: row["items"] / row["frameworks"][SUBJECT]["seconds"] for row in (step, loop)}
    return {"per_second": per_second, "share": {"median": statistics.median(shares), "per_round": shares}}


class Column(NamedTuple):
    """A column of a table: its heading, how wide it is, and what it shows of a row."""

    heading: str
    width: int
    show: Callable[[Summary], str]


def columns(titles: Sequence[str], frameworks: Sequence[str], unit: str, extra: Sequence[str] = ()) -> list[Column]:
    """Return the columns of a table: titles, times, speeds and what else there is.

    Args:
        titles: of all rows.
        frameworks: of which there are times.
        unit: what the times are of.
        extra: further numbers, keys of `EXTRA`; each column has them of all frameworks.
    """
    others = [name for name in frameworks if name != SUBJECT and SUBJECT in frameworks]
    heading = f"time per {unit}"
    return [
        Column(heading, max(map(len, [heading, *titles])), lambda row: row["title"]),
        *(Column(LABELS[name], 13, lambda row, name=name: _time(row, name)) for name in frameworks),
        *(Column(f"vs {LABELS[name]}", 18, lambda row, name=name: _speed(row, name)) for name in others),
        *(Column(EXTRA[key][0], 18, lambda row, key=key: _numbers(row, key, frameworks)) for key in extra),
    ]


EXTRA = {
    "step_memory": ("memory of step, MB", lambda value: f"{value / MEGABYTE:.0f}"),
    "process_memory": ("of process, MB", lambda value: f"{value / MEGABYTE:.0f}"),
    "device_memory": ("memory of GPU, MB", lambda value: f"{value / MEGABYTE:.0f}"),
    "launches": ("launches", str),
    "share": ("share of peak, %", lambda value: f"{value * 100:.0f}"),
}


def header(table: Sequence[Column]) -> str:
    """Return a table's first two lines; it is written in Markdown."""
    rule = ["-" * column.width if i == 0 else "-" * (column.width - 1) + ":" for i, column in enumerate(table)]
    return f"{_joined(table, [column.heading for column in table])}\n{_joined(table, rule)}"


def line(table: Sequence[Column], row: Summary) -> str:
    """Return a row's line of the table."""
    return _joined(table, [column.show(row) for column in table])


def _joined(table: Sequence[Column], cells: Sequence[str]) -> str:
    first, *rest = zip(cells, table, strict=True)
    return f"| {first[0]:<{first[1].width}} | " + " | ".join(f"{cell:>{column.width}}" for cell, column in rest) + " |"


def _time(row: Summary, framework: str) -> str:
    if framework not in row["frameworks"]:
        return "-"
    milliseconds = row["frameworks"][framework]["seconds"] / row["items"] * 1e3
    # Three digits that say something: 0.0123, 0.123, 1.23, 12.3, 123.
    decimals = max(0, 2 - math.floor(math.log10(float(f"{milliseconds:.2e}"))))
    return f"{milliseconds:.{decimals}f} ms"


def _speed(row: Summary, other: str) -> str:
    if other not in row["speed"]:
        return "-"
    ratios = row["speed"][other]["per_round"]
    return f"{row['speed'][other]['median']:.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"


def _numbers(row: Summary, key: str, frameworks: Sequence[str]) -> str:
    values = [row["frameworks"].get(name, {}).get(key) for name in frameworks]
    if all(value is None for value in values):
        return ""
    return " / ".join("-" if value is None else EXTRA[key][1](value) for value in values)


def machine_line(machine: Summary, rows: Sequence[Summary]) -> str:
    """Say what was measured with: processor, cores, versions, threads."""
    used = [(name, one) for row in rows for name, one in row["frameworks"].items()]
    versions = {name: version for _, one in used for name, version in one["versions"].items()}
    numbers = {name: sorted({one["threads"] for other, one in used if other == name}) for name, _ in used}
    named = ", ".join(f"{name} {version}" for name, version in {"Python": machine["python"], **versions}.items())
    threads = ", ".join(f"{LABELS[name]} {'/'.join(map(str, several))}" for name, several in numbers.items())
    place = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"
    return f"{place}; {named}" + (f"; threads: {threads}" if threads else "")
