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
        versions: its own version and those of the libraries that its speed depends on, by name; with the instruction
            set that they use here.
        placed: gives a module's parameters the device and memory order in which they are to be used, and returns the
            module.
        device: where everything lies and is computed, "cpu" or "cuda".
        synchronize: waits until the device has done what it was told to.
        free_device_memory: gives the GPU's memory that nobody uses back to it.
        device_memory: returns how many bytes of it this process has taken since; None on the CPU.
    """

    nn: ModuleType
    optim: ModuleType
    tensor: Callable[[np.ndarray], Any]
    no_grad: Callable[[], AbstractContextManager]
    resnet18: Callable[[], Any]
    threads: int
    versions: dict[str, str]
    placed: Callable[[Any], Any] = lambda module: module
    device: str = "cpu"
    synchronize: Callable[[], Any] = lambda: None
    free_device_memory: Callable[[], Any] = lambda: None
    device_memory: Callable[[], int | None] = lambda: None


def _minigrad(device: str = "cpu") -> Framework:
    from threadpoolctl import threadpool_info

    import minigrad as mg
    from models import resnet18

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = {pool["internal_api"]: f"{pool['version']} ({pool.get('architecture', 'unknown')})" for pool in pools}
    versions = {"minigrad": mg.__version__, "NumPy": np.__version__, **blas}
    framework = Framework(mg.nn, mg.optim, mg.Tensor, mg.no_grad, resnet18, mg.get_num_threads(), versions, mg.nn.fused)
    if device == "cpu":
        return framework
    cupy = mg.backend.device_module(device)
    return replace(
        framework,
        tensor=lambda array: mg.Tensor(array, device=device),
        placed=lambda module: mg.nn.fused(module.to(device)),
        versions=versions | {"CuPy": cupy.__version__},
        device=device,
        synchronize=lambda: cupy.cuda.Device().synchronize(),
        free_device_memory=lambda: cupy.get_default_memory_pool().free_all_blocks(),
        device_memory=lambda: cupy.get_default_memory_pool().total_bytes(),
    )


def _minigrad_plain(device: str = "cpu") -> Framework:
    """minigrad without `nn.fused`: every layer by itself."""
    return replace(_minigrad(device), placed=lambda module: module.to(device))


def _torch(device: str = "cpu") -> Framework:
    import torch

    from benchmarks.torch_resnet import ResNet18

    versions = {"PyTorch": f"{torch.__version__} ({torch.backends.cpu.get_cpu_capability()})"}
    framework = Framework(
        torch.nn, torch.optim, torch.from_numpy, torch.no_grad, ResNet18, torch.get_num_threads(), versions
    )
    if device == "cpu":
        return framework
    return replace(
        framework,
        tensor=lambda array: torch.from_numpy(array).to(device),
        placed=lambda module: module.to(device),
        versions=versions | {"CUDA": str(torch.version.cuda)},
        device=device,
        synchronize=torch.cuda.synchronize,
        free_device_memory=lambda: (torch.cuda.empty_cache(), torch.cuda.reset_peak_memory_stats()),
        device_memory=torch.cuda.max_memory_reserved,
    )


def _torch_channels_last(device: str = "cpu") -> Framework:
    """PyTorch as its guide to performance advises for pictures: they and the weights are channels-last in memory."""
    import torch

    def tensor(array: np.ndarray) -> torch.Tensor:
        order = torch.channels_last if array.ndim == 4 else torch.contiguous_format
        return torch.from_numpy(array).to(device).contiguous(memory_format=order)

    def placed(module: torch.nn.Module) -> torch.nn.Module:
        return module.to(device).to(memory_format=torch.channels_last)

    return replace(_torch(device), tensor=tensor, placed=placed)


# Loading is put off until a worker asks, because a process should hold one framework only.
LOADERS: dict[str, Callable[..., Framework]] = {
    "minigrad": _minigrad,
    "minigrad-plain": _minigrad_plain,
    "torch": _torch,
    "torch-channels-last": _torch_channels_last,
}


def installed(device: str = "cpu") -> list[str]:
    """Return the names of the frameworks that can be imported here and compute on `device`, minigrad first."""
    found = [name for name in LOADERS if importlib.util.find_spec(name.partition("-")[0])]
    ours = [name for name in found if name.startswith("minigrad")]
    if device == "cpu" or found == ours:
        return found
    import torch

    return found if torch.cuda.is_available() else ours
