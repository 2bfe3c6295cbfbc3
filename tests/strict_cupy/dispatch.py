"""NumPy's protocols: ``numpy.exp(x)`` of a device array calls ``cupy.exp(x)``, as with the real CuPy."""

from __future__ import annotations

import numpy as np

from tests.strict_cupy.device import numpy_dispatches
from tests.strict_cupy.ndarray import SCALARS, ndarray

COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
NAMESPACES: dict[str, object] = {}  # NumPy's module name -> CuPy's module of the same functions; filled by module.py


def array_ufunc(self, ufunc, method, *inputs, **kwargs):
    """``ndarray.__array_ufunc__``; NumPy arrays among the operands are refused by CuPy's function."""
    numpy_dispatches.record(f"numpy.{ufunc.__name__}")
    function = getattr(NAMESPACES["numpy"], ufunc.__name__, None)
    function = function if method == "__call__" else getattr(function, method, None)
    out = kwargs.pop("out", ())
    acceptable = all(type(x) in SCALARS or isinstance(x, ndarray | np.ndarray) for x in (*inputs, *out))
    if function is None or not acceptable:
        return NotImplemented
    if ufunc.__name__ in COMPARISONS:  # these let 0-dimensional NumPy arrays pass
        inputs = [x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs]
    return function(*inputs, **kwargs, **({"out": out[0]} if out else {}))


def array_function(self, func, types, args, kwargs):
    """``ndarray.__array_function__``."""
    numpy_dispatches.record(f"numpy.{func.__name__}")
    function = getattr(NAMESPACES.get(func.__module__, object), func.__name__, None)
    if function is None or not all(issubclass(t, ndarray | np.ndarray) for t in types):
        return NotImplemented
    return function(*args, **kwargs)


ndarray.__array_ufunc__, ndarray.__array_function__ = array_ufunc, array_function
