"""The training loop that the examples share: progress, validation, history, checkpoints, and what to do when things go
wrong.

What is learned is up to the caller: an *objective* is a function `objective(model, batch)` that returns the loss, one
number as a Tensor, or `(loss, metrics)`, where `metrics` are further numbers by name, each a mean over the batch:
Python's, NumPy's, or 0-dimensional Tensors. The loop adds them up, weighted by batch size. What else is to happen after
an epoch is said by *callbacks*, see `callbacks.py`.

Nothing is read back from a GPU at every step: losses are collected on the device and read together, every `READ_EVERY`
steps.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minigrad import backend, ops, optim, rng
from minigrad.callbacks import Callback
from minigrad.data import DataLoader
from minigrad.grad_mode import no_grad
from minigrad.history import Metric, best_epoch, column, describe, direction
from minigrad.io.checkpoints import CheckpointError, check_savable, load, save
from minigrad.io.files import remove_leftovers
from minigrad.nn import Module
from minigrad.optim.schedules import Schedule
from minigrad.output import tolerant_output
from minigrad.progress import progress
from minigrad.quoting import one_line, quoted
from minigrad.tensor import Tensor
from minigrad.training_state import check_training_state

Metrics = Mapping[str, Any]
Objective = Callable[[Any, tuple[Tensor, ...]], Tensor | tuple[Tensor, Metrics]]

READ_EVERY = 10  # steps between two looks at the losses; a NaN is noticed after at most so many
CHECKPOINT_NAME, BEST_NAME = "checkpoint.safetensors", "best.safetensors"
BAR = "{desc}: {percentage:3.0f}%|{bar}| {remaining} left{postfix}"  # with loss and accuracy, 80 columns


class TrainingDiverged(ArithmeticError):
    """The loss became NaN or infinite."""


class TrainingInterrupted(Exception):
    """The user or the system stopped the run by `signal`, Ctrl-C unless said otherwise; everything was saved."""

    def __init__(self, message: str, signal: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal = signal


def heeded_signals() -> list[signal.Signals]:
    """Return the signals that ask a program to end, without those that whoever started it had it ignore, as `nohup`
    does with SIGHUP, so that a run outlives its terminal, and a shell with SIGINT for what runs in the background.
    """
    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


class Means:
    """Running means of a loss and metrics, kept where they are computed and read together."""

    def __init__(self, totals: Mapping[str, float] | None = None, count: int = 0) -> None:
        self.totals, self.count = dict(totals or {}), count
        self._unread: list[tuple[str, int, dict[str, Tensor]]] = []

    def add(self, place: str, size: int, loss: Tensor, metrics: Metrics) -> None:
        """Note the means of a batch of `size` items; detached, so that no graph is kept. `place` names it."""
        values = {"loss": loss.detach()}
        for name, value in metrics.items():
            values[name] = (
                value.detach() if isinstance(value, Tensor) else Tensor(_number(name, value), device=loss.device)
            )
        self._unread.append((place, size, {name: _one_number(name, value) for name, value in values.items()}))

    def read(self) -> dict[str, float]:
        """Return the means so far.

        Raises:
            TrainingDiverged: a loss among the batches noted since the last call is not finite; says which.
        """
        unread, self._unread = self._unread, []
        tensors = [value for _, _, values in unread for value in values.values()]
        numbers = iter(ops.stack(tensors).numpy().tolist() if tensors else [])  # one transfer for all
        for place, size, values in unread:
            read = {name: next(numbers) for name in values}
            if not math.isfinite(self.totals.get("loss", 0.0) + read["loss"] * size):
                raise TrainingDiverged(f"the loss became {read['loss']} at {place}")
            for name, number in read.items():
                self.totals[name] = self.totals.get(name, 0.0) + number * size
            self.count += size
        return {name: total / self.count for name, total in self.totals.items()}


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"objective: expected one number as {name}, got {one_line(repr(value), 80)}") from None


def _one_number(name: str, value: Tensor) -> Tensor:
    if value.size != 1:
        raise ValueError(f"objective: expected one number as {name}, got a Tensor of shape {value.shape}")
    return value.reshape(())


def _measured(objective: Objective, model: Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, Metrics]:
    """Call an objective; no metrics where it returns the bare loss."""
    result = objective(model, batch)
    loss, metrics = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    if not isinstance(loss, Tensor):
        raise TypeError(f"objective: expected the loss as a Tensor, or (loss, metrics), got {type(loss).__name__}")
    if not isinstance(metrics, Mapping):
        raise TypeError(f"objective: expected the metrics as a dict of numbers, got {type(metrics).__name__}")
    for name in metrics:
        if not (isinstance(name, str) and name.isprintable()):  # rather now than when the checkpoint is written
            raise ValueError(f"objective: expected printable text as the name of a metric, got {quoted(name)}")
    return loss, metrics


class Trainer:
    """Trains a model on a loader, validates it after every epoch, and can stop and go on at any step.

    Args:
        model, optimizer: what is trained, and how.
        objective: see above.
        train_loader, val_loader: batches to learn from, and to be measured on; or None. Every validation begins the
            loader's epoch 0: where it shuffles or transforms at random, it does so in the same way each time.
        epochs: passes over the training data.
        folder: where the checkpoint is written: after each epoch, and when the run is interrupted. None for none.
        schedule: its `step()` is called after every optimizer step; or None.
        config: what is saved in the checkpoint to build the same objects again, of whatever `mg.save` can save.
        max_grad_norm: gradients are clipped to this norm; None for no clipping.
        callbacks: called after each epoch, such as `EarlyStopping("val_loss")`.
        best: a metric of the validation, such as "accuracy" or "loss"; less is better as for `EarlyStopping`, or as
            `("mae", "min")` says. The checkpoint of the epoch where it was best is kept in `folder` beside the last
            one; None keeps only the last.

    Raises:
        TypeError: a loader is no DataLoader, `callbacks` no list of functions; or there is a folder, and `config` holds
            something that cannot be saved.
        ValueError: a loader has no batches; `best` without a folder, or without a validation to measure it; or `config`
            is too large to be saved.
        NotADirectoryError: `folder`, or one that it would lie in, is a file.

    Attributes:
        history: one row per finished epoch: epoch, train_loss, train_<metric>, val_loss, val_<metric>, lr, lr_max,
            seconds, images_per_second; lr is the learning rate of the epoch's last step, lr_max the largest of all.
    """

    def __init__(
        self,
        model: Module,
        optimizer: optim.Optimizer,
        objective: Objective,
        train_loader: DataLoader,
        val_loader: DataLoader | None = None,
        epochs: int = 1,
        folder: str | Path | None = None,
        schedule: Any = None,
        config: Mapping[str, Any] | None = None,
        max_grad_norm: float | None = None,
        callbacks: Iterable[Callback] = (),
        best: Metric | None = None,
    ) -> None:
        for name, loader in (("train_loader", train_loader), ("val_loader", val_loader)):  # not only after an epoch
            if loader is None and name == "val_loader":
                continue
            if not isinstance(loader, DataLoader):
                raise TypeError(f"Trainer: expected a DataLoader as {name}, got {type(loader).__name__}")
            if len(loader) == 0:
                items = f"{len(loader.dataset)} items in batches of {loader.batch_size}"
                raise ValueError(f"Trainer: expected at least one batch, {name} has none: {items}, {loader.drop_last=}")
        callbacks = list(callbacks) if isinstance(callbacks, Iterable) else [None]
        if not all(map(callable, callbacks)):
            raise TypeError("Trainer: expected callbacks as a list of functions, such as [EarlyStopping()]")
        if folder is not None:
            check_savable("config", dict(config or {}))
        self.model, self.optimizer, self.objective, self.schedule = model, optimizer, objective, schedule
        self.train_loader, self.val_loader = train_loader, val_loader
        self.epochs, self.folder, self.config = epochs, None if folder is None else Path(folder), dict(config or {})
        self.callbacks = callbacks
        if best is not None:
            name, _ = direction(best)
            if folder is None or (val_loader is None and not name.startswith("train_")):
                raise ValueError(f"Trainer: {best=} needs a {'folder' if folder is None else 'val_loader'}")
        if self.folder is not None:
            for path in (self.folder, *self.folder.parents):
                if path.exists() and not path.is_dir():
                    raise NotADirectoryError(f"Trainer: expected a folder to write to, {path} is a file")
        self.max_grad_norm, self.best = max_grad_norm, best
        self.history: list[dict[str, float]] = []
        self.step = 0  # optimizer steps so far, over all epochs
        self._means = Means()  # of the epoch in progress
        self._seconds = 0.0  # spent training in the epoch in progress
        self._lr = self._lr_max = 0.0  # of the last step, and the largest of the epoch in progress
        self._stop_requested = 0  # the signal that asked for it
        self._stopped = False  # by a callback

    @property
    def checkpoint_path(self) -> Path:
        """The file that `save_checkpoint` writes.

        Raises:
            ValueError: the trainer has no folder.
        """
        if self.folder is None:
            raise ValueError("Trainer: without a folder there is no checkpoint")
        return self.folder / CHECKPOINT_NAME

    @property
    def best_path(self) -> Path:
        """The file that keeps the best epoch, beside `checkpoint_path`."""
        return self.checkpoint_path.with_name(BEST_NAME)

    # ---- training ------------------------------------------------------------------------------------------------

    def fit(self) -> list[dict[str, float]]:
        """Train until `epochs` are done, or a callback stops it, and return the history.

        Raises:
            TrainingDiverged: the loss is no longer finite; the checkpoint of the last epoch is left as it was.
            TrainingInterrupted: Ctrl-C, or the system's SIGTERM or SIGHUP; the current step, or validation, was
                finished and everything saved, if there is a folder.
            OSError: a checkpoint could not be written; the one before is left as it was.
        """
        self._stopped = False
        if self.folder is not None:  # of runs that were killed; other files there may be written by others now
            remove_leftovers(self.folder, names=(CHECKPOINT_NAME, BEST_NAME))
        with tolerant_output(), self._interruptible():
            while len(self.history) < self.epochs and not self._stopped:
                self._train_epoch()
                self._finish_epoch()
                for callback in self.callbacks:
                    callback(self, MappingProxyType(self.history[-1]))  # as it was saved
                if self._stop_requested:
                    raise TrainingInterrupted(f"stopped after epoch {len(self.history)}", self._stop_requested)
        return self.history

    def stop(self, reason: str = "") -> None:
        """End the training after this epoch: for callbacks. `reason`, if there is one, is printed."""
        self._stopped = True
        tqdm.write(f"stopped after epoch {len(self.history)}" + (f": {reason}" if reason else ""))

    def _train_epoch(self) -> None:
        """Train the rest of the current epoch: all of it, or what an interrupted run left of it."""
        epoch, batches = len(self.history), len(self.train_loader)
        done = self.step - epoch * batches
        self.train_loader.epoch = epoch
        self.model.train()
        size = min(len(self.train_loader.dataset), batches * self.train_loader.batch_size)
        title = f"epoch {epoch + 1}/{self.epochs}"
        shown = min(done * self.train_loader.batch_size, size)
        with (
            progress(total=size, initial=shown, desc=title, unit="img", bar_format=BAR) as bar,
            closing(self.train_loader.batches(start=done)) as loaded,  # whatever happens here, its threads end
        ):
            start = time.perf_counter()
            for index, batch in enumerate(loaded, start=done):
                self._train_step(batch)
                bar.update(len(batch[0]))
                if (index + 1) % READ_EVERY == 0:
                    means = self._means.read()
                    values = {name: f"{value:.3f}" for name, value in means.items() if not name.endswith("_loss")}
                    bar.set_postfix(values, refresh=False)
                if self._stop_requested:
                    self._means.read()
                    self._seconds += time.perf_counter() - start
                    if self.folder is not None:
                        self.save_checkpoint()
                    where = f"stopped in epoch {epoch + 1} after step {self.step}"
                    raise TrainingInterrupted(where, self._stop_requested)
            self._means.read()
            self._seconds += time.perf_counter() - start

    def _train_step(self, batch: tuple[Tensor, ...]) -> None:
        loss, metrics = _measured(self.objective, self.model, batch)
        self.step += 1
        self._means.add(f"step {self.step}", len(batch[0]), loss, metrics)
        self.optimizer.zero_grad()
        loss.backward()
        if self.max_grad_norm is not None:
            optim.clip_grad_norm(self.model.parameters(), self.max_grad_norm)
        self._lr = self.optimizer.param_groups[0]["lr"]  # before the schedule goes on to the next step's
        self._lr_max = max(self._lr_max, self._lr)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()

    def _finish_epoch(self) -> None:
        validation = {}
        if self.val_loader is not None:
            self.val_loader.epoch = 0  # its order and transforms are the same in every epoch, and in a resumed run
            validation = evaluate(self.model, self.objective, self.val_loader)
        training = self._means.read()
        row: dict[str, float] = {"epoch": len(self.history) + 1}
        row |= {f"train_{name}": value for name, value in training.items()}
        row |= {f"val_{name}": value for name, value in validation.items()}
        row["lr"], row["lr_max"] = self._lr, self._lr_max
        row["seconds"] = round(self._seconds, 3)
        row["images_per_second"] = round(self._means.count / max(self._seconds, 1e-9), 1)
        if self.best is not None and column(row, direction(self.best)[0]) is None:
            raise KeyError(
                f"Trainer: best={self.best!r}, but the validation measured {', '.join(validation) or 'nothing'}"
            )
        self.history.append(row)
        self._means, self._seconds, self._lr_max = Means(), 0.0, 0.0
        if self.folder is not None:
            if self.best is not None and best_epoch(self.history, self.best) is row:
                self._save(self.best_path)  # first: a run killed between the two repeats the epoch and writes both
            self.save_checkpoint()
        tqdm.write(describe(row, self.epochs))

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Turn Ctrl-C, SIGTERM and SIGHUP into a request to stop after the current step; the next one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread receives signals
            return

        def request_stop(number: int, *_: object) -> None:
            self._stop_requested = number
            restore()
            tqdm.write("stopping after this step (press Ctrl-C again to stop at once, without saving)")

        def restore() -> None:
            for number, handler in previous.items():
                signal.signal(number, handler)

        self._stop_requested = 0
        previous = {number: signal.signal(number, request_stop) or signal.SIG_DFL for number in heeded_signals()}
        try:
            yield
        finally:
            restore()

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Write everything that the rest of the run depends on, atomically.

        Raises:
            ValueError: what was put into the history, or the optimizer's groups, could not be read again.
        """
        self._save(self.checkpoint_path)

    def _save(self, path: Path) -> None:
        means = self._means
        means.read()  # of the steps since the last look
        epoch = {"totals": means.totals, "count": means.count, "seconds": self._seconds, "lr": self._lr}
        state = {
            "config": self.config,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule is not None else None,
            "random": rng.rng_state(),
            "loader": self._loader_state(),
            "step": self.step,
            "epoch": epoch | {"lr_max": self._lr_max},
            "history": self.history,
        }
        check_training_state(state)
        save(path, state)

    def _loader_state(self) -> dict[str, int]:
        # The loader's own `epoch` may be higher: somebody may have looked at its pictures between the epochs.
        state = self.train_loader.state_dict() | {"epoch": len(self.history) + (self._means.count > 0)}
        return state if self.val_loader is None else state | {"val_seed": self.val_loader.seed}

    def _restore_loaders(self, state: dict[str, int]) -> None:
        training = {name: value for name, value in state.items() if name != "val_seed"}
        self.train_loader.load_state_dict(training)
        if self.val_loader is not None and "val_seed" in state:  # older checkpoints have none
            self.val_loader.load_state_dict({"seed": state["val_seed"], "epoch": 0})

    def resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Go back to what `save_checkpoint` saved; the rest of the run repeats the uninterrupted one bit for bit.

        Raises:
            CheckpointError: the checkpoint does not fit this model, optimizer or loader.
        """
        try:
            self._check_position(checkpoint)
            self.model.load_state_dict(checkpoint["model"])
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.step, self.history = checkpoint["step"], list(checkpoint["history"])
            if self.schedule is not None:
                self.schedule.load_state_dict(checkpoint["schedule"])
                self._check_schedule()
            self._restore_loaders(checkpoint["loader"])
            epoch = checkpoint["epoch"]
            self._means = Means(epoch["totals"], epoch["count"])
            self._seconds, self._lr, self._lr_max = epoch["seconds"], epoch["lr"], epoch["lr_max"]
            rng.set_rng_state(checkpoint["random"])
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            reason = one_line(error.args[0] if error.args else repr(error), 500)
            raise CheckpointError(f"the checkpoint does not fit this run: {reason}") from error

    def _check_position(self, checkpoint: Mapping[str, Any]) -> None:
        """Check that all that says how far a run has come says the same."""
        step, epochs, batches = checkpoint["step"], len(checkpoint["history"]), len(self.train_loader)
        done = step - epochs * batches  # in the epoch in progress
        if not (epochs <= self.epochs and 0 <= done <= batches):
            raise ValueError(f"it is at step {step} after {epochs} epochs, which here have {batches} each")
        count, begun = checkpoint["epoch"]["count"], checkpoint["loader"]["epoch"]
        if bool(count) != bool(done):
            raise ValueError(f"it measured {count} pictures in the {done} steps after epoch {epochs}")
        if begun != epochs + bool(done):
            raise ValueError(f"its loader has begun {begun} epochs at step {step}, after {epochs} epochs")

    def _check_schedule(self) -> None:
        """Check that the schedule made every step (it may have made some before this run) and lasts for the rest."""
        if isinstance(self.schedule, Schedule):
            if self.schedule.step_count < self.step:
                raise ValueError(f"its schedule is at step {self.schedule.step_count}, the run at step {self.step}")
            rest = self.epochs * len(self.train_loader) - self.step
            for base_lr in self.schedule.base_lrs:
                self.schedule.lr_at(self.schedule.step_count + rest, base_lr)  # raises where it ends before


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint that a `Trainer` wrote.

    Raises:
        FileNotFoundError: there is none.
        CheckpointError: it is damaged, or not such a checkpoint.
    """
    checkpoint = load(path)
    try:
        check_training_state(checkpoint)
    except ValueError as error:
        raise CheckpointError(f"{path}: a minigrad file, but not the checkpoint of a training run: {error}") from error
    return checkpoint


