"""Adam and AdamW.

A formula's symbols: θ parameter, g gradient, η learning rate `lr`, λ `weight_decay`, t the number of the step from 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from minigrad import backend
from minigrad.backend import Array
from minigrad.kernels.update import in_blocks
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor


class AdaptiveMoments(Optimizer):
    """The step of Adam and AdamW, from running means of g and g²; the formulas are theirs."""

    state_names = frozenset({"step", "exp_avg", "exp_avg_sq"})
    decoupled_decay: ClassVar[bool]  # θ ← (1 - ηλ)θ before the step, instead of g ← g + λθ

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

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
        super().__init__(params, lr, betas, eps, weight_decay)
