"""What a training run's checkpoint has to hold, checked before anything is made of it.

A checkpoint is read by those who resume a run, by those who only measure it, and from strangers. `mg.load` has made
sure that the file is sound; here its form is compared with what `Trainer.save_checkpoint` writes, so that nobody after
this has to doubt it. The same check comes before the writing: what was saved can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.quoting import quoted

MAX_COUNT = 2**53  # steps, pictures: beyond it not every whole number is a float

FINITE = ("epoch", "train_loss", "seconds", "images_per_second")  # in each row of the history
RATES = ("lr", "lr_max")


def check_training_state(state: Any) -> None:
    """Make sure that `state` is what a `Trainer` saves: before it is written, and after it was read.

    Raises:
        ValueError: it is not; says where and what was found.
    """
    _check_entries("the checkpoint", state, CHECKS)
    epoch = state["epoch"]
    if bool(epoch["count"]) != bool(epoch["totals"]):
        raise ValueError(f"epoch: {epoch['count']} pictures were measured, with the totals {quoted(epoch['totals'])}")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_COUNT


def _is_real(value: Any) -> bool:
    """Whether it is a number; nan and the infinities are, because a metric or an option may be."""
    if isinstance(value, int | np.integer):
        return not isinstance(value, bool) and abs(value) < MAX_COUNT
    return isinstance(value, float | np.floating)


def _is_finite(value: Any) -> bool:
    return _is_real(value) and math.isfinite(value)


def _is_amount(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_option(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_real, value))
    return isinstance(value, bool | np.bool_) or _is_real(value)


def _is_memory(value: Any) -> bool:
    return backend.is_array(value) or _is_real(value)


def _named(is_value: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_value, value.values()))


def _rows(is_row: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(is_row, value))


def _are_totals(value: Any) -> bool:
    """The loss, and metrics by names that can be shown; or nothing, before the first step of an epoch."""
    return _named(_is_real)(value) and (not value or _is_finite(value.get("loss"))) and all(map(str.isprintable, value))


def _is_history(value: Any) -> bool:
    """One row for each epoch, counted from 1. What callbacks put there beside the metrics is up to them."""
    return _rows(_named(lambda _: True))(value) and all(
        all(_is_finite(row.get(name)) for name in FINITE)
        and all(_is_real(row.get(name)) for name in RATES)
        and all(_is_real(number) for name, number in row.items() if name.startswith(("train_", "val_")))
        and math.isfinite(row.get("val_loss", 0.0))
        and all(map(str.isprintable, row))
        and row["epoch"] == number
        and row["seconds"] >= 0
        for number, row in enumerate(value, start=1)
    )


def _check_entries(where: str, value: Any, checks: Mapping[str, Any]) -> None:
    if not isinstance(value, dict) or value.keys() != checks.keys():
        raise ValueError(f"{where} has not the entries {', '.join(checks)}")
    for name, check in checks.items():
        if isinstance(check, Mapping):
            _check_entries(name, value[name], check)
        elif not check(value[name]):
            raise ValueError(f"{where}: {name} is not as a training run saves it: {quoted(value[name])}")


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


CHECKS: dict[str, Any] = {
    "config": _is_dict,  # whatever the run was given; who uses a setting knows what it may be
    "model": _named(backend.is_array),
    "optimizer": {"param_groups": _rows(_named(_is_option)), "state": _rows(_named(_is_memory))},
    "schedule": lambda value: value is None or _is_dict(value),  # the schedule checks its own state when it is loaded
    "random": _is_dict,  # its form is NumPy's, which checks it
    "loader": _named(lambda value: type(value) is int),
    "step": _is_count,
    "epoch": {"totals": _are_totals, "count": _is_count, "seconds": _is_amount, "lr": _is_real, "lr_max": _is_real},
    "history": _is_history,
}
