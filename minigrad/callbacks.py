"""What may happen after each epoch of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from minigrad.history import Metric, column, direction

if TYPE_CHECKING:
    from minigrad.train import Trainer


class Callback(Protocol):
    """A function, or an object that can be called like one: `callback(trainer, row)`.

    A `Trainer` calls it at the end of each epoch, when the checkpoint is written; `row` is the epoch's row of the
    history, which can only be read. `trainer.stop()` ends the training, an exception ends it with that exception.
    """

    def __call__(self, trainer: Trainer, row: Mapping[str, float], /) -> object:
        """Do what is to be done after an epoch."""


class EarlyStopping:
    """Ends the training when a metric has not become better for `patience` epochs.

    It looks only at the history; so a resumed run stops where the uninterrupted one would have. A run that is resumed
    after it was stopped early goes on for one epoch at least.

    Args:
        metric: its name, with or without `val_`, or `train_<name>`. Less is better where it ends in "loss", "error",
            "mae", "mse" or "rmse", more otherwise; `("name", "min")` or `("name", "max")` says so itself.
        patience: epochs without a better value.
        min_delta: what differs by less does not count as better.

    Raises:
        ValueError: `patience` is not positive, `min_delta` negative, or `metric` of another form.
    """

    def __init__(self, metric: Metric = "val_loss", patience: int = 3, min_delta: float = 0.0) -> None:
        if patience < 1 or not min_delta >= 0:
            raise ValueError(
                f"EarlyStopping: expected patience >= 1 and min_delta >= 0, got {patience} and {min_delta}"
            )
        self.metric, self.sign = direction(metric)
        self.patience, self.min_delta = patience, min_delta

    def __call__(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """Stop the trainer if the last `patience` epochs brought nothing better than those before.

        Raises:
            KeyError: the history has no such metric.
        """
        if (name := column(row, self.metric)) is None:
            raise KeyError(f"EarlyStopping: the history has no {self.metric!r}, but {', '.join(row)}")
        best, epochs = math.inf, 0  # and how many epochs ago that was
        for value in (-self.sign * past[name] for past in trainer.history):
            best, epochs = (value, 0) if value < best - self.min_delta else (best, epochs + 1)
        if epochs >= self.patience:
            trainer.stop(f"{name} has not become better for {epochs} epochs")
