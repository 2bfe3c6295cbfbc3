"""How many kernels a step launches on a GPU, as CUDA's own profiling interface reports them.

PyTorch's profiler reads that interface, and sees all kernels of the process, whoever launches them: CuPy's, too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any


def count(step: Callable[[], Any]) -> int | None:
    """Return the number of kernels that one call of `step` launches, copies and fills of memory left out; None where
    PyTorch is not installed, or cannot use a GPU. `step` must wait for the GPU before it returns.
    """
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
    on_gpu = [event.name for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in on_gpu)
