"""The reverse sweep: the chain rule, applied to a recorded graph.

Nodes are numbered as they are made, so each has a higher number than all that it was made from. The sweep walks them
from the highest number down: exactly the forward pass in reverse. When it comes to a node, everything that used the
node's output is done, and the gradient of that output is complete: the sum of what came back from its uses. The node
turns it into the gradients of its inputs, and forgets what it had saved.

Gradients are bare arrays on the way; or with `create_graph` Tensors, whose operations are recorded in their turn.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np

from minigrad import backend, hooks
from minigrad.backend import Array
from minigrad.function import Function, edge_of
from minigrad.grad_mode import enable_grad, grad_mode, no_grad
from minigrad.ops.broadcasting import OnesLike, SumTo, ZerosLike, broadcasts
from minigrad.ops.elementwise import Add
from minigrad.ownership import owned
from minigrad.tensor import Tensor

RECORDING, SILENT = enable_grad(), no_grad()  # the sweep itself, for second derivatives or without them
_accumulation = threading.Lock()  # two threads may come to a shared parameter at once


def _start_anew() -> None:
    global _accumulation
    _accumulation = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_start_anew)  # a lock that another thread held stays held after a fork


def backward(self: Tensor, grad: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Compute the gradient of this Tensor with respect to every leaf it depends on, and add it to their `.grad`.

    Several threads may run backward at once, on graphs of their own that share leaves: every gradient is added.

    Args:
        grad: ∂L/∂self, of this Tensor's shape; may be left out for a single number (then it is 1).
        retain_graph: keep what the operations saved, so that backward can run again.
        create_graph: record the sweep itself, so that gradients can be differentiated again; implies
            `retain_graph`.

    Raises:
        RuntimeError: there is no graph, or it was released by an earlier backward, or a saved array was changed
            since.
        ValueError: `grad` is missing or has another shape.
    """
    with RECORDING if create_graph else SILENT:
        found = owned(_sweep([self], [grad], None, retain_graph or create_graph))
        with _accumulation:
            for leaf, leaf_grad in found.items():
                leaf.grad = leaf_grad if leaf.grad is None else leaf.grad + leaf_grad


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    *,
    retain_graph: bool = False,
) -> list[Tensor]:
    """Return the gradients of `outputs` with respect to `inputs`, without touching any `.grad`.

    Args:
        outputs: one Tensor or several; their contributions are summed.
        inputs: Tensors, leaves or intermediate results.
        grad_outputs: ∂L/∂output: a list with one for each output, or a single one for all; may be left out for
            single numbers.
        create_graph: make the gradients differentiable again; implies `retain_graph`. (In PyTorch, `retain_graph`
            comes before it; here that is given by name only.)
        retain_graph: keep the graph for another sweep.

    Returns:
        One Tensor per input, of its shape, in memory of its own; zeros where no output depends on it.

    Raises:
        RuntimeError: an input does not require gradients, or the graph was released.
        ValueError: `grad_outputs` does not fit.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not isinstance(grad_outputs, (list, tuple)):
        grad_outputs = [grad_outputs] * len(outputs)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs but {len(grad_outputs)} grad_outputs")
    for i, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            raise RuntimeError(f"grad: input {i} of shape {tensor.shape} does not require gradients")
    targets = [edge_of(tensor) for tensor in inputs]
    with RECORDING if create_graph else SILENT:
        found = owned(_sweep(outputs, grad_outputs, set(targets), retain_graph or create_graph))
    results, given = [], set()
    for x, edge in zip(inputs, targets, strict=True):
        result = found[edge] if edge in found else ZerosLike.apply(x)
        results.append(result.clone() if edge in given else result)  # an input that is given twice gets two gradients
        given.add(edge)
    return results


@backend.quietly
def _sweep(
    outputs: Sequence[Tensor], output_grads: Sequence[Any], targets: set[Any] | None, retain_graph: bool
) -> dict[Any, Any]:
    """Walk the graph of `outputs` once, in reverse, and return the gradients of `targets`, by node or leaf.

    With `targets=None` these are all leaves; otherwise only the part of the graph that leads to a target is walked.
    """
    grads: dict[Any, Any] = {}  # what has come back so far, by node or leaf
    for output, grad in zip(outputs, output_grads, strict=True):
        edge, first = edge_of(output), _first_gradient(output, grad)
        grads[edge] = Add.apply(grads[edge], first) if edge in grads else first
    nodes = _nodes_below(grads)
    nodes, wanted = (nodes, None) if targets is None else _leading_to(targets, nodes)
    leaves = hooks.LeafCounts(nodes) if hooks.in_use else None
    while nodes:
        node = nodes.pop()
        if node in grads:
            grad = grads[node] if targets and node in targets else grads.pop(node)
            found = hooks.around_backward(_run, node, grad) if hooks.in_use else _run(node, grad)
            for edge, input_grad in zip(node.edges, found, strict=True):
                if input_grad is not None and (wanted is None or edge in wanted):
                    known = grads.get(edge)  # a value that is used several times receives a gradient from each use
                    grads[edge] = input_grad if known is None else Add.apply(known, input_grad)
        if leaves:
            leaves.passed(node, grads)
        if not retain_graph:
            node.release()
    return grads


def _run(node: Function, grad: Any) -> Sequence[Any]:
    """Run a node's `backward` on the device of `grad`, and return for each input a gradient of its shape, or None."""
    found = node.backward(grad) if type(grad) is np.ndarray else _run_elsewhere(node, grad)
    found = found if isinstance(found, tuple) else (found,)
    if len(found) != len(node.edges):
        _refuse(node, found)
    for g, edge in zip(found, node.edges, strict=True):
        fits = type(g) is np.ndarray and edge is not None and g.shape == edge.shape and g.dtype == edge.dtype
        if grad_mode.enabled or not (g is None or fits):
            return [_fitted(node, *pair, found) for pair in zip(node.edges, found, strict=True)]
    return found  # nearly always


