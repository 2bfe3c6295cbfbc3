"""``cupy.ElementwiseKernel``: its CUDA code, compiled for the CPU, in a loop over the elements.

What stands in such a kernel is C++ that a CPU understands, too. A compiler, ``c++``, does what CUDA's does on a GPU; so
the code itself is tested, and not a translation of it.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.strict_cupy.device import launches, require_current_device
from tests.strict_cupy.namespace import NotModelledError, Partial
from tests.strict_cupy.ndarray import SCALARS, fresh, ndarray, require_writable, unsupported

TYPES = {
    "bool": "bool", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
    "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
    "float32": "float", "float64": "double",
}  # fmt: skip
SOURCE = """
#include <cmath>
#include <cstddef>
#include <cstdint>

extern "C" void run(ptrdiff_t count, {pointers}) {{
    for (ptrdiff_t i = 0; i < count; ++i) {{
        {names}
        {{ {operation} }}
    }}
}}
"""


class CompilerMissing(NotModelledError):
    """There is no C++ compiler here, which takes the place of CUDA's."""


class ElementwiseKernel(Partial):
    """One operation for each element; ``i`` is its number. Types must be written out, as ``"float32 x"``."""

    _place = "cupy"

    def __init__(self, in_params, out_params, operation, name="kernel", **options):
        if options:
            raise NotModelledError(f"cupy.ElementwiseKernel with {', '.join(options)}")
        self.name, self._operation = name, operation
        self._inputs, self._outputs = _parsed(in_params), _parsed(out_params)
        self.nin, self.nout, self.nargs = len(self._inputs), len(self._outputs), len(self._inputs) + len(self._outputs)

    def __call__(self, *args, **kwargs):
        if kwargs:
            raise NotModelledError(f"cupy.ElementwiseKernel called with {', '.join(kwargs)}")
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(f"Wrong number of arguments for {self.name}. It must be either {self.nin} or {self.nargs}")
        inputs, outputs = args[: self.nin], args[self.nin :]
        for value in inputs:
            if not isinstance(value, ndarray) and type(value) not in SCALARS:
                raise unsupported(value)
        require_current_device([x for x in args if isinstance(x, ndarray)])
        for (dtype, name), array in zip(self._outputs, outputs, strict=False):
            require_writable(array)
            if array.dtype != dtype:
                raise TypeError(f"Type is mismatched. {name} {array.dtype.type} {dtype.type}")
        values = [
            np.asarray(x._array if isinstance(x, ndarray) else x, dtype)
            for x, (dtype, _) in zip(inputs, self._inputs, strict=True)
        ]
        shape = outputs[0].shape if outputs else np.broadcast_shapes(*(x.shape for x in values))
        results = [np.empty(shape, dtype) for dtype, _ in self._outputs]
        self._run([np.ascontiguousarray(np.broadcast_to(x, shape)) for x in values], results)
        for array, result in zip(outputs, results, strict=False):
            array._array[...] = result
        outputs = outputs or tuple(map(fresh, results))
        launches.record(*inputs, *outputs)
        return outputs[0] if self.nout == 1 else outputs

    def _run(self, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> None:
        pointers, names = [], []
        for kind, parameters in (("const ", self._inputs), ("", self._outputs)):
            for dtype, name in parameters:
                pointers.append(f"{kind}{TYPES[dtype.name]}* all_{name}")
                names.append(f"{kind}{TYPES[dtype.name]}& {name} = all_{name}[i];")
        source = SOURCE.format(pointers=", ".join(pointers), names=" ".join(names), operation=self._operation)
        arrays = [*inputs, *outputs]
        compiled(source)(ctypes.c_ssize_t(arrays[-1].size), *[ctypes.c_void_p(x.ctypes.data) for x in arrays])


def _parsed(parameters: str) -> list[tuple[np.dtype, str]]:
    """The types and names in ``"uint64 key, float32 x"``."""
    parsed = []
    for parameter in parameters.split(","):
        kind, name = parameter.split()
        if kind not in TYPES:
            raise NotModelledError(f"cupy.ElementwiseKernel: a parameter of type {kind}; there are {', '.join(TYPES)}")
        parsed.append((np.dtype(kind), name))
    return parsed


@functools.cache
def compiled(source: str) -> Callable:
    """The function ``run`` of a C++ program."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise CompilerMissing("our own CUDA code is tested where there is a C++ compiler")
    folder = Path(tempfile.mkdtemp(prefix="strict-cupy-"))
    try:
        (folder / "kernel.cpp").write_text(source, encoding="utf-8")
        command = [compiler, "-std=c++17", "-O2", "-shared", "-fPIC", "-o", "kernel.so", "kernel.cpp"]
        done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            raise RuntimeError(f"the kernel does not compile:\n{done.stderr}")
        return ctypes.CDLL(str(folder / "kernel.so")).run
    finally:
        shutil.rmtree(folder, ignore_errors=True)
