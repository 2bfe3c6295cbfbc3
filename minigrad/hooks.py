"""Watching the engine: hooks that see every operation, forwards and backwards, and change nothing.

    class Names(mg.hooks.Hook):
        def after_forward(self, node, inputs, options, output):
            print(node.name, output.shape)

    with Names():
        loss_of(model, x, y).backward()

`minigrad.watching` has two that are ready for use, `detect_anomaly` and `profile`. A hook sees what its own thread does
while it is entered. What is done to a module's output (`Module.register_forward_hook`) is another thing: that is called
by the module, and may replace what the module returns.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minigrad.function import Function
    from minigrad.tensor import Tensor

in_use = 0  # hooks that are entered, in all threads: while there is none, an operation asks for nothing else
_lock = threading.Lock()


class _Watchers(threading.local):
    hooks: tuple[Hook, ...] = ()


_watchers = _Watchers()


class Hook:
    """What is called around operations while `with hook:` lasts, in this thread. To be subclassed; a method that is not
    overridden does nothing.

    Inputs, outputs and gradients are given as arrays: on the CPU views that cannot be written to; on a GPU, whose
    arrays know no such thing, the arrays themselves, which are not to be changed. Numbers and None among the inputs are
    given as they are. The operations that a hook itself calls are not watched.

    With `create_graph=True`, and in gradients that are operations of their own, such as that of a convolution, there
    are forward passes inside a backward pass.
    """

    def before_forward(self, node: Function, inputs: list[Any], options: dict[str, Any]) -> None:
        """Called before `node.forward(*inputs, **options)`."""

    def after_forward(self, node: Function, inputs: list[Any], options: dict[str, Any], output: Any) -> None:
        """Called after it. If the operation was recorded, `node` has its `number`, `needs` and `edges` now."""

    def before_backward(self, node: Function, grad: Any) -> None:
        """Called before `node.backward(grad)`."""

    def after_backward(self, node: Function, grad: Any, input_grads: tuple[Any, ...]) -> None:
        """Called after it, with one gradient, in its input's shape, or None for each input."""

    def leaf_done(self, leaf: Tensor, grad: Any) -> None:
        """Called when a sweep has the whole gradient of a leaf, as early as that is so, before it goes to `.grad`."""

    def before_module(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """Called before a module's `forward`."""

    def after_module(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Called after it."""

    def failed(self, owner: Any) -> None:
        """Called in place of what would come after, where a node's or a module's pass raised an exception."""

    def __enter__(self) -> Any:
        global in_use
        _watchers.hooks = (*_watchers.hooks, self)
        with _lock:
            in_use += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global in_use
        with _lock:
            in_use -= 1
        remaining = list(_watchers.hooks)
        remaining.remove(self)
        _watchers.hooks = tuple(remaining)


def watching() -> bool:
    """Whether a hook is entered in this thread."""
    return bool(in_use and _watchers.hooks)


def _call(event: str, *arguments: Any) -> None:
    """Call one method of all hooks of this thread; the operations that these call are not watched."""
    hooks, _watchers.hooks = _watchers.hooks, ()
    try:
        for hook in hooks:
            getattr(hook, event)(*arguments)
    finally:
        _watchers.hooks = hooks


def _shown(x: Any) -> Any:
    """Return what a hook may see of an operand or a result: of a Tensor its array, of arrays a read-only view."""
    x = getattr(x, "_array", x)
    if not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def around_forward(node: Function, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """Return `node.run(inputs, options)`, with the hooks of this thread called before and after it."""
    if not _watchers.hooks:
        return node.run(inputs, options)
    shown = [_shown(x) for x in inputs]
    _call("before_forward", node, shown, options)
    try:
        result = node.run(inputs, options)
    except BaseException:
        _call("failed", node)
        raise
    _call("after_forward", node, shown, options, _shown(result))
    return result


def around_backward(run: Callable[[Function, Any], Sequence[Any]], node: Function, grad: Any) -> Sequence[Any]:
    """Return `run(node, grad)`, the gradients of the node's inputs, in the same way."""
    if not _watchers.hooks:
        return run(node, grad)
    _call("before_backward", node, _shown(grad))
    try:
        found = run(node, grad)
    except BaseException:
        _call("failed", node)
        raise
    _call("after_backward", node, _shown(grad), tuple([_shown(g) for g in found]))
    return found


def around_module(module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return `module.run(inputs, options)`, in the same way."""
    if not _watchers.hooks:
        return module.run(inputs, options)
    _call("before_module", module, inputs)
    try:
        output = module.run(inputs, options)
    except BaseException:
        _call("failed", module)
        raise
    _call("after_module", module, inputs, output)
    return output


class LeafCounts:
    """Tells, while a sweep goes through nodes, which leaves no node is left to send a gradient to."""

    def __init__(self, nodes: Sequence[Function]) -> None:
        self._left = Counter(edge for node in nodes for edge in node.edges if hasattr(edge, "grad"))

    def passed(self, node: Function, grads: dict[Any, Any]) -> None:
        """Note that the sweep has passed a node; tell the hooks about leaves that are complete."""
        for edge in node.edges:
            if edge in self._left:
                self._left[edge] -= 1
                if not self._left[edge] and edge in grads:
                    _call("leaf_done", edge, _shown(grads[edge]))