@no_grad()
def evaluate(model: Module, objective: Objective, loader: DataLoader) -> dict[str, float]:
    """Return the mean loss and metrics over a loader, in evaluation mode; the model's mode is restored.

    Raises:
        ValueError: the loader has no batches, so that there is no mean.
    """
    was_training = model.training
    model.eval()
    means = Means()
    try:
        for index, batch in enumerate(loader):
            loss, metrics = _measured(objective, model, batch)
            means.add(f"validation batch {index + 1}", len(batch[0]), loss, metrics)
        if not (values := means.read()):
            raise ValueError("evaluate: expected at least one batch, the loader has none")
        return values
    finally:
        model.train(was_training)


@no_grad()
def predict(model: Module, loader: DataLoader) -> tuple[np.ndarray | tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return the model's outputs for a loader's first entries, and the loader's other entries, as NumPy arrays in
    order. Where the model returns a tuple of Tensors, its outputs are a tuple of arrays.

    Raises:
        ValueError: the loader has no batch, so that the shape of the outputs is not known.
    """
    was_training = model.training
    model.eval()
    outputs, others = [], []
    try:
        for inputs, *rest in loader:
            output = model(inputs)
            several = isinstance(output, tuple)
            outputs.append(_to_numpy(output if several else [output]))
            others.append(_to_numpy(rest))
    finally:
        model.train(was_training)
    if not outputs:
        raise ValueError("predict: expected a loader with at least one batch, got an empty one")
    columns = _concatenated(outputs)
    return (columns if several else columns[0]), _concatenated(others)


def _to_numpy(tensors: Iterable[Tensor]) -> list[np.ndarray]:
    return [backend.to_numpy(tensor.data) for tensor in tensors]


def _concatenated(rows: list[list[np.ndarray]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(column) for column in zip(*rows, strict=True))
