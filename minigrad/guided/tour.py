"""`mg.tour`: run a function once under the hook, and make a page of what was seen."""

from __future__ import annotations

import html
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minigrad
from minigrad import rng
from minigrad.function import Function, edge_of
from minigrad.guided import operations
from minigrad.guided.belief import Rerun, add_beliefs
from minigrad.guided.graph import Graph
from minigrad.guided.names import Names, command, title_of
from minigrad.guided.questions import add_questions
from minigrad.guided.record import Record, Recorder, Step
from minigrad.guided.values import Values
from minigrad.guided.writer import page_of, written
from minigrad.nn import Module
from minigrad.tensor import Tensor


class Tour:
    """A page that shows a run. As the last expression of a notebook's cell it shows itself.

    Attributes:
        data: what the page holds: values, nodes, modules and steps, of numbers, texts, lists and dicts.
        path: the file it was written to, or None.
    """

    def __init__(self, data: dict[str, Any], path: str | None) -> None:
        self.data, self.path = data, path

    @property
    def html(self) -> str:
        """The page, complete in itself."""
        return page_of(self.data)

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="720" style="border: 0" title="the tour"></iframe>'

    def __repr__(self) -> str:
        where = f", written to {self.path}" if self.path else ""
        return f"Tour of {self.data['title']}: {len(self.data['nodes'])} nodes, {len(self.data['steps'])} steps{where}"


def tour(
    fn: Callable[[], Tensor],
    path: str | os.PathLike[str] | None = None,
    names: Mapping[str, Any] | None = None,
    backwards: int = 1,
    create_graph: bool = False,
    check: bool = True,
) -> Tour:
    """Run a function once, forwards and backwards, and write a page on which one steps through its graph.

    The numbers on the page are those of the run itself. `.grad` of the leaves stays as it was. For finite differences
    the function is run again, with the same random numbers; running statistics of batch norm are left alone then.

    Args:
        fn: takes nothing and returns a single number that something with `requires_grad` went into. What the page
            shall show has to happen inside it.
        path: where to write the page, one file that needs nothing else. None writes none: the result shows itself in
            notebooks.
        names: what to call Tensors, arrays and modules; by default as the variables that `fn` uses.
        backwards: how often to go backwards; the second time adds to the first one's gradients.
        create_graph: record the first sweep, too, and show the gradient's own graph.
        check: whether to compare gradients with finite differences, which takes some dozens of runs.

    Returns:
        The page, with its `data` and the `path`.

    Raises:
        TypeError: `fn` is no function of nothing, or does not return a Tensor; or `path` or `names` are something else.
        ValueError: `fn` returns more than one number, or `backwards` is not a number from 1.
        RuntimeError: the result has no graph, or nothing that went into it requires a gradient.
        OSError: the file cannot be written.
    """
    _check(fn, path, backwards)
    values = Values()
    recorder = Recorder(values)
    known, rerun = Names(fn, names), Rerun(fn)
    seed = str(rng.rng_state()["seed"])
    with recorder, rerun:
        output = fn()
    records = list(recorder.records)
    loss = _checked_output(output, recorder)
    second = _sweep(recorder, known, output, backwards, create_graph)
    graph = Graph(records, loss, known, [step for step in recorder.steps if step.sweep <= backwards])
    left_out = list(graph.left_out)
    if check:
        left_out += add_beliefs(graph, recorder, rerun, known.tensors, float(output.item()))
    add_questions(graph, values)
    graphs = [graph.as_json()]
    if second is not None:
        root, title = second
        steps = [step for step in recorder.steps if step.sweep > backwards]
        of_gradient = Graph(recorder.records, root, known, steps, symbol="s")
        add_questions(of_gradient, values, symbol="s")
        left_out += of_gradient.left_out
        graphs.append({"title": title, **of_gradient.as_json()})
    entries, without_numbers = values.used(graphs)
    if without_numbers:
        left_out.append(f"The numbers of {without_numbers:,} arrays: the page shows how they are distributed.")
    data = {
        "format": 1,
        "title": title_of(fn),
        "made_by": _made_by(seed),
        "left_out": left_out,
        "backwards": backwards,
        "operations": _operations(recorder),
        **graphs[0],
        "second_order": graphs[1] if second is not None else None,
        "values": entries,
    }
    return Tour(data, written(data, path))


def _check(fn: Any, path: Any, backwards: Any) -> None:
    if isinstance(fn, Tensor):
        raise TypeError(
            "tour: got a Tensor, expected a function that computes it: what passed before cannot be shown. Write "
            "mg.tour(lambda: loss_of(model, x, y))"
        )
    if not callable(fn):
        raise TypeError(f"tour: expected a function that takes nothing and returns the loss, got {type(fn).__name__}")
    if needed := _needed_by(fn.forward if isinstance(fn, Module) else fn):
        raise TypeError(
            f"tour: expected a function that takes nothing, got one that needs {', '.join(needed)}. Write "
            "mg.tour(lambda: f(x, y)), with what it shall be given"
        )
    if not isinstance(path, (str, os.PathLike, type(None))):
        raise TypeError(f"tour: path: expected the name of a file, got {type(path).__name__}")
    if not isinstance(backwards, int) or isinstance(backwards, bool) or backwards < 1:
        raise ValueError(f"tour: backwards: expected how often to go backwards, a number from 1, got {backwards!r}")