def _run_elsewhere(node: Function, grad: Any) -> Any:
    with backend.use_device(backend.device_of(_array(grad))):
        return node.backward_on_gpu(grad)


def _fitted(node: Function, edge: Any, g: Any, found: tuple) -> Any:
    """Return a gradient as an array, or while the sweep is recorded as a Tensor, and undo broadcasting: sum over the
    axes along which the input was repeated to the output's shape.
    """
    if g is None or edge is None:
        return None
    shape, dtype = edge.shape, edge.dtype
    if grad_mode.enabled:
        g = g if isinstance(g, Tensor) else _refuse(node, found)
    elif isinstance(g, np.generic):
        g = np.asarray(g)
    elif isinstance(g, Tensor):  # of operations that a user's `backward` calls by their public names
        g = g._array
    elif not backend.is_array(g):
        _refuse(node, found)
    if g.shape == shape and g.dtype == dtype:
        return g
    if g.dtype != dtype or g.shape != node.shape or not broadcasts(shape, node.shape):
        raise RuntimeError(
            f"backward of {node.name} returned a gradient of shape {g.shape} and dtype {g.dtype} for an input of shape "
            f"{shape} and dtype {dtype}, the output's shape being {node.shape}: the operation has a wrong backward"
        )
    return SumTo.apply(g, shape=shape)


def _refuse(node: Function, found: tuple) -> NoReturn:
    kinds, count = ", ".join(type(g).__name__ for g in found), len(node.edges)
    expected = "a Tensor, as the sweep is recorded," if grad_mode.enabled else "an array"
    raise TypeError(f"backward of {node.name} returned {kinds}; expected {expected} or None for each of {count} inputs")


def _array(grad: Any) -> Array:
    return grad._array if isinstance(grad, Tensor) else grad


def _nodes_below(roots: Iterable[Any]) -> list[Function]:
    """Return the nodes among `roots` and all that they were made from, by their number."""
    nodes, stack = set(), list(roots)
    while stack:  # no recursion: graphs are deep
        node = stack.pop()
        if isinstance(node, Function) and node not in nodes:  # no leaf, and no input without gradient
            nodes.add(node if not node.released else _refuse_released(node))
            stack.extend(node.edges)
    return sorted(nodes, key=attrgetter("number"))


def _refuse_released(node: Function) -> NoReturn:
    raise RuntimeError(
        f"backward: the graph below {node.name} was released by an earlier backward; pass retain_graph=True "
        "there to walk it twice, or run the forward pass again if that backward failed"
    )


def _leading_to(targets: set[Any], nodes: Sequence[Function]) -> tuple[list[Function], set[Any]]:
    """Return the nodes that lead to a target, in their order; and as a set, these and the targets."""
    leading, found = [], set(targets)
    for node in nodes:
        if not found.isdisjoint(node.edges):
            leading.append(node)
            found.add(node)
    return leading, found


def _first_gradient(output: Tensor, grad: Any) -> Any:
    """Return ∂L/∂output, checked: as an array, or while the sweep is recorded as a Tensor."""
    if edge_of(output) is None:
        raise RuntimeError("backward: this Tensor has no graph: nothing it was made from requires gradients")
    if grad is not None:
        return _given_gradient(output, grad)
    if output._array.size != 1:
        raise ValueError(f"backward: grad may be left out for one number only, this Tensor has shape {output.shape}")
    return OnesLike.apply(output if grad_mode.enabled else output._array)


def _given_gradient(output: Tensor, grad: Any) -> Any:
    if not isinstance(grad, Tensor):
        grad = Tensor(np.asarray(grad, output.dtype) if not hasattr(grad, "dtype") else grad)
        grad = Tensor(grad, device=output.device)
    if grad.shape != output.shape:
        raise ValueError(f"backward: grad has shape {grad.shape}, the Tensor {output.shape}")
    if grad.device != output.device:
        raise backend.DeviceError(f"backward: grad is on {grad.device}, the Tensor on {output.device}")
    grad = grad if grad.dtype == output.dtype else grad.astype(output.dtype)
    return grad if grad_mode.enabled else grad._array
