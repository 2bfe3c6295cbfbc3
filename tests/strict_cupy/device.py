"""The pretended hardware: two GPUs, streams, and a count of launches and of the traffic to and from the host."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings

import numpy as np

from tests.strict_cupy.namespace import Partial

DEVICE_COUNT = 2
_thread = threading.local()  # CUDA's current device, and CuPy's permission to synchronise, are per thread


class Traffic:
    """Counts one direction of the traffic between host and device, and can forbid it.

    >>> before = host_reads.count
    >>> with host_reads.forbidden():  # raises at the line that reads
    ...     train_step()
    """

    def __init__(self, what: str):
        self.what, self.count, self.last, self._allowed = what, 0, None, True

    def record(self, operation: str) -> None:
        """Note that ``operation`` crosses over; raises AssertionError inside ``forbidden()``."""
        self.count, self.last = self.count + 1, operation
        if not self._allowed:
            raise AssertionError(f"{operation}: {self.what} where none is allowed")

    @contextlib.contextmanager
    def forbidden(self):
        """Within this context the operation that would be counted raises AssertionError instead."""
        previous, self._allowed = self._allowed, False
        try:
            yield self
        finally:
            self._allowed = previous


class HostReads(Traffic):
    """Device to host. Obeys CuPy's own ``cupyx.allow_synchronize(False)`` too."""

    def record(self, operation: str) -> None:
        if not getattr(_thread, "may_synchronize", True):
            raise DeviceSynchronized(f"Device synchronization was detected while disallowed: {operation}")
        super().record(operation)


host_reads = HostReads("a read back to the host (the device is waited for)")
host_writes = Traffic("an upload of host data")
numpy_dispatches = Traffic("a NumPy function applied to a CuPy array")


class Launches:
    """Counts the kernels that CuPy would launch, and the bytes of the arrays that they read and write.

    What it cannot know is what happens inside a library: a product that cuBLAS cuts into parts counts as one launch.

    >>> with launches.counted() as counted:
    ...     train_step()
    >>> counted.count, counted.bytes
    """

    def __init__(self):
        self.count = self.bytes = 0
        self.compiler = True  # CuPy compiles its kernels when they are first used; False: it has nothing to do it with

    def record(self, *arrays, count=1) -> None:
        """Note a launch on ``arrays``; what is not an array among them moves nothing. Empty results launch nothing."""
        if not self.compiler:
            raise RuntimeError("Failed to find CUDA headers. Please install the CUDA Toolkit or set CUDA_PATH.")
        if getattr(arrays[-1], "size", 1):
            self.count += count
            self.bytes += sum(getattr(array, "nbytes", 0) for array in arrays)

    @contextlib.contextmanager
    def counted(self):
        """What is launched within this context; nothing else may count meanwhile."""
        before = self.count, self.bytes
        self.count = self.bytes = 0
        counted = Launches()
        try:
            yield counted
        finally:
            counted.count, counted.bytes = self.count, self.bytes
            self.count, self.bytes = before[0] + counted.count, before[1] + counted.bytes

    @contextlib.contextmanager
    def without_compiler(self):
        """Within this context CuPy finds no NVRTC, or not the headers that it needs."""
        self.compiler = False
        try:
            yield
        finally:
            self.compiler = True


launches = Launches()


class PerformanceWarning(RuntimeWarning):
    """``cupy._util.PerformanceWarning``."""


class DeviceSynchronized(RuntimeError):
    """Raised when device synchronization is detected while disallowed."""


@contextlib.contextmanager
def allow_synchronize(allow: bool):
    """``cupyx.allow_synchronize``: forbid (or allow again) whatever waits for the device."""
    warnings.warn("cupyx.allow_synchronize will be removed in future releases.", stacklevel=3)
    previous, _thread.may_synchronize = getattr(_thread, "may_synchronize", True), allow
    try:
        yield
    finally:
        _thread.may_synchronize = previous


class CUDARuntimeError(RuntimeError):
    """What CUDA's calls raise; ``status`` is the number of the error."""

    def __init__(self, status: int, message: str = "cudaErrorInvalidDevice: invalid device ordinal"):
        super().__init__(message)
        self.status = status


def properties(device: int) -> dict:
    """``cupy.cuda.runtime.getDeviceProperties``: a few of the many."""
    return {"name": b"strict stand-in", "totalGlobalMem": 0, "major": 0, "minor": 0, "multiProcessorCount": 0}


def current_device() -> int:
    """The id of the device on which this thread allocates and computes."""
    return getattr(_thread, "device", 0)


def set_device(device: int) -> None:
    """Make ``device`` this thread's current one."""
    if not 0 <= device < DEVICE_COUNT:
        raise CUDARuntimeError(101)
    _thread.device = device


def require_current_device(arrays) -> None:
    """Warn as CuPy does unless all ``arrays`` lie on the current device: it reaches for the other's memory, slowly."""
    for array in arrays:
        if array._device != current_device():
            warnings.warn(
                f"The device where the array resides ({array._device}) is different from the current device "
                f"({current_device()}). Peer access has been activated automatically.",
                PerformanceWarning,
                stacklevel=2,
            )


class Device(Partial):
    """``cupy.cuda.Device``: as a context manager it is the current device within."""

    def __init__(self, device=None):
        self.id = current_device() if device is None else int(device)
        self._previous: list[int] = []

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def __enter__(self):
        self._previous.append(current_device())
        set_device(self.id)
        return self

    def __exit__(self, *exception):
        set_device(self._previous.pop())

    def use(self):
        """Make this the current device."""
        set_device(self.id)
        return self

    def synchronize(self):
        """Wait for all work on this device."""
        host_reads.record("Device.synchronize")


class Event(Partial):
    """``cupy.cuda.Event``; work is done at once here, so an event is over when it is recorded."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.done, self._time = True, time.perf_counter()

    def record(self, stream=None):
        """Note the present moment."""
        self._time = time.perf_counter()

    def synchronize(self):
        """Wait for the event."""
        host_reads.record("Event.synchronize")


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds between two events."""
    return 1000 * (end_event._time - start_event._time)


class Stream(Partial):
    """``cupy.cuda.Stream``; everything here happens at once and in order, whatever the stream."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.null, self.ptds, self.is_non_blocking, self.done = null, ptds, non_blocking, True
        self._previous: list[Stream] = []

    def __enter__(self):
        self._previous.append(get_current_stream())
        return self.use()

    def __exit__(self, *exception):
        self._previous.pop().use()

    def use(self):
        """Make this the current stream."""
        _thread.stream = self
        return self

    def synchronize(self):
        """Wait for all work on this stream."""
        host_reads.record("Stream.synchronize")

    def record(self, event=None):
        """Record ``event`` (a new one by default) and return it."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event):
        """Let later work on this stream wait for ``event``."""


Stream.null = _null_stream = Stream(null=True)


def get_current_stream() -> Stream:
    """This thread's current stream."""
    return getattr(_thread, "stream", _null_stream)


class MemoryPointer(Partial):
    """``cupy.cuda.MemoryPointer``: what ``array.data`` is. Keeps the memory alive, but cannot be read from the host."""

    def __init__(self, array: np.ndarray, device: int):
        self._array, self.device_id, self.device = array, device, Device(device)
        self.ptr = array.__array_interface__["data"][0]


class MemoryPool(Partial):
    """``cupy.cuda.MemoryPool``. There is no device memory here, so it has nothing to free and holds nothing."""

    def free_all_blocks(self, stream=None):
        """Give unused blocks back to the driver."""

    def total_bytes(self):
        """What the pool has taken from the driver."""
        return 0
