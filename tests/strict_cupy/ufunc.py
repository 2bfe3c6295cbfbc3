"""``cupy.ufunc``: NumPy's ufuncs with CuPy's few keywords, for device operands, with new C-contiguous results."""

from __future__ import annotations

import numpy as np

from tests.strict_cupy.device import launches, require_current_device
from tests.strict_cupy.indexing import ADDABLE, scatter
from tests.strict_cupy.namespace import Partial
from tests.strict_cupy.ndarray import (
    SCALARS,
    check_dtype,
    flushed,
    fresh,
    ndarray,
    require_writable,
    unsupported,
    wrap,
)

EXTREMES = ADDABLE - {"e"}
BITWISE = EXTREMES - {"f", "d"}
SCATTERS = {
    "add": ADDABLE,
    "subtract": frozenset("iI"),
    "maximum": EXTREMES,
    "minimum": EXTREMES,
    "bitwise_and": BITWISE,
    "bitwise_or": BITWISE,
    "bitwise_xor": BITWISE,
}


class ufunc(Partial):  # noqa: N801 - CuPy's name
    """An elementwise function; ``matmul``, a generalised one, has a few more keywords."""

    _place = "cupy"

    def __init__(self, numpy_ufunc: np.ufunc):
        self._numpy = numpy_ufunc
        self.__name__ = self.name = f"cupy_{numpy_ufunc.__name__}"
        self.__doc__ = numpy_ufunc.__doc__
        self.nin, self.nout, self.nargs = numpy_ufunc.nin, numpy_ufunc.nout, numpy_ufunc.nargs
        self._keywords = {"dtype", "casting"}
        if numpy_ufunc.signature is not None:
            self._keywords |= {"axes", "axis", "keepdims", "signature"}

    def __repr__(self):
        return f"<ufunc '{self.name}'>"

    def __call__(self, *args, out=None, **kwargs):
        if not kwargs.keys() <= self._keywords:
            raise TypeError(f"cupy.{self._numpy.__name__}: Wrong arguments {kwargs}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.name!r}: {len(args)}")
        inputs, outs = args[: self.nin], args[self.nin :]
        if out is not None:
            outs = out if isinstance(out, tuple) else (out,)
        for value in inputs:
            if not isinstance(value, ndarray) and type(value) not in SCALARS:
                raise unsupported(value)
        for array in outs:
            if array is not None:
                require_writable(array)
        require_current_device([x for x in (*inputs, *outs) if isinstance(x, ndarray)])
        if kwargs.get("dtype") is not None:
            kwargs["dtype"] = check_dtype(kwargs["dtype"])
        if outs:
            kwargs["out"] = tuple(None if x is None else x._array for x in outs)
        arrays = [x._array if isinstance(x, ndarray) else x for x in inputs]
        is_product = self._numpy.signature is not None
        arrays = arrays if is_product else [flushed(x) for x in arrays]
        compute = _matmul_of_halves if self._numpy is np.matmul and arrays[0].dtype == "e" else self._numpy
        with np.errstate(all="ignore"):  # CuPy never warns
            results = compute(*arrays, order="C", **kwargs)
        results = results if self.nout > 1 else (results,)
        given = outs or (None,) * self.nout
        for array in outs:
            if array is not None and not is_product:
                array._array[...] = flushed(array._array)
        results = tuple(
            wrap(result if is_product else flushed(result)) if array is None else array
            for array, result in zip(given, results, strict=True)
        )
        launches.record(*inputs, *results, count=_launches_of_product(inputs) if is_product else 1)
        return results if self.nout > 1 else results[0]

    def at(self, a, indices, b=None) -> None:
        """Apply in place at ``indices``, repeatedly where they repeat."""
        if self._numpy.__name__ not in SCATTERS:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        scatter(self._numpy, SCATTERS[self._numpy.__name__], a, indices, b)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        """Reduce along an axis: sums and products only."""
        return getattr(array, self._method("reduce", add="sum", multiply="prod"))(axis, dtype, out, keepdims)

    def accumulate(self, array, axis=0, dtype=None, out=None):
        """Accumulate along an axis: sums and products only."""
        return getattr(array, self._method("accumulate", add="cumsum", multiply="cumprod"))(axis, dtype, out)

    def outer(self, A, B, **kwargs):
        """Apply to all pairs of elements."""
        return self(A.reshape(A.shape + (1,) * B.ndim), B.reshape((1,) * A.ndim + B.shape), **kwargs)

    def _method(self, wanted: str, **methods: str) -> str:
        if self._numpy.__name__ not in methods:
            raise NotImplementedError(f"`{self.name}.{wanted}` is not supported yet")
        return methods[self._numpy.__name__]


def _launches_of_product(inputs) -> int:
    """One for the product, one for each operand that must be copied first, and for stacks that are repeated three that
    write down where their matrices lie.
    """
    x, y = inputs
    copied = [not (z._array.flags.c_contiguous if max(x.ndim, y.ndim) > 2 else z._array.flags.forc) for z in inputs]
    repeated = max(x.ndim, y.ndim) > 2 and x.shape[:-2] != y.shape[:-2]
    return 1 + sum(copied) + 3 * repeated


def _defers(x, y) -> bool:
    """Whether ``x op y`` leaves the operation to ``y``: NEP 13, with ``__array_priority__`` for older classes."""
    if hasattr(y, "__array_ufunc__"):
        return y.__array_ufunc__ is None
    return x.__array_priority__ < getattr(y, "__array_priority__", 0)


def _forward(function: ufunc):
    """The method behind ``x + y``."""

    def method(self, other):
        if isinstance(other, ndarray) or type(other) in SCALARS:
            return function(self, other)
        if _defers(self, other):
            return NotImplemented
        if function._numpy in (np.equal, np.not_equal) and (other is None or type(other).__eq__ is object.__eq__):
            return fresh(np.full(self.shape, function._numpy is np.not_equal))
        return function._numpy(self, other)  # as CuPy does: NumPy then asks `ndarray.__array_ufunc__`

    return method


def _matmul_of_halves(a, b, out=None, **kwargs):
    """A product of float16, added up in float16 as a GPU may do it: 60000 + 60000 - 60000 was seen to be infinite."""
    result = np.matmul(a, b, **kwargs)
    total = np.zeros_like(result)
    if a.ndim > 1 and b.ndim > 1:
        for k in range(a.shape[-1]):
            total += a[..., :, k, None] * b[..., k, None, :]
    else:
        total[...] = (a[..., :] * b).cumsum(axis=-1, dtype=result.dtype)[..., -1] if a.shape[-1] else 0
    for target in out or ():
        target[...] = total
    return total if out is None else out[0]


COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
BINARY = {"matmul": np.matmul, "divmod": np.divmod}
IN_PLACE = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}


def install_operators() -> None:
    """Give ndarray its operators; as in CuPy there is no ``@=`` in place."""
    for name, numpy_ufunc in (COMPARISONS | BINARY | IN_PLACE | UNARY).items():
        function = ufunc(numpy_ufunc)
        if name in UNARY:
            setattr(ndarray, f"__{name}__", lambda self, function=function: function(self))
            continue
        setattr(ndarray, f"__{name}__", _forward(function))
        if name not in COMPARISONS:
            setattr(ndarray, f"__r{name}__", lambda self, other, function=function: function(other, self))
        if name in IN_PLACE:
            setattr(ndarray, f"__i{name}__", lambda self, other, function=function: function(self, other, out=self))


install_operators()
