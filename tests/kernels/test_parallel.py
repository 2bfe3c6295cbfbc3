"""Splitting work over threads: every part once, in order, with errors passed on and BLAS held to one thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import minigrad as mg
from minigrad.kernels import parallel
from minigrad.kernels.parallel import share, share_slices, slices, split
from tests import strict_cupy

ANY = np.zeros(1)
LARGE = 1 << 30  # bytes: worth a split


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("BLAS does not take two threads")
        yield


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_parts_cover_the_range_in_order(threads, n, count):
    threads(count)
    parts = split(lambda part: part, n, ANY, LARGE)
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    assert len(parts) == max(1, min(n, count))
    assert max(p.stop - p.start for p in parts) - min(p.stop - p.start for p in parts) <= 1


def test_parts_run_side_by_side(threads):
    threads(3)
    barrier = threading.Barrier(3, timeout=10)
    assert len(set(split(lambda part: barrier.wait() * 0 + threading.get_ident(), 3, ANY, LARGE))) == 3


def test_small_tasks_stay_in_the_calling_thread(monkeypatch, threads):
    threads(4)
    monkeypatch.setattr(parallel, "SMALLEST_TASK_BYTES", 1000)
    assert len(split(lambda part: part, 8, ANY, 999)) == 1
    assert len(split(lambda part: part, 8, ANY, 1000)) == 2
    assert split(lambda part: threading.current_thread(), 8, ANY, 10) == [threading.current_thread()]


def test_work_on_a_gpu_is_not_split(monkeypatch, threads):
    cupy = strict_cupy.install(monkeypatch)
    threads(4)
    assert split(lambda part: part, 8, cupy.zeros(1), LARGE) == [slice(0, 8)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shared_items_are_each_taken_once(threads, count):
    threads(count)
    takers = []

    def task(some):
        takers.append([item for item in some if time.sleep(0.001) is None])

    share(task, range(40), ANY, LARGE)
    assert len(takers) == count
    assert sorted(item for taken in takers for item in taken) == list(range(40))


def test_who_is_free_takes_what_is_left(threads):
    threads(2)
    slow_one_is_done, taken = threading.Event(), []

    def task(some):
        for item in some:
            if item == 0:  # whoever gets this one is busy until the other has done all the rest
                assert slow_one_is_done.wait(10)
            taken.append(item)
            if len(taken) == 9:
                slow_one_is_done.set()

    share(task, range(10), ANY, LARGE)
    assert taken == [*range(1, 10), 0]


def test_an_error_in_a_shared_item_is_raised(threads):
    threads(2)

    def task(some):
        for item in some:
            begun.append(item)
            1 / (item - 3)
            time.sleep(0.01)

    begun = []
    with pytest.raises(ZeroDivisionError):
        share(task, range(100), ANY, LARGE)
    assert len(begun) < 10  # nobody went on


@pytest.mark.parametrize("n", [0, 1, 3, 100])
@pytest.mark.parametrize("size", [0, LARGE])
def test_shared_slices_cover_the_range(threads, n, size):
    threads(2)
    parts = []
    share_slices(parts.append, n, ANY, size)
    assert sorted(i for part in parts for i in range(n)[part]) == list(range(n))
    assert len(parts) == (1 if size == 0 or n < 2 else min(n, 2 * parallel.SHARES))


def test_slices_are_about_equal():
    assert slices(10, 4) == [slice(0, 2), slice(2, 5), slice(5, 7), slice(7, 10)]
    assert slices(2, 4) == [slice(0, 1), slice(1, 2)]
    assert slices(0, 4) == [slice(0, 0)]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_part_is_raised_after_all_have_ended(threads, failing):
    threads(3)
    ended = []

    def task(part):
        if part.start == failing:
            raise ZeroDivisionError(f"part {failing}")
        time.sleep(0.02)
        ended.append(part.start)

    with pytest.raises(ZeroDivisionError, match=f"part {failing}"):
        split(task, 3, ANY, LARGE)
    assert sorted(ended) == [part for part in range(3) if part != failing]
    assert split(lambda part: part.start, 3, ANY, LARGE) == [0, 1, 2]  # the pool still works


def test_blas_is_held_to_one_thread_from_the_first_split_on(threads, two_blas_threads):
    parallel._hold_blas_to_one_thread.cache_clear()
    threads(1)
    split(lambda part: part, 2, ANY, LARGE)
    assert blas_threads() == {2}  # nothing was split
    threads(2)
    assert split(lambda part: blas_threads(), 2, ANY, LARGE) == [{1}, {1}]
    assert blas_threads() == {1}
    threads(1)
    assert blas_threads() == {2}


def test_threads_end_when_their_number_changes_and_no_job_is_lost(threads):
    threads(3)
    stop, sums = threading.Event(), []

    def use():
        while not stop.is_set():
            sums.append(sum(split(lambda part: len(range(9)[part]), 9, ANY, LARGE)))

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
        "from minigrad.kernels.parallel import split\n"
        "def work(): return split(lambda part: part.start, 2, np.zeros(1), 1 << 30)\n"
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
    for wrong in (0, -1, 2.0, "2", None):
        with pytest.raises(ValueError, match="set_num_threads: expected a positive int, got"):
            mg.set_num_threads(wrong)
    assert mg.get_num_threads() == 2


@pytest.mark.parametrize("value, expected", [("1", 1), ("12", 12)])
def test_the_environment_gives_the_number(monkeypatch, value, expected):
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", value)
    assert parallel._default_threads() == expected


@pytest.mark.parametrize("value", ["0", "-2", "many", "1.5", " 2", "²"])
def test_a_wrong_number_in_the_environment_is_quoted(monkeypatch, value):
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", value)
    with pytest.raises(ValueError, match="MINIGRAD_NUM_THREADS: expected a positive number, got"):
        parallel._default_threads()


def test_without_the_environment_there_is_a_thread_per_core(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("MINIGRAD_NUM_THREADS", raising=False) if value is None else monkeypatch.setenv(
            "MINIGRAD_NUM_THREADS", value
        )
        assert parallel._default_threads() >= 1


def group(root, path, **files):
    """A control group of a machine made of files."""
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def member_of(root, groups):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)


@pytest.mark.parametrize(
    ("limit", "quotas"),
    [("150000 100000\n", [1.5]), ("max 100000\n", []), ("", []), ("50000 0\n", []), ("what?\n", [])],
)
def test_quota_of_a_container_is_read(tmp_path, limit, quotas):
    member_of(tmp_path, "0::/\n")
    group(tmp_path, "", cpu__max=limit)
    assert list(parallel._cpu_quotas(str(tmp_path))) == quotas


def test_quotas_of_all_groups_above_count(tmp_path):
    member_of(tmp_path, "0::/user.slice/job/../step\n")
    group(tmp_path, "user.slice", cpu__max="400000 100000")
    group(tmp_path, "user.slice/job", cpu__max="max 100000")
    group(tmp_path, "user.slice/job/step", cpu__max="200000 100000")
    assert list(parallel._cpu_quotas(str(tmp_path))) == [4, 2]


def test_quota_of_control_groups_version_1(tmp_path):
    member_of(tmp_path, "5:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n")
    group(tmp_path, "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    group(tmp_path, "cpu/docker/abc", cpu__cfs_quota_us="50000\n", cpu__cfs_period_us="100000\n")
    assert list(parallel._cpu_quotas(str(tmp_path))) == [0.5]


def test_machine_without_control_groups_has_no_quota(tmp_path):
    assert list(parallel._cpu_quotas(str(tmp_path))) == []


@pytest.mark.parametrize(("quotas", "threads"), [([], 8), ([1.5], 2), ([0.2], 1), ([4.0, 3.0], 3), ([64.0], 8)])
def test_threads_heed_the_smallest_quota(monkeypatch, quotas, threads):
    monkeypatch.delenv("MINIGRAD_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(parallel, "_cpu_quotas", lambda: iter(quotas))
    assert parallel._default_threads() == threads


def test_number_is_read_when_it_is_first_asked_for(monkeypatch):
    monkeypatch.setattr(parallel, "_num_threads", None)
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", "0")
    with pytest.raises(ValueError, match="MINIGRAD_NUM_THREADS"):
        mg.get_num_threads()
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", "3")
    assert mg.get_num_threads() == 3
