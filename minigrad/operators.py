"""The one table that says which Python syntax or Tensor method calls which operation.

Editors and type checkers read it as the class `Operators` of `ops/__init__.pyi`, which `make stubs` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from minigrad import backend, ops, sweep
from minigrad.grad_mode import grad_mode
from minigrad.ops import activation, arrange, casting, elementwise, order, reduce, scan, select, shape, unary
from minigrad.ops.operands import beside
from minigrad.tensor import Parameter, Tensor


def _reflected(op: Callable) -> Callable:
    def reflected(self: Tensor, other: Any) -> Tensor:
        return op(other, self)

    return reflected


def _equality(op: Callable) -> Callable:
    def compare(self: Tensor, other: Any) -> Tensor:
        comparable = isinstance(other, (Tensor, int, float, np.generic, list, tuple)) or backend.is_array(other)
        return op(self, other) if comparable else NotImplemented  # `x == "text"` is False, as for any object

    return compare


def _as(dtype: str) -> Callable:
    def cast(x: Tensor) -> Tensor:
        return ops.astype(x, dtype)

    cast.__doc__ = f"Return `x` as {dtype}; see `astype`."
    return cast


def _on(device: str) -> Callable:
    def move(x: Tensor) -> Tensor:
        return ops.to(x, device)

    move.__doc__ = f"Return `x` on {device!r}; see `to`."
    return move


def _in_place(op: Callable, sign: str) -> Callable:
    def assign(self: Tensor, other: Any) -> Tensor:
        result = op(self, other)
        if self.node is not None or not (self.requires_grad or isinstance(self, Parameter)):
            return result  # `loss += penalty` is `loss = loss + penalty`
        if grad_mode.enabled:
            raise RuntimeError(
                f"{sign}: a leaf of shape {self.shape} cannot be changed in place while operations are recorded; "
                "do it inside `with no_grad():`"
            )
        return _overwrite(sign, self, result)

    return assign


def _in_place_method(op: Callable, name: str) -> Callable:
    def change(self: Tensor, other: Any) -> Tensor:
        result = op(self, other)
        if self.node is not None or result.node is not None:
            raise RuntimeError(f"{name}: the history of a Tensor cannot be changed; do it inside `with no_grad():`")
        return _overwrite(name, self, result)

    change.__doc__ = f"Do `{op.__name__}` in place and return the Tensor itself; not while gradients are recorded."
    return change


def _overwrite(name: str, tensor: Tensor, result: Tensor) -> Tensor:
    """Write `result` into the memory of `tensor`, and count the change."""
    if result.shape != tensor.shape or result.dtype.kind != tensor.dtype.kind:
        raise ValueError(
            f"{name}: the result, {result.dtype} of shape {result.shape}, does not fit into the Tensor, "
            f"{tensor.dtype} of shape {tensor.shape}"
        )
    with backend.use_device(tensor.device):
        tensor.data[...] = result.data
    tensor._bump_version()
    return tensor


def _second(x: Tensor, other: Any) -> Tensor:
    """Return `other`, in the shape and dtype of `x`."""
    return ops.broadcast_to(beside(other, x), x.shape).astype(x.dtype)


def _zero(x: Tensor) -> Tensor:
    """Set all elements to 0, in place; as `copy_`."""
    return METHODS["copy_"](x, 0)


def _numpy_function(self: Tensor, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """Decide what NumPy's functions do with a Tensor: an operator, also with an array on the left (`array * x`), is
    the Tensor's own operation; a question (`np.isnan(x)`) is answered by NumPy; what would lose the history is refused.
    """
    if method == "__call__" and function in OF_NUMPY and not options:
        return OF_NUMPY[function](*inputs)
    is_question = function in QUESTIONS and method in ("__call__", "reduce")  # np.any(x) reduces by np.logical_or
    has_history = grad_mode.enabled and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
    is_answered = is_question or (method == "__call__" and not has_history)
    if not is_answered or any(isinstance(x, Tensor) for x in options.get("out", ())):
        raise TypeError(
            f"NumPy's {function.__name__} cannot be used here: it knows nothing of gradients. Use minigrad's own "
            "operations, or x.numpy() for the values"
        )
    return getattr(function, method)(*[np.asarray(x) if isinstance(x, Tensor) else x for x in inputs], **options)


SYNTAX = {
    "__add__": ops.add,
    "__radd__": _reflected(ops.add),
    "__sub__": ops.sub,
    "__rsub__": _reflected(ops.sub),
    "__mul__": ops.mul,
    "__rmul__": _reflected(ops.mul),
    "__truediv__": ops.div,
    "__rtruediv__": _reflected(ops.div),
    "__pow__": ops.pow,
    "__rpow__": _reflected(ops.pow),
    "__matmul__": ops.matmul,
    "__rmatmul__": _reflected(ops.matmul),
    "__neg__": ops.neg,
    "__abs__": ops.absolute,
    "__lt__": ops.less,
    "__le__": ops.less_equal,
    "__gt__": ops.greater,
    "__ge__": ops.greater_equal,
    "__eq__": _equality(ops.equal),
    "__ne__": _equality(ops.not_equal),
    "__and__": ops.bitwise_and,
    "__rand__": _reflected(ops.bitwise_and),
    "__or__": ops.bitwise_or,
    "__ror__": _reflected(ops.bitwise_or),
    "__xor__": ops.bitwise_xor,
    "__rxor__": _reflected(ops.bitwise_xor),
    "__invert__": ops.bitwise_not,
    "__getitem__": ops.getitem,
    "__iadd__": _in_place(ops.add, "+="),
    "__isub__": _in_place(ops.sub, "-="),
    "__imul__": _in_place(ops.mul, "*="),
    "__itruediv__": _in_place(ops.div, "/="),
    "__ipow__": _in_place(ops.pow, "**="),
    "__imatmul__": _in_place(ops.matmul, "@="),
    "__array_ufunc__": _numpy_function,
}

OF_NUMPY = {
    np.add: ops.add,
    np.subtract: ops.sub,
    np.multiply: ops.mul,
    np.true_divide: ops.div,
    np.power: ops.pow,
    np.matmul: ops.matmul,
    np.less: ops.less,
    np.less_equal: ops.less_equal,
    np.greater: ops.greater,
    np.greater_equal: ops.greater_equal,
    np.equal: ops.equal,
    np.not_equal: ops.not_equal,
    np.bitwise_and: ops.bitwise_and,
    np.bitwise_or: ops.bitwise_or,
    np.bitwise_xor: ops.bitwise_xor,
    np.invert: ops.bitwise_not,
    np.negative: ops.neg,
    np.absolute: ops.absolute,
}

QUESTIONS = {np.isnan, np.isinf, np.isfinite, np.signbit, np.logical_not, np.logical_and, np.logical_or}

# The files of operations on one Tensor. A function of theirs that takes `x` first is also a method: `x.softplus()`.
OF_ONE_TENSOR = (activation, arrange, casting, elementwise, order, reduce, scan, select, shape, unary)

METHODS = {
    name: op
    for file in OF_ONE_TENSOR
    for name, op in vars(file).items()
    if name in file.__all__ and next(iter(signature(op).parameters)) == "x"
} | {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "div": ops.div,
    "pow": ops.pow,
    "eq": ops.equal,
    "ne": ops.not_equal,
    "lt": ops.less,
    "le": ops.less_equal,
    "gt": ops.greater,
    "ge": ops.greater_equal,
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "matmul": ops.matmul,
    "mm": ops.matmul,
    "abs": ops.absolute,
    "clamp": ops.clip,
    "view": ops.reshape,
    "float": _as("float32"),
    "double": _as("float64"),
    "half": _as("float16"),
    "long": _as("int64"),
    "int": _as("int32"),
    "bool": _as("bool"),
    "cpu": _on("cpu"),
    "cuda": _on("cuda"),
    "add_": _in_place_method(ops.add, "add_"),
    "mul_": _in_place_method(ops.mul, "mul_"),
    "copy_": _in_place_method(_second, "copy_"),
    "zero_": _zero,
    "backward": sweep.backward,
}

PROPERTIES = {
    "T": property(ops.transpose, doc="All axes in reverse order: the transpose of a matrix."),
}

for _name, _op in (SYNTAX | METHODS | PROPERTIES).items():
    setattr(Tensor, _name, _op)
