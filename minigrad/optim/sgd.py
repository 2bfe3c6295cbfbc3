"""Stochastic gradient descent.

A formula's symbols: θ parameter, g gradient, η learning rate `lr`, λ `weight_decay`, t the number of the step from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from minigrad import backend
from minigrad.backend import Array
from minigrad.kernels.update import in_blocks
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor


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
