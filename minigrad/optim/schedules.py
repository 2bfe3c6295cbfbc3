"""Learning-rate schedules; formulas and numbers as in PyTorch. To be used as `optim.StepLR` and so on.

Every schedule is a closed formula η(t), so that a resumed run gets exactly the learning rates of an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.optim.optimizer import Optimizer


class Schedule:
    """Base class: sets the learning rate of every group as a function of t = 0, 1, …, the number of `step()` calls.

    A schedule knows nothing of batches or epochs: call `step()` after each optimizer step or after each epoch,
    whichever its lengths are counted in.

    As in PyTorch, `step()` goes on from the learning rate that it finds: where `group["lr"]` was changed by hand, or a
    group was added, the part of η that depends on η₀ changes by the factor by which it would have changed otherwise.

    Attributes:
        step_count: t.
        base_lrs: η₀ of each group.
    """

    def __init__(self, optimizer: Optimizer, base_lrs: Sequence[float] | None = None) -> None:
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        base_lrs = self._lrs() if base_lrs is None else list(base_lrs)
        self._go_to(0, base_lrs, [self.lr_at(0, base_lr) for base_lr in base_lrs])

    def lr_at(self, step: int, base_lr: float) -> float:
        """Return η after `step` steps for a group with η₀ = `base_lr`: of the form a + b·η₀."""
        raise NotImplementedError(f"{type(self).__name__}.lr_at")

    def step(self) -> None:
        """Go on by one and set the learning rates."""
        base_lrs = self._base_lrs_now()
        lrs = [self._next_lr(lr, base_lr) for lr, base_lr in zip(self._lrs(), base_lrs, strict=True)]
        self._go_to(self.step_count + 1, base_lrs, lrs)

    def _go_to(self, step: int, base_lrs: list[float], lrs: list[float]) -> None:
        self.step_count, self.base_lrs = step, base_lrs
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr

    def _lrs(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _base_lrs_now(self) -> list[float]:
        """Return η₀ of each group; of one that was added, the learning rate that it came with."""
        lrs = self._lrs()
        return self.base_lrs[: len(lrs)] + lrs[len(self.base_lrs) :]

    def _next_lr(self, lr: float, base_lr: float) -> float:
        """Return the learning rate after the next step, where `lr` is that of now."""
        t, factor = self.step_count, self._factor()
        if lr == self.lr_at(t, base_lr) or factor is None:
            return self.lr_at(t + 1, base_lr)
        return self.lr_at(t + 1, 0.0) + (lr - self.lr_at(t, 0.0)) * factor

    def _factor(self) -> float | None:
        """Return by what the next step multiplies b; None where b is 0, as at the end of a cosine."""
        now, then = (self.lr_at(step, 1.0) - self.lr_at(step, 0.0) for step in (self.step_count, self.step_count + 1))
        return then / now if now else None

    def state_dict(self) -> dict[str, Any]:
        """Return the position, the base learning rates, and as "lrs" those of now, or None where they are what the
        formula says; lengths and factors stay with the constructor.
        """
        base_lrs = self._base_lrs_now()
        usual = [self.lr_at(self.step_count, base_lr) for base_lr in base_lrs]
        changed = [None if lr == expected else lr for lr, expected in zip(self._lrs(), usual, strict=True)]
        return {"step_count": self.step_count, "base_lrs": base_lrs, "lrs": changed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned and set the learning rates. "lrs" may be missing, as in files of former
        versions.

        Raises:
            ValueError: it does not fit this schedule; nothing was changed then.
        """
        name = f"{type(self).__name__}.load_state_dict"
        if set(state_dict) | {"lrs"} != {"step_count", "base_lrs", "lrs"}:
            raise ValueError(f"{name}: expected the keys 'base_lrs', 'lrs' and 'step_count', got {sorted(state_dict)}")
        step, base_lrs, groups = state_dict["step_count"], state_dict["base_lrs"], len(self.optimizer.param_groups)
        lrs = state_dict.get("lrs", [None] * groups)
        fits = all(isinstance(rates, list | tuple) and len(rates) == groups for rates in (base_lrs, lrs))
        if not isinstance(step, int) or step < 0 or not fits:
            raise ValueError(
                f"{name}: expected {groups} learning rates and a step count >= 0, got {base_lrs}, {lrs} and {step!r}"
            )
        base_lrs = [float(lr) for lr in base_lrs]
        usual = [self.lr_at(step, base_lr) for base_lr in base_lrs]
        lrs = [expected if lr is None else float(lr) for lr, expected in zip(lrs, usual, strict=True)]
        self._go_to(step, base_lrs, lrs)


class Decay(Schedule):
    """Base class: η = η₀ γᵏ with `gamma` = γ and k = `decays(t)`."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        _require_positive(type(self).__name__, gamma=gamma)
        self.gamma = gamma
        super().__init__(optimizer)

    def decays(self, step: int) -> int:
        """Return how often the learning rate was multiplied by γ in the first `step` steps."""
        raise NotImplementedError(f"{type(self).__name__}.decays")

    def lr_at(self, step: int, base_lr: float) -> float:
        return base_lr * self.gamma ** self.decays(step)

    def _factor(self) -> float:
        return self.gamma ** (self.decays(self.step_count + 1) - self.decays(self.step_count))  # γᵏ itself may be 0


class StepLR(Decay):
    """η = η₀ γ^⌊t/s⌋: every `step_size` = s steps the learning rate is multiplied by `gamma` = γ."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        _require_positive("StepLR", step_size=step_size)
        self.step_size = step_size
        super().__init__(optimizer, gamma)

    def decays(self, step: int) -> int:
        return step // self.step_size


