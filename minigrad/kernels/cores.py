"""How many cores this process may use: as many as the system lets it run on; fewer, where a container has a quota."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator


def usable_cores() -> int:
    """Return how many threads can run at once, at least 1; a part of a core counts as one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, math.ceil(min(cpu_quotas(), default=cores))))


def cpu_quotas(root: str = "/") -> Iterator[float]:
    """Yield how many cores each control group that this process is in may use at once, where there is a limit.

    This is what `docker --cpus=1.5` sets: of every period of 100 ms, so many microseconds on all cores together.
    Linux's documentation, "Control Group v2" (`cpu.max`: quota and period) and "CFS Bandwidth Control" (version 1: a
    file for each). A container sees its own group as `/`, and a group is also held by the limits of those above it.
    """
    for line in _read(root, "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = f"sys/fs/cgroup/{'cpu' if controllers else ''}"
        groups = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(groups) + 1):
            folder = os.path.join(mount, *groups[:depth])
            if controllers:
                limit = [_read(root, f"{folder}/cpu.cfs_{name}_us") for name in ("quota", "period")]
            else:
                limit = _read(root, f"{folder}/cpu.max").split()
            if len(limit) == 2 and all(number.strip().isdecimal() for number in limit) and int(limit[1]):
                yield int(limit[0]) / int(limit[1])  # without a limit the quota is "max" or -1


def _read(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path), encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:  # another system, or another version of control groups
        return ""
