from __future__ import annotations

import mmap

import numpy as np
import pytest

from benchmarks import memory

MEGABYTES_64 = 64 << 20
linux = pytest.mark.skipif(not memory.STATUS.exists(), reason="only Linux tells how much is in memory now")


@linux
def test_what_is_held_now_and_at_most_is_seen():
    before = memory.usage()
    with mmap.mmap(-1, MEGABYTES_64) as held:  # fresh pages, whatever the C library has kept
        held.write(bytes([1]) * MEGABYTES_64)
        during = memory.usage()
    after = memory.usage()
    assert during.now - before.now > MEGABYTES_64 * 0.9
    assert during.now - after.now > MEGABYTES_64 * 0.9
    assert after.peak - after.now > MEGABYTES_64 * 0.9


@linux
@pytest.mark.skipif(not memory.CLEAR.exists(), reason="this kernel cannot forget a peak")
def test_counting_starts_from_what_is_held_now():
    np.ones(MEGABYTES_64, np.uint8)
    memory.start_counting()
    after = memory.usage()
    assert after.peak - after.now < MEGABYTES_64 * 0.5


def test_a_system_that_tells_nothing_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "no folder" / "clear_refs")
    monkeypatch.setattr(memory.sys, "platform", "win32")
    memory.start_counting()
    assert memory.usage() == (None, None)
