"""The array module: NumPy for arrays on the CPU, CuPy for arrays on a GPU, and what differs between the two.

The rest of minigrad asks `array_module(x)` and writes `xp.exp(x)`: the same line runs on both devices.
Devices are named by strings as in PyTorch: `"cpu"`, `"cuda"` (the first GPU) and `"cuda:1"`.
CuPy is imported only when somebody asks for a GPU; data never moves between devices unless asked to (`to_device`).
"""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.quoting import one_line

# Decorates what may overflow or divide by zero: an infinity or nan is a result, as on a GPU, not a reason to warn.
quietly = np.errstate(all="ignore")

INSTALL = "pip install 'cupy-cuda12x[ctk]' or pip install 'cupy-cuda13x[ctk]' (minigrad[cuda12], minigrad[cuda13])"

Array = Any  # a numpy.ndarray or a cupy.ndarray; CuPy may be absent, so the type cannot be named


class DeviceError(RuntimeError):
    """A device does not exist, cannot be used, or two devices were mixed in one operation."""


def array_module(x: Any) -> ModuleType:
    """Return the module, `numpy` or `cupy`, whose functions work on `x` (an array or a Tensor).

    Raises:
        TypeError: `x` is neither.
    """
    return np if isinstance(x, np.ndarray) else _other_array_module(x)


def _other_array_module(x: Any) -> ModuleType:
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(x, cupy.ndarray):
        return cupy
    if hasattr(x, "node"):  # a Tensor
        return array_module(x.data)
    raise TypeError(f"array_module: expected a NumPy or CuPy array or a Tensor, got {type(x).__name__}")


def is_array(x: Any) -> bool:
    """Whether `x` is a NumPy or a CuPy array."""
    cupy = sys.modules.get("cupy")
    return isinstance(x, np.ndarray) or (cupy is not None and isinstance(x, cupy.ndarray))


def is_numeric(dtype: np.dtype) -> bool:
    """Whether operations know such elements: booleans, and integers and floats of at most 64 bits."""
    return dtype.kind in "fiub" and dtype.itemsize <= 8


def device_of(array: Array) -> str:
    """Return the device that holds `array`: `"cpu"` or `"cuda:<index>"`."""
    return "cpu" if isinstance(array, np.ndarray) else f"cuda:{array.data.device_id}"


def on_cpu(array: Array) -> bool:
    """Whether `array` is NumPy's."""
    return isinstance(array, np.ndarray)


def parse_device(device: str) -> str:
    """Return the full name of a device: `"cuda"` becomes `"cuda:0"`.

    Raises:
        ValueError: the string names no device.
    """
    if isinstance(device, str):
        if device == "cpu":
            return device
        if match := re.fullmatch(r"cuda(?::([0-9]+))?", device):
            return f"cuda:{int(match[1] or 0)}"
    raise ValueError(f"device: expected 'cpu', 'cuda' or 'cuda:<index>', got {device!r}")


_NOWHERE_ELSE = nullcontext()
_usable: dict[str, tuple[ModuleType, int]] = {}  # the GPUs that were looked for, found and tried


def use_device(device: str) -> AbstractContextManager:
    """Return a context in which new arrays are made on `device` (CuPy allocates on its current device).

    Raises:
        DeviceError: see `device_module`.
    """
    if device == "cpu":
        return _NOWHERE_ELSE
    cupy, index = _gpu(device)
    return _NOWHERE_ELSE if cupy.cuda.get_device_id() == index else cupy.cuda.Device(index)


def device_module(device: str) -> ModuleType:
    """Return the array module of a device string; for a GPU, after making sure that it can be used.

    Raises:
        DeviceError: CuPy is missing, or there is no such GPU, or nothing can be compiled for it. The message says
            which, and how to go on.
    """
    return np if device == "cpu" else _gpu(device)[0]


def cuda_is_available() -> bool:
    """Whether CuPy is installed, and there is a GPU on which it can compute."""
    try:
        _gpu("cuda")
    except DeviceError:
        return False
    return True


def to_device(array: Array, device: str) -> Array:
    """Return `array` on `device`, in the same memory order; the array itself, not a copy, where it is there already."""
    device, source = parse_device(device), device_of(array)
    if source == device:
        return array
    if device == "cpu":
        return to_numpy(array)
    axes = memory_order(array)
    ordered = array.transpose(axes)
    with use_device(source):  # from one GPU to another CuPy copies only what has no gaps
        compact = array_module(array).ascontiguousarray(ordered)
    with use_device(device):
        return device_module(device).asarray(compact).reshape(ordered.shape).transpose(inverse(axes))


def to_numpy(array: Array) -> np.ndarray:
    """Return `array` as a NumPy array; a copy, in the same memory order, is made only where it lies on a GPU."""
    if isinstance(array, np.ndarray):
        return array
    xp, axes = array_module(array), memory_order(array)
    return xp.asnumpy(array.transpose(axes)).transpose(inverse(axes))


def memory_order(array: Array) -> tuple[int, ...]:
    """Return the axes of an array, those first along which its elements lie farthest apart in memory. Transposed so,
    whatever has no gaps is C-contiguous.
    """
    strides = array.strides
    return tuple(sorted(range(len(strides)), key=lambda axis: -abs(strides[axis])))


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes that undo `transpose(axes)`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _gpu(device: str) -> tuple[ModuleType, int]:
    """Return CuPy and the number of a GPU that can be used; each is looked for and tried once."""
    known = _usable.get(device)
    if known is None or known[0] is not sys.modules.get("cupy"):
        name = parse_device(device)
        index = int(name.partition(":")[2])
        known = _usable[device] = (_cupy(name, index), index) if device == name else _gpu(name)
    return known


def _cupy(device: str, index: int) -> ModuleType:
    """Import CuPy for `device` and try it, or say exactly what is missing."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            f"device {device!r} needs CuPy, which cannot be imported ({error}). Install the build for your CUDA "
            f"version: {INSTALL}"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"device {device!r}: CuPy {cupy.__version__} is installed but finds no usable GPU ({error}). "
            "Check that nvidia-smi lists one and that the driver fits the CUDA version of cupy-cuda12x or cupy-cuda13x"
        ) from error
    if index >= count:
        raise DeviceError(f"device {device!r}: this machine has {count} GPU(s), numbered from cuda:0")
    try:
        with cupy.cuda.Device(index):
            cupy.ones(1)
    except Exception as error:  # CuPy has many kinds: of a library, of a header, of the compiler, of the driver
        raise DeviceError(
            f"device {device!r}: CuPy {cupy.__version__} finds the GPU but cannot compile for it ({one_line(error)}). "
            f"CUDA's compiler NVRTC and its headers come with {INSTALL}"
        ) from error
    return cupy
