"""What a training run's checkpoint has to hold, checked before anything is made of it.

A checkpoint is read by those who resume a run, by those who only measure it, and from strangers. `mg.load` has made
sure that the file is sound; here its content is compared with what `Trainer.save_checkpoint` writes, down to the last
number, so that nobody after this has to doubt it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad.quoting import quoted

MAX_COUNT = 2**53  # steps, pictures: beyond it not every whole number is a float

# In each row of the history, beside the metrics.
ROW = ("epoch", "train_loss", "lr", "lr_max", "seconds", "images_per_second")


def check_training_state(state: Any) -> None:
    """Make sure that `state` is what a `Trainer` saves.

    Raises:
        ValueError: it is not; says where and what was found.
    """
    _check_entries("the checkpoint", state, CHECKS)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_COUNT


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < (MAX_COUNT if isinstance(value, int) else math.inf)


def _is_amount(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_setting(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, str) or _is_number(item) for item in value)
    return value is None or isinstance(value, bool | str) or _is_number(value)


def _is_option(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return isinstance(value, bool) or _is_number(value)


def _is_memory(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_number(value)


def _named(is_value: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_value, value.values()))


def _rows(is_row: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(is_row, value))


def _is_history(value: Any) -> bool:
    """One row for each epoch, counted from 1, all with the same metrics. Metrics that are no loss may be nan."""
    if not _rows(_named(lambda number: isinstance(number, float) or _is_number(number)))(value):
        return False
    return all(
        row.keys() == value[0].keys()
        and all(_is_number(row.get(name)) for name in ROW)
        and _is_number(row.get("val_loss", 0.0))
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


CHECKS: dict[str, Any] = {
    "config": _named(_is_setting),
    "model": _named(lambda value: isinstance(value, np.ndarray)),
    "optimizer": {"param_groups": _rows(_named(_is_option)), "state": _rows(_named(_is_memory))},
    "schedule": lambda value: (
        value is None
        or (
            isinstance(value, dict)
            and value.keys() == {"step_count", "base_lrs", "lrs"}
            and _is_count(value["step_count"])
            and _rows(_is_amount)(value["base_lrs"])
            and _rows(lambda lr: lr is None or _is_amount(lr))(value["lrs"])
        )
    ),
    "random": lambda value: isinstance(value, dict),  # its form is NumPy's, which checks it
    "loader": _named(lambda value: type(value) is int),
    "step": _is_count,
    "epoch": {
        "totals": _named(_is_number),
        "count": _is_count,
        "seconds": _is_amount,
        "lr": _is_amount,
        "lr_max": _is_amount,
    },
    "history": _is_history,
}
