"""`Tensor`: an array that remembers the operation that made it.

Read this file, then `function.py` and `sweep.py`: together they are the whole engine. A Tensor made by an operation
points at its *node* (a `Function`), and a node points back at what its inputs came from: other nodes, or *leaves*, the
Tensors that a user made with `requires_grad=True`. `backward()` walks these nodes in reverse.

What the Python syntax and the methods of a Tensor do (`+`, `x.sum()`, `x.backward()`) is one table, in `operators.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array

if TYPE_CHECKING:
    from minigrad.ops import Operators  # what the table of operators.py adds to a Tensor, written for editors
else:
    Operators = object


class Tensor(Operators):
    """An n-dimensional array with a gradient.

    Args:
        data: numbers, nested lists of numbers, a NumPy or CuPy array, or a Tensor; always copied, so that nobody
            else can change what backward needs. Python floats become float32, arrays keep their dtype.
        requires_grad: whether `backward` shall compute `.grad` for this Tensor. Floating point only.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`; by default the device that `data` lies on.

    Attributes:
        data: the bare array; a Tensor that is assigned gives a copy of its own. Backward refuses to use values that
            changed since they were saved: by an optimizer, `load_state_dict`, `x -= step` inside `no_grad`, or an
            assignment such as `x.data -= 1`. Only what is written into the array behind the Tensor's back,
            `x.data[0] = 1`, goes unnoticed: do that only to a leaf that no operation has used yet.
        grad: the gradient, a Tensor of the same shape, or None. `backward` adds to it. It shares its memory with nobody
            else, so it may be clipped or scaled in place.
        node: the `Function` that made this Tensor, or None for a leaf.

    Raises:
        TypeError: `data` is not numeric, or `requires_grad` is asked of integers or booleans.
    """

    __slots__ = ("__weakref__", "_array", "_requires_grad", "_version", "grad", "node")
    __array_priority__ = 1000  # so that `cupy_array * tensor` asks the Tensor; for NumPy, operators.py says it

    def __init__(self, data: Any, requires_grad: bool = False, device: str | None = None):
        self._init(_as_array(data, device))
        self.requires_grad = requires_grad

    def _init(self, array: Array, grad: Tensor | None = None, node: Any = None) -> None:
        # The version is a list, so that views share one counter with the Tensor whose memory they show.
        self._array, self.grad, self.node, self._requires_grad, self._version = array, grad, node, False, [0]

    @staticmethod
    def _wrap(array: Array) -> Tensor:
        """Make a Tensor around an existing array, without copying it."""
        tensor = Tensor.__new__(Tensor)
        tensor._array, tensor.grad, tensor.node, tensor._requires_grad, tensor._version = array, None, None, False, [0]
        return tensor

    # ---- what it is ----------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The bare array, NumPy or CuPy."""
        return self._array

    @data.setter
    def data(self, array: Array) -> None:
        if isinstance(array, Tensor) or (isinstance(array, np.generic) and self._array.shape == ()):
            array = _as_array(array, None)
        if not backend.is_array(array) or array.dtype.kind not in ("f" if self._requires_grad else "fiub"):
            kind = "floating point numbers" if self._requires_grad else "numbers"
            raise TypeError(f"data: expected an array of {kind}, got {_described(array)}")
        if not array.dtype.isnative or not getattr(array.flags, "writeable", True):
            array = _as_array(array, None)
        if not backend.is_numeric(array.dtype):
            raise TypeError(f"data: expected numbers of at most 64 bits, got {_described(array)}")
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

    shape: tuple[int, ...] = property(attrgetter("_array.shape"), doc="Length along each axis.")  # type: ignore
    ndim: int = property(attrgetter("_array.ndim"), doc="Number of axes.")  # type: ignore
    dtype: np.dtype = property(attrgetter("_array.dtype"), doc="Type of the elements, NumPy's also on a GPU.")  # type: ignore

    @property
    def size(self) -> Size:
        """Number of elements; to be called, too: `x.size()` is the shape and `x.size(0)` a length, as in PyTorch."""
        return Size(self._array.shape)

    def numel(self) -> int:
        """Number of elements."""
        return self._array.size

    def dim(self) -> int:
        """Number of axes."""
        return self.ndim

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this Tensor."""
        return self.node is None

    @property
    def device(self) -> str:
        """`"cpu"` or `"cuda:<index>"`."""
        return backend.device_of(self._array)

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

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers, or the number of a 0-dimensional Tensor."""
        return backend.to_numpy(self.data).tolist()

    def item(self) -> float | int | bool:
        """Return the only element as a Python number.

        Raises:
            ValueError: there is more than one element, or none.
        """
        if self.size != 1:
            raise ValueError(f"item: expected one element, this Tensor has shape {self.shape}")
        return self.data.item()

    def __index__(self) -> int:
        """Let an integer stand where Python wants one: `names[logits.argmax()]`, `range(n)`."""
        if self.dtype.kind not in "iu":
            raise TypeError(f"only Tensors of integers can be an index, this one is {self.dtype}")
        return self.item()

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

    def __getstate__(self) -> tuple:
        """Return what `copy` and `pickle` copy: values, gradient and flags, but never a graph."""
        if self.node is not None:
            raise RuntimeError(
                f"copy or pickle: this Tensor is the result of {self.node.name}, and a graph cannot be copied; use "
                ".detach() first"
            )
        slots = {name: getattr(self, name) for name in Tensor.__slots__ if name != "__weakref__"}
        return getattr(self, "__dict__", None), slots

    # ---- gradients -----------------------------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """Return a Tensor that shows the same memory and has no history."""
        alias = Tensor._wrap(self.data)
        alias._version = self._version
        return alias

    def requires_grad_(self, flag: bool = True) -> Tensor:
        """Set `requires_grad`. Returns itself."""
        self.requires_grad = flag
        return self

    def _bump_version(self) -> None:
        """Note that `data` was written in place; backward then refuses arrays that it saved before."""
        self._version[0] += 1


class Size(int):
    """A number of elements that remembers the shape, and tells it when it is called."""

    shape: tuple[int, ...]

    def __new__(cls, shape: tuple[int, ...]) -> Size:
        size = super().__new__(cls, math.prod(shape))
        size.shape = shape
        return size

    def __call__(self, dim: int | None = None) -> Any:
        """Return the shape, or the length along one axis."""
        return self.shape if dim is None else self.shape[dim]


class Parameter(Tensor):
    """A leaf that a model learns: `requires_grad` is True from the start, and `nn.Module` finds it by its type."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, device: str | None = None):
        super().__init__(data, requires_grad, device)


def _as_array(data: Any, device: str | None) -> Array:
    """Copy `data` into a fresh numeric array on `device`, keeping the memory layout of arrays."""
    if isinstance(data, Tensor):
        data = data.data
    keeps_dtype = hasattr(data, "dtype") or hasattr(data, "itemsize")  # arrays, and Python's buffers
    if _holds_tensors(data):
        raise TypeError("Tensor: got a list of Tensors; use ops.stack to join them")
    on_gpu = backend.is_array(data) and not isinstance(data, np.ndarray)
    array = data if on_gpu else np.asarray(data)
    if not backend.is_numeric(array.dtype):
        raise TypeError(f"Tensor: expected numbers of at most 64 bits, got {_described(data)}")
    if not keeps_dtype and array.dtype == np.float64:
        array = array.astype(np.float32)
    if not array.dtype.isnative:  # as files may have them; nothing here mixes orders of bytes
        array = array.astype(array.dtype.newbyteorder("="))
    source = backend.device_of(array)
    if device is not None and backend.parse_device(device) != source:
        return backend.to_device(array, device)
    with backend.use_device(source):
        return array.astype(array.dtype, order="K", copy=True)


def _described(data: Any) -> str:
    return type(data).__name__ + (f" of dtype {data.dtype}" if hasattr(data, "dtype") else "")


def _holds_tensors(data: Any) -> bool:
    """Whether a Tensor sits somewhere in nested lists: NumPy would take its values and lose its history."""
    return isinstance(data, (list, tuple)) and any(isinstance(item, Tensor) or _holds_tensors(item) for item in data)
