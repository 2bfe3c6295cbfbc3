"""Watching the engine: hooks that see every operation, forwards and backwards, and change nothing.

    class Names(mg.hooks.Hook):
        def after_forward(self, node, inputs, options, output):
            print(node.name, output.shape)

    with Names():
        loss_of(model, x, y).backward()

Two that are ready for use are `mg.detect_anomaly` and `mg.profile` (`watching.py`); `mg.tour` (`guided/`) is made with
one, too. A hook sees what its own thread does while it is entered. A module's own hooks
(`Module.register_forward_hook`) are another thing: they belong to one module, whatever the thread, and may replace what
it returns.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minigrad.function import Function
    from minigrad.tensor import Tensor

in_use = 0  # how many hooks are entered, in all threads: while there is none, an operation asks for nothing else
_counting = threading.Lock()


class Hook:
    """What is called around operations while `with hook:` lasts, in this thread. To be subclassed; a method that is not
    overridden does nothing. An exception that one raises ends the operation, and goes to the user.

    Inputs, outputs and gradients are given as arrays: on the CPU views that cannot be written to; on a GPU, whose
    arrays know no such thing, the arrays themselves, which are not to be changed. Numbers and None among the inputs are
    given as they are. What a hook itself computes is not watched.

    A gradient that is an operation of its own, such as that of a convolution, is a forward pass inside a backward pass;
    with `create_graph=True` all that a backward pass computes is.
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
        """Called as soon as a leaf's gradient is complete, before it is added to `.grad`."""

    def before_module(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """Called before a module's `forward`. A hook that has this or `after_module` sees every module called by
        itself, also those that `nn.fused` would compute together.
        """

    def after_module(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Called after it."""

    def failed(self, owner: Any) -> None:
        """Called, in place of what would come after it, when the pass of a node or a module raised an exception."""

    def __enter__(self) -> Any:
        global in_use
        _watchers.hooks = (*_watchers.hooks, self)
        with _counting:
            in_use += 1
        return self

    def __exit__(self, *error: object) -> None:
        global in_use
        with _counting:
            in_use -= 1
        remaining = list(_watchers.hooks)
        remaining.remove(self)
        _watchers.hooks = tuple(remaining)


class _Watchers(threading.local):
    hooks: tuple[Hook, ...] = ()


_watchers = _Watchers()


def watching_modules() -> bool:
    """Whether a hook of this thread wants to see every single module."""
    return bool(in_use) and any(
        type(hook).before_module is not Hook.before_module or type(hook).after_module is not Hook.after_module
        for hook in _watchers.hooks
    )


def around_forward(node: Function, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """Return `node._run(inputs, options)`, with the hooks of this thread called before and after it."""
    shown = [_shown(x) for x in inputs]
    return _around("forward", node, (shown, options), lambda: node._run(inputs, options), _shown)


def around_backward(run: Callable[[Function, Any], Sequence[Any]], node: Function, grad: Any) -> Sequence[Any]:
    """Return `run(node, grad)`, the gradients of the node's inputs, in the same way."""
    return _around(
        "backward", node, (_shown(grad),), lambda: run(node, grad), lambda grads: tuple([_shown(g) for g in grads])
    )


def around_module(module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return `module._run(inputs, options)`, in the same way."""
    return _around("module", module, (inputs,), lambda: module._run(inputs, options), lambda output: output)


def _around(event: str, owner: Any, given: tuple[Any, ...], run: Callable[[], Any], shown: Callable[[Any], Any]) -> Any:
    if not _watchers.hooks:
        return run()
    _call(f"before_{event}", owner, *given)
    try:
        result = run()
    except BaseException:
        _call("failed", owner)
        raise
    _call(f"after_{event}", owner, *given, shown(result))
    return result


def _call(event: str, *arguments: Any) -> None:
    """Call one method of all hooks of this thread; what they compute is not watched."""
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


class LeafCounts:
    """Tells the hooks, while a sweep goes through nodes, when no node is left that sends a leaf a gradient."""

    def __init__(self, nodes: Sequence[Function]) -> None:
        self._left = Counter(edge for node in nodes for edge in node.edges if hasattr(edge, "requires_grad"))

    def passed(self, node: Function, grads: dict[Any, Any]) -> None:
        """Note that the sweep has passed a node."""
        for edge in node.edges:
            if edge in self._left:
                self._left[edge] -= 1
                if not self._left[edge] and edge in grads:
                    _call("leaf_done", edge, _shown(grads[edge]))
