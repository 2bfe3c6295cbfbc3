"""`Function`: one differentiable operation, and the recording of operations as a graph.

An operation is a small class in `ops/`. Its `forward` computes on plain arrays; its `backward` turns the gradient of
the output into the gradients of the inputs. It is written with Tensor operations, so that a gradient can itself be
differentiated; a few that small networks call most (`ops/matmul.py`, `cross_entropy.py`, `norm.py`) say the same a
second time on bare arrays, for the usual sweep, which records nothing. Multiplication, for operands of one shape:

    class Mul(Function):
        '''y = a·b  ⇒  ∂L/∂a = g·b, ∂L/∂b = g·a'''
        reads = {0: (1,), 1: (0,)}          # the gradient of input 0 needs input 1, and the other way round

        def forward(self, a, b):
            return a * b

        def backward(self, grad):
            a, b = self.inputs
            return grad * b if self.needs[0] else None, grad * a if self.needs[1] else None

`Mul.apply(x, y)` runs it. If an input requires a gradient, the instance stays behind as the *node* of the result.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.grad_mode import grad_mode
from minigrad.tensor import Tensor

_numbers = itertools.count()


class _Dying(threading.local):
    """What nodes held that nobody needs any more, and whether it is being let go of, for each thread."""

    def __init__(self) -> None:
        self.held: list[list[Any]] = []
        self.busy = False


_dying = _Dying()


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

    _requires_grad = _version = node = grad = _array  # whatever a Tensor does begins with one of these


_unsaved = functools.cache(_Unsaved)  # one for each operation and position


class Function:
    """A differentiable operation with one output.

    Class attributes, which say what memory backward keeps (`forward` may set `reads_output` on the instance, where it
    depends on an option):
        reads: for each input, the inputs whose values its gradient needs. Only what some required gradient reads is
            saved.
        reads_output: whether backward needs the output's values.
        is_view: whether the output may show the memory of input 0.
        differentiable: False for operations such as comparisons, whose result never has a gradient.

    Instance attributes:
        needs: for each input, whether it requires a gradient; all False when nothing is recorded. `forward` may
            set further attributes for `backward` (a mask, a shape); they are dropped with the rest once the sweep has
            passed.
        edges: for each input, where its gradient goes: a node, a leaf Tensor, or None.
        number: counts the nodes in the order in which they were made; so a node has a higher number than those that
            it was made from.
    """

    reads: ClassVar[dict[int, tuple[int, ...]]] = {}
    reads_output: ClassVar[bool] = False
    is_view: ClassVar[bool] = False
    differentiable: ClassVar[bool] = True

    needs: tuple[bool, ...] = ()
    edges: tuple[Any, ...] = ()
    number: int
    released = False

    def forward(self, *arrays: Array, **options: Any) -> Array:
        """Compute the result from plain arrays."""
        raise NotImplementedError(f"{self.name}.forward")

    def backward(self, grad: Tensor) -> Tensor | tuple[Tensor | None, ...] | None:
        """Return ∂L/∂input for each input, given `grad` = ∂L/∂output; None where there is none or `needs` is False."""
        raise NotImplementedError(f"{self.name}.backward")

    @property
    def name(self) -> str:
        """The operation's name."""
        return type(self).__name__

    @classmethod
    def apply(cls, *inputs: Any, **options: Any) -> Tensor:
        """Run the operation and, if an input requires a gradient, record it.

        Args:
            inputs: Tensors; or Python numbers and None, which `forward` gets as they are and which have no gradient.
            options: everything else that `forward` takes, by keyword.

        Raises:
            TypeError: an input is something else.
            DeviceError: the inputs lie on different devices.
        """
        function = cls()
        arrays, needs, on_cpu = [], [], True
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x._array)
                needs.append(x._requires_grad)
                on_cpu = on_cpu and type(x._array) is np.ndarray
            elif x is None or isinstance(x, (int, float)):
                arrays.append(x)
                needs.append(False)
            else:
                raise TypeError(f"{function.name}: expected Tensors, got {type(x).__name__}")
        recording = cls.differentiable and True in needs and grad_mode.enabled
        function.needs = tuple(needs) if recording else (False,) * len(needs)
        if on_cpu:
            result = Tensor._wrap(function.forward(*arrays, **options))
        else:
            with backend.use_device(_common_device(function.name, arrays)):
                result = Tensor._wrap(function.forward(*arrays, **options))
        if cls.is_view and backend.array_module(result._array).may_share_memory(result._array, arrays[0]):
            result._version = inputs[0]._version
        if recording:
            function._record(inputs, result)
        return result

    def _record(self, inputs: Sequence[Any], result: Tensor) -> None:
        self.number = next(_numbers)
        kept, edges, saved, versions = _kept(type(self), self.needs), [], [], []
        for i, x in enumerate(inputs):
            edge = None
            if isinstance(x, Tensor):
                edge = edge_of(x)
                if i in kept:
                    versions.append((x, x._version[0]))
                else:
                    x = _unsaved(type(self), i)
            edges.append(edge)
            saved.append(x)
        self.edges, self._saved, self._versions = tuple(edges), saved, versions
        if self.reads_output:
            # The bare array: node and Tensor must not keep each other alive.
            self._output = result._array, result._version, result._version[0]
        result.node = self
        result._requires_grad = True

    @property
    def inputs(self) -> list[Any]:
        """The saved inputs, in order: Tensors, numbers and None, as they were given. The values of Tensors that are not
        in `reads`, or are read for gradients only that nobody needs, are not there: using them is an error.

        Raises:
            RuntimeError: one of them was changed in place since.
        """
        for x, version in self._versions:
            self._check_unchanged("an input", x, version)
        return self._saved

    @property
    def output(self) -> Tensor:
        """The saved output, as a Tensor that is still part of the graph."""
        if not self.reads_output:
            raise RuntimeError(f"backward of {self.name} uses its output; write reads_output = True in the class")
        array, counter, version = self._output
        output = Tensor._wrap(array)
        output._version, output.node, output._requires_grad = counter, self, True
        self._check_unchanged("the output", output, version)
        return output

    def _check_unchanged(self, what: str, x: Tensor, version: int) -> None:
        if x._version[0] != version:
            raise RuntimeError(
                f"backward of {self.name}: {what} of shape {x.shape} was changed in place (by an optimizer step, "
                "load_state_dict, +=, or an assignment to .data) or moved after the forward pass; run the forward pass "
                "again"
            )

    def input_gradients(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Run `backward`, on the device of `grad`, and return one entry per input."""
        if type(grad.data) is np.ndarray:
            grads = self.backward(grad)
        else:
            with backend.use_device(grad.device):
                grads = self.backward(grad)
        grads = grads if isinstance(grads, tuple) else (grads,)
        if len(grads) != len(self.edges):
            self._refuse(grads)
        for g in grads:
            if g is not None and not isinstance(g, Tensor):
                self._refuse(grads)
        return grads

    def _refuse(self, grads: tuple) -> NoReturn:
        kinds, count = ", ".join(type(g).__name__ for g in grads), len(self.edges)
        raise TypeError(
            f"backward of {self.name} returned {kinds}; expected a Tensor or None for each of {count} inputs"
        )

    def release(self) -> None:
        """Forget everything that was saved, and the rest of the graph with it."""
        self.__dict__.clear()
        self.released = True

    def __del__(self, dying: _Dying = _dying) -> None:
        """Let go of the graph link by link. A node is all that holds the node before it; Python would free that one
        inside the freeing of this one, and so on: a long chain would overflow the stack.
        """
        if not self.edges:
            return
        dying.held.append(list(self.__dict__.values()))
        self.__dict__.clear()
        if not dying.busy:  # otherwise this node dies in the loop below
            dying.busy = True
            try:
                while dying.held:
                    dying.held.pop()
            finally:
                dying.busy = False


@functools.cache
def _kept(operation: type[Function], needs: tuple[bool, ...]) -> frozenset[int]:
    """Return which inputs are read by the gradients that are needed."""
    return frozenset([k for i, read in operation.reads.items() if needs[i] for k in read])


def edge_of(tensor: Tensor) -> Any:
    """Return where a gradient of `tensor` goes: its node, or the Tensor itself for a leaf, or None if it needs none."""
    if tensor.node is not None:
        return tensor.node
    return tensor if tensor._requires_grad else None


def _common_device(name: str, arrays: Sequence[Any]) -> str:
    devices = sorted({backend.device_of(x) for x in arrays if hasattr(x, "shape")})
    if len(devices) > 1:
        raise backend.DeviceError(
            f"{name}: inputs on different devices, {' and '.join(devices)}; move one of them with .to(device)"
        )
    return devices[0]
