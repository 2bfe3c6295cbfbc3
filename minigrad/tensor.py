"""`Tensor`: an array that remembers the operation that made it, and the reverse sweep that uses this memory.

Read this file top to bottom, then `function.py`: together they are the whole engine. A Tensor made by an operation
points at its *node* (a `Function`), and a node points back at what its inputs came from: other nodes, or *leaves*, the
Tensors that a user made with `requires_grad=True`. `backward()` sorts these nodes so that each comes after everything
that it feeds, walks the order once, hands every node the gradient of its output and adds up what the node returns for
its inputs: the chain rule.

What the Python syntax and the methods of a Tensor do (`+`, `x.sum()`) is one table, in `operators.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array


class GradMode(threading.local):
    """Whether operations are recorded, for each thread; switched by `no_grad` and `enable_grad`."""

    enabled = True


grad_mode = GradMode()


class Tensor:
    """An n-dimensional array with a gradient.

    Args:
        data: numbers, nested lists of numbers, a NumPy or CuPy array, or a Tensor; always copied, so that nobody
            else can change what backward needs. Python floats become float32, arrays keep their dtype.
        requires_grad: whether `backward` shall compute `.grad` for this Tensor. Floating point only.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`; by default the device that `data` lies on.

    Attributes:
        data: the bare array. Backward refuses to use values that changed since they were saved, be it by an
            optimizer, `load_state_dict`, or an assignment such as `x.data -= 1`. Only what is written into the array
            behind the Tensor's back, `x.data[0] = 1`, goes unnoticed: do that to fresh leaves alone.
        grad: the gradient, a Tensor of the same shape, or None. `backward` adds to it.
        node: the `Function` that made this Tensor, or None for a leaf.

    Raises:
        TypeError: `data` is not numeric, or `requires_grad` is asked of integers or booleans.
    """

    __slots__ = ("__weakref__", "_array", "_requires_grad", "_version", "grad", "node")
    __array_ufunc__ = None  # so that `numpy_array * tensor` asks the Tensor, instead of NumPy taking it apart

    def __init__(self, data: Any, requires_grad: bool = False, device: str | None = None):
        self._init(_as_array(data, device))
        self.requires_grad = requires_grad

    def _init(self, array: Array) -> None:
        self._array = array
        self.grad: Tensor | None = None
        self.node: Any = None
        self._requires_grad = False
        self._version = [0]  # a list, so that views share one counter with the Tensor whose memory they show

    @classmethod
    def _wrap(cls, array: Array) -> Tensor:
        """Make a Tensor around an existing array, without copying it."""
        tensor = cls.__new__(cls)
        tensor._init(np.asarray(array) if isinstance(array, np.generic) else array)  # NumPy's reductions give scalars
        return tensor

    # ---- what it is ----------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The bare array, NumPy or CuPy."""
        return self._array

    @data.setter
    def data(self, array: Array) -> None:
        self._array = array
        self._bump_version()

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this Tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if self.node is not None and not flag:
            raise RuntimeError(
                "requires_grad: only leaves can be switched off; use .detach() on the result of an operation"
            )
        if flag and self.data.dtype.kind != "f":
            raise TypeError(f"requires_grad: only floating point Tensors have gradients, this one is {self.dtype}")
        self._requires_grad = bool(flag)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements, a NumPy dtype on every device."""
        return self.data.dtype

    @property
    def device(self) -> str:
        """`"cpu"` or `"cuda:<index>"`."""
        return backend.device_of(self.data)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-dimensional Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:  # without this method Python would try self[0] and take its IndexError for the end
            raise TypeError("a 0-dimensional Tensor cannot be iterated over")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        kind = type(self).__name__
        text = np.array2string(backend.to_numpy(self.data), separator=", ", prefix=f"{kind}(", threshold=100)
        parts = [text] if self.dtype == np.float32 else [text, f"dtype={self.dtype}"]
        if self.size == 0:
            parts.append(f"shape={self.shape}")
        if self.device != "cpu":
            parts.append(f"device={self.device!r}")
        if self.node is not None:
            parts.append(f"node={self.node.name}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"{kind}({', '.join(parts)})"

    # ---- to the outside ------------------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """Return the values as a NumPy array: a read-only view on the CPU (`.copy()` to write), a copy from a GPU."""
        if self.device != "cpu":
            return backend.to_numpy(self.data)
        view = self.data.view()
        view.flags.writeable = False
        return view

    def item(self) -> float | int | bool:
        """Return the only element as a Python number.

        Raises:
            ValueError: there is more than one element, or none.
        """
        if self.size != 1:
            raise ValueError(f"item: expected one element, this Tensor has shape {self.shape}")
        return self.data.item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth value of a Tensor of shape {self.shape} is ambiguous")
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.device != "cpu":
            raise TypeError(f"a Tensor on {self.device} does not become a NumPy array by itself; call .numpy()")
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    __hash__ = object.__hash__  # == compares elementwise, but a Tensor is still itself in sets and as a key

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("Tensors are not changed in place: build a new one with ops.where, ops.concat or ops.pad")

    # ---- gradients -----------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """Return a Tensor that shows the same memory and has no history."""
        alias = Tensor._wrap(self.data)
        alias._version = self._version
        return alias

    def backward(self, grad: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Compute the gradient of this Tensor with respect to every leaf it depends on, and add it to their `.grad`.

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
        _sweep([self], [grad], None, retain_graph, create_graph)

    def _bump_version(self) -> None:
        """Note that `data` was written in place; backward then refuses arrays that it saved before."""
        self._version[0] += 1


class Parameter(Tensor):
    """A leaf that a model learns: `requires_grad` is True from the start, and `nn.Module` finds it by its type."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, device: str | None = None):
        super().__init__(data, requires_grad, device)


def _as_array(data: Any, device: str | None) -> Array:
    """Copy `data` into a fresh numeric array on `device`, keeping the memory layout of arrays."""
    if isinstance(data, Tensor):
        data = data.data
    keeps_dtype = hasattr(data, "dtype")
    if hasattr(data, "strides") and not isinstance(data, (np.ndarray, np.generic)):
        array = data  # a CuPy array
    else:
        if _holds_tensors(data):
            raise TypeError("Tensor: got a list of Tensors; use ops.stack to join them")
        array = np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor: expected numbers, got {type(data).__name__} of dtype {array.dtype}")
    if not keeps_dtype and array.dtype == np.float64:
        array = array.astype(np.float32)
    source = backend.device_of(array)
    if device is not None and backend.parse_device(device) != source:
        return backend.to_device(array, device)
    with backend.use_device(source):
        return array.astype(array.dtype, order="K", copy=True)


def _holds_tensors(data: Any) -> bool:
    """Whether a Tensor sits somewhere in nested lists: NumPy would take its values and lose its history."""
    return isinstance(data, (list, tuple)) and any(isinstance(item, Tensor) or _holds_tensors(item) for item in data)


# ---- the reverse sweep -------------------------------------------------------------------------------------------


def _sweep(
    outputs: Sequence[Tensor],
    output_grads: Sequence[Any],
    inputs: Sequence[Tensor] | None,
    retain_graph: bool,
    create_graph: bool,
) -> list[Tensor | None]:
    """Walk the graph of `outputs` once, in reverse.

    With `inputs=None` gradients are added to the leaves' `.grad`. Otherwise they are returned for `inputs` alone, in
    order (None where nothing depends on an input), and only the part of the graph that leads there is walked.
    """
    grads: dict[int, Tensor] = {}  # by id(node) or id(leaf); the graph keeps them alive
    roots = []
    for output, grad in zip(outputs, output_grads, strict=True):
        root = edge_of(output)
        if root is None:
            raise RuntimeError("backward: this Tensor has no graph: nothing it was made from requires gradients")
        _accumulate(grads, root, _first_gradient(output, grad))
        roots.append(root)
    order = _topological_order(roots)
    wanted = None if inputs is None else [edge_of(tensor) for tensor in inputs]
    targets = set() if wanted is None else {id(edge) for edge in wanted}
    needed = _ancestors(order, targets) if targets else set()
    results: dict[int, Tensor] = {}
    was_enabled, grad_mode.enabled = grad_mode.enabled, create_graph
    try:
        for node in reversed(order):
            grad = grads.pop(id(node), None)
            if grad is None:
                continue
            if isinstance(node, Tensor):
                if wanted is None:
                    node.grad = grad if node.grad is None else node.grad + grad
                else:
                    results[id(node)] = grad
                continue
            if wanted is not None:
                if id(node) in targets:
                    results[id(node)] = grad
                if id(node) not in needed:
                    continue
            for edge, input_grad in zip(node.edges, node.input_gradients(grad), strict=True):
                if edge is not None and input_grad is not None:
                    _accumulate(grads, edge, input_grad)
            if not (retain_graph or create_graph):
                node.release()
    finally:
        grad_mode.enabled = was_enabled
    return [] if wanted is None else [results.get(id(edge)) for edge in wanted]


def edge_of(tensor: Tensor) -> Any:
    """Return where a gradient of `tensor` goes: its node, or the Tensor itself for a leaf, or None if it needs none."""
    if tensor.node is not None:
        return tensor.node
    return tensor if tensor._requires_grad else None


def _accumulate(grads: dict[int, Tensor], edge: Any, grad: Tensor) -> None:
    """A value that is used several times receives the sum of what comes back from its uses."""
    known = grads.get(id(edge))
    grads[id(edge)] = grad if known is None else known + grad


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


def _topological_order(roots: Sequence[Any]) -> list[Any]:
    """Return all nodes and leaves below `roots`, every one after all that it was made from. No recursion: graphs are
    deep.
    """
    order, seen = [], set()
    stack = [(root, False) for root in roots]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            if not isinstance(node, Tensor):
                if node.released:
                    raise RuntimeError(
                        f"backward: the graph below {node.name} was released by an earlier backward; "
                        "pass retain_graph=True there to walk it again"
                    )
                stack.extend((edge, False) for edge in node.edges if edge is not None)
    return order


def _ancestors(order: Sequence[Any], targets: set[int]) -> set[int]:
    """Return the ids of the nodes from whose inputs a target can be reached."""
    reaching: set[int] = set()
    for node in order:
        if not isinstance(node, Tensor) and any(
            id(e) in targets or id(e) in reaching for e in node.edges if e is not None
        ):
            reaching.add(id(node))
    return reaching