def _needed_by(fn: Callable[..., Any]) -> list[str]:
    """Return the arguments that a function cannot be called without."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # some callables that are not written in Python
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _checked_output(output: Any, recorder: Recorder) -> Record:
    """Return the record of what the function returned."""
    if not isinstance(output, Tensor):
        raise TypeError(f"tour: expected a function that returns a Tensor, the loss; it returned {_kind(output)}")
    if output.size != 1:
        raise ValueError(
            f"tour: expected a function that returns a single number; it returned a Tensor of shape {output.shape}: "
            "take its mean or its sum"
        )
    edge = edge_of(output)
    if edge is None:
        raise RuntimeError(
            "tour: nothing that the result was made from requires a gradient, so there is no graph: make leaves with "
            "mg.Tensor(..., requires_grad=True), and do not compute inside mg.no_grad()"
        )
    if not isinstance(edge, Function):
        raise RuntimeError("tour: the function returned a leaf: it has no graph, as no operation made it")
    if edge.released:
        raise RuntimeError("tour: the function has called backward itself; leave that to the tour and return the loss")
    if edge not in recorder.made_by:
        raise RuntimeError("tour: the result was made before the function ran; what passed before cannot be shown")
    return recorder.made_by[edge]


def _kind(x: Any) -> str:
    return "None" if x is None else f"a {type(x).__name__}"


def _sweep(
    recorder: Recorder, names: Names, loss: Tensor, backwards: int, create_graph: bool
) -> tuple[Record, str] | None:
    """Go backwards as often as asked for, and with `create_graph` once more through the gradient's own graph, of which
    the output's record and title are returned. `.grad` of all leaves is given back.
    """
    leaves = _leaves_below(loss)
    before = {leaf: leaf.grad for leaf in leaves}
    try:
        for leaf in leaves:
            leaf.grad = None
        first: dict[Tensor, Tensor] = {}
        for sweep in range(1, backwards + 1):
            records = create_graph and sweep == 1
            grads = {leaf: leaf.grad for leaf in leaves}
            recorder.begin_sweep(record=records)
            with recorder:
                loss.backward(retain_graph=create_graph or sweep < backwards, create_graph=records)
            recorder.look_for_released()
            first = first or {leaf: leaf.grad for leaf in leaves if leaf.grad is not None}
            for step in recorder.steps:
                if step.sweep == sweep and step.record.tensor in before and not step.record.operation:
                    _complete(step, grads[step.record.tensor], recorder)
        return _sweep_of_gradients(recorder, names, first) if create_graph else None
    finally:
        for leaf, grad in before.items():
            leaf.grad = grad


def _complete(step: Step, before: Tensor | None, recorder: Recorder) -> None:
    """Note what was in `.grad` before the sweep, and what is in it now."""
    after, filters = step.record.tensor.grad, step.record.filters  # type: ignore[union-attr]
    step.before = None if before is None else recorder.values.add(before.data, filters)
    step.after = recorder.values.add(after.data, filters)


def _sweep_of_gradients(recorder: Recorder, names: Names, grads: dict[Tensor, Tensor]) -> tuple[Record, str] | None:
    """Go backwards from the gradients; from their sum, if they are more than one number."""
    recorded = {leaf: grad for leaf, grad in grads.items() if grad.node is not None}
    if not recorded:
        return None
    first, *others = recorded.values()
    recorder.recording = True
    with recorder:
        total = first if first.size == 1 else first.sum()
        for grad in others:
            total = total + (grad.reshape(()) if grad.size == 1 else grad.sum())
    title = "the sum of all entries of the gradients"
    if not others and first.size == 1:
        (leaf,) = recorded
        title = f"∂L/∂{names.of(leaf.data, leaf)[0] or 'the leaf'}"
    record = recorder.made_by[total.node]
    for leaf in grads:
        leaf.grad = None
    recorder.begin_sweep(record=False)
    with recorder:
        total.backward()
    recorder.look_for_released()
    for step in recorder.steps:
        if step.sweep == recorder.sweep and not step.record.operation:
            _complete(step, None, recorder)
    return record, title


def _leaves_below(loss: Tensor) -> list[Tensor]:
    found: dict[Any, None] = {}
    stack = [loss.node]
    while stack:
        edge = stack.pop()
        if edge is not None and edge not in found:
            found[edge] = None
            stack.extend(edge.edges if isinstance(edge, Function) else ())
    return [edge for edge in found if isinstance(edge, Tensor)]


def _operations(recorder: Recorder) -> dict[str, Any]:
    kinds = {record.operation for record in recorder.records if record.operation}
    return {kind.__name__: operations.described(kind) for kind in sorted(kinds, key=lambda kind: kind.__name__)}


def _made_by(seed: str) -> dict[str, str]:
    return {"minigrad": minigrad.__version__, "numpy": np.__version__, "seed": seed, "command": command()}
