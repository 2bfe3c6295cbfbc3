"""Writes namespace.json, what the installed CuPy offers: ``python -m tests.strict_cupy.refresh``.

No GPU is needed. Every public name is recorded as one short string:

- ``"(a, axis=, *, dtype=)"``: a callable and its parameters (an ``=`` marks those with a default),
- ``"ufunc"``, ``"class"``, ``"module"``, ``"function"`` (a callable without a known signature), ``"value"``,
- ``"numpy"``: not CuPy's own but the very object that NumPy has under this name (``float32``, ``newaxis``, ``finfo``).
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import types

import numpy as np

from tests.strict_cupy.namespace import PATH

MODULES = ["", ".random", ".linalg", ".fft", ".cuda", ".cuda.runtime", ".lib.stride_tricks", ".exceptions"]
TWINS = {"cupy": np, "cupy.linalg": np.linalg, "cupy.fft": np.fft, "cupy.exceptions": np.exceptions}
BUFFERS = {"__buffer__", "__release_buffer__"}  # which Python shows from 3.12 on
CLASSES = [
    "cupy.ndarray",
    "cupy.ufunc",
    "cupy.random.Generator",
    "cupy.cuda.Device",
    "cupy.cuda.Event",
    "cupy.cuda.MemoryPool",
    "cupy.cuda.MemoryPointer",
    "cupy.cuda.Stream",
]


def parameters(function) -> str | None:
    """The parameters of ``function`` in the short form; compiled functions tell it in their docstring."""
    try:
        given = str(inspect.signature(function))
    except (TypeError, ValueError):
        match = re.match(r"[\w.]+(\(.*\))", (function.__doc__ or "").split("\n")[0])
        if match is None:
            return None
        given = match.group(1)
    names = []
    for part in re.split(r",\s*(?![^\[(<]*[\])>])", given[1 : given.rindex(")")]):
        name = re.split(r"[:=]", part)[0].split()
        if name:  # "Py_ssize_t axis=0" is C for an argument called axis
            names.append(name[-1] + ("=" if "=" in part else ""))
    return f"({', '.join(names)})"


def kind(value) -> str:
    """What ``value`` is, in one of the words of the module's docstring."""
    if isinstance(value, types.ModuleType):
        return "module"
    if isinstance(value, type):
        return "class"
    if type(value).__name__ in ("ufunc", "_GUFunc"):
        return "ufunc"
    if callable(value):
        return parameters(value) or "function"
    return "value"


def describe() -> dict:
    """The namespaces of the installed CuPy, in the form of namespace.json."""
    cupy = importlib.import_module("cupy")
    places = {f"cupy{name}": importlib.import_module(f"cupy{name}") for name in MODULES}
    places["cupyx"] = importlib.import_module("cupyx")
    found = {}
    for place, module in places.items():
        twin = TWINS.get(place)
        public = [name for name in sorted(dir(module)) if not name.startswith("_") and name != "annotations"]
        found[place] = {
            name: "numpy" if getattr(twin, name, place) is getattr(module, name) else kind(getattr(module, name))
            for name in public
        }
    for path in CLASSES:
        place, name = path.rsplit(".", 1)
        cls = type(cupy.add) if name == "ufunc" else getattr(importlib.import_module(place), name)
        found[path] = {
            name: kind(getattr(cls, name))
            for name in sorted(set(dir(cls)) - set(dir(object)) - BUFFERS)
            if not name.startswith("_") or (name.startswith("__") and not name.startswith("__pyx"))
        }
    return {"cupy_version": cupy.__version__, "namespaces": found}


if __name__ == "__main__":
    PATH.write_text(json.dumps(describe(), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {PATH}")
