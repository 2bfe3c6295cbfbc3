"""minigrad: deep learning from scratch on NumPy and CuPy, small enough to read in an evening.

    import minigrad as mg

    x = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad                      # Tensor([2., 4., 6.])

Where to read first: `tensor.py`, `function.py`, `sweep.py`, then any file in `ops/`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from minigrad import hooks, nn, ops, optim
from minigrad.backend import array_module, cuda_is_available
from minigrad.function import Function
from minigrad.grad_mode import enable_grad, no_grad
from minigrad.gradcheck import GradcheckError, gradcheck, gradgradcheck
from minigrad.kernels.threads import get_num_threads, set_num_threads
from minigrad.operators import METHODS as _METHODS  # noqa: F401 - importing it gives Tensor its operators
from minigrad.rng import manual_seed, random_stream
from minigrad.sweep import grad
from minigrad.tensor import Parameter, Tensor
from minigrad.watching import AnomalyError, detect_anomaly, profile

if TYPE_CHECKING:
    from minigrad.guided import tour
    from minigrad.io.checkpoints import load, save
    from minigrad.io.torch_file import load_torch

__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "Function",
    "GradcheckError",
    "Parameter",
    "Tensor",
    "array_module",
    "cuda_is_available",
    "detect_anomaly",
    "enable_grad",
    "get_num_threads",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hooks",
    "load",
    "load_torch",
    "manual_seed",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "profile",
    "random_stream",
    "save",
    "set_num_threads",
    "tour",
]

# What reads and writes files is imported when it is first used: `import minigrad` shall be quick.
_LATE = {
    "load": "minigrad.io.checkpoints",
    "load_torch": "minigrad.io.torch_file",
    "save": "minigrad.io.checkpoints",
    "tour": "minigrad.guided",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'minigrad' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
