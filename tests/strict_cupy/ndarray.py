"""``cupy.ndarray``: an array that NumPy cannot see into, around a private NumPy array that plays the device memory."""

from __future__ import annotations

import math
import operator

import numpy as np

from tests.strict_cupy.device import (
    Device,
    MemoryPointer,
    current_device,
    host_reads,
    host_writes,
    launches,
    require_current_device,
)
from tests.strict_cupy.namespace import NotModelledError, Partial

DTYPES = "?bhilqBHILQefdFD"
SCALARS = frozenset({bool, int, float, complex, *(np.dtype(char).type for char in DTYPES)})


class Flags:
    """``ndarray.flags``: three facts about the layout; nothing can be set (so an array cannot be made read-only)."""

    def __init__(self, array: ndarray):
        flags = array._array.flags
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = array.base is None
        self.forc, self.fnc = flags.forc, flags.fnc

    def __getitem__(self, name):
        if name not in ("C_CONTIGUOUS", "F_CONTIGUOUS", "OWNDATA"):
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags")
        return getattr(self, name.lower())


def unsupported(value) -> TypeError:
    """CuPy's error for an operand that is neither on the device nor a scalar."""
    return TypeError(f"Unsupported type {type(value)}")


def check_dtype(dtype) -> np.dtype:
    """``dtype`` as a NumPy dtype; ValueError for what CuPy cannot hold (objects, strings, dates, long doubles)."""
    dtype = np.dtype(dtype)
    if dtype.char not in DTYPES:
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def fresh(array: np.ndarray) -> ndarray:
    """A new array on the current device that owns ``array``."""
    check_dtype(array.dtype)
    new = object.__new__(ndarray)
    new._array, new._device, new.base = array, current_device(), None
    return new


def view_of(owner: ndarray, array: np.ndarray) -> ndarray:
    """``array``, a NumPy view into ``owner``'s memory, as an array on ``owner``'s device."""
    new = object.__new__(ndarray)
    new._array, new._device = array, owner._device
    new.base = owner if owner.base is None else owner.base
    return new


def wrap(result, inputs=(), keep_layout=False):
    """NumPy's ``result`` of an operation on ``inputs`` as CuPy would give it.

    Scalars become 0-dimensional arrays. A view of an input needs no computation and stays on that input's device;
    anything else is computed, so all inputs must be on the current device, and is new and C-contiguous
    (CuPy does not keep the memory order of the inputs, as NumPy does).
    """
    if isinstance(result, tuple | list):
        parts = [wrap(part, inputs, keep_layout) for part in result]
        return parts if isinstance(result, list) else tuple(parts)
    if isinstance(result, np.generic):
        result = np.asarray(result)
    if not isinstance(result, np.ndarray):
        return result
    for array in inputs:
        if result is array._array:
            return array
        if np.may_share_memory(result, array._array) or result.size == array.size == 0:  # nothing to compute
            return view_of(array, result)
    require_current_device(inputs)
    return fresh(result if keep_layout or result.flags.c_contiguous else result.copy(order="C"))


def require_writable(array) -> None:
    """Raise unless ``array`` is an ndarray whose elements have addresses of their own: else writing races on a GPU."""
    if not isinstance(array, ndarray):
        raise TypeError("Output arguments type must be cupy.ndarray")
    reach = 0
    for stride, length in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if length > 1 and array.size:
            if stride <= reach:
                raise ValueError("writing into an array whose elements overlap in memory: a race on a GPU")
            reach += stride * (length - 1)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False) -> ndarray:
    """``cupy.array``: an explicit transfer, so it takes NumPy arrays, lists and scalars; lists of CuPy arrays stack."""
    if subok:
        raise NotImplementedError
    if dtype is not None:
        dtype = check_dtype(dtype)
    if isinstance(obj, ndarray):
        if obj._device != current_device():
            obj, copy = obj.copy(order), None
        same = np.array(obj._array, dtype=dtype, copy=copy, order=order, ndmin=ndmin)
        return _counted(wrap(same, (obj,), keep_layout=True), obj)
    inputs: list[ndarray] = []
    host = unwrap(obj, inputs, host_arrays=True)
    if inputs:
        require_current_device(inputs)
        if len(inputs) < _count_leaves(obj):  # a list that mixes device arrays with host values
            inputs[0].__array__()
    else:
        host_writes.record("cupy.array of host data")
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
    keeps_fortran = order in ("K", "A", None) and isinstance(host, np.ndarray) and host.flags.fnc
    return fresh(np.array(host, dtype=dtype, order="F" if order == "F" or keeps_fortran else "C", ndmin=ndmin))


def _counted(result: ndarray, *inputs) -> ndarray:
    """``result``, noted as launched unless it shows memory of an input."""
    if not any(np.may_share_memory(result._array, x._array) for x in inputs):
        launches.record(*inputs, result)
    return result


def flushed(array):
    """``array`` as element by element code sees it, which CuPy compiles so that tiny float32 count as 0."""
    if getattr(array, "dtype", None) != np.float32:
        return array
    tiny = (np.abs(array) < np.finfo(np.float32).tiny) & (array != 0)
    return np.where(tiny, np.copysign(np.float32(0), array), array) if tiny.any() else array


def _count_leaves(obj) -> int:
    return sum(map(_count_leaves, obj)) if isinstance(obj, tuple | list) else 1


