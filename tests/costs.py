"""The rule for all readers: a file of n bytes costs at most 2 s + n/10 MB/s of a processor, and 300 MB + 3n.

A second is what a processor does that runs `yardstick` in `YARDSTICK` seconds. A slower one, or one that is shared,
gets as much more as it takes longer for that: the rule is about what a reader does, not about where it is tested.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import time
import traceback
from collections.abc import Callable

import pytest

SECONDS, BYTES_PER_SECOND, MEMORY = 2, 10e6, 300 * 2**20
YARDSTICK = 0.04  # seconds, where the rule was written


def yardstick() -> float:
    """Return the seconds of a processor that a fixed piece of plain Python takes: calls, a dictionary, a list."""
    start = time.process_time()
    memo: dict[int, int] = {}
    for place in range(250_000):
        memo[place % 1000] = place
        stack = [memo.get(place % 1000, 0)]
        stack.append(place)
        stack.pop()
    return time.process_time() - start


def within_the_rule(
    read: Callable[[], object], size: int, error: type[Exception] | None = None, seconds: int = 0
) -> str:
    """Call `read` in a process of its own, which the system ends when it takes too long.

    `seconds` are allowed instead of what the rule says.

    Returns the error's text, or "" where it was read; anything but `error` fails.
    """
    resource = pytest.importorskip("resource")
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        gc.freeze()  # what the tests before this one left in memory is not for the reader to look through
        seconds = seconds or math.ceil(SECONDS + size / BYTES_PER_SECOND)
        limit = math.ceil(seconds * max(1.0, min(yardstick() for _ in range(3)) / YARDSTICK) + time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            read()
            said = "0"
        except BaseException as raised:
            said = ("1" + str(raised)) if error and isinstance(raised, error) else "2" + traceback.format_exc()
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 2**10
        if memory > MEMORY + 3 * size:
            said = f"2{memory / 2**20:.0f} MB for a file of {size} bytes"
        os.write(sender, said.encode("utf-8", "replace")[:60_000])
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status), f"ended by {signal.Signals(os.WTERMSIG(status)).name}: too much time"
    assert said[:1] in ("0", "1"), said[1:]
    return said[1:]
