"""Gradients compared with slopes: each of some entries is moved a little up and down, and the function run again.

The runs repeat the first one: they draw the same random numbers, and find running statistics as they were before it.
Afterwards everything is as the first run left it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad import rng
from minigrad.guided.graph import Graph
from minigrad.guided.record import Record, Recorder
from minigrad.hooks import Hook
from minigrad.tensor import Tensor

ENTRIES = 64  # that are compared in all, and at least one of each leaf
PER_LEAF = 16


class Rerun(Hook):
    """Runs a function again, as it ran under this hook: with the same random numbers and the same running statistics.

    What else the function changes, such as a list it appends to, is not known here.
    """

    def __init__(self, fn: Callable[[], Tensor]) -> None:
        self._fn = fn
        self._before_run: dict[Tensor, Any] = {}  # buffers as they were, by Tensor
        self._random = _random_state()

    def before_module(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """Note the buffers of a module when it is first called."""
        for name in module._buffers:
            buffer = getattr(module, name)
            if buffer is not None and buffer not in self._before_run:
                self._before_run[buffer] = buffer.data.copy()

    @contextmanager
    def repeating(self) -> Iterator[Callable[[], float]]:
        """Yield what runs the function again and returns its number; at the end all is as before."""
        after_run = {buffer: buffer.data.copy() for buffer in self._before_run}
        versions = {buffer: buffer._version[0] for buffer in self._before_run}
        random_after = _random_state()
        try:
            yield self._again
        finally:
            _write(after_run)
            for buffer, version in versions.items():
                buffer._version[0] = version
            _set_random_state(random_after)

    def _again(self) -> float:
        _write(self._before_run)
        _set_random_state(self._random)
        return float(self._fn().item())


def _write(arrays: dict[Tensor, Any]) -> None:
    for buffer, array in arrays.items():
        buffer.data[...] = array


def _random_state() -> tuple[Any, ...]:
    return rng.position(), random.getstate(), np.random.get_state()  # noqa: NPY002 - the user's own may be drawn from it


def _set_random_state(state: tuple[Any, ...]) -> None:
    rng.go_to(state[0])
    random.setstate(state[1])
    np.random.set_state(state[2])  # noqa: NPY002


def add_beliefs(graph: Graph, recorder: Recorder, rerun: Rerun, loss: float) -> list[str]:
    """Compare the gradients of all leaves of a graph, and return what the page should say about it, in sentences."""
    leaves = [(i, record) for record in recorder.gradients if (i := graph.id_of(record)) is not None]
    each = min(PER_LEAF, max(1, ENTRIES // max(1, len(leaves))))
    chosen = np.random.default_rng(0)
    with rerun.repeating() as run:
        again = run()
        if not np.isclose(again, loss, rtol=1e-4, equal_nan=True):
            return [
                f"Finite differences: run again, the function gave {again:.6g} instead of {loss:.6g}, so that slopes "
                "mean nothing. It may draw random numbers of its own, or change what it uses."
            ]
        for i, record in leaves:
            size = int(np.prod(record.shape))
            entries = np.arange(size) if size <= each else np.sort(chosen.choice(size, each, replace=False))
            graph.nodes[i]["belief"] = _belief(record, recorder.gradients[record], entries, run)
    return []


def _belief(record: Record, gradient: Any, entries: np.ndarray, run: Callable[[], float]) -> dict[str, Any]:
    """Return the slopes at some entries of a leaf beside its gradient there, and by how much they differ at most."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        index = tuple(int(k) for k in np.unravel_index(int(entry), record.shape))
        slope = _slope(record.tensor.data, index, run)  # type: ignore[union-attr]
        found.append({"index": list(index), "slope": slope, "gradient": float(gradient[index])})
    differences = [abs(pair["slope"] - pair["gradient"]) for pair in found]
    largest = max(differences, default=0.0)
    scale = max((abs(pair["gradient"]) for pair in found), default=0.0)
    return {
        "entries": [{key: _finite(value) for key, value in pair.items()} for pair in found],
        "largest": _finite(largest),
        "relative": _finite(largest / scale if scale else largest),
        "sampled": len(found) < int(np.prod(record.shape)),
    }


def _slope(array: Any, index: tuple[int, ...], run: Callable[[], float]) -> float:
    """Return (f(x + h) − f(x − h)) / 2h at one entry, which is put back exactly."""
    here = array[index].copy()
    h = float(np.finfo(array.dtype).eps) ** (1 / 3) * max(1.0, abs(float(here)))
    try:
        array[index] = here + h
        above, right = run(), float(array[index])
        array[index] = here - h
        below, left = run(), float(array[index])
    finally:
        array[index] = here
    return (above - below) / (right - left)


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return value
    return float(f"{value:.7g}") if np.isfinite(value) else str(float(value))
