"""What the reader calls things: names that were given, else those of the function's own variables, else paths."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.guided.operations import source_of
from minigrad.nn import Module
from minigrad.tensor import Tensor


class Names:
    """Names of arrays and paths of modules.

    Args:
        function: what is shown; the variables that it uses give their names.
        given: names that go first: of Tensors, arrays and modules.
    """

    def __init__(self, function: Callable[[], Any], given: Mapping[str, Any] | None) -> None:
        self._given: list[tuple[str, Any]] = []
        self._modules: dict[int, str] = {}
        self._parameters: dict[int, str] = {}
        for name, value in [*_checked(given).items(), *_variables_of(function).items()]:
            if isinstance(value, Module):
                self.add_module(value, name)
            elif isinstance(value, Tensor) or backend.is_array(value):
                self._given.append((name, value))

    @property
    def tensors(self) -> list[Tensor]:
        """The Tensors that have a name of their own."""
        return [value for _, value in self._given if isinstance(value, Tensor)]

    def add_module(self, module: Module, path: str) -> None:
        """Note the paths of a module, of those inside it, and of their parameters and buffers."""
        stack = [(module, path)]
        while stack:
            module, path = stack.pop()
            if id(module) in self._modules:
                continue
            self._modules[id(module)] = path
            for name, value in vars(module).items():
                if isinstance(value, Module):
                    stack.append((value, f"{path}.{name}"))
                elif isinstance(value, Tensor):
                    self._parameters[id(value)] = f"{path}.{name}"

    def of_module(self, module: Module, parent: str | None) -> str:
        """Return the path of a module that was called, inside another one or by itself."""
        if id(module) not in self._modules:
            kind = type(module).__name__
            self.add_module(module, f"{parent}.{kind}" if parent else kind)
        return self._modules[id(module)]

    def of(self, array: Any, tensor: Tensor | None) -> tuple[str | None, bool]:
        """Return the name of a leaf or a constant, or None, and whether it is a variable rather than a module's."""
        for name, value in self._given:
            if value is tensor or _same(value, array):
                return name, True
        path = self._parameters.get(id(tensor))
        return path, False


def _same(value: Any, array: Any) -> bool:
    """Whether an array is that of a Tensor, or a copy of a named NumPy array."""
    if isinstance(value, Tensor):
        own = value.data
        return backend.is_array(array) and own.shape == array.shape and _start(own) == _start(array)
    if not isinstance(array, np.ndarray) or not isinstance(value, np.ndarray) or value.shape != array.shape:
        return False
    return array.ndim > 0 and bool(np.array_equal(value, array))


def _start(array: Any) -> tuple[int, Any]:
    return (array.ctypes.data if backend.on_cpu(array) else array.data.ptr), array.strides


def _checked(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"tour: names: expected a dict such as {{'x': x}}, got {type(given).__name__}")
    for name, value in (given or {}).items():
        if not isinstance(name, str) or not (isinstance(value, (Tensor, Module)) or backend.is_array(value)):
            raise TypeError(f"tour: names: expected Tensors, arrays or modules by name, got {type(value).__name__} for "
                            f"{name!r}")  # fmt: skip
    return given or {}


def _variables_of(function: Callable[[], Any]) -> dict[str, Any]:
    try:
        found = inspect.getclosurevars(function)
    except TypeError:  # a callable of another kind
        return {}
    return {**found.globals, **found.nonlocals}


def title_of(function: Callable[[], Any]) -> str:
    """Return what a function computes: the expression of a lambda, what a short function returns, or its name."""
    name = getattr(function, "__name__", type(function).__name__)
    source = (source_of(function) or "").strip()
    if not source:
        return name
    for text in (source, source.rstrip(",)"), f"f({source}"):  # a lambda may stand within a call of several lines
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        if name == "<lambda>" and len(lambdas) == 1:
            return ast.unparse(lambdas[0].body)
        returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
        if name != "<lambda>" and len(returns) == 1:
            return f"{name}: {ast.unparse(returns[0].value)}"  # type: ignore[arg-type]
    return "a function" if name == "<lambda>" else name


def command() -> str:
    """Return the command that is running, without the folders that it lies in; "" for an interpreter or a notebook."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    file = getattr(main, "__file__", None)
    return f"python {Path(file).name}" if file else ""


def shown_file(file: str) -> str:
    """Return a file's name as the page shows it: from the current folder on, or else without its folder."""
    path, here = Path(file), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_absolute() and path.is_relative_to(here) else path.name
