"""The frameworks that are compared: for each, the few names under which the workloads find what they need.

minigrad's layers and optimizers have PyTorch's names and arguments, so one description of a network serves both.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Framework:
    """One framework, imported and ready.

    Attributes:
        nn, optim: its modules of layers and of optimizers.
        tensor: makes its kind of tensor from a NumPy array.
        threads: how many threads it computes with.
        versions: its own version and those of the libraries that its speed depends on, by name.
    """

    nn: ModuleType
    optim: ModuleType
    tensor: Callable[[np.ndarray], Any]
    threads: int
    versions: dict[str, str]


def _minigrad() -> Framework:
    from threadpoolctl import threadpool_info

    import minigrad as mg

    blas = {pool["internal_api"]: str(pool["version"]) for pool in threadpool_info() if pool["user_api"] == "blas"}
    versions = {"minigrad": mg.__version__, "NumPy": np.__version__, **blas}
    return Framework(mg.nn, mg.optim, mg.Tensor, mg.get_num_threads(), versions)


def _torch() -> Framework:
    import torch

    return Framework(
        torch.nn, torch.optim, torch.from_numpy, torch.get_num_threads(), {"PyTorch": str(torch.__version__)}
    )


# Loading is put off until a worker asks, because a process should hold one framework only.
LOADERS: dict[str, Callable[[], Framework]] = {"minigrad": _minigrad, "torch": _torch}


def installed() -> list[str]:
    """Return the names of the frameworks that can be imported here, minigrad first."""
    return [name for name in LOADERS if importlib.util.find_spec(name)]
