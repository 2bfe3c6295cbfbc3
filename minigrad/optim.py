"""Optimizers and gradient clipping: names, formulas and numbers as in PyTorch. The schedules are in `schedules.py`.

An optimizer writes into the arrays of its parameters; every update runs on preallocated memory (`out=`, in-place
operators), so that after the first step a step allocates nothing, and it never reads a value back from a GPU.
A formula's symbols: θ parameter, g gradient, η learning rate `lr`, λ `weight_decay`, t the number of the step from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.schedules import CosineLR, OneCycleLR, StepLR
from minigrad.tensor import Tensor

__all__ = ["SGD", "Adam", "AdamW", "CosineLR", "OneCycleLR", "Optimizer", "StepLR", "clip_grad_norm"]


class Optimizer:
    """Base class: holds the parameters in groups, each with its own options, and updates those that have a gradient.

    Args:
        params: Parameters; or groups, dicts such as `{"params": [...], "lr": 0.01}`, in which an option that is left
            out has the optimizer's value.
        options: the optimizer's options by name, `lr` and `weight_decay` among them.

    Attributes:
        param_groups: the groups; options may be changed between steps (schedules change `lr`).
        state: for each parameter that was updated, what the update remembers (arrays shaped like it, and numbers).

    Raises:
        TypeError: a parameter is no Tensor of floating point numbers, or an option is no number.
        ValueError: there are no parameters, one is the result of an operation or comes twice, or an option is unknown
            or out of range.
    """

    state_names: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], **options: Any) -> None:
        self._defaults = options
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._buffers: dict[tuple, Array] = {}
        if isinstance(params, Tensor | dict):
            raise TypeError(
                f"{self._name}: expected a list of Parameters or of groups, got one {type(params).__name__}"
            )
        params = list(params)
        if not params:
            raise ValueError(f"{self._name}: got an empty list of parameters")
        groups = params if isinstance(params[0], dict) else [{"params": params}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add a group, for example the layers of a model that are unfrozen later. Errors as in the constructor."""
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f"{self._name}: expected a group {{'params': [...], ...}}, got {type(group).__name__}")
        options = {name: value for name, value in group.items() if name != "params"}
        if unknown := options.keys() - self._defaults.keys():
            raise ValueError(f"{self._name}: unknown options {sorted(unknown)}, known are {sorted(self._defaults)}")
        options = self._checked({**self._defaults, **options})
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        seen = {id(p) for p in self._params()}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: expected Parameters, got {type(p).__name__}")
            if p.dtype.kind != "f":
                raise TypeError(f"{self._name}: cannot optimize a Tensor of {p.dtype}, expected floating point")
            if p.node is not None:
                raise ValueError(
                    f"{self._name}: a Tensor of shape {p.shape} is the result of {p.node.name}, not a leaf"
                )
            if id(p) in seen:
                raise ValueError(f"{self._name}: the parameter of shape {p.shape} appears twice")
            seen.add(id(p))
        self.param_groups.append({"params": params, **options})

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a group as Python numbers, or raise."""
        checked = {name: self._checked_number(name, value) for name, value in options.items()}
        for name in ("lr", "weight_decay"):
            if not 0 <= checked[name] < math.inf:
                raise ValueError(f"{self._name}: expected {name} >= 0, got {options[name]}")
        return checked

    def _checked_number(self, name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, tuple | list):
            return tuple(self._checked_number(name, item) for item in value)
        if not isinstance(value, int | float | np.integer | np.floating):
            raise TypeError(f"{self._name}: {name} must be a number, got {type(value).__name__}")
        return float(value)

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    with backend.use_device(p.device):
                        self._update(p.data, p.grad.data, self.state.setdefault(p, {}), group)
                    p._bump_version()

    def _update(self, p: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Update the array `p` of one parameter, given its gradient `g` (any memory layout; must not be changed)."""
        raise NotImplementedError(f"{self._name}._update")

    def _scratch(self, like: Array, slot: int = 0) -> Array:
        """Return working memory shaped as `like`; the same memory for all parameters, so that it stays in the cache."""
        key = (slot, backend.device_of(like), like.dtype)
        if key not in self._buffers or self._buffers[key].size < like.size:
            self._buffers[key] = backend.array_module(like).empty(like.size, like.dtype)
        return self._buffers[key][: like.size].reshape(like.shape)

    def zero_grad(self) -> None:
        """Forget the gradients: set `.grad` of every parameter to None."""
        for p in self._params():
            p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot of numbers and arrays, for `mg.save`.

        `"param_groups"` has the options of each group, and as `"params"` the number of its parameters; `"state"` has
        one entry per parameter, in order. The arrays are copies: later steps do not change them.
        """
        return {
            "param_groups": [{**group, "params": len(group["params"])} for group in self.param_groups],
            "state": [
                {name: _copy_like(x, x) if hasattr(x, "shape") else x for name, x in self.state.get(p, {}).items()}
                for p in self._params()
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, in an optimizer of the same class for the same parameters.

        Raises:
            ValueError: it does not fit this optimizer; nothing was changed then.
        """
        try:
            options = self._fitting_options(state_dict["param_groups"])
            state = self._fitting_state(state_dict["state"])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{self._name}.load_state_dict: not the state of an optimizer ({error!r})") from error
        for group, new in zip(self.param_groups, options, strict=True):
            group.update(new)
        self.state = state

    def _params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _fitting_options(self, saved: list[dict[str, Any]]) -> list[dict[str, Any]]:
        name = f"{self._name}.load_state_dict"
        expected, counts = [len(group["params"]) for group in self.param_groups], [group["params"] for group in saved]
        if counts != expected:
            raise ValueError(f"{name}: expected groups of {expected} parameters, got {counts}")
        options = [{key: value for key, value in group.items() if key != "params"} for group in saved]
        for group in options:
            if group.keys() != self._defaults.keys():
                raise ValueError(f"{name}: expected the options {sorted(self._defaults)}, got {sorted(group)}")
        return [self._checked(group) for group in options]

    def _fitting_state(self, saved: list[dict[str, Any]]) -> dict[Tensor, dict[str, Any]]:
        params, name = self._params(), f"{self._name}.load_state_dict"
        if len(saved) != len(params):
            raise ValueError(f"{name}: expected the state of {len(params)} parameters, got {len(saved)}")
        state = {}
        for number, (p, entry) in enumerate(zip(params, saved, strict=True)):
            if entry and entry.keys() != self.state_names:
                raise ValueError(
                    f"{name}: parameter {number}: expected {sorted(self.state_names)}, got {sorted(entry)}"
                )
            for key, x in entry.items():
                shape = () if key == "step" else p.shape
                if np.shape(x) != shape or (key == "step" and (not isinstance(x, int) or x < 1)):
                    raise ValueError(f"{name}: parameter {number}: {key} does not fit a parameter of shape {p.shape}")
            if entry:
                state[p] = {key: x if key == "step" else _copy_like(p.data, x) for key, x in entry.items()}
        return state


