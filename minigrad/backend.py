"""The array module: NumPy for arrays on the CPU, CuPy for arrays on a GPU, and what differs between the two.

The rest of minigrad asks `array_module(x)` and writes `xp.exp(x)`: the same line runs on both devices.
Devices are named by strings as in PyTorch: `"cpu"`, `"cuda"` (the first GPU) and `"cuda:1"`.
CuPy is imported only when somebody asks for a GPU; data never moves between devices unless asked to (`to_device`).
"""

from __future__ import annotations

import importlib
import operator
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np

# Decorates what may overflow or divide by zero: an infinity or nan is a result, as on a GPU, not a reason to warn.
quietly = np.errstate(all="ignore")

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
    return "cpu" if isinstance(array, np.ndarray) else f"cuda:{array.device.id}"


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
_usable: dict[str, tuple[ModuleType, int]] = {}  # the GPUs that were looked for and found


def use_device(device: str) -> AbstractContextManager:
    """Return a context in which new arrays are made on `device` (CuPy allocates on its current device)."""
    if device == "cpu":
        return _NOWHERE_ELSE
    known = _usable.get(device)
    if known is None or known[0] is not sys.modules.get("cupy"):
        name = parse_device(device)
        known = _usable[device] = _cupy(name), _index(name)
    cupy, index = known
    return cupy.cuda.Device(index)


def device_module(device: str) -> ModuleType:
    """Return the array module of a device string; for a GPU, after making sure that it can be used.

    Raises:
        DeviceError: CuPy is missing, or there is no such GPU. The message says which, and how to go on.
    """
    device = parse_device(device)
    return np if device == "cpu" else _cupy(device)


def cuda_is_available() -> bool:
    """Whether CuPy is installed and sees at least one GPU."""
    try:
        _cupy("cuda:0")
    except DeviceError:
        return False
    return True


def to_device(array: Array, device: str) -> Array:
    """Return `array` on `device`; the array itself, not a copy, where it is there already."""
    device = parse_device(device)
    if device_of(array) == device:
        return array
    if device == "cpu":
        return to_numpy(array)
    with use_device(device):
        return _cupy(device).asarray(array)


def to_numpy(array: Array) -> np.ndarray:
    """Return `array` as a NumPy array; a copy is made only where it lies on a GPU."""
    return array if isinstance(array, np.ndarray) else array_module(array).asnumpy(array)


def _index(device: str) -> int:
    return int(device.partition(":")[2])


def _cupy(device: str) -> ModuleType:
    """Import CuPy for `device`, or say exactly what is missing."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            f"device {device!r} needs CuPy, which cannot be imported ({error}). Install the build for your CUDA "
            "version: pip install cupy-cuda12x or pip install cupy-cuda13x (extras: minigrad[cuda12], minigrad[cuda13])"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"device {device!r}: CuPy {cupy.__version__} is installed but finds no usable GPU ({error}). "
            "Check that nvidia-smi lists one and that the driver fits the CUDA version of cupy-cuda12x or cupy-cuda13x"
        ) from error
    if _index(device) >= count:
        raise DeviceError(f"device {device!r}: this machine has {count} GPU(s), numbered from cuda:0")
    return cupy


# ---- random numbers: one seeded generator per device -------------------------------------------------------------

_seed: int | None = None
_generators: dict[str, Any] = {}


def manual_seed(seed: int) -> None:
    """Seed the generators of every device: the same seed repeats a run bit for bit, on the same device, kind of
    processor, versions of NumPy and its BLAS, and number of threads (`mg.set_num_threads`).

    Raises:
        TypeError: `seed` is not an integer.
        ValueError: `seed` is negative.
    """
    global _seed
    seed = operator.index(seed)
    if seed < 0:
        raise ValueError(f"manual_seed: expected a seed >= 0, got {seed}")
    _seed = seed
    _generators.clear()


def generator(device: str = "cpu") -> Any:
    """Return the random generator of `device`: a `numpy.random.Generator` or a `cupy.random.Generator`.

    Before `manual_seed` was called, it is seeded by the operating system.
    """
    device = parse_device(device)
    if device not in _generators:
        with use_device(device):
            _generators[device] = device_module(device).random.default_rng(_seed)
    return _generators[device]


def rng_state() -> dict:
    """Return the seed and the CPU generator's state: numbers and strings only, ready for a checkpoint.

    A GPU's generator is not part of it: CuPy cannot read that state back. `set_rng_state` starts it anew from the seed.
    """
    return {"seed": _seed, "cpu": generator("cpu").bit_generator.state}


def set_rng_state(state: dict) -> None:
    """Restore what `rng_state` returned.

    Raises:
        ValueError: `state` is something else; nothing was changed then.
    """
    global _seed
    try:
        seed = None if state["seed"] is None else operator.index(state["seed"])
        cpu = np.random.default_rng(seed)
        cpu.bit_generator.state = state["cpu"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"set_rng_state: not what rng_state returns ({error!r})") from error
    _generators.clear()
    _seed, _generators["cpu"] = seed, cpu
