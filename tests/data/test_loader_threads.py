"""Worker threads: errors arrive in order, no more is made than was asked for, and no thread is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

from minigrad.data import DataLoader, TensorDataset
from tests.data.helpers import numbered


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader")]


class Failing(TensorDataset):
    def batch(self, indices):
        if 6 in indices:
            raise KeyError("picture 6 is broken")
        return super().batch(indices)


@pytest.mark.parametrize("workers", [0, 2])
def test_error_in_a_worker_arrives_in_order_with_its_traceback(workers):
    seen = []
    with pytest.raises(KeyError, match="picture 6") as caught:
        for (labels,) in DataLoader(Failing(np.arange(10)), batch_size=2, num_workers=workers, prefetch=5):
            seen.extend(labels.numpy().tolist())
    assert seen == [0, 1, 2, 3, 4, 5]
    assert "batch" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert not worker_threads()


class Counting(TensorDataset):
    made = 0

    def batch(self, indices):
        self.made += 1
        return super().batch(indices)


def test_no_more_than_prefetch_batches_are_made_in_advance():
    dataset = Counting(np.arange(100))
    for number, _ in enumerate(DataLoader(dataset, batch_size=1, num_workers=1, prefetch=3), start=1):
        assert dataset.made <= number + 3


def test_batches_are_made_in_advance():
    made_ahead = threading.Event()

    class Signalling(TensorDataset):
        def batch(self, indices):
            if indices[0] == 2:
                made_ahead.set()
            return super().batch(indices)

    next_batch = iter(DataLoader(Signalling(np.arange(9)), batch_size=1, num_workers=1, prefetch=2))
    next(next_batch)
    assert made_ahead.wait(timeout=30)  # although only batch 0 was asked for
    next_batch.close()


def test_leaving_the_loop_early_stops_the_workers():
    loader = DataLoader(numbered(100), num_workers=3)
    for _ in loader:
        assert worker_threads()
        break
    assert not worker_threads()


@pytest.mark.parametrize(
    "interrupt", [lambda: 1 / 0, lambda: signal.raise_signal(signal.SIGINT)], ids=["error", "Ctrl-C"]
)
def test_interrupted_loop_stops_the_workers(interrupt):
    with pytest.raises((ZeroDivisionError, KeyboardInterrupt)):
        for _ in DataLoader(numbered(100), num_workers=3):
            interrupt()
    assert not worker_threads()


@pytest.mark.skipif(os.name != "posix", reason="signals between threads are POSIX's")
def test_interrupt_while_waiting_for_a_batch_stops_the_workers():
    class Slow(TensorDataset):
        def batch(self, indices):
            if indices[0] == 3:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            return super().batch(indices)

    with pytest.raises(KeyboardInterrupt):
        list(DataLoader(Slow(np.arange(100)), num_workers=2))
    assert not worker_threads()


@pytest.mark.parametrize("ending", ["", "raise SystemExit", "del batches"])
def test_interpreter_ends_while_an_iteration_is_open(ending):
    program = f"""
import numpy as np
from minigrad.data import DataLoader, TensorDataset
batches = iter(DataLoader(TensorDataset(np.arange(1000)), num_workers=2, prefetch=4))
next(batches)
{ending}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
