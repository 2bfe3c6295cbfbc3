"""Gradients compared with slopes: each of some entries is moved a little up and down, and the function run again.

The runs repeat the first one: they draw the same random numbers, and find running statistics as they were before it.
They compute in float64 where the function allows it, since in float32 the difference of two losses is mostly rounding.
Afterwards everything is as the first run left it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad import backend, rng
from minigrad.function import Function
from minigrad.guided.graph import Graph
from minigrad.guided.record import Record, Recorder
from minigrad.guided.values import rounded
from minigrad.hooks import Hook
from minigrad.quoting import one_line
from minigrad.tensor import Tensor

ENTRIES = 64  # that are compared in all, and at least one of each leaf
PER_LEAF = 16
WORK = 400_000  # operations that all runs may take together, before leaves are left out
FLOAT64 = np.dtype(np.float64)


class Rerun(Hook):
    """Runs a function again, as it ran under this hook: with the same random numbers and the same running statistics.

    What else the function changes, such as a list it appends to, is not known here.
    """

    def __init__(self, fn: Callable[[], Tensor]) -> None:
        self._fn = fn
        self._buffers: dict[Tensor, Any] = {}  # their values before the run
        self._inputs: dict[Tensor, None] = {}  # of modules
        self._random = _random_state()

    def before_module(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """Note the buffers of a module when it is first called, and what it is given."""
        for name in module._buffers:
            buffer = getattr(module, name)
            if buffer is not None and buffer not in self._buffers:
                self._buffers[buffer] = buffer.data.copy()
        self._inputs.update(dict.fromkeys(x for x in inputs if isinstance(x, Tensor) and x.node is None))

    @contextmanager
    def repeating(self, tensors: Iterable[Tensor] = ()) -> Iterator[Callable[[], Tensor]]:
        """Yield what runs the function again, meanwhile with these Tensors, buffers and modules' inputs in float64.

        At the end all is as before.
        """
        tensors = list(tensors)
        wide = [x for x in {**dict.fromkeys(tensors), **self._inputs, **self._buffers} if tensors and _is_narrow(x)]
        arrays = {x: x._array for x in {**dict.fromkeys(wide), **self._buffers}}
        values, versions = {x: x.data.copy() for x in self._buffers}, {x: x._version[0] for x in arrays}
        random_after = _random_state()
        try:
            for x in wide:
                with backend.use_device(x.device):
                    x._array = x._array.astype(FLOAT64, order="K", copy=True)
            yield self._again
        finally:
            for x, array in arrays.items():
                x._array, x._version[0] = array, versions[x]
            _write(values)
            _set_random_state(random_after)

    def _again(self) -> Tensor:
        _write(self._buffers)
        _set_random_state(self._random)
        return self._fn()


class _Used(Hook):
    """Notes which leaves operations are given."""

    def __init__(self) -> None:
        self.leaves: set[Tensor] = set()

    def after_forward(self, node: Function, inputs: list[Any], options: dict[str, Any], output: Any) -> None:
        self.leaves.update(edge for edge in node.edges or () if isinstance(edge, Tensor))


def _is_narrow(tensor: Tensor) -> bool:
    return tensor.dtype.kind == "f" and tensor.dtype != FLOAT64


def _write(arrays: dict[Tensor, Any]) -> None:
    for tensor, array in arrays.items():
        tensor._array[...] = array


def _random_state() -> tuple[Any, ...]:
    return rng.position(), random.getstate(), np.random.get_state()  # noqa: NPY002 - a user's function may draw from it


def _set_random_state(state: tuple[Any, ...]) -> None:
    rng.go_to(state[0])
    random.setstate(state[1])
    np.random.set_state(state[2])  # noqa: NPY002


def add_beliefs(graph: Graph, recorder: Recorder, rerun: Rerun, named: list[Tensor], loss: float) -> list[str]:
    """Compare the gradients of all leaves of a graph, and return what the page should say about it, in sentences.

    `named` are Tensors that the function is known to use.
    """
    leaves = [(i, record) for record in recorder.gradients if (i := graph.id_of(record)) is not None]
    tensors = [*named, *(record.tensor for _, record in leaves if record.tensor is not None)]
    problem = _problem(rerun, tensors)
    with rerun.repeating([] if problem else tensors) as run:
        with _Used() as used:
            again = run().item()
        if not np.isclose(again, loss, rtol=1e-3, equal_nan=True):
            return [
                f"Finite differences: run again, the function gave {again:.6g} instead of {loss:.6g}, so that slopes "
                "mean nothing. It may draw random numbers of its own, or change what it uses."
            ]
        lasting = [(i, record) for i, record in leaves if record.tensor in used.leaves]
        made_anew, leaves = len(leaves) - len(lasting), lasting
        chosen = np.random.default_rng(0)
        most = max(1, WORK // (2 * len(recorder.made_by)))
        compared = (
            leaves if len(leaves) <= most else [leaves[k] for k in np.sort(chosen.permutation(len(leaves))[:most])]
        )
        each = min(PER_LEAF, max(1, min(ENTRIES, most) // max(1, len(compared))))
        for i, record in compared:
            size = int(np.prod(record.shape))
            entries = np.arange(size) if size <= each else np.sort(chosen.choice(size, each, replace=False))
            graph.nodes[i]["belief"] = _belief(record, recorder.gradients[record], entries, run)
    _finish([graph.nodes[i]["belief"] for i, _ in compared])
    said = [f"Finite differences in the run's own precision, not in float64: {problem}"] if problem else []
    if made_anew:
        which = "1 leaf" if made_anew == 1 else f"{made_anew:,} leaves"
        said.append(
            f"The slopes of {which} made anew in each run of the function, where nothing can be moved: make such "
            "leaves before it."
        )
    if len(compared) < len(leaves):
        said.append(f"The slopes of {len(leaves) - len(compared):,} of {len(leaves):,} leaves: they would take long.")
    return said


def _problem(rerun: Rerun, tensors: list[Tensor]) -> str:
    """Return, in words, why the function does not run in float64, or ""."""
    try:
        with rerun.repeating(tensors) as run:
            dtype = run().dtype
    except Exception as error:  # whatever the user's function raises when it meets float64
        return f"there it raised {type(error).__name__} ({one_line(error)})."
    return "" if dtype == FLOAT64 else f"there it still returned {dtype}."


def _belief(record: Record, gradient: Any, entries: np.ndarray, run: Callable[[], Tensor]) -> dict[str, Any]:
    """Return the slopes at some entries of a leaf beside its gradient there, by how much they differ at most, and as
    `size` the largest entry of the whole gradient.
    """
    array, found, largest = record.tensor.data, [], 0.0  # type: ignore[union-attr]
    for entry in entries:
        index = tuple(int(k) for k in np.unravel_index(int(entry), record.shape))
        slope, here = _slope(array, index, run), float(gradient[index])
        largest = max(largest, abs(slope - here)) if np.isfinite(slope - here) else float("nan")
        found.append({"index": list(index), "slope": slope, "gradient": here})
    sampled = len(found) < int(np.prod(record.shape))
    size = float(abs(gradient).max()) if gradient.size else 0.0
    return {"entries": found, "largest": largest, "size": size, "sampled": sampled, "dtype": str(array.dtype)}


def _finish(beliefs: list[dict[str, Any]]) -> None:
    """Note how large the largest disagreement is beside the leaf's gradient, but not beside one that is nearly 0: that
    counts as a thousandth of the graph's largest. And round the numbers.
    """
    top = max((belief["size"] for belief in beliefs), default=0.0)
    for belief in beliefs:
        scale = max(belief.pop("size"), top / 1000)
        belief["relative"] = rounded(belief["largest"] / scale if scale else belief["largest"])
        belief["largest"] = rounded(belief["largest"])
        for pair in belief["entries"]:
            pair.update(slope=rounded(pair["slope"]), gradient=rounded(pair["gradient"]))


def _slope(array: Any, index: tuple[int, ...], run: Callable[[], Tensor]) -> float:
    """Return (f(x + h) − f(x − h)) / 2h at one entry, which is put back exactly."""
    here = array[index].copy()
    h = float(np.finfo(array.dtype).eps) ** (1 / 3) * max(1.0, abs(float(here)))
    with np.errstate(invalid="ignore"):  # next to infinity the slope is nan
        more, less = here + h, here - h
    try:
        array[index] = more
        above, right = run().item(), float(array[index])
        array[index] = less
        below, left = run().item(), float(array[index])
    finally:
        array[index] = here
    return (above - below) / (right - left)
