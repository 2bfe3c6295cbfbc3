"""What is compared: for each framework, the few names under which the rows find what they need.

minigrad's layers and optimizers have PyTorch's names and arguments, so one description of a network serves both.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Framework:
    """One framework, imported and ready.

    Attributes:
        nn, optim: its modules of layers and of optimizers.
        tensor: makes its kind of tensor from a NumPy array.
        no_grad: its context manager under which nothing is recorded.
        resnet18: builds the one network that is more than a chain of layers.
        threads: how many threads it computes with.
        versions: its own version and those of the libraries that its speed depends on, by name.
        placed: gives a module's parameters the memory order in which they are to be used, and returns the module.
    """

    nn: ModuleType
    optim: ModuleType
    tensor: Callable[[np.ndarray], Any]
    no_grad: Callable[[], AbstractContextManager]
    resnet18: Callable[[], Any]
    threads: int
    versions: dict[str, str]
    placed: Callable[[Any], Any] = lambda module: module


def _minigrad() -> Framework:
    from threadpoolctl import threadpool_info

    import minigrad as mg
    from models import resnet18

    blas = {pool["internal_api"]: str(pool["version"]) for pool in threadpool_info() if pool["user_api"] == "blas"}
    versions = {"minigrad": mg.__version__, "NumPy": np.__version__, **blas}
    return Framework(mg.nn, mg.optim, mg.Tensor, mg.no_grad, resnet18, mg.get_num_threads(), versions)


def _torch() -> Framework:
    import torch

    from benchmarks.torch_resnet import ResNet18

    versions = {"PyTorch": str(torch.__version__)}
    return Framework(
        torch.nn, torch.optim, torch.from_numpy, torch.no_grad, ResNet18, torch.get_num_threads(), versions
    )


def _torch_channels_last() -> Framework:
    """PyTorch as its guide to performance advises for pictures: they and the weights are channels-last in memory."""
    import torch

    def tensor(array: np.ndarray) -> torch.Tensor:
        order = torch.channels_last if array.ndim == 4 else torch.contiguous_format
        return torch.from_numpy(array).contiguous(memory_format=order)

    return replace(_torch(), tensor=tensor, placed=lambda module: module.to(memory_format=torch.channels_last))


# Loading is put off until a worker asks, because a process should hold one framework only.
LOADERS: dict[str, Callable[[], Framework]] = {
    "minigrad": _minigrad,
    "torch": _torch,
    "torch-channels-last": _torch_channels_last,
}


def installed() -> list[str]:
    """Return the names of the frameworks that can be imported here, minigrad first."""
    return [name for name in LOADERS if importlib.util.find_spec(name.partition("-")[0])]
