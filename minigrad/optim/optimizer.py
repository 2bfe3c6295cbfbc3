"""What every optimizer has: groups of parameters with their options, the step over them, and a state that can be saved.

The update itself is a subclass's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.tensor import Tensor


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

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Args:
            closure: is called first, to compute the gradients; what it returns, the loss, is returned.
        """
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            update = self._update(group)
            for p in group["params"]:
                g = p.grad
                if g is not None:
                    array, state = p.data, self.state.setdefault(p, {})
                    if not isinstance(g, Tensor) or g.data.shape != array.shape:
                        raise ValueError(f"{self._name}: the gradient of a parameter of shape {p.shape} is {g!r}")
                    if backend.on_cpu(array):
                        update(array, g.data, state)
                    else:
                        with backend.use_device(p.device):
                            update(array, g.data, state)
                    p._bump_version()
        return loss

    def _update(self, group: dict[str, Any]) -> Callable[[Array, Array, dict[str, Any]], None]:
        """Return a function that updates the array of one parameter of the group in place, given its gradient (in any
        memory layout; must not be changed) and its state.
        """
        raise NotImplementedError(f"{self._name}._update")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: set `.grad` of every parameter to None, or else to zeros."""
        forget_gradients(self._params(), set_to_none)

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
            for key, value in group.items():
                if isinstance(value, tuple | list) != isinstance(self._defaults[key], tuple | list):
                    raise ValueError(f"{name}: expected {key} to be like {self._defaults[key]}, got {value}")
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


def forget_gradients(params: Iterable[Tensor], set_to_none: bool) -> None:
    """Set gradients to None, or else to zeros; those that are None stay so."""
    for p in params:
        if set_to_none or p.grad is None:
            p.grad = None
        else:
            with backend.use_device(p.device):
                p.grad = Tensor._wrap(backend.array_module(p.data).zeros_like(p.data))


def _copy_like(p: Array, values: Array) -> Array:
    """Copy `values` to the device, dtype and memory layout of `p`."""
    device = backend.device_of(p)
    with backend.use_device(device):
        copy = backend.array_module(p).empty_like(p)
        copy[...] = backend.to_device(values, device)
    return copy
