"""Puts the modules together: ``cupy`` and its parts, with exactly the names that CuPy has."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np

from minigrad import backend
from tests.strict_cupy import device, functions, kernels, random
from tests.strict_cupy.dispatch import NAMESPACES
from tests.strict_cupy.functions import lift
from tests.strict_cupy.namespace import NotModelledError, load, missing, version
from tests.strict_cupy.ndarray import ndarray
from tests.strict_cupy.ufunc import ufunc


class Module(types.ModuleType):
    """A module that tells names CuPy does not have (AttributeError) from those only the stand-in lacks."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name):
        raise missing(self.__name__, name)


def _refuse(name: str):
    """A class or function that cannot be used here because it compiles CUDA code."""

    def refuse(*args, **kwargs):
        raise NotModelledError(f"cupy.{name}: the strict stand-in cannot compile CUDA; test this on a GPU")

    return refuse


def _fill(module: Module, twin=None) -> Module:
    """Define those of CuPy's names in ``module`` that can be had from NumPy's module ``twin``."""
    for name, kind in load()[module.__name__].items():
        if name in functions.OWN_FUNCTIONS:
            setattr(module, name, functions.OWN_FUNCTIONS[name])
        elif twin is None or not hasattr(twin, name):
            continue
        elif kind == "numpy" or (kind == "value" and np.isscalar(getattr(twin, name))):
            setattr(module, name, getattr(twin, name))
        elif kind == "ufunc" and isinstance(getattr(twin, name), np.ufunc):
            setattr(module, name, ufunc(getattr(twin, name)))
        elif kind == "ufunc":  # a plain function in NumPy
            setattr(module, name, lift(name, getattr(twin, name), "(x)"))
        elif kind.startswith("(") and "*args, **kw" not in kind and name not in functions.LEFT_OUT:
            setattr(module, name, lift(name, getattr(twin, name), kind))
    if twin is not None:
        NAMESPACES[twin.__name__] = module
    return module


def _cuda() -> dict[str, Module]:
    runtime, cuda = Module("cupy.cuda.runtime"), Module("cupy.cuda")
    runtime.getDeviceCount = lambda: device.DEVICE_COUNT
    runtime.getDevice = device.current_device
    runtime.setDevice = device.set_device
    runtime.deviceSynchronize = lambda: device.host_reads.record("cudaDeviceSynchronize")
    runtime.getDeviceProperties = device.properties
    runtime.driverGetVersion = runtime.runtimeGetVersion = lambda: 13000
    runtime.deviceCanAccessPeer = lambda device, peer: int(device != peer)
    runtime.CUDARuntimeError = device.CUDARuntimeError
    for name in ("Device", "Event", "MemoryPointer", "MemoryPool", "Stream", "get_current_stream", "get_elapsed_time"):
        setattr(cuda, name, getattr(device, name))
    cuda.get_device_id = device.current_device
    cuda.is_available = lambda: True
    cuda.runtime = runtime
    nvrtc = Module("cupy.cuda.nvrtc")
    nvrtc.getVersion = lambda: (13, 0)
    return {"cupy.cuda": cuda, "cupy.cuda.runtime": runtime, "cupy.cuda.nvrtc": nvrtc}


def _cupyx() -> Module:
    cupyx = Module("cupyx")
    cupyx.allow_synchronize = device.allow_synchronize
    cupyx.DeviceSynchronized = device.DeviceSynchronized
    cupyx.rsqrt = lift("rsqrt", lambda x: 1 / np.sqrt(x), "(x)")
    return cupyx


def build() -> dict[str, Module]:
    """The modules of the stand-in by their names in ``sys.modules``."""
    modules = _cuda() | {"cupyx": _cupyx()}
    cupy = modules["cupy"] = _fill(Module("cupy"), np)
    for name, twin in {
        "linalg": np.linalg,
        "fft": np.fft,
        "exceptions": np.exceptions,
        "random": None,
        "lib.stride_tricks": None,
    }.items():
        modules[f"cupy.{name}"] = _fill(Module(f"cupy.{name}"), twin)
    modules["cupy.lib"] = Module("cupy.lib")
    NAMESPACES["numpy.lib.stride_tricks"] = modules["cupy.lib.stride_tricks"]
    for name in ("BitGenerator", "Generator", "MRG32k3a", "Philox4x3210", "XORWOW", "default_rng"):
        setattr(modules["cupy.random"], name, getattr(random, name))
    for name in ("ReductionKernel", "RawKernel", "RawModule", "fuse"):
        setattr(cupy, name, _refuse(name))
    cupy.ElementwiseKernel = kernels.ElementwiseKernel
    cupy.ndarray, cupy.ufunc, cupy.__version__ = ndarray, ufunc, version()
    cupy.is_available = modules["cupy.cuda"].is_available
    cupy.get_array_module = lambda *args: cupy if any(isinstance(x, ndarray) for x in args) else np
    pool = device.MemoryPool()
    cupy.get_default_memory_pool = cupy.get_default_pinned_memory_pool = lambda: pool
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    return modules


MODULES = build()


def install(monkeypatch) -> Module:
    """Let ``import cupy`` find the stand-in until ``monkeypatch`` is undone. Returns the module ``cupy``."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("cupy", "cupyx", "cupy_backends"):  # a real CuPy must not show through
            monkeypatch.delitem(sys.modules, name)
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backend, "_usable", {})  # a GPU that was found before is looked for again
    device.set_device(0)
    return MODULES["cupy"]