class MultiStepLR(Decay):
    """η = η₀ γᵏ, where k of the `milestones`, which are numbers of steps, are past."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(milestones)
        super().__init__(optimizer, gamma)

    def decays(self, step: int) -> int:
        return sum(milestone <= step for milestone in self.milestones)


class ExponentialLR(Decay):
    """η = η₀ γᵗ: every step multiplies the learning rate by `gamma` = γ."""

    def decays(self, step: int) -> int:
        return step


class LambdaLR(Schedule):
    """η = η₀·f(t) for any function f of the number of steps."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def lr_at(self, step: int, base_lr: float) -> float:
        return base_lr * self.lr_lambda(step)


class CosineAnnealingLR(Schedule):
    """η = η_min + (η₀ - η_min)(1 + cos(π t/T))/2 with `T_max` = T and `eta_min` = η_min; past T it rises again, where
    `CosineLR` stays below.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        _require_positive("CosineAnnealingLR", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def lr_at(self, step: int, base_lr: float) -> float:
        return _cosine(base_lr, self.eta_min, step / self.T_max)


class CosineLR(Schedule):
    """Half a cosine from η₀ down to `min_lr`, after a linear rise over `warmup_steps` = w steps:

        t < w:   η = η₀ (t+1)/(w+1),        else   η = η_min + (η₀ - η_min)(1 + cos(π (t-w)/(T-w)))/2

    `total_steps` = T includes the rise. From t = T on the learning rate stays at `min_lr`; PyTorch's CosineAnnealingLR,
    which up to there is the same (for w = 0), would rise again.

    Sources: Loshchilov & Hutter, "SGDR", ICLR 2017, equation 5, without restarts; for the rise Goyal et al., "Accurate,
    large minibatch SGD", 2017, section 2.2.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, min_lr: float = 0.0, warmup_steps: int = 0) -> None:
        _require_positive("CosineLR", total_steps=total_steps)
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(f"CosineLR: expected 0 <= warmup_steps < {total_steps} (total_steps), got {warmup_steps}")
        if not min_lr >= 0:
            raise ValueError(f"CosineLR: expected min_lr >= 0, got {min_lr}")
        self.total_steps, self.min_lr, self.warmup_steps = total_steps, min_lr, warmup_steps
        super().__init__(optimizer)

    def lr_at(self, step: int, base_lr: float) -> float:
        if step < self.warmup_steps:
            return base_lr * (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return _cosine(base_lr, self.min_lr, min(done, 1.0))


class OneCycleLR(Schedule):
    """Half a cosine up to `max_lr` over the share `pct_start` of the steps, then half a cosine down.

    It begins at max_lr/div_factor and ends at max_lr/(div_factor·final_div_factor); `max_lr` is one number, or one for
    each group. Smith & Topin, "Super-convergence", 2017, in the form and with the defaults of PyTorch's OneCycleLR
    (`cycle_momentum=False`), where `epochs` and `steps_per_epoch` stand before `pct_start`: give that by name.

    The cycle has `total_steps` learning rates, for t = 0 … total_steps-1. One more `step()`, the one after the last
    optimizer step, is allowed; a further one raises ValueError.

    As in PyTorch, only the cycle decides: a learning rate that was changed by hand is overwritten, and after a group
    was added `step()` raises ValueError, because that group has no `max_lr`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        max_lrs = list(max_lr) if isinstance(max_lr, Sequence) else [max_lr] * len(optimizer.param_groups)
        if len(max_lrs) != len(optimizer.param_groups) or not all(lr >= 0 for lr in max_lrs):
            raise ValueError(f"OneCycleLR: expected a max_lr >= 0, one or one for each group, got {max_lr}")
        _require_positive(
            "OneCycleLR", total_steps=total_steps, div_factor=div_factor, final_div_factor=final_div_factor
        )
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: expected pct_start between 0 and 1, got {pct_start}")
        self.total_steps, self.pct_start = total_steps, pct_start
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        super().__init__(optimizer, max_lrs)

    def _base_lrs_now(self) -> list[float]:
        groups = len(self.optimizer.param_groups)
        if len(self.base_lrs) != groups:
            raise ValueError(
                f"OneCycleLR: the optimizer has {groups} groups now, max_lr was given for {len(self.base_lrs)}; "
                "make a new schedule for all of them"
            )
        return list(self.base_lrs)

    def _next_lr(self, lr: float, base_lr: float) -> float:
        return self.lr_at(self.step_count + 1, base_lr)

    def lr_at(self, step: int, base_lr: float) -> float:
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: step {step} lies past the end of the cycle of {self.total_steps} steps")
        first, peak, last = base_lr / self.div_factor, self.pct_start * self.total_steps - 1, self.total_steps - 1
        if step <= peak:
            return _cosine(first, base_lr, step / peak if peak else 1.0)
        return _cosine(base_lr, first / self.final_div_factor, (step - peak) / (last - peak) if last > peak else 1.0)


def _cosine(start: float, end: float, done: float) -> float:
    """Half a cosine from `start` (`done` = 0) to `end` (`done` = 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _require_positive(name: str, **values: float) -> None:
    for key, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}: expected {key} > 0, got {value}")
