"""The reverse sweep: the chain rule, applied to a recorded graph.

Nodes are numbered as they are made, so each has a higher number than all that it was made from. The sweep walks them
from the highest number down: exactly the forward pass in reverse. When it comes to a node, everything that used the
node's output is done, and the gradient of that output is complete: the sum of what came back from its uses. The node
turns it into the gradients of its inputs, and forgets what it had saved.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.function import Function, edge_of
from minigrad.grad_mode import enable_grad, no_grad
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
        found = _sweep([self], [grad], None, retain_graph or create_graph)
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
        found = _sweep(outputs, grad_outputs, set(targets), retain_graph or create_graph)
    results, given = [], set()
    for x, edge in zip(inputs, targets, strict=True):
        result = found[edge] if edge in found else _zeros_like(x)
        results.append(result.clone() if edge in given else result)  # an input that is given twice gets two gradients
        given.add(edge)
    return results


def _sweep(
    outputs: Sequence[Tensor], output_grads: Sequence[Any], targets: set[Any] | None, retain_graph: bool
) -> dict[Any, Tensor]:
    """Walk the graph of `outputs` once, in reverse, and return the gradients of `targets`, by node or leaf.

    With `targets=None` these are all leaves; otherwise only the part of the graph that leads to a target is walked.
    """
    grads: dict[Any, Tensor] = {}  # what has come back so far, by node or leaf
    taken: set[int] = set()  # memory that belongs to somebody else
    for output, grad in zip(outputs, output_grads, strict=True):
        edge = edge_of(output)
        if edge is None:
            raise RuntimeError("backward: this Tensor has no graph: nothing it was made from requires gradients")
        first = _first_gradient(output, grad)
        taken.add(_memory(first._array))
        _accumulate(grads, edge, first)
    nodes = _nodes_below(grads)
    if targets is not None:
        nodes = _leading_to(targets, nodes)
        wanted = targets.union(nodes)
    while nodes:
        node = nodes.pop()
        if node not in grads:
            continue
        grad = grads.pop(node) if targets is None or node not in targets else grads[node]
        for edge, input_grad in zip(node.edges, node.input_gradients(grad), strict=True):
            if edge is not None and input_grad is not None and (targets is None or edge in wanted):
                _accumulate(grads, edge, input_grad)
        if not retain_graph:
            node.release()
    return _owning_their_memory(grads, taken)


def _owning_their_memory(grads: dict[Any, Tensor], taken: set[int]) -> dict[Any, Tensor]:
    """Copy the gradients that share memory with another one, or show one number several times: whoever gets them may
    write into them. The two gradients of a + b, for example, are the same array, and that of a sum is one number.
    """
    for edge, grad in grads.items():
        array = grad._array
        memory = id(array) if array.base is None else _memory(array)
        if isinstance(edge, Tensor) and array.shape != edge._array.shape:
            raise RuntimeError(
                f"backward: the gradient of a leaf of shape {edge.shape} has shape {grad.shape}; an operation that "
                "uses the leaf has a wrong backward"
            )
        if memory in taken or grad is edge or (array.base is not None and _is_repeated(array)):
            grads[edge] = grad.clone()
        taken.add(memory)
    return grads


def _memory(array: Array) -> int:
    """Return what identifies the memory that an array shows: the same number for all its views."""
    while backend.is_array(array.base):
        array = array.base
    return id(array)


def _is_repeated(array: Array) -> bool:
    """Whether one number in memory stands for several elements, as in what `broadcast_to` returns."""
    return any(step == 0 and n > 1 for step, n in zip(array.strides, array.shape, strict=True))


def _accumulate(grads: dict[Any, Tensor], edge: Any, grad: Tensor) -> None:
    """A value that is used several times receives the sum of what comes back from its uses."""
    known = grads.get(edge)
    grads[edge] = grad if known is None else known + grad


def _nodes_below(roots: Iterable[Any]) -> list[Function]:
    """Return the nodes among `roots` and all that they were made from, by their number."""
    nodes: set[Function] = set()
    stack = list(roots)
    while stack:  # no recursion: graphs are deep
        node = stack.pop()
        if node is None or isinstance(node, Tensor) or node in nodes:
            continue
        if node.released:
            raise RuntimeError(
                f"backward: the graph below {node.name} was released by an earlier backward; "
                "pass retain_graph=True there to walk it again"
            )
        nodes.add(node)
        stack.extend(node.edges)
    return sorted(nodes, key=attrgetter("number"))


def _leading_to(targets: set[Any], nodes: Sequence[Function]) -> list[Function]:
    """Return those of `nodes`, in the same order, from whose inputs a target can be reached."""
    leading: dict[Function, None] = {}  # a set that remembers the order
    for node in nodes:
        if any(edge in targets or edge in leading for edge in node.edges):
            leading[node] = None
    return list(leading)


def _first_gradient(output: Tensor, grad: Any) -> Tensor:
    if grad is None:
        if output.size != 1:
            raise ValueError(
                f"backward: grad may be left out for one number only, this Tensor has shape {output.shape}"
            )
        xp = backend.array_module(output.data)
        with backend.use_device(output.device):
            return Tensor._wrap(xp.ones_like(output.data))
    if not isinstance(grad, Tensor):
        grad = Tensor(np.asarray(grad, output.dtype) if not hasattr(grad, "dtype") else grad)
        grad = Tensor(grad, device=output.device)
    if grad.shape != output.shape:
        raise ValueError(f"backward: grad has shape {grad.shape}, the Tensor {output.shape}")
    if grad.device != output.device:
        raise backend.DeviceError(f"backward: grad is on {grad.device}, the Tensor on {output.device}")
    return grad if grad.dtype == output.dtype else grad.astype(output.dtype)


def _zeros_like(tensor: Tensor) -> Tensor:
    with backend.use_device(tensor.device):
        return Tensor._wrap(backend.array_module(tensor.data).zeros_like(tensor.data))
