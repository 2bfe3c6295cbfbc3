"""SGD, Adam, AdamW and gradient clipping: formulas and numbers as in PyTorch. What they share is in `optimizer.py`, the
schedules are in `schedules.py`.

An optimizer writes into the arrays of its parameters and of its state, block by block (see `kernels/update.py`), and
never reads a value back from a GPU.
A formula's symbols: θ parameter, g gradient, η learning rate `lr`, λ `weight_decay`, t the number of the step from 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from minigrad import backend
from minigrad import schedules as lr_scheduler  # PyTorch's name for where they are
from minigrad.backend import Array, quietly
from minigrad.kernels.precision import accumulator
from minigrad.kernels.update import in_blocks
from minigrad.optimizer import Optimizer
from minigrad.schedules import (
    CosineAnnealingLR,
    CosineLR,
    ExponentialLR,
    LambdaLR,
    MultiStepLR,
    OneCycleLR,
    StepLR,
)
from minigrad.tensor import Tensor

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "CosineLR",
    "ExponentialLR",
    "LambdaLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "StepLR",
    "clip_grad_norm",
    "lr_scheduler",
]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as Sutskever et al. describe it ("On the importance of initialization
    and momentum in deep learning", ICML 2013), in PyTorch's form, where η multiplies the velocity v:

        g ← g + λθ,    v ← μv + (1-τ)g  (at first v = g),    θ ← θ - ηv,    or with `nesterov`  θ ← θ - η(g + μv)

    Args:
        params: Parameters, or groups of them.
        lr: learning rate η.
        momentum: μ.
        weight_decay: λ, an L2 penalty; the fourth argument, which in PyTorch is `dampening`.
        nesterov: look ahead along the velocity; needs momentum and no dampening.
        dampening: τ.

    Raises:
        TypeError, ValueError: see `Optimizer`.
    """

    state_names = frozenset({"momentum_buffer"})

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        dampening: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, dampening=dampening
        )

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        options = super()._checked(options)
        if not options["momentum"] >= 0:
            raise ValueError(f"SGD: expected momentum >= 0, got {options['momentum']}")
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs momentum > 0 and dampening = 0, "
                f"got momentum={options['momentum']}, dampening={options['dampening']}"
            )
        return options

    def _update(self, group: dict[str, Any]) -> Callable[[Array, Array, dict[str, Any]], None]:
        lr, momentum, weight_decay = float(group["lr"]), float(group["momentum"]), float(group["weight_decay"])
        share, nesterov = 1 - float(group["dampening"]), group["nesterov"]

        def step(p: Array, g: Array, velocity: Array | None = None, share: float = share) -> None:
            if weight_decay:
                g = g + weight_decay * p
            if momentum:
                velocity *= momentum
                velocity += g if share == 1 else share * g
                g = g + momentum * velocity if nesterov else velocity
            p -= lr * g

        def update(p: Array, g: Array, state: dict[str, Any]) -> None:
            at_first = momentum and not state
            if at_first:
                state["momentum_buffer"] = backend.array_module(p).zeros_like(p)
            in_blocks(partial(step, share=1.0) if at_first else step, p, g, *state.values())

        return update


class AdaptiveMoments(Optimizer):
    """The step of Adam and AdamW, from running means of g and g²; the formulas are theirs."""

    state_names = frozenset({"step", "exp_avg", "exp_avg_sq"})
    decoupled_decay: ClassVar[bool]  # θ ← (1 - ηλ)θ before the step, instead of g ← g + λθ

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        options = super()._checked(options)
        betas = options["betas"]
        if not isinstance(betas, tuple) or len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{self._name}: expected betas to be two numbers in [0, 1), got {betas}")
        if not options["eps"] >= 0:
            raise ValueError(f"{self._name}: expected eps >= 0, got {options['eps']}")
        return options

    def _update(self, group: dict[str, Any]) -> Callable[[Array, Array, dict[str, Any]], None]:
        lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = (float(beta) for beta in group["betas"])

        def step(p: Array, g: Array, mean: Array, mean_square: Array, rate: float, root: float) -> None:
            if weight_decay and self.decoupled_decay:
                p *= 1 - lr * weight_decay
            elif weight_decay:
                g = g + weight_decay * p
            mean += (1 - beta1) * (g - mean)
            mean_square *= beta2
            mean_square += (1 - beta2) * (g * g)
            p -= rate * (mean / (backend.array_module(p).sqrt(mean_square) + root * eps))

        def update(p: Array, g: Array, state: dict[str, Any]) -> None:
            if not state:
                zeros_like = backend.array_module(p).zeros_like
                state.update(step=0, exp_avg=zeros_like(p), exp_avg_sq=zeros_like(p))
            state["step"] += 1
            root = math.sqrt(1 - beta2 ** state["step"])
            rate = lr * root / (1 - beta1 ** state["step"])
            in_blocks(partial(step, rate=rate, root=root), p, g, state["exp_avg"], state["exp_avg_sq"])

        return update


class Adam(AdaptiveMoments):
    """Adam (Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1):

        g ← g + λθ,    m ← β₁m + (1-β₁)g,    v ← β₂v + (1-β₂)g²,    θ ← θ - η m̂ / (√v̂ + ε)

    where m̂ = m/(1-β₁ᵗ) and v̂ = v/(1-β₂ᵗ) undo the bias of starting at zero. Computed in the order given at the end of
    the paper's section 2, which saves a pass: with c = √(1-β₂ᵗ) the step is  η c/(1-β₁ᵗ) · m / (√v + cε).

    Args:
        params: Parameters, or groups of them.
        lr: learning rate η.
        betas: (β₁, β₂), the decay of the running means of g and g².
        eps: ε, against division by zero.
        weight_decay: λ, an L2 penalty, which Adam's scaling distorts: see `AdamW`.

    Raises:
        TypeError, ValueError: see `Optimizer`.
    """

    decoupled_decay = False

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


class AdamW(AdaptiveMoments):
    """Adam with decoupled weight decay (Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019):
    θ ← (1 - ηλ)θ before the step, instead of g ← g + λθ. Arguments as for `Adam`.
    """

    decoupled_decay = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


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
