"""Clipping of gradients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minigrad import backend
from minigrad.backend import Array, quietly
from minigrad.kernels.precision import accumulator
from minigrad.tensor import Tensor


@quietly  # infinite gradients make an infinite norm
def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients so that their common 2-norm is at most `max_norm`: g ← g · min(1, max_norm / (‖g‖ + 1e-6)).

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1; the
    1e-6 is PyTorch's.

    Args:
        params: Parameters, or one; those without a gradient are skipped.
        max_norm: the largest norm allowed.

    Returns:
        The norm before clipping, a 0-d Tensor on the device of the first parameter that has a gradient: nothing is read
        back from a GPU. That of float16 is float32, as it may well be larger than the largest float16.

    Raises:
        ValueError: `max_norm` is negative.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: expected max_norm >= 0, got {max_norm}")
    params = [p for p in ([params] if isinstance(params, Tensor) else params) if p.grad is not None]
    grads = [p.grad.data for p in params if p.grad.numel()]
    if not grads:
        return Tensor(0.0)
    home = params[0].device
    norm = _norm_over_devices(grads, home)
    with backend.use_device(home):
        xp = backend.array_module(norm)
        scale = xp.asarray(xp.minimum(max_norm / (norm + 1e-6), 1.0))
    for p in params:
        g, wide = p.grad.data, accumulator(p.grad.dtype)
        with backend.use_device(p.device):
            xp, factor = backend.array_module(g), backend.to_device(scale, p.device).astype(wide)
            clipped = xp.multiply(g, factor, dtype=wide).astype(g.dtype, copy=False)
            p.grad = Tensor._wrap(xp.asarray(clipped))
    with backend.use_device(home):
        return Tensor(norm.astype(np.result_type(*[accumulator(g.dtype) for g in grads])))


def _norm_over_devices(grads: list[Array], home: str) -> Array:
    """Return `_common_norm`, on the device `home`, of arrays that may lie on several."""
    norms = []
    for device in dict.fromkeys(map(backend.device_of, grads)):
        with backend.use_device(device):
            norms.append(_common_norm([g for g in grads if backend.device_of(g) == device]))
    with backend.use_device(home):
        return norms[0] if len(norms) == 1 else _common_norm([backend.to_device(norm, home) for norm in norms])


def _common_norm(grads: list[Array]) -> Array:
    """Return m·√(Σ(g/m)²) with m = max |g|, in float64: of squares beside 1, none overflows, and none is lost that
    counts.
    """
    xp = backend.array_module(grads[0])
    largest = xp.stack([abs(g).max().astype(np.float64) for g in grads]).max()
    unit = xp.where((largest > 0) & xp.isfinite(largest), largest, 1.0)
    norms = []
    for g in grads:
        wide = accumulator(g.dtype)
        norms.append(xp.linalg.norm(xp.divide(g, unit.astype(wide), dtype=wide)).astype(np.float64))
    return xp.asarray(unit * xp.linalg.norm(xp.stack(norms)))
