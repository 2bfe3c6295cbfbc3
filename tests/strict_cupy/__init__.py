"""A strict stand-in for CuPy on machines without a GPU: device code that passes here runs on a GPU too.

``install(monkeypatch)`` puts ``cupy`` (with ``cupy.cuda``, ``cupy.random``, ``cupyx``, ...) into ``sys.modules``.
Its ``ndarray`` hides a NumPy array and offers what CuPy 14 offers, no more:

- names and parameters are those of CuPy (namespace.json, written by ``python -m tests.strict_cupy.refresh``);
- NumPy arrays, lists and implicit conversions are refused where CuPy refuses them, and also where CuPy would quietly
  leave the work to NumPy (``cupy.sum(numpy_array)``);
- every way back to the host is counted in ``host_reads``, every upload in ``host_writes``, every NumPy function that
  was handed a device array in ``numpy_dispatches``; each has ``count`` and a context ``forbidden()`` that raises;
- results are new, C-contiguous and at least 0-dimensional arrays, as CuPy's are, whatever the layout of the inputs;
- there are two devices without peer access, so that whoever forgets ``with cupy.cuda.Device(i)`` finds out.

Where a GPU silently gives garbage, the stand-in raises (or gives NaN, so that the garbage shows): reading
uninitialised memory, leaving the memory with ``as_strided``, writing to overlapping elements or to repeated indices.
What it cannot do is compile CUDA (kernels raise ``NotModelledError``), show asynchronous errors or run out of memory.
"""

from tests.strict_cupy.device import host_reads, host_writes, numpy_dispatches
from tests.strict_cupy.module import install
from tests.strict_cupy.namespace import NotModelledError

__all__ = ["NotModelledError", "host_reads", "host_writes", "install", "numpy_dispatches"]
