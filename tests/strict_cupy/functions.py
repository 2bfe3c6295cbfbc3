"""CuPy's functions and methods, made from NumPy's of the same name: CuPy's parameters in, device arrays out."""

from __future__ import annotations

import functools

import numpy as np

from tests.strict_cupy.device import Device, host_reads, host_writes, launches, require_current_device
from tests.strict_cupy.namespace import load, parse_signature
from tests.strict_cupy.ndarray import (
    SCALARS,
    array,
    flushed,
    fresh,
    ndarray,
    poisoned,
    require_writable,
    unsupported,
    unwrap,
    wrap,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Parameters that hold the data: device arrays. Only those after the first may be scalars (`clip(x, 0, 1)`).
DATA = _words(
    """a a1 a2 a_max a_min ar ar1 ar2 arr arr1 arr2 array ary b condition dst element f filt fp m mask p prototype
    sample src test_elements v val values weights where x x1 x2 xp y z"""
)
# Parameters that hold several arrays: `concatenate(tup)`, `meshgrid(*xi)`.
DATA_SEQUENCES = _words("tup arys args xi arrays")
# Parameters that decide shapes: host integers. NumPy would take a 0-dimensional array; on a GPU that is a read.
HOST = _words(
    """N axes axis axis1 axis2 dimensions destination k new_shape newshape n num order pad_width reps shape size
    source start step stop"""
)
# Functions whose result has a data-dependent shape or that check values: they wait for the device.
SYNCHRONISING = _words(
    """argwhere array_repr array_str asarray_chkfinite bincount compress delete extract flatnonzero histogram
    histogram2d histogramdd intersect1d median nanmax nanmedian nanmin nonzero percentile place quantile
    ravel_multi_index real_if_close setdiff1d setxor1d trim_zeros union1d unique unique_all unique_counts
    unique_inverse unique_values unravel_index"""
)
KEEPING_LAYOUT = _words("astype empty_like zeros_like ones_like full_like full zeros ones eye")
WITHOUT_LAUNCH = _words("empty_like may_share_memory shares_memory broadcast_arrays")
JOINING = _words("concatenate stack hstack vstack dstack")  # one launch for each part
ZERO_DIMENSIONAL = _words("allclose array_equal array_equiv count_nonzero")  # Python scalars in NumPy
WRITING = _words("copyto fill_diagonal place put_along_axis putmask")  # into their first argument
# Names of NumPy's that run Python functions on the elements, touch files or have another default than CuPy's.
LEFT_OUT = _words("apply_over_axes choose dump dumps from_dlpack load mask_indices piecewise put save tofile")


def lift(name: str, function, signature: str):
    """CuPy's function ``name`` with its parameters ``signature``, computed by NumPy's ``function``.

    Raises TypeError for parameters that CuPy does not have, for data that is not on the device, and for device arrays
    where CuPy needs a number on the host.
    """
    parsed = parse_signature(signature)
    short = name.rpartition(".")[2]

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def lifted(*args, **kwargs):
        try:
            given = parsed.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"cupy.{name}{signature}: {error}") from None
        inputs: list[ndarray] = []
        positional, keywords = [], {}
        for i, (parameter, value) in enumerate(given.items()):
            value = _checked(short, parameter, value, first=i == 0)
            value = unwrap(value, inputs)
            description = parsed.parameters[parameter]
            if description.kind is description.VAR_POSITIONAL:
                positional.extend(value)
            elif description.kind is description.VAR_KEYWORD:
                keywords.update(value)
            elif description.default is description.empty:
                positional.append(value)
            elif not (parameter in ("subok", "blocking") and value in (None, False)):
                keywords[parameter] = value
        if short in SYNCHRONISING:
            host_reads.record(f"cupy.{name}")
        with np.errstate(all="ignore"):  # CuPy never warns
            result = function(*positional, **keywords)
        if short in ZERO_DIMENSIONAL:
            result = np.asarray(result)
        if given.get("out") is not None or (result is None and short != "copyto"):  # copyto works across devices
            require_current_device(inputs)
        wrapped = wrap(result, inputs, short in KEEPING_LAYOUT)
        if short not in WITHOUT_LAUNCH:
            _count(wrapped, inputs, given.get("out"), len(inputs) if short in JOINING else 1)
        return wrapped

    lifted.__name__ = lifted.__qualname__ = name
    return lifted


def _count(result, inputs: list[ndarray], out, count: int) -> None:
    """Note the launches of a function, unless its result only shows an input's memory in another way."""
    result = out if result is None else result[0] if isinstance(result, tuple | list) and result else result
    if not isinstance(result, ndarray):  # it wrote into its first argument
        result = inputs[0] if inputs and result is None else None
    elif out is None and any(np.may_share_memory(result._array, x._array) for x in inputs):
        return
    if result is not None:
        launches.record(*inputs, result, count=count)


def _checked(name: str, parameter: str, value, first: bool):
    """``value`` if CuPy's function ``name`` would take it for ``parameter``; else TypeError, or ValueError."""
    if parameter == "out" and value is not None:
        require_writable(value)
    elif parameter in HOST:
        if any(isinstance(part, ndarray) for part in (value if isinstance(value, tuple | list) else (value,))):
            raise TypeError(f"cupy.{name}: {parameter} must be on the host, got a cupy.ndarray")
    elif parameter == "kind":
        if value not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        return "stable"
    elif parameter == "subok" and value:
        raise TypeError("subok is not supported yet")
    elif parameter in DATA:
        if not isinstance(value, ndarray) and (first or type(value) not in SCALARS | {type(None), str}):
            raise unsupported(value)
        if first and name in WRITING:
            require_writable(value)
    elif parameter in DATA_SEQUENCES:
        for part in value:
            if not isinstance(part, ndarray):
                raise unsupported(part)
    return value


