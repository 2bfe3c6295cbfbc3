"""A strict stand-in for CuPy on machines without a GPU: device code that passes here runs on a GPU too.

``install(monkeypatch)`` puts ``cupy`` (with ``cupy.cuda``, ``cupy.random``, ``cupyx``, ...) into ``sys.modules``.
Its ``ndarray`` hides a NumPy array and offers what CuPy 14 offers, no more:

- names and parameters are those of CuPy (namespace.json, written by ``python -m tests.strict_cupy.refresh``);
- NumPy arrays, lists and implicit conversions are refused where CuPy refuses them, and also where CuPy would quietly
  leave the work to NumPy (``cupy.sum(numpy_array)``);
- every way back to the host is counted in ``host_reads``, every upload in ``host_writes``, every NumPy function that
  was handed a device array in ``numpy_dispatches``; each has ``count`` and a context ``forbidden()`` that raises;
- results are new, C-contiguous and at least 0-dimensional arrays, as CuPy's are, whatever the layout of the inputs;
- float32 too small for a normal number are 0 to whatever works element by element, as CuPy compiles it;
- kernels are counted in ``launches``, with the bytes that they move; CUDA code in an ElementwiseKernel is compiled for
  the CPU and runs;
- there are two devices, so that whoever forgets ``with cupy.cuda.Device(i)`` is warned, in tests by an error; arrays
  with gaps are not copied between them.

Where a GPU silently gives garbage, the stand-in raises (or gives NaN, so that the garbage shows): reading
uninitialised memory, leaving the memory with ``as_strided``, writing to overlapping elements or to repeated indices.
What it cannot do is compile whole programs of CUDA (``RawKernel`` raises ``NotModelledError``), show asynchronous
errors or run out of memory.
"""

from tests.strict_cupy.device import PerformanceWarning, host_reads, host_writes, launches, numpy_dispatches
from tests.strict_cupy.kernels import CompilerMissing
from tests.strict_cupy.module import install
from tests.strict_cupy.namespace import NotModelledError

__all__ = [
    "CompilerMissing",
    "NotModelledError",
    "PerformanceWarning",
    "host_reads",
    "host_writes",
    "install",
    "launches",
    "numpy_dispatches",
]
