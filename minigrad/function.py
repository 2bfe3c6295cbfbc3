"""`Function`: one differentiable operation, and the recording of operations as a graph.

An operation is a small class in `ops/`. Its `forward` computes on plain arrays; its `backward` turns the gradient of
the output into the gradients of the inputs. Multiplication, as `ops/elementwise.py` has it:

    class Mul(Elementwise):
        '''y = a·b  ⇒  ∂L/∂a = g·b, ∂L/∂b = g·a.'''

        reads = {0: (1,), 1: (0,)}          # the gradient of input 0 needs input 1, and the other way round

        def forward(self, a, b):
            return a * b

        def backward(self, grad):
            a, b = self.inputs
            return grad * b if self.needs[0] else None, grad * a if self.needs[1] else None

`Mul.apply(x, y)` on Tensors runs it. If one of them requires a gradient, the instance stays behind as the *node* of the
result. On plain arrays `Mul.apply(x, y)` only computes, and returns a plain array. (An `Elementwise` is a `Function`
that does not mix elements of different places.)

So `backward` is written once and runs in two ways. Usually the sweep gives it arrays, and all that it calls computes at
once. With `create_graph=True` the sweep gives it Tensors, and the very same lines are recorded, so that a gradient can
itself be differentiated. For this, whatever `backward` does must mean the same on both: `+ - * /`, comparisons,
methods that Tensors have, too (`x.T`, `x.astype`), and `Cos.apply(x)`; but not `cos(x)`, which returns a Tensor even
for an array.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from minigrad import backend, hooks
from minigrad.backend import Array
from minigrad.grad_mode import grad_mode
from minigrad.tensor import Tensor

NUMBERS = frozenset({int, float, bool})
PLAIN = frozenset({np.ndarray, type(None), *NUMBERS})  # what cannot be on a GPU

_numbers = itertools.count()


class _ToFree(threading.local):
    """In each thread: what dead nodes held and is still to be freed, and whether the loop that frees it is running."""

    def __init__(self) -> None:
        self.held: list[list[Any]] = []
        self.busy = False


_to_free = _ToFree()


class _Unsaved(Tensor):
    """Stands in `inputs` for a Tensor whose values were not saved: to use it is an error in words."""

    __slots__ = ("_operation", "_position")

    def __init__(self, operation: type, position: int) -> None:
        self._operation, self._position = operation, position

    @property
    def _array(self) -> Array:
        name, i = self._operation.__name__, self._position
        readers = [k for k, read in self._operation.reads.items() if i in read]
        if readers:
            raise RuntimeError(
                f"backward of {name} uses the values of input {i}, which were not saved, because nobody needs a "
                f"gradient that reads them: return None for input {readers[0]} where self.needs[{readers[0]}] is False"
            )
        raise RuntimeError(
            f"backward of {name} uses input {i}, whose values were not saved. List it in the class, as reads = "
            f"{{k: ({i},)}}, for each input k whose gradient needs input {i}"
        )

    def __repr__(self) -> str:
        return f"<input {self._position} of {self._operation.__name__}, not saved>"

    _requires_grad = _version = node = grad = _array  # every use of a Tensor reads one of these first


class Function:
    """A differentiable operation with one output.

    Class attributes, which say what memory backward keeps:
        reads: for each input, the inputs whose values its gradient needs. Only what some required gradient reads is
            saved.
        reads_output: whether backward needs the output's values.
        constants: the inputs that never have a gradient, such as a mask.
        is_view: whether the output may show the memory of input 0.
        differentiable: False for operations such as comparisons, whose result never has a gradient.

    Instance attributes:
        needs: for each input, whether it requires a gradient; empty when nothing is recorded. `forward` may set further
            attributes for `backward` (a shape, an axis); they are dropped with the rest once the sweep has passed.
        edges: for each input, where its gradient goes: a node, a leaf Tensor, or None.
        shape, dtype: of the output, and so of its gradient.
        number: its place in the order in which nodes were made: higher than that of every node it was made from.
    """

    reads: ClassVar[dict[int, tuple[int, ...]]] = {}
    reads_output: ClassVar[bool] = False
    constants: ClassVar[tuple[int, ...]] = ()
    is_view: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True

    needs: tuple[bool, ...] = ()
    edges: Sequence[Any] = ()
    shape: tuple[int, ...]
    dtype: np.dtype
    number: int
    released = False
    _output: tuple[Array, list[int], int] | None = None

    def forward(self, *arrays: Array, **options: Any) -> Array:
        """Compute the result from plain arrays."""
        raise NotImplementedError(f"{self.name}.forward")

    def backward(self, grad: Any) -> Any:
        """Return ∂L/∂input for each input, in a tuple if there are several, given `grad` = ∂L/∂output.

        None stands where there is no gradient, or `needs` is False. A gradient has the shape of its input; or that of
        the output, if the input was broadcast to it: the sweep sums it. `grad` and what it returns are arrays, or with
        `create_graph` Tensors.
        """
        raise NotImplementedError(f"{self.name}.backward")

    def forward_on_gpu(self, arrays: Sequence[Any], options: dict[str, Any]) -> Array:
        """Return `forward(*arrays, **options)`; called on the arrays' GPU. See `Elementwise`."""
        return self.forward(*arrays, **options)

    def backward_on_gpu(self, grad: Any) -> Any:
        """Return `backward(grad)`; called on the GPU of `grad`. See `Elementwise`."""
        return self.backward(grad)

    @property
    def name(self) -> str:
        """The operation's name."""
        return type(self).__name__

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Any:
        """Run the operation. On Tensors, record it if one of them requires a gradient; on arrays, only compute.

        Args:
            inputs: Tensors, or else arrays; and among them Python numbers and None, which `forward` gets as they are
                and which have no gradient.
            options: everything else that `forward` takes, by keyword.

        Returns:
            A Tensor; an array, if the inputs are arrays.

        Raises:
            TypeError: an input is something else, or Tensors and arrays are mixed.
            DeviceError: the inputs lie on different devices.
        """
        function = cls()
        if hooks.in_use:
            return hooks.around_forward(function, inputs, options)
        if PLAIN.issuperset(map(type, inputs)):  # bare NumPy arrays, as inside `backward`: nothing to record
            array = function.forward(*inputs, **options)
            return array if type(array) is np.ndarray else _array(array)
        return function._run(inputs, options)

    def _run(self, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        """Do what `apply` says."""
        arrays, needs, on_cpu = [], [], True
        for x in inputs:
            is_tensor = isinstance(x, Tensor)
            needs.append(is_tensor and x._requires_grad)
            x = x._array if is_tensor else x
            on_cpu = on_cpu and (type(x) is np.ndarray if is_tensor else x is None or type(x) in NUMBERS)
            arrays.append(x)
        for i in self.constants:
            needs[i] = False
        if True in needs and self.differentiable and grad_mode.enabled:
            self.needs = tuple(needs)
        if on_cpu:
            array = self.forward(*arrays, **options)
        else:
            array, are_tensors = self._forward_elsewhere(inputs, arrays, options)
            if not are_tensors:
                return array
        result = Tensor._wrap(array if type(array) is np.ndarray else _array(array))
        if self.is_view and backend.array_module(result._array).may_share_memory(result._array, arrays[0]):
            result._version = inputs[0]._version
        if self.needs:
            self._record(inputs, result)
        return result

    def _forward_elsewhere(
        self, inputs: Sequence[Any], arrays: Sequence[Any], options: dict[str, Any]
    ) -> tuple[Array, bool]:
        """Call `forward` on the GPU that the arrays lie on; return also whether the inputs are Tensors."""
        arrays, are_tensors = _checked(self.name, inputs, arrays)
        with backend.use_device(_common_device(self.name, arrays)):
            return _array(self.forward_on_gpu(arrays, options)), are_tensors

    def _record(self, inputs: Sequence[Any], result: Tensor) -> None:
        self.number, self.shape, self.dtype = next(_numbers), result._array.shape, result._array.dtype
        self.edges, self._saved = [], []
        for x, need, unsaved in zip(inputs, self.needs, _unsaved(type(self), self.needs), strict=True):
            self.edges.append((x.node or x) if need else None)
            if isinstance(x, Tensor):
                x = (x, x._version[0]) if unsaved is None else unsaved
            self._saved.append(x)
        if self.reads_output:
            # The bare array: node and Tensor must not keep each other alive.
            self._output = result._array, result._version, result._version[0]
        result.node, result._requires_grad = self, True

    @property
    def inputs(self) -> list[Any]:
        """The saved inputs, in order: numbers and None as they were given; arrays; or with `create_graph` Tensors. The
        values of inputs that are not in `reads`, or are read for gradients only that nobody needs, are not there: using
        them is an error.

        Raises:
            RuntimeError: one of them was changed in place since.
        """
        inputs, as_tensors = [], grad_mode.enabled
        for x in self._saved:
            if type(x) is tuple:
                x, version = x
                if x._version[0] != version:
                    self._refuse_changed("an input", x.shape)
                x = x if as_tensors else x._array
            inputs.append(x)
        return inputs

    @property
    def output(self) -> Any:
        """The saved output: an array; or with `create_graph` a Tensor that is still part of the graph.

        Raises:
            RuntimeError: it was changed in place since.
        """
        if not self.reads_output:
            raise RuntimeError(f"backward of {self.name} uses its output; write reads_output = True in the class")
        array, counter, version = self._output
        if counter[0] != version:
            self._refuse_changed("the output", array.shape)
        if not grad_mode.enabled:
            return array
        output = Tensor._wrap(array)
        output._version, output.node, output._requires_grad = counter, self, True
        return output

    def _refuse_changed(self, what: str, shape: tuple[int, ...]) -> NoReturn:
        raise RuntimeError(
            f"backward of {self.name}: {what} of shape {shape} was changed in place (by an optimizer step, "
            "load_state_dict, +=, or an assignment to .data) or moved after the forward pass; run the forward pass "
            "again"
        )

    def release(self) -> None:
        """Forget everything that was saved, and the rest of the graph with it."""
        self.__dict__.clear()
        self.released = True

    def __del__(self) -> None:
        if self.edges:
            _free(self, _to_free)


def _free(node: Function, to_free: _ToFree) -> None:
    """Free the graph below a node link by link. Often only this node holds the one before it; Python would free that
    one inside the freeing of this one, and so on: a long chain would overflow the stack.
    """
    to_free.held.append(list(node.__dict__.values()))
    node.__dict__.clear()
    if not to_free.busy:  # otherwise this node is being freed by the loop below
        to_free.busy = True
        try:
            while to_free.held:
                to_free.held.pop()
        finally:
            to_free.busy = False


@functools.cache
def _unsaved(operation: type[Function], needs: tuple[bool, ...]) -> list[_Unsaved | None]:
    """Return for each input None, if its values must be saved, or else the placeholder that is saved instead."""
    read = {k for i, some in operation.reads.items() if needs[i] for k in some}
    return [None if i in read else _Unsaved(operation, i) for i in range(len(needs))]


def edge_of(tensor: Tensor) -> Any:
    """Return where a gradient of `tensor` goes: its node, or the Tensor itself for a leaf, or None if it needs none."""
    return tensor.node or (tensor if tensor._requires_grad else None)


def _array(result: Any) -> Any:
    """Return a `forward`'s result; a NumPy scalar, which NumPy's operators make of 0-d arrays, as a 0-d array."""
    return np.asarray(result) if isinstance(result, np.generic) else result


def _checked(name: str, inputs: Sequence[Any], arrays: Sequence[Any]) -> tuple[list[Any], bool]:
    """Check the inputs. Return their arrays, NumPy scalars as 0-d ones, and whether they are Tensors, or else arrays.

    Raises:
        TypeError: an input is something else, or Tensors and arrays are mixed.
    """
    kinds = set()
    for x in inputs:
        if isinstance(x, (Tensor, np.generic)) or backend.is_array(x):
            kinds.add(isinstance(x, Tensor))
        elif x is not None and type(x) not in NUMBERS:
            raise TypeError(f"{name}: expected Tensors, or arrays, got {type(x).__name__}")
    if len(kinds) > 1:
        raise TypeError(f"{name}: got Tensors and arrays; Tensor(array) makes a Tensor of an array")
    return [_array(x) for x in arrays], True in kinds


def _common_device(name: str, arrays: Sequence[Any]) -> str:
    devices = {backend.device_of(x) for x in arrays if hasattr(x, "shape")}
    if len(devices) > 1:
        raise backend.DeviceError(
            f"{name}: inputs on different devices, {' and '.join(sorted(devices))}; move one of them with .to(device)"
        )
    return devices.pop() if devices else "cpu"
