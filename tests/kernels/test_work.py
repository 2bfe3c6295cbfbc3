"""Work shared among threads: every part once, results in order, errors passed on, and BLAS held to one thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels import threads as threads_module
from minigrad.kernels import work
from minigrad.kernels.work import parts, share, slices
from tests import strict_cupy

ANY = np.zeros(1)
LARGE = 1 << 30  # bytes: worth to be shared


def split(task, n, like=ANY, size=LARGE):
    """`task(part)` for one part of `range(n)` for each thread."""
    return share(lambda part, _: task(part), parts(n, like, size, each=1), like, size)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("each", [1, 4])
def test_parts_cover_the_range_in_order(threads, n, count, each):
    threads(count)
    found = parts(n, ANY, LARGE, each)
    assert [i for part in found for i in range(n)[part]] == list(range(n))
    assert len(found) == max(1, min(n, 1 if count == 1 or n < 2 else min(count, n) * each))
    assert max(p.stop - p.start for p in found) - min(p.stop - p.start for p in found) <= 1


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("size", [0, LARGE])
def test_results_come_in_the_order_of_the_items(threads, count, size):
    threads(count)

    def task(item, _):
        time.sleep(0.001 * (item % 3))
        return item * item

    assert share(task, range(20), ANY, size) == [i * i for i in range(20)]
    assert share(task, [], ANY, size) == []


def test_parts_run_side_by_side(threads):
    threads(3)
    barrier = threading.Barrier(3, timeout=10)
    assert len(set(split(lambda part: barrier.wait() * 0 + threading.get_ident(), 3))) == 3


def test_small_tasks_stay_in_the_calling_thread(monkeypatch, threads):
    threads(4)
    monkeypatch.setattr(work, "SMALLEST", 1000)
    assert len(parts(8, ANY, 999)) == 1
    assert len(parts(8, ANY, 1000, each=1)) == 2
    assert split(lambda part: threading.current_thread(), 8, ANY, 10) == [threading.current_thread()]


def test_work_on_a_gpu_is_not_shared(monkeypatch, threads):
    cupy = strict_cupy.install(monkeypatch)
    threads(4)
    assert parts(8, cupy.zeros(1), LARGE) == [slice(0, 8)]
    found = share(lambda item, _: threading.current_thread(), range(8), cupy.zeros(1), LARGE)
    assert set(found) == {threading.current_thread()}


def test_a_task_that_shares_its_own_work_does_it_alone(threads):
    threads(2)

    def task(item, _):
        inner = share(lambda item, _: threading.get_ident(), range(5), ANY, LARGE)
        return set(inner) == {threading.get_ident()}

    assert all(share(task, range(6), ANY, LARGE))


def test_who_is_free_takes_what_is_left(threads):
    threads(2)
    the_rest_is_done, taken = threading.Event(), []

    def task(item, _):
        if item == 0:  # whoever gets this one is busy until the other has done all the rest
            assert the_rest_is_done.wait(10)
        taken.append(item)
        if len(taken) == 9:
            the_rest_is_done.set()

    share(task, range(10), ANY, LARGE)
    assert taken == [*range(1, 10), 0]


def test_each_thread_has_memory_of_its_own_and_uses_it_again(threads):
    threads(2)
    barrier = threading.Barrier(2, timeout=10)

    def task(item, scratch):
        if item < 2:
            barrier.wait()
        memory = scratch("numbers", (item + 1, 3))
        assert memory.shape == (item + 1, 3) and memory.dtype == ANY.dtype and memory.flags.c_contiguous
        return threading.get_ident(), scratch("numbers", (1, 1)).ctypes.data, id(scratch)

    found = share(task, range(1, -1, -1), ANY, LARGE)
    assert len({place for place in found}) == 2
    found = share(lambda _, scratch: scratch("a", (2,)).ctypes.data, range(5), ANY, 0)
    assert len(set(found)) == 1


def test_an_error_ends_the_work_and_is_raised(threads):
    threads(2)

    def task(item, _):
        begun.append(item)
        time.sleep(0.01)
        return 1 / (item - 3)

    begun = []
    with pytest.raises(ZeroDivisionError):
        share(task, range(100), ANY, LARGE)
    assert len(begun) < 10  # nobody went on


def test_slices_are_about_equal():
    assert slices(10, 4) == [slice(0, 2), slice(2, 5), slice(5, 7), slice(7, 10)]
    assert slices(2, 4) == [slice(0, 1), slice(1, 2)]
    assert slices(0, 4) == [slice(0, 0)]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_part_is_raised_after_all_have_ended(threads, failing):
    threads(3)
    ended = []

    barrier = threading.Barrier(3, timeout=10)

    def task(part):
        barrier.wait()  # all have begun
        if part.start == failing:
            raise ZeroDivisionError(f"part {failing}")
        time.sleep(0.02)
        ended.append(part.start)

    with pytest.raises(ZeroDivisionError, match=f"part {failing}"):
        split(task, 3)
    assert sorted(ended) == [part for part in range(3) if part != failing]
    assert split(lambda part: part.start, 3) == [0, 1, 2]  # the helpers still work


def test_blas_has_one_thread_whatever_was_computed_before():
    code = (
        "import numpy as np, minigrad as mg\n"
        "from threadpoolctl import threadpool_info\n"
        "from minigrad.kernels.matmul import matmul\n"
        "def blas(): return {each['num_threads'] for each in threadpool_info() if each['user_api'] == 'blas'}\n"
        "found = [blas()]\n"
        "for n in (1, 3, 1):\n"
        "    mg.set_num_threads(n)\n"
        "    matmul(*np.ones((2, 700, 700), np.float32))\n"
        "    found.append(blas())\n"
        "print(found)\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30)
    assert result.stdout == "[{1}, {1}, {1}, {1}]\n", result.stderr


def test_a_call_that_no_helper_began_is_withdrawn_and_holds_on_to_nothing(threads):
    threads(1)  # there are none
    calls = []
    threads_module.side_by_side(lambda: calls.append(threading.current_thread()), 3)
    assert calls == [threading.current_thread()]
    job = threads_module._Job(lambda: calls.append(0))
    job.end()
    job.run()
    assert len(calls) == 1 and job._call is None


def test_a_crew_that_was_dismissed_starts_nobody():
    crew = threads_module._Crew(3)
    crew.dismiss()
    before = threading.active_count()
    crew.hand_out([])
    assert threading.active_count() == before


def test_many_threads_compute_while_the_number_changes(threads):
    stop, sums = threading.Event(), []

    def use():
        while not stop.is_set():
            sums.append(sum(split(lambda part: len(range(9)[part]), 9)))

    users = [threading.Thread(target=use, daemon=True) for _ in range(3)]
    for user in users:
        user.start()
    for n in [1, 2, 3] * 60:
        threads(n)
        time.sleep(0.001)
    stop.set()
    for user in users:
        user.join(10)
    assert not any(user.is_alive() for user in users) and set(sums) == {9}


def test_threads_end_when_their_number_changes_and_no_job_is_lost(threads):
    threads(3)
    stop, sums = threading.Event(), []

    def use():
        while not stop.is_set():
            sums.append(sum(split(lambda part: len(range(9)[part]), 9)))

    user = threading.Thread(target=use)
    user.start()
    for n in [2, 3, 4] * 30:
        threads(n)
    stop.set()
    user.join(10)
    assert not user.is_alive() and set(sums) == {9}
    threads(1)
    deadline = time.monotonic() + 10
    while any(t.name.startswith("minigrad") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_makes_threads_of_its_own():
    code = (
        "import os, numpy as np\n"
        "from minigrad.kernels.work import share\n"
        "def work(): return share(lambda i, _: i, range(2), np.zeros(1), 1 << 30)\n"
        "work()\n"
        "child = os.fork()\n"
        "if child: print(os.waitpid(child, 0)[1])\n"
        "else: os._exit(work() != [0, 1])\n"
    )
    environment = {**os.environ, "MINIGRAD_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30)
    assert result.stdout == "0\n", result.stderr


def test_the_number_of_threads_is_set_and_checked(threads):
    for n in (1, 3, 2):
        mg.set_num_threads(n)
        assert mg.get_num_threads() == n
    for wrong in (0, -1, 2.0, "2", None, 1025, 10**5000):
        with pytest.raises(ValueError, match="set_num_threads: expected an int from 1 to 1024, got"):
            mg.set_num_threads(wrong)
    assert mg.get_num_threads() == 2


@pytest.mark.parametrize("value, expected", [("1", 1), ("12", 12), ("1024", 1024)])
def test_the_environment_gives_the_number(monkeypatch, value, expected):
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", value)
    assert threads_module._default_threads() == expected


@pytest.mark.parametrize("value", ["0", "-2", "many", "1.5", " 2", "²", "1025", "100000", "9" * 5000])
def test_a_wrong_number_in_the_environment_is_quoted(monkeypatch, value):
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", value)
    with pytest.raises(ValueError, match="MINIGRAD_NUM_THREADS: expected a number from 1 to 1024, got") as error:
        threads_module._default_threads()
    assert len(str(error.value)) < 300


def test_without_the_environment_there_is_a_thread_per_core(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("MINIGRAD_NUM_THREADS", raising=False) if value is None else monkeypatch.setenv(
            "MINIGRAD_NUM_THREADS", value
        )
        assert threads_module._default_threads() >= 1


def test_number_is_read_when_it_is_first_asked_for(monkeypatch):
    monkeypatch.setattr(threads_module, "_crew", None)
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", "0")
    with pytest.raises(ValueError, match="MINIGRAD_NUM_THREADS"):
        mg.get_num_threads()
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", "3")
    assert mg.get_num_threads() == 3
