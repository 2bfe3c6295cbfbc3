"""The one table that says which Python syntax or Tensor method calls which operation.

Editors and type checkers read the same table in `operators.pyi`, which `make stubs` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad import ops, sweep
from minigrad.tensor import Tensor


def _reflected(op: Callable) -> Callable:
    def reflected(self: Tensor, other: Any) -> Tensor:
        return op(other, self)

    return reflected


def _equality(op: Callable) -> Callable:
    def compare(self: Tensor, other: Any) -> Tensor:
        return NotImplemented if other is None else op(self, other)  # `x == None` is False, as for any object

    return compare


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
    "__getitem__": ops.getitem,
}

METHODS = {
    "sum": ops.sum,
    "mean": ops.mean,
    "max": ops.max,
    "min": ops.min,
    "var": ops.var,
    "argmax": ops.argmax,
    "reshape": ops.reshape,
    "permute": ops.permute,
    "transpose": ops.transpose,
    "broadcast_to": ops.broadcast_to,
    "flatten": ops.flatten,
    "squeeze": ops.squeeze,
    "unsqueeze": ops.unsqueeze,
    "exp": ops.exp,
    "log": ops.log,
    "sqrt": ops.sqrt,
    "sin": ops.sin,
    "cos": ops.cos,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "logsumexp": ops.logsumexp,
    "abs": ops.absolute,
    "clip": ops.clip,
    "matmul": ops.matmul,
    "astype": ops.astype,
    "to": ops.to,
    "backward": sweep.backward,
}

PROPERTIES = {
    "T": property(ops.transpose, doc="All axes in reverse order: the transpose of a matrix."),
}

for _name, _op in (SYNTAX | METHODS | PROPERTIES).items():
    setattr(Tensor, _name, _op)