def _copy_like(p: Array, values: Array) -> Array:
    """Copy `values` to the device, dtype and memory layout of `p`."""
    device = backend.device_of(p)
    with backend.use_device(device):
        copy = backend.array_module(p).empty_like(p)
        copy[...] = backend.to_device(values, device)
    return copy


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as Sutskever et al. describe it ("On the importance of initialization
    and momentum in deep learning", ICML 2013), in PyTorch's form, where η multiplies the velocity v:

        g ← g + λθ,    v ← μv + (1-τ)g  (at first v = g),    θ ← θ - ηv,    or with `nesterov`  θ ← θ - η(g + μv)

    Args:
        params: Parameters, or groups of them.
        lr: learning rate η.
        momentum: μ.
        weight_decay: λ, an L2 penalty.
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

    def _update(self, p: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        xp, step = backend.array_module(p), self._scratch(p)
        if group["weight_decay"]:
            decayed = self._scratch(p, slot=1)
            xp.multiply(p, group["weight_decay"], out=decayed)
            decayed += g
            g = decayed
        if group["momentum"]:
            velocity = state.get("momentum_buffer")
            if velocity is None:
                velocity = state["momentum_buffer"] = xp.empty_like(p)
                velocity[...] = g
            else:
                velocity *= group["momentum"]
                velocity += xp.multiply(g, 1 - group["dampening"], out=step) if group["dampening"] else g
            if group["nesterov"]:
                xp.multiply(velocity, group["momentum"], out=step)
                step += g
                g = step
            else:
                g = velocity
        xp.multiply(g, float(group["lr"]), out=step)
        p -= step


class Adam(Optimizer):
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

    state_names = frozenset({"step", "exp_avg", "exp_avg_sq"})
    decoupled_decay: ClassVar[bool] = False

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

    def _update(self, p: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        xp, scratch = backend.array_module(p), self._scratch(p)
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        if not state:
            state.update(step=0, exp_avg=xp.zeros_like(p), exp_avg_sq=xp.zeros_like(p))
        state["step"] += 1
        mean, mean_square = state["exp_avg"], state["exp_avg_sq"]
        if group["weight_decay"] and self.decoupled_decay:
            p *= 1 - lr * group["weight_decay"]
        elif group["weight_decay"]:
            decayed = self._scratch(p, slot=1)
            xp.multiply(p, group["weight_decay"], out=decayed)
            decayed += g
            g = decayed
        xp.subtract(g, mean, out=scratch)
        scratch *= 1 - beta1
        mean += scratch
        xp.multiply(g, g, out=scratch)
        scratch *= 1 - beta2
        mean_square *= beta2
        mean_square += scratch
        root = math.sqrt(1 - beta2 ** state["step"])
        xp.sqrt(mean_square, out=scratch)
        scratch += root * group["eps"]
        xp.divide(mean, scratch, out=scratch)
        scratch *= lr * root / (1 - beta1 ** state["step"])
        p -= scratch


class AdamW(Adam):
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


def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients so that their common 2-norm is at most `max_norm`: g ← g · min(1, max_norm / (‖g‖ + 1e-6)).

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1; the
    1e-6 is PyTorch's.

    Args:
        params: Parameters, or one; those without a gradient are skipped.
        max_norm: the largest norm allowed.

    Returns:
        The norm before clipping, a 0-d Tensor on the parameters' device: nothing is read back from a GPU.

    Raises:
        ValueError: `max_norm` is negative.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: expected max_norm >= 0, got {max_norm}")
    params = [p for p in ([params] if isinstance(params, Tensor) else params) if p.grad is not None]
    if not params:
        return Tensor(0.0)
    xp = backend.array_module(params[0])
    with backend.use_device(params[0].device):
        norm = xp.linalg.norm(xp.stack([xp.linalg.norm(p.grad.data) for p in params]))
        scale = xp.minimum(max_norm / (norm + 1e-6), 1.0)
        for p in params:
            # A new Tensor, because parameters may share one gradient: y = a + b hands the same array to a and b.
            p.grad = Tensor._wrap(xp.multiply(p.grad.data, scale, dtype=p.grad.dtype))
    return Tensor._wrap(norm)
