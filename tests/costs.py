"""The rule for all readers: a file of n bytes costs at most 2 s + n/10 MB/s of a processor, and 300 MB + 3n."""

from __future__ import annotations

import gc
import math
import os
import signal
import traceback
from collections.abc import Callable

import pytest

SECONDS, BYTES_PER_SECOND, MEMORY = 2, 10e6, 300 * 2**20


def within_the_rule(
    read: Callable[[], object], size: int, error: type[Exception] | None = None, seconds: int = 0
) -> str:
    """Call `read` in a process of its own, which the system ends when it takes too long.

    `seconds` of a processor are allowed instead of what the rule says.

    Returns the error's text, or "" where it was read; anything but `error` fails.
    """
    resource = pytest.importorskip("resource")
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        gc.freeze()  # what the tests before this one left in memory is not for the reader to look through
        seconds = seconds or math.ceil(SECONDS + size / BYTES_PER_SECOND)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
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
