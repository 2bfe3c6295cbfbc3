"""What happens to the operands of an operation before and after it: dtypes, Python numbers, broadcasting.

Arithmetic broadcasts as NumPy does. Two Tensors of different dtype meet in the wider floating type; integers follow the
floating partner; a number, Python's or one of NumPy's scalars, never changes a dtype (except that integers with a
float, or divided, become float32).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.backend import Array
from minigrad.tensor import Tensor

Number = int | float
Operand = Tensor | Array | Number


def operands(name: str, a: Any, b: Any, to_float: bool = False) -> tuple[Any, Any]:
    """Return `a` and `b` ready for an operation: Tensors of one dtype, or one Tensor and a Python number.

    Raises:
        TypeError: an operand is neither a Tensor nor an array nor a number.
        ValueError: the shapes do not broadcast.
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype and not to_float:
        return a, b
    return _promoted(name, a, b, to_float)


def _promoted(name: str, a: Any, b: Any, to_float: bool) -> tuple[Any, Any]:
    a, b = _operand(name, a), _operand(name, b)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(a)
    if not isinstance(b, Tensor):
        dtype = a.dtype
    elif not isinstance(a, Tensor):
        dtype = b.dtype
    else:
        if a.shape != b.shape:
            check_broadcast(name, a.shape, b.shape)
        dtype = a.dtype if a.dtype == b.dtype else common_dtype([a.dtype, b.dtype])
    if dtype.kind != "f" and (to_float or isinstance(a, float) or isinstance(b, float)):
        dtype = np.dtype(np.float32)
    if isinstance(a, Tensor) and a.dtype != dtype:
        a = a.astype(dtype)
    if isinstance(b, Tensor) and b.dtype != dtype:
        b = b.astype(dtype)
    return a, b


def check_broadcast(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raise ValueError unless the shapes broadcast."""
    if any(n != m and 1 not in (n, m) for n, m in zip(reversed(a), reversed(b), strict=False)):
        raise ValueError(
            f"{name}: shapes {a} and {b} do not broadcast: from the last axis on, lengths must agree or be 1"
        )


def check_dtypes(name: str, **tensors: Any) -> None:
    """Raise TypeError unless all Tensors (None is left out) have one floating dtype."""
    dtypes = [x.dtype for x in tensors.values() if x is not None]
    if dtypes[0].kind != "f" or dtypes.count(dtypes[0]) < len(dtypes):
        found = ", ".join(f"{key}: {x.dtype}" for key, x in tensors.items() if x is not None)
        raise TypeError(f"{name}: expected one floating dtype, got {found}")


def common_dtype(dtypes: Sequence[np.dtype]) -> np.dtype:
    """Return the widest of the floating dtypes, or of all if there is none."""
    return np.result_type(*([d for d in dtypes if d.kind == "f"] or dtypes))


def _operand(name: str, x: Any) -> Any:
    """Turn arrays into Tensors, and NumPy's numbers, such as `np.sqrt(2)`, into Python's, which do not change a
    dtype.
    """
    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0):
        x = x.item()
    if isinstance(x, (int, float)):
        return x
    if not hasattr(x, "strides"):
        raise TypeError(f"{name}: expected Tensors, arrays or numbers, got {type(x).__name__}")
    return Tensor(x)


def is_int(x: Any) -> bool:
    """Whether `x` is an integer, Python's or one of NumPy's, and no boolean."""
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def ints(name: str, argument: str, value: Any) -> tuple[int, ...]:
    """Return an int, or several in a tuple, a list or a flat array, as Python's ints, in a tuple.

    Raises:
        TypeError: they are something else; booleans and floats that happen to be whole are no ints.
    """
    several = value.tolist() if isinstance(value, np.ndarray) else value
    several = several if isinstance(several, (tuple, list)) else (several,)
    try:
        if bool not in map(type, several):
            return tuple(map(operator.index, several))
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{name}: {argument} must be an int or several, got {value!r}")


def one_int(name: str, argument: str, value: Any) -> int:
    """Return an int of any kind as Python's. Raises TypeError for anything else."""
    if not is_int(value):
        raise TypeError(f"{name}: {argument} must be an int, got {value!r}")
    return int(value)


def beside(x: Any, other: Tensor) -> Tensor:
    """Return `x` as a Tensor to be compared with `other`: lists and numbers come to its device, arrays stay on theirs;
    floats take its dtype. Tensors are left as they are.
    """
    if isinstance(x, Tensor):
        return x
    is_array = hasattr(x, "dtype") and not isinstance(x, np.generic)
    tensor = Tensor(x) if is_array else Tensor(x, device=other.device)
    return tensor.astype(other.dtype) if tensor.dtype.kind == other.dtype.kind == "f" else tensor


def floating(x: Any) -> Tensor:
    """Return `x` as a floating point Tensor: integers become float32."""
    x = x if isinstance(x, Tensor) else Tensor(x)
    return x if x.dtype.kind == "f" else x.astype(np.float32)
