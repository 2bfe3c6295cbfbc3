"""Splitting work over threads.

NumPy lets go of Python's global lock while it copies, adds or multiplies arrays, so threads that work on different
pictures of a batch really run side by side. GPUs do their own scheduling; kernels split nothing there.

Two levels of parallelism must never meet. The BLAS library behind `@` has threads of its own, and after each product
they spin for milliseconds, waiting for the next, on the very cores that ours need: a training step then takes nearly
twice as long, on a busy machine ten times. A product's last bits depend on them, too. So BLAS is held to one thread
from the import of minigrad to the end of the process, and `matmul.py` splits large products among ours: the number of
threads is `get_num_threads()` in all, whatever was computed before.

Work of many blocks is shared block by block, each taken by whoever is free (`share`). Where results are summed, so that
the order matters, or where one large part for each thread is best, the parts are fixed (`split`).
"""

from __future__ import annotations

import operator
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.backend import on_cpu
from minigrad.kernels.cores import usable_cores
from minigrad.quoting import quoted

# Handing a task to a thread and waiting for it takes about 0.1 ms, and threads with little to do between two steps of
# Python wait for each other's turn. A core copies about 4 MB in the time from which on it pays.
SMALLEST_TASK_BYTES = 1 << 22
# So many slices for each thread, where it matters not who works on which.
SHARES = 4
MOST_THREADS = 1024  # more than any machine has use for, and fewer than systems refuse to start


class _State(threading.local):
    splitting = False


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
    """A call that whoever comes first shall make. The same with `concurrent.futures` takes 40 µs more.

    It may lie in the helpers' queue for a while after another thread has made it: it holds on to nothing then.
    """

    error: BaseException | None = None

    def __init__(self, task: Callable[[Any], Any], argument: Any) -> None:
        self._call: Any = task, argument
        self._result: Any = None
        self._unclaimed, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Make the call, unless another thread makes it or has made it."""
        if not self._unclaimed.acquire(blocking=False):
            return
        call, self._call = self._call, None
        try:
            self._result = _run(*call)
        except BaseException as error:
            self.error = error
        finally:
            del call  # whoever waits may go on before this thread does
            self._done.release()

    def wait(self) -> Any:
        """Return the call's result, once it has been made; to be called once."""
        self._done.acquire()
        result, self._result = self._result, None
        return result


class _Crew:
    """So many threads: those that compute, and helpers, which are started when they are first needed.

    Whoever hands out jobs does those himself that no helper has begun, so nothing is lost where helpers are gone, as
    after a change of `set_num_threads` in another thread.
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


def worth_splitting(task_bytes: int) -> bool:
    """Whether there are threads for work that touches so many bytes, and it is enough to occupy them."""
    return task_bytes >= SMALLEST_TASK_BYTES and get_num_threads() > 1


def split(task: Callable[[slice], Any], n: int, array: Any, task_bytes: int) -> list[Any]:
    """Call `task(part)` for slices that together cover `range(n)`, side by side, and return the results in order.

    For sums: the slices depend on `n` and the number of threads alone, so that numbers are always added in the same
    order, and results are the same from run to run.

    Args:
        task: works on one slice; must write only to its own part.
        n: the length to divide, usually the batch.
        array: the data; arrays on a GPU are not split.
        task_bytes: how many bytes the whole task touches; small tasks are not split.

    A task that splits its own work again does that part alone: the cores are busy.
    """
    return _side_by_side(task, slices(n, _threads_for(n, array, task_bytes)))


def share(task: Callable[[Iterator[Any]], None], items: Sequence[Any], array: Any, task_bytes: int) -> None:
    """Call `task(some)`, side by side, with iterators over `items` that together yield each of them once.

    For results that lie apart: whoever is free takes the next item, so nobody waits long for the others at the end,
    though threads start at different times and cores are not equally fast.

    Args:
        task: works on some of the items; it must not matter on which.
        items: parts of the work, several for each thread, the result of each lying apart from those of the others.
        array, task_bytes: as for `split`.
    """
    threads = _threads_for(len(items), array, task_bytes)
    if threads == 1:
        task(iter(items))
        return
    left = deque(items)
    _side_by_side(_abandoning(task, left), [_taken_from(left) for _ in range(threads)])


def share_slices(task: Callable[[slice], None], n: int, array: Any, task_bytes: int) -> None:
    """Call `task(part)` for slices that together cover `range(n)`, some for each thread, as in `share`."""
    threads = _threads_for(n, array, task_bytes)
    if threads == 1:
        task(slice(0, n))
        return

    def run(some: Iterator[slice]) -> None:
        for part in some:
            task(part)

    share(run, slices(n, threads * SHARES), array, task_bytes)


def slices(n: int, count: int) -> list[slice]:
    """Divide `range(n)` into so many slices, as equal as possible; fewer, if n is smaller, but at least one."""
    count = max(1, min(n, count))
    bounds = [n * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False)]


def _threads_for(n: int, array: Any, task_bytes: int) -> int:
    if task_bytes < SMALLEST_TASK_BYTES or _state.splitting or not on_cpu(array):
        return 1
    return max(1, min(get_num_threads(), n, 1 + task_bytes // SMALLEST_TASK_BYTES))


def _abandoning(task: Callable[[Any], None], left: deque) -> Callable[[Any], None]:
    """Return the task, but after an error nobody begins another item."""

    def run(some: Iterator[Any]) -> None:
        try:
            task(some)
        except BaseException:
            left.clear()
            raise

    return run


def _taken_from(left: deque) -> Iterator[Any]:
    """Yield what is left until nothing is; several threads may do so at once."""
    while left:
        try:
            item = left.popleft()
        except IndexError:  # another thread was quicker
            return
        yield item


def _side_by_side(task: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    """Return `task(argument)` for each argument, the first in this thread and the others in threads of their own."""
    if len(arguments) == 1:
        return [task(arguments[0])]
    jobs = [_Job(task, argument) for argument in arguments[1:]]
    _current_crew().hand_out(jobs)
    try:
        first = _run(task, arguments[0])
    finally:  # no part may still be at work when the error of another is raised
        for job in jobs:
            job.run()
        others = [job.wait() for job in jobs]
    for job in jobs:
        if job.error is not None:
            raise job.error
    return [first, *others]


def _run(task: Callable[[Any], Any], argument: Any) -> Any:
    _state.splitting = True
    try:
        return task(argument)
    finally:
        _state.splitting = False
