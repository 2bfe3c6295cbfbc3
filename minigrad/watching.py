"""Two hooks for every day: where the first nan comes from, and where the time goes."""

from __future__ import annotations

import contextlib
import linecache
import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from minigrad.backend import array_module, is_array, on_cpu
from minigrad.function import Function
from minigrad.hooks import Hook
from minigrad.table import Table

# Code that is nobody's own: minigrad's, and decorators of NumPy and Python around its functions.
BETWEEN = str(Path(__file__).parent), str(Path(np.__file__).parent), contextlib.__file__


class AnomalyError(ArithmeticError):
    """An operation has made a nan or an infinity of finite numbers."""


class detect_anomaly(Hook):  # noqa: N801 - PyTorch's name
    """Inside `with mg.detect_anomaly():`, raise an error where an operation, forwards or backwards, makes the first nan
    or infinity of finite numbers. It names the operation, the shapes, and the line of code that called it.

    What is nan because an input was, is no news, and no error. Every number is looked at, which takes longer than many
    an operation, and a GPU is waited for each time: it is for finding errors, not for training.

    Raises:
        AnomalyError: see above.
    """

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Function, tuple[str, bool]] = WeakKeyDictionary()  # line; from finite numbers?
        self._sweeping = 0  # backward passes that are going on

    def before_forward(self, node: Function, inputs: list[Any], options: dict[str, Any]) -> None:
        self._made[node] = _calling_line(), all(map(_is_finite, [*inputs, *options.values()]))

    def after_forward(self, node: Function, inputs: list[Any], options: dict[str, Any], output: Any) -> None:
        line, of_finite = self._made[node]
        if of_finite and not self._sweeping and not _is_finite(output):
            shapes = ", ".join(str(getattr(x, "shape", x)) for x in inputs)
            raise AnomalyError(f"{node.name} made {_described(output)} of finite numbers ({shapes}), called at {line}")

    def before_backward(self, node: Function, grad: Any) -> None:
        self._sweeping += 1

    def after_backward(self, node: Function, grad: Any, input_grads: tuple[Any, ...]) -> None:
        self._sweeping -= 1
        line, of_finite = self._made.get(node, ("a line before detect_anomaly was entered", True))
        if of_finite and _is_finite(grad):
            for i, found in enumerate(input_grads):
                if not _is_finite(found):
                    raise AnomalyError(
                        f"backward of {node.name} made {_described(found)} the gradient of input {i}, of a finite "
                        f"gradient of shape {grad.shape}; the operation was called at {line}"
                    )

    def failed(self, owner: Any) -> None:
        self._sweeping = 0  # the exception ends the whole sweep


def _is_finite(x: Any) -> bool:
    """Whether numbers, or what else an operation is given, hold neither nan nor infinity."""
    if is_array(x):
        return x.dtype.kind != "f" or bool(array_module(x).isfinite(x).all())
    return not isinstance(x, float) or math.isfinite(x)


def _described(x: Any) -> str:
    """Return, in words, how many numbers are not finite, and where the first one is."""
    xp = array_module(x)
    bad = xp.flatnonzero(~xp.isfinite(x.reshape(-1)))
    place, first = tuple(map(int, np.unravel_index(int(bad[0]), x.shape))), x.reshape(-1)[bad[0]].item()
    return f"{bad.size} of {x.size} numbers of shape {x.shape} nan or infinite, the first one {first} at {place},"


class Line(NamedTuple):
    """A line of code: its file, its number from 1, and its text, which is empty if it cannot be read."""

    file: str
    number: int
    text: str


def calling_line() -> Line:
    """Return the innermost line of code outside of minigrad, and of what it wraps its functions in, that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(BETWEEN):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    return Line(file, number, linecache.getline(file, number).strip())


def _calling_line() -> str:
    file, number, text = calling_line()
    return f"{file}:{number}: {text}".rstrip(": ")


class ProfileRow(NamedTuple):
    """What one operation cost in one direction.

    Attributes:
        operation: its name.
        direction: "forward" or "backward"; or "in backward" for a forward pass that is part of a gradient.
        calls: how often it ran.
        seconds: all in all.
        own_seconds: less what other operations inside it took.
        nbytes: of what it returned.
    """

    operation: str
    direction: str
    calls: int
    seconds: float
    own_seconds: float
    nbytes: int


class profile(Hook):  # noqa: N801 - PyTorch's name
    """Count and time the operations inside `with mg.profile() as p:`; `print(p)` shows the table, `p.rows` is the data.

    The time of an operation on a GPU is taken after waiting for it, so that the whole takes longer than without.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Any]] = {}
        self._open: list[list[Any]] = []  # of what goes on: its node, when it began, and the seconds inside it

    @property
    def rows(self) -> list[ProfileRow]:
        """One row for each operation and direction, the most expensive first."""
        rows = [ProfileRow(*key, *costs) for key, costs in self._found.items()]
        return sorted(rows, key=lambda row: -row.own_seconds)

    def table(self) -> Table:
        """Return the rows as text in columns."""
        rows = self.rows
        lines = [("operation", "direction", "calls", "ms", "own ms", "share", "MB made")]
        whole = sum(row.own_seconds for row in rows)
        for row in rows:
            lines.append(
                (
                    *row[:2],
                    f"{row.calls:,}",
                    f"{1e3 * row.seconds:.3f}",
                    f"{1e3 * row.own_seconds:.3f}",
                    f"{row.own_seconds / whole:.1%}",
                    f"{row.nbytes / 1e6:.2f}",
                )
            )
        calls, nbytes = sum(row.calls for row in rows), sum(row.nbytes for row in rows)
        lines.append(("total", "", f"{calls:,}", "", f"{1e3 * whole:.3f}", "", f"{nbytes / 1e6:.2f}"))
        return Table(lines, words=2)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def before_forward(self, node: Function, inputs: list[Any], options: dict[str, Any]) -> None:
        self._begin(node, inputs)

    def after_forward(self, node: Function, inputs: list[Any], options: dict[str, Any], output: Any) -> None:
        inside = any(direction == "backward" for _, direction, *_ in self._open)
        self._end(node, "in backward" if inside else "forward", [output])

    def before_backward(self, node: Function, grad: Any) -> None:
        self._begin(node, [grad], "backward")

    def after_backward(self, node: Function, grad: Any, input_grads: tuple[Any, ...]) -> None:
        self._end(node, "backward", [g for g in input_grads if g is not None])

    def failed(self, owner: Any) -> None:
        while self._open and self._open.pop()[0] is not owner:
            pass

    def _begin(self, node: Function, arrays: list[Any], direction: str = "forward") -> None:
        _wait_for(arrays)
        self._open.append([node, direction, time.perf_counter(), 0.0])

    def _end(self, node: Function, direction: str, results: list[Any]) -> None:
        _wait_for(results)
        now = time.perf_counter()
        while self._open[-1][0] is not node:  # another hook's exception ended these
            self._open.pop()
        _, _, start, inside = self._open.pop()
        seconds = now - start
        if self._open:
            self._open[-1][3] += seconds
        costs = self._found.setdefault((node.name, direction), [0, 0.0, 0.0, 0])
        for i, cost in enumerate((1, seconds, seconds - inside, sum(x.nbytes for x in results))):
            costs[i] += cost


def _wait_for(arrays: list[Any]) -> None:
    for x in arrays:
        if is_array(x) and not on_cpu(x):
            x.device.synchronize()
