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
    # reductions
    "sum": ops.sum,
    "mean": ops.mean,
    "max": ops.max,
    "min": ops.min,
    "amax": ops.amax,
    "amin": ops.amin,
    "var": ops.var,
    "std": ops.std,
    "norm": ops.norm,
    "prod": ops.prod,
    "cumsum": ops.cumsum,
    "any": ops.any,
    "all": ops.all,
    "argmax": ops.argmax,
    "argmin": ops.argmin,
    "logsumexp": ops.logsumexp,
    # shapes and places
    "reshape": ops.reshape,
    "view": ops.reshape,
    "permute": ops.permute,
    "transpose": ops.transpose,
    "t": ops.t,
    "broadcast_to": ops.broadcast_to,
    "expand": ops.expand,
    "repeat": ops.repeat,
    "flatten": ops.flatten,
    "squeeze": ops.squeeze,
    "unsqueeze": ops.unsqueeze,
    "flip": ops.flip,
    "roll": ops.roll,
    "split": ops.split,
    "chunk": ops.chunk,
    "gather": ops.gather,
    "sort": ops.sort,
    "argsort": ops.argsort,
    "topk": ops.topk,
    # element by element
    "exp": ops.exp,
    "log": ops.log,
    "log1p": ops.log1p,
    "sqrt": ops.sqrt,
    "rsqrt": ops.rsqrt,
    "square": ops.square,
    "pow": ops.pow,
    "sin": ops.sin,
    "cos": ops.cos,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "relu": ops.relu,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "abs": ops.absolute,
    "sign": ops.sign,
    "floor": ops.floor,
    "ceil": ops.ceil,
    "round": ops.round,
    "clip": ops.clip,
    "clamp": ops.clip,
    "isnan": ops.isnan,
    "isinf": ops.isinf,
    "isfinite": ops.isfinite,
    "masked_fill": ops.masked_fill,
    "matmul": ops.matmul,
    "mm": ops.matmul,
    # copies
    "astype": ops.astype,
    "float": _as("float32"),
    "double": _as("float64"),
    "half": _as("float16"),
    "long": _as("int64"),
    "int": _as("int32"),
    "bool": _as("bool"),
    "type_as": ops.type_as,
    "to": ops.to,
    "cpu": _on("cpu"),
    "cuda": _on("cuda"),
    "clone": ops.clone,
    "contiguous": ops.contiguous,
    # gradients
    "backward": sweep.backward,
}

PROPERTIES = {
    "T": property(ops.transpose, doc="All axes in reverse order: the transpose of a matrix."),
}

for _name, _op in (SYNTAX | METHODS | PROPERTIES).items():
    setattr(Tensor, _name, _op)
