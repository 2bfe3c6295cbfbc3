"""Threads that compute side by side.

NumPy lets go of Python's global lock while it copies, adds or multiplies arrays, so threads that work on different
pictures of a batch really run side by side. GPUs do their own scheduling; nothing is shared there.

Two levels of parallelism must never meet. The BLAS library behind `@` has threads of its own, and after each product
they spin for milliseconds, waiting for the next, on the very cores that ours need: a training step then takes nearly
twice as long, on a busy machine ten times. A product's last bits depend on them, too. So BLAS is held to one thread
from the import of minigrad to the end of the process, and `matmul.py` shares large products among ours: the number of
threads is `get_num_threads()` in all, whatever was computed before.

What they do is in `work.py`.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.kernels.cores import usable_cores
from minigrad.quoting import quoted

MOST_THREADS = 1024  # more than any machine has use for, and fewer than systems refuse to start


class _State(threading.local):
    busy = False  # whether this thread computes beside others


_state = _State()


def _default_threads() -> int:
    allowed = os.environ.get("MINIGRAD_NUM_THREADS", "")
    # Python refuses to read numbers of thousands of digits.
    if allowed and not (allowed.isdecimal() and len(allowed) < 100 and 0 < int(allowed) <= MOST_THREADS):
        raise ValueError(f"MINIGRAD_NUM_THREADS: expected a number from 1 to {MOST_THREADS}, got {quoted(allowed)}")
    if allowed:
        return int(allowed)
    return usable_cores()  # fewer than there are where a container has a quota, in Linux's file cpu.max


class _Job:
    """A call that a helper shall make, if it comes to it in time. `concurrent.futures` takes 40 µs more for the same.

    It may lie in the helpers' queue for a while after it was withdrawn: it holds on to nothing then.
    """

    error: BaseException | None = None

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call
        self._unclaimed, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Make the call, unless it was withdrawn."""
        if not self._unclaimed.acquire(blocking=False):
            return
        call, self._call = self._call, None
        try:
            _run(call)
        except BaseException as error:
            self.error = error
        finally:
            del call  # whoever waits may go on before this thread does
            self._done.release()

    def end(self) -> None:
        """Withdraw the call, or if it has begun wait for its end."""
        if self._unclaimed.acquire(blocking=False):
            self._call = None
        else:
            self._done.acquire()


class _Crew:
    """So many threads: those that compute, and helpers, which are started when they are first needed.

    Whoever hands out jobs does himself what no helper has begun, so nothing is lost where helpers are gone, as after
    `set_num_threads` or a fork. Helpers are daemons: they never keep Python from ending.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._jobs: Any = None
        self._dismissed = False
        self._lock = threading.Lock()

    def hand_out(self, jobs: Sequence[_Job]) -> None:
        with self._lock:
            if self._dismissed:
                return
            if self._jobs is None:
                self._start()
            for job in jobs:
                self._jobs.put(job)

    def _start(self) -> None:
        from queue import SimpleQueue  # `import minigrad` shall be quick

        self._jobs = jobs = SimpleQueue()

        def work() -> None:
            np.seterr(all="ignore")  # as the operations do; threads do not inherit it
            while job := jobs.get():
                job.run()
                del job  # its result must not live until the next one comes

        for i in range(self.threads - 1):
            threading.Thread(target=work, name=f"minigrad {i + 1}", daemon=True).start()

    def dismiss(self) -> None:
        """End the helpers, after the jobs that were handed out by now."""
        with self._lock:
            self._dismissed = True
            if self._jobs is not None:
                for _ in range(self.threads - 1):
                    self._jobs.put(None)


_crew: _Crew | None = None  # not before it is needed: a wrong setting is no reason to fail at import


def _current_crew() -> _Crew:
    global _crew
    if _crew is None:
        _crew = _Crew(_default_threads())
    return _crew


def get_num_threads() -> int:
    """Return how many threads the kernels use, BLAS included: `MINIGRAD_NUM_THREADS`, or by default one for each core
    that this process may use.

    Raises:
        ValueError: `MINIGRAD_NUM_THREADS` is not a number from 1 to 1024.
    """
    return _current_crew().threads


def set_num_threads(n: int) -> None:
    """Set how many threads the kernels use, in all; BLAS has no further ones. May be called while others compute: what
    they have begun is done as it was cut.

    Raises:
        ValueError: `n` is not an int from 1 to 1024.
    """
    global _crew
    if isinstance(n, bool) or not hasattr(n, "__index__") or not 1 <= operator.index(n) <= MOST_THREADS:
        raise ValueError(f"set_num_threads: expected an int from 1 to {MOST_THREADS}, got {quoted(n)}")
    before, _crew = _crew, _Crew(operator.index(n))
    if before is not None:
        before.dismiss()


def _start_anew() -> None:
    global _crew
    if _crew is not None:
        _crew = _Crew(_crew.threads)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_start_anew)  # threads do not survive a fork


def hold_blas_to_one_thread() -> None:
    """Do so for the rest of the process; see above. Where the library is none that threadpoolctl knows (Apple's
    Accelerate), nothing happens.
    """
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().limit(limits=1, user_api="blas")


def may_have_help() -> bool:
    """Whether this thread is not one of several that compute side by side already."""
    return not _state.busy


def side_by_side(call: Callable[[], None], threads: int) -> None:
    """Make the same call in this thread and in up to `threads` − 1 helpers; return, or raise, when all have ended.

    The calls have to find their work themselves, in a common heap, and to return when nothing is left of it. So a call
    that no helper has begun by the end of this thread's own is withdrawn.
    """
    jobs = [_Job(call) for _ in range(threads - 1)]
    _current_crew().hand_out(jobs)
    try:
        _run(call)
    finally:  # no part may still be at work when the error of another is raised
        for job in jobs:
            job.end()
    for job in jobs:
        if job.error is not None:
            raise job.error


def _run(call: Any) -> None:
    _state.busy = True
    try:
        call()
    finally:
        _state.busy = False
