"""Indexing of the device array, where CuPy departs from NumPy: no bounds checks, uploads, reads, undefined results."""

from __future__ import annotations

import numpy as np

from tests.strict_cupy.device import host_reads, launches, require_current_device
from tests.strict_cupy.ndarray import SCALARS, array, fresh, ndarray, require_writable, unwrap, view_of

ADDABLE = frozenset("ilqILQefd")  # dtypes with an atomic addition on the GPU


def numpy_key(x: ndarray, key) -> tuple[tuple, bool]:
    """``key`` for ``x``'s NumPy array, and whether it is advanced (has arrays in it).

    Lists and NumPy arrays are uploaded, as CuPy does; booleans cost a read, because their number of True decides the
    result's shape; integer arrays wrap around silently, they are not checked against the bounds.
    """
    parts = [_uploaded(part) for part in (key if isinstance(key, tuple) else (key,))]
    advanced = [part for part in parts if isinstance(part, ndarray)]
    taken = sum(map(_axes_of, parts))
    axis, converted = 0, []
    for part in parts:
        if isinstance(part, ndarray):
            converted.append(_index_array(part, x.shape[axis] if axis < x.ndim else 0))
        else:
            converted.append(part)
        axis += x.ndim - taken if part is Ellipsis else _axes_of(part)
    if advanced:
        require_current_device([x, *advanced])
    if not any(part is Ellipsis for part in parts):
        converted.append(Ellipsis)  # with it, NumPy too gives 0-dimensional arrays instead of scalars
    return tuple(converted), bool(advanced)


def _uploaded(part):
    """One part of an index with array-likes on the device, and device arrays that bound a slice read back."""
    if isinstance(part, slice):
        return slice(*(int(x) if isinstance(x, ndarray) else x for x in (part.start, part.stop, part.step)))
    if isinstance(part, bool | np.bool_ | list | tuple | np.ndarray):
        empty = isinstance(part, list | tuple) and not part
        return array(part, dtype=np.int32 if empty else None)
    return part


def _axes_of(part) -> int:
    """How many axes one part of an index consumes."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, ndarray) and part.dtype.kind == "b" else 1


def _index_array(part: ndarray, length: int) -> np.ndarray:
    if part.dtype.kind == "b":
        host_reads.record("indexing with a boolean mask")
        return part._array
    if part.dtype.kind not in "iu":
        raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype})")
    return np.remainder(part._array.astype(np.intp), length) if length else part._array


def getitem(self: ndarray, key) -> ndarray:
    """``self[key]``: a view, 0-dimensional where NumPy gives a scalar, unless arrays are among the indices."""
    key, advanced = numpy_key(self, key)
    result = self._array[key]
    if not advanced:
        return view_of(self, result)
    taken = fresh(result.copy(order="C"))
    launches.record(taken, taken, count=4)
    return taken


def setitem(self: ndarray, key, value) -> None:
    """``self[key] = value``; values for repeated indices are refused, since any of them may stay on a GPU."""
    key, advanced = numpy_key(self, key)
    target = self if advanced else view_of(self, self._array[key])
    if not isinstance(value, ndarray):
        if not advanced:
            return target.fill(value)
        value = _device_value(value, self.dtype)
    require_current_device([self, value])
    require_writable(target)
    if advanced and value.size > 1:
        places = np.arange(self.size).reshape(self.shape)[key]
        if np.unique(places).size < places.size:
            raise ValueError("assignment to repeated indices is undefined on a GPU; cupy.add.at adds them up")
    if not (np.may_share_memory(target._array, value._array) and target.shape == value.shape):  # of x[...] += y
        launches.record(value, target, count=3 if advanced else 1)
    self._array[key] = value._array


def _device_value(value, dtype) -> ndarray:
    return fresh(np.asarray(value, dtype)) if type(value) in SCALARS else array(value, dtype)


def take(self: ndarray, indices, axis=None, out=None) -> ndarray:
    """Elements at integer ``indices``, which wrap around. A list or NumPy array of indices is uploaded."""
    if not isinstance(indices, ndarray) and not np.isscalar(indices):
        indices = array(indices, dtype=int)
    inputs = [self]
    result = np.asarray(self._array.take(unwrap(indices, inputs), axis=axis, mode="wrap"))
    require_current_device(inputs)
    if out is None:
        taken = fresh(result.copy(order="C"))
        launches.record(taken, taken)
        return taken
    require_writable(out)
    require_current_device([out])
    launches.record(out, out)
    if out.dtype != self.dtype or out.shape != result.shape:
        raise ValueError(f"take: out must have shape {result.shape} and dtype {self.dtype}")
    out._array[...] = result
    return out


def scatter(numpy_ufunc: np.ufunc, dtypes: frozenset, a: ndarray, key, value) -> None:
    """``ufunc.at(a, key, value)``: the value is cast to the dtype of ``a``, which must have an atomic operation."""
    if not isinstance(a, ndarray):
        raise TypeError(f"cupy.{numpy_ufunc.__name__}.at: expected a cupy.ndarray, got {type(a).__name__}")
    key, advanced = numpy_key(a, key)
    value = value if isinstance(value, ndarray) else _device_value(value, a.dtype)
    require_current_device([a, value])
    require_writable(a)
    if advanced and a.dtype.char not in dtypes:
        raise TypeError(f"cupy.{numpy_ufunc.__name__}.at does not support {a.dtype}")
    numpy_ufunc.at(a._array, key, value._array.astype(a.dtype))
    launches.record(a, value, count=3 if advanced else 1)


ndarray.__getitem__, ndarray.__setitem__, ndarray.take = getitem, setitem, take