# ---- functions that differ from NumPy's in more than that ----------------------------------------------------------


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False) -> ndarray:
    """The explicit transfer: of NumPy arrays, lists and scalars; also of arrays from another device to the current."""
    return array(a, dtype, copy, order or "K")


def ascontiguousarray(a, dtype=None) -> ndarray:
    """``a`` itself if it is C-contiguous; at least 1-dimensional."""
    return _laid_out(np.ascontiguousarray, a, dtype)


def asfortranarray(a, dtype=None) -> ndarray:
    """``a`` itself if it is Fortran-contiguous; at least 1-dimensional."""
    return _laid_out(np.asfortranarray, a, dtype)


def _laid_out(function, a, dtype) -> ndarray:
    if not isinstance(a, ndarray):
        raise unsupported(a)
    result = wrap(function(a._array, dtype=dtype), (a,), keep_layout=True)
    _count(result, [a], None, 1)
    return result


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True) -> np.ndarray:
    """The explicit transfer to the host; NumPy arrays are passed through."""
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    result = np.asarray(a, order=order)
    if out is None:
        return result
    out[...] = result
    return out


def copy(a, order="K") -> ndarray:
    """A copy on the current device, in the layout of ``a``."""
    return a.copy(order)


def empty(shape, dtype=float, order="C") -> ndarray:
    """Uninitialised memory, here full of NaN so that nobody gets away with reading it."""
    _checked("empty", "shape", shape, first=True)
    return ndarray(shape, dtype, order=order)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None) -> ndarray:
    """Uninitialised memory (see `empty`) in the layout of ``prototype``."""
    result = _empty_like(prototype, dtype, order, subok, shape)
    poisoned(result._array)
    return result


def where(condition, x=None, y=None):
    """``x`` where ``condition``, an array, is true, else ``y``; without these `nonzero`, which waits for the device."""
    if x is None and y is None:
        return condition.nonzero()
    if x is None or y is None:
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    result = _where(condition, x, y)
    result._array[...] = flushed(result._array)
    return result


def einsum(*operands, **kwargs) -> ndarray:
    """Einstein summation of a subscript string and device arrays; ``dtype`` and ``optimize`` only."""
    if not kwargs.keys() <= {"dtype", "optimize"}:
        raise TypeError(f"Did not understand the following kwargs: {list(kwargs)}")
    inputs: list[ndarray] = []
    operands = [unwrap(x, inputs) for x in operands]
    result = wrap(np.einsum(*operands, **kwargs), inputs)
    _count(result, inputs, None, 1)
    return result


def repeat(a, repeats, axis=None) -> ndarray:
    """Repeat elements; a sequence of counts is uploaded and waited for, since it decides the shape."""
    if not isinstance(repeats, int | np.integer):
        host_reads.record("cupy.repeat with a count per element")
    return _repeat(a, repeats, axis)


def as_strided(x, shape=None, strides=None) -> ndarray:
    """A view with any shape and strides; ValueError where it would leave the memory of ``x``, which no GPU notices."""
    shape = x.shape if shape is None else tuple(shape)
    strides = x.strides if strides is None else tuple(strides)
    result = np.lib.stride_tricks.as_strided(x._array, shape, strides)
    whole = owner = x._array
    while owner is not None:
        whole = owner if isinstance(owner, np.ndarray) else whole
        owner = getattr(owner, "base", None)
    (low, high), (first, last) = np.lib.array_utils.byte_bounds(result), np.lib.array_utils.byte_bounds(whole)
    if result.size and (low < first or high > last):
        raise ValueError(f"as_strided: shape {shape} with strides {strides} leaves the memory of the array")
    with Device(x._device):
        return fresh(result)


def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False) -> ndarray:
    """NumPy's, but CuPy uploads ``window_shape`` and reads it back number by number."""
    if writeable:
        raise NotImplementedError("Writeable views are not supported.")
    host_writes.record("sliding_window_view")
    for _ in np.atleast_1d(window_shape):
        host_reads.record("sliding_window_view")
    view = np.lib.stride_tricks.sliding_window_view(x._array, window_shape, axis)
    return as_strided(x, view.shape, view.strides)


_empty_like = lift("empty_like", np.empty_like, load()["cupy"]["empty_like"])
_where = lift("where", np.where, "(condition, x, y)")
_repeat = lift("repeat", np.repeat, "(a, repeats, axis=)")
OWN_FUNCTIONS = {
    "array": array,
    "asarray": asarray,
    "asanyarray": asarray,
    "ascontiguousarray": ascontiguousarray,
    "asfortranarray": asfortranarray,
    "asnumpy": asnumpy,
    "copy": copy,
    "einsum": einsum,
    "empty": empty,
    "empty_like": empty_like,
    "repeat": repeat,
    "where": where,
    "as_strided": as_strided,
    "sliding_window_view": sliding_window_view,
    # these take anything and stay on the host
    "can_cast": np.can_cast,
    "isscalar": np.isscalar,
}
for _function in (np.result_type, np.common_type, np.min_scalar_type, np.ndim, np.shape):
    OWN_FUNCTIONS[_function.__name__] = lambda *args, _f=_function: _f(*(unwrap(a, []) for a in args))


def install_methods() -> None:
    """Give ndarray those of CuPy's methods that are not written out in its class."""
    ndarray.repeat = repeat
    for name, signature in load()["cupy.ndarray"].items():
        if signature.startswith("(self") and name not in vars(ndarray) | dict.fromkeys(LEFT_OUT) and name[0] != "_":
            function = getattr(np.ndarray, name, None) or getattr(np, name, None)
            if function is not None:
                setattr(ndarray, name, lift(f"ndarray.{name}", function, signature))


install_methods()
