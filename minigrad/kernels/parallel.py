"""Splitting work over threads.

NumPy lets go of Python's global lock while it copies, adds or multiplies arrays, so threads that work on different
pictures of a batch really run side by side. GPUs do their own scheduling; kernels split nothing there.

Two levels of parallelism must never meet. The BLAS library behind `@` has threads of its own, and after each product
they spin for milliseconds, waiting for the next, on the very cores that ours need: a training step then takes nearly
twice as long. So from the first time that work is split, BLAS is held to one thread for the rest of the process, and
`matmul.py` splits large products among ours. `set_num_threads(1)` gives BLAS its threads back.

Work of many blocks is shared block by block, each taken by whoever is free (`share`). Where results are summed, so that
the order matters, or where one large part for each thread is best, the parts are fixed (`split`).
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from minigrad.backend import on_cpu

# Handing a task to a thread and waiting for it takes about 0.1 ms, and threads with little to do between two steps of
# Python wait for each other's turn. A core copies about 4 MB in the time from which on it pays.
SMALLEST_TASK_BYTES = 1 << 22
# So many slices for each thread, where it matters not who works on which.
SHARES = 4


class _State(threading.local):
    splitting = False


_state = _State()
_lock = threading.Lock()  # so that no job comes into a queue behind the None that ends its threads


_num_threads: int | None = None  # not known before it is asked for: a wrong setting is no reason to fail at import


def get_num_threads() -> int:
    """Return how many threads the kernels use: `MINIGRAD_NUM_THREADS`; by default, one per core that may be used.

    Raises:
        ValueError: `MINIGRAD_NUM_THREADS` is not a positive number.
    """
    global _num_threads
    if _num_threads is None:
        _num_threads = _default_threads()
    return _num_threads


def _default_threads() -> int:
    allowed = os.environ.get("MINIGRAD_NUM_THREADS", "")
    if allowed and not (allowed.isdecimal() and int(allowed) > 0):
        raise ValueError(f"MINIGRAD_NUM_THREADS: expected a positive number, got {allowed!r}")
    if allowed:
        return int(allowed)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, math.ceil(min(_cpu_quotas(), default=cores))))


def _cpu_quotas(root: str = "/") -> Iterator[float]:
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


def set_num_threads(n: int) -> None:
    """Set how many threads the kernels use; with 1, BLAS gets its own threads back.

    Raises:
        ValueError: `n` is not a positive int.
    """
    global _num_threads
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: expected a positive int, got {n!r}")
    if n == 1 and _hold_blas_to_one_thread.cache_info().currsize:
        _hold_blas_to_one_thread().restore_original_limits()
        _hold_blas_to_one_thread.cache_clear()
    with _lock:
        if _jobs.cache_info().currsize:
            for _ in range(get_num_threads() - 1):
                _jobs().put(None)
            _jobs.cache_clear()
        _num_threads = n


class _Job:
    """A call that another thread shall make. The same with `concurrent.futures` takes 40 µs more."""

    result: Any = None
    error: BaseException | None = None

    def __init__(self, task: Callable[[Any], Any], argument: Any) -> None:
        self._task, self._argument = task, argument
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        try:
            self.result = _run(self._task, self._argument)
        except BaseException as error:
            self.error = error
        finally:
            self._running.release()

    def wait(self) -> None:
        self._running.acquire()


@cache
def _jobs() -> Any:
    """Start the threads and return the queue from which they take jobs, until they find None there."""
    from queue import SimpleQueue  # here and below: `import minigrad` shall be quick

    jobs = SimpleQueue()

    def work() -> None:
        np.seterr(all="ignore")  # as the operations do; threads do not inherit it
        while job := jobs.get():
            job.run()
            del job  # its result must not live until the next one comes

    for i in range(get_num_threads() - 1):
        threading.Thread(target=work, name=f"minigrad {i + 1}", daemon=True).start()
    return jobs


def _start_anew() -> None:
    global _lock
    _lock = threading.Lock()
    _jobs.cache_clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_start_anew)  # threads do not survive a fork


@cache
def _hold_blas_to_one_thread() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().limit(limits=1, user_api="blas")


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
    _hold_blas_to_one_thread()
    jobs = [_Job(task, argument) for argument in arguments[1:]]
    with _lock:
        for job in jobs:
            _jobs().put(job)
    try:
        first = _run(task, arguments[0])
    finally:  # no part may still be at work when the error of another is raised
        for job in jobs:
            job.wait()
    for job in jobs:
        if job.error is not None:
            raise job.error
    return [first, *(job.result for job in jobs)]


def _run(task: Callable[[Any], Any], argument: Any) -> Any:
    _state.splitting = True
    try:
        return task(argument)
    finally:
        _state.splitting = False