def unwrap(value, found: list[ndarray], host_arrays=False):
    """``value`` for NumPy: every CuPy array in it, however nested, is noted in ``found`` and replaced by its memory.

    NumPy arrays raise TypeError unless ``host_arrays``.
    """
    if isinstance(value, ndarray):
        found.append(value)
        return value._array
    if isinstance(value, np.ndarray) and not host_arrays:
        raise unsupported(value)
    if isinstance(value, tuple | list):
        parts = [unwrap(part, found, host_arrays) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


class ndarray(Partial):  # noqa: N801 - CuPy's name
    """The device array. What is not defined here is filled in from CuPy's list of methods, see functions.py."""

    __slots__ = ("__weakref__", "_array", "_device", "base")
    __module__ = _place = "cupy"
    __hash__ = None
    __array_priority__ = 100

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is not None or strides is not None:
            raise NotModelledError("cupy.ndarray with memptr or strides: use cupy.lib.stride_tricks.as_strided")
        self._array = poisoned(np.empty(shape, check_dtype(dtype), order=order or "C"))
        self._device, self.base = current_device(), None

    shape = property(lambda self: self._array.shape, lambda self, shape: setattr(self._array, "shape", shape))
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    dtype = property(lambda self: self._array.dtype)
    strides = property(lambda self: self._array.strides)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    flags = property(Flags)
    device = property(lambda self: Device(self._device))
    data = property(lambda self: MemoryPointer(self._array, self._device))
    T = property(lambda self: self if self.ndim < 2 else view_of(self, self._array.T))
    mT = property(lambda self: view_of(self, self._array.mT))  # noqa: N815 - CuPy's name
    real = property(lambda self: wrap(self._array.real, (self,)))
    imag = property(lambda self: wrap(self._array.imag, (self,)))

    # ---- to the host: explicit, and counted ------------------------------------------------------------------------

    def get(self, stream=None, order="C", out=None, blocking=True) -> np.ndarray:
        """A copy in host memory. Every other way of looking at the values comes through here."""
        host_reads.record(f"reading a {self.dtype} array of shape {self.shape}")
        if out is None:
            return self._array.copy(order=order)
        if not isinstance(out, np.ndarray) or out.dtype != self.dtype or out.shape != self.shape:
            raise TypeError(f"get: out must be a numpy.ndarray of shape {self.shape} and dtype {self.dtype}")
        out[...] = self._array
        return out

    def set(self, arr, stream=None) -> None:
        """Overwrite with the NumPy array ``arr`` of the same shape and dtype."""
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype:
            raise TypeError(f"Only a numpy.ndarray of dtype {self.dtype} can be set to this cupy.ndarray")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self._array.flags.forc:
            raise RuntimeError("Cannot set to non-contiguous array")
        host_writes.record("ndarray.set")
        self._array[...] = arr

    def item(self):
        """The value of an array with one element."""
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def __bool__(self):
        if self.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous.")
        return bool(self.get())

    def tobytes(self, order="C") -> bytes:
        """The values as bytes."""
        return self.get().tobytes(order)

    def __reduce__(self):
        return array, (self.get(order="A"),)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # ---- copies and views ------------------------------------------------------------------------------------------

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True) -> ndarray:
        """Cast, keeping the memory order by default."""
        if casting is not None or subok is not None:
            raise TypeError("astype: casting and subok are not supported yet")
        dtype = check_dtype(dtype)
        values = self._array if dtype == self.dtype else flushed(self._array)
        result = flushed(values.astype(dtype, order=order or "K", copy=bool(copy)))
        return _counted(wrap(result, (self,), keep_layout=True), self)

    def copy(self, order="C") -> ndarray:
        """A copy on the *current* device, wherever this array is; C-contiguous by default, unlike `cupy.copy`."""
        copied = self._array.copy(order=order or "K")
        if self.size and self._device != current_device() and not copied.flags.forc:
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        result = fresh(copied)
        launches.record(self, result)
        return result

    __copy__ = copy

    def __deepcopy__(self, memo):
        with Device(self._device):
            return self.copy()

    def view(self, dtype=None, type=None) -> ndarray:
        """The same memory, as another dtype if given."""
        return view_of(self, self._array.view() if dtype is None else self._array.view(check_dtype(dtype)))

    def reshape(self, *shape, order="C", copy=None) -> ndarray:
        """A view of another shape where possible, else a copy."""
        if len(shape) == 1 and isinstance(shape[0], tuple | list):
            (shape,) = shape
        result = self._array.reshape(tuple(map(operator.index, shape)), order=order)
        if copy is False and not np.may_share_memory(result, self._array):
            raise ValueError("Unable to avoid creating a copy while reshaping.")
        return _counted(wrap(result.copy() if copy else result, (self,)), self)

    def fill(self, value) -> None:
        """Set all elements to a scalar (a Python or NumPy one, or a 0-dimensional array of either kind)."""
        inputs = [self]
        value = np.asarray(unwrap(value, inputs, host_arrays=True))
        if value.shape != ():
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        require_current_device(inputs)
        require_writable(self)
        self._array.fill(value)
        launches.record(self)

    def sort(self, axis=-1, kind=None) -> None:
        """Sort in place; contiguous arrays only."""
        if kind not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        if not self._array.flags.c_contiguous:
            raise NotImplementedError("Sorting non-contiguous array is not supported.")
        require_current_device([self])
        self._array.sort(axis=axis, kind="stable")
        launches.record(self)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))


def _read_by(convert):
    return lambda self, *args: convert(self.get(), *args)


for _name, _convert in {
    "tolist": np.ndarray.tolist,
    "__int__": int,
    "__float__": float,
    "__complex__": complex,
    "__repr__": repr,
    "__str__": str,
    "__format__": format,
}.items():
    setattr(ndarray, _name, _read_by(_convert))


def poisoned(array: np.ndarray) -> np.ndarray:
    """``array`` filled with what uninitialised memory may hold at its worst: NaN, or senseless integers."""
    array.fill(math.nan if array.dtype.kind in "fc" else True if array.dtype.kind == "b" else np.iinfo(array.dtype).max)
    return array
