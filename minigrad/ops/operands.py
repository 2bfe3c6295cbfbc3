"""What happens to the operands of an operation before and after it: dtypes, Python numbers, broadcasting.

Arithmetic broadcasts as NumPy does. Two Tensors of different dtype meet in the wider floating type; integers follow the
floating partner; a number, Python's or one of NumPy's scalars, never changes a dtype (except that integers with a float,
or divided, become float32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.tensor import Tensor

Number = int | float


def operands(name: str, a: Any, b: Any, to_float: bool = False) -> tuple[Any, Any]:
    """Return `a` and `b` ready for an operation: Tensors of one dtype, or one Tensor and a Python number."""
    a, b = _operand(a), _operand(b)
    for x in (a, b):
        if not isinstance(x, (Tensor, int, float)):
            raise TypeError(f"{name}: expected Tensors, arrays or numbers, got {type(x).__name__}")
    tensors = [x for x in (a, b) if isinstance(x, Tensor)]
    if not tensors:
        a = Tensor(a)
        tensors = [a]
    dtypes = [x.dtype for x in tensors]
    dtype = dtypes[0]
    if len(dtypes) == 2 and dtypes[1] != dtype:
        dtype = common_dtype(dtypes)
    if dtype.kind != "f" and (to_float or isinstance(a, float) or isinstance(b, float)):
        dtype = np.dtype(np.float32)
    return tuple(x.astype(dtype) if isinstance(x, Tensor) and x.dtype != dtype else x for x in (a, b))


def common_dtype(dtypes: Sequence[np.dtype]) -> np.dtype:
    """Return the widest of the floating dtypes, or of all if there is none."""
    return np.result_type(*([d for d in dtypes if d.kind == "f"] or dtypes))


def _operand(x: Any) -> Any:
    """Turn arrays into Tensors, and NumPy's numbers, such as `np.sqrt(2)`, into Python's, which do not change a dtype."""
    if isinstance(x, np.generic):
        return x.item()
    return Tensor(x) if type(x) is np.ndarray else x


def floating(x: Any) -> Tensor:
    """Return `x` as a floating point Tensor: integers become float32."""
    x = x if isinstance(x, Tensor) else Tensor(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def sum_to(grad: Tensor, x: Any) -> Tensor | None:
    """Undo broadcasting: sum `grad` over the axes along which `x` was repeated. None if `x` is a number."""
    if not isinstance(x, (Tensor, tuple)):
        return None
    shape = x if isinstance(x, tuple) else x.shape
    if grad.shape == shape:
        return grad
    added = grad.ndim - len(shape)
    repeated = [i + added for i, n in enumerate(shape) if n == 1 and grad.shape[i + added] != 1]
    return grad.sum(axis=(*range(added), *repeated), keepdims=True).reshape(shape)


def shape_of(x: Any) -> tuple[int, ...] | None:
    """Return an operand's shape, or None for a number: what `sum_to` needs when the values need not be kept."""
    return getattr(x, "shape", None)
