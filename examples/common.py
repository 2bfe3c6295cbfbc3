"""What the examples share around the training loop: arguments, the folder of a run, and errors in words."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import minigrad as mg
from datasets import DatasetUnavailable
from examples.errors import UsageError, in_words
from minigrad.backend import DeviceError
from minigrad.history import best_epoch
from minigrad.io.checkpoints import CheckpointError
from minigrad.io.files import atomic_path
from minigrad.nn import Module
from minigrad.output import tolerant_program
from minigrad.quoting import counted, one_line
from minigrad.quoting import quoted as shown
from minigrad.train import Trainer, TrainingDiverged, TrainingInterrupted, heeded_signals

MAX_SEED = 2**1024  # NumPy takes any; so much can be written in digits
MAX_CLASSES = 10_000  # of a checkpoint: the network is made for so many before its weights are looked at


def positive_int(text: str) -> int:
    """Parse an argument that must be a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """Parse an argument that must be a whole number, 0 or above."""
    if not text.isascii() or not text.isdigit() or int(text) >= MAX_SEED:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, got {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """Parse an argument that must be a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def named_path(text: str) -> Path:
    """Parse an argument that must name a file or folder: an empty one, of a variable that is not set, names none."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file or folder, got ''")
    return Path(text)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every training example has."""
    parser.add_argument(
        "--data-dir", type=named_path, metavar="DIR", help="where the data set lies, or is downloaded to if its parent "
        "is there (default: $MINIGRAD_DATA, else a cache folder in your home)",
    )  # fmt: skip
    parser.add_argument("--epochs", type=positive_int, metavar="N", help="passes over the training pictures")
    parser.add_argument("--batch-size", type=positive_int, metavar="N", help="pictures per step")
    parser.add_argument(
        "--lr", type=positive_float, metavar="RATE", help="largest learning rate of the one-cycle schedule"
    )
    parser.add_argument(
        "--limit", type=positive_int, metavar="N", help="use only N training pictures, for a quick look"
    )
    parser.add_argument("--seed", type=natural, metavar="N", help="of all random numbers (default: 0)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto",
                        help="where to compute; auto takes a GPU if there is one (default: auto)")  # fmt: skip
    parser.add_argument(
        "--out", type=named_path, metavar="DIR", help="folder for everything the run writes (default: runs/...)"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out where its checkpoint was saved; with --epochs beyond what was planned",
    )
    parser.add_argument("--checkpoint", type=named_path, metavar="FILE", help="a checkpoint to use instead of training")
    parser.add_argument("--eval-only", action="store_true", help="train nothing, only measure --checkpoint")
    parser.add_argument(
        "--predict", type=named_path, nargs="+", default=[], metavar="PHOTO",
        help="photos to draw the answers on, with --checkpoint or after training",
    )  # fmt: skip


def check_arguments(arguments: argparse.Namespace) -> None:
    """Check the arguments that say what to do: train, go on, measure, or answer.

    Raises:
        UsageError: they contradict each other.
    """
    if arguments.eval_only and not arguments.checkpoint:
        raise UsageError("--eval-only measures a checkpoint: name it with --checkpoint FILE")
    if arguments.checkpoint and (arguments.resume or not (arguments.eval_only or arguments.predict)):
        raise UsageError("--checkpoint FILE goes with --eval-only or --predict, and not with --resume")


def choose_device(name: str) -> str:
    """Return the device string for `--device`; "auto" takes a GPU that can be used, and says why one is not used.

    Raises:
        DeviceError: cuda was asked for and cannot be used.
    """
    wanted = "cuda" if name == "auto" else name
    try:
        mg.backend.device_module(wanted)
    except DeviceError as error:
        if name != "auto":
            raise
        if not isinstance(error.__cause__, ModuleNotFoundError):  # who has installed CuPy, expects a GPU
            print(f"computing on the CPU: {error}", file=sys.stderr)
        return "cpu"
    return wanted


def merged_config(
    explicit: Mapping[str, Any],
    saved: Mapping[str, Any] | None,
    defaults: Mapping[str, Any],
    adjustable: Collection[str] = (),
) -> dict[str, Any]:
    """Return the settings of a run: what was given, else what the checkpoint says, else the defaults.

    Those in `adjustable` may be given anew beside a checkpoint.

    Raises:
        UsageError: a given setting contradicts the checkpoint's.
    """
    if saved is None:
        return {name: default if explicit.get(name) is None else explicit[name] for name, default in defaults.items()}
    # What is None by default is a whole number otherwise.
    kinds = {name: int | None if default is None else type(default) for name, default in defaults.items()}
    if set(saved) != set(kinds) or not all(isinstance(saved[name], kind) for name, kind in kinds.items()):
        raise UsageError("the checkpoint was written by another example, or by another version of this one")
    for name, value in saved.items():
        is_flag = isinstance(value, bool)
        if is_flag != isinstance(defaults[name], bool) or (
            isinstance(value, int | float) and not is_flag and not _is_sound(name, value)
        ):
            raise UsageError(f"the checkpoint's {name} is {shown(value)}, expected a number above 0")
    for name, value in explicit.items():
        if value is not None and value != saved[name] and name not in adjustable:
            option = f"--{name.replace('_', '-')}"
            made = f"without {option}" if saved[name] is None else f"with {one_line(saved[name])}"
            raise UsageError(f"{option} {value}: the checkpoint was made {made}")
    given_anew = {name: explicit[name] for name in adjustable if explicit.get(name) is not None}
    return dict(saved) | given_anew


def _is_sound(name: str, value: float) -> bool:
    """Whether a number is one that the command line would have let in."""
    return 0 < value < 2**31 or (name == "seed" and 0 <= value < MAX_SEED)


def check_class_names(names: Sequence[Any]) -> None:
    """Check the classes that a checkpoint names.

    Raises:
        UsageError: they are no names, or too many.
    """
    if not (0 < len(names) <= MAX_CLASSES and all(isinstance(name, str) and name.isprintable() for name in names)):
        raise UsageError("the checkpoint does not say what its classes are called")


def check_extension(epochs: int, saved: Mapping[str, Any] | None) -> None:
    """Check that a run that is resumed has not done more than `epochs` already.

    Raises:
        UsageError: it has.
    """
    done = len(saved["history"]) if saved else 0
    if epochs < done:
        raise UsageError(f"--epochs {epochs}: the run in --out has done {counted(done, 'epoch')} already")


def describe_extension(trainer: Trainer, saved: Mapping[str, Any]) -> str:
    """Return what becomes of the schedule of a run that was planned for another number of epochs."""
    rates = [trainer.optimizer.param_groups[0]["lr"]]
    rates.append(trainer.schedule.lr_at(trainer.schedule.total_steps - 1, trainer.schedule.base_lrs[0]))
    last = f" (the last step had {saved['epoch']['lr']:.3g})" if saved["step"] else ""
    return (
        f"planned for {counted(saved['config']['epochs'], 'epoch')}, now for {trainer.epochs}: the one-cycle schedule "
        f"is stretched over all of them.\nIts learning rate goes on at {rates[0]:.3g}{last} and ends at {rates[1]:.3g}."
    )


def note_command(
    module: str, argv: Sequence[str], arguments: argparse.Namespace, folder: Path, extended: bool = False
) -> str:
    """Keep the command of a new or extended run in its folder; return the command that goes on with the run."""
    command = command_line(module, argv)
    path = folder / "command.txt"
    # surrogateescape: a folder's name may hold bytes that are no text
    options = {"encoding": "utf-8", "errors": "surrogateescape"}
    if not arguments.resume or extended:
        earlier = path.read_text(**options) if extended and path.exists() else ""
        with atomic_path(path) as temporary:
            temporary.write_text(f"{earlier}{command}\n", **options)
    if arguments.resume:
        return command
    return f"{command} --resume" + ("" if arguments.out else f" --out {quoted([str(folder)])}")


def command_line(module: str, argv: Sequence[str]) -> str:
    """Return the command that made a run, ready to be pasted into a shell."""
    python = "python"
    if shutil.which(python) != sys.executable:  # `make` runs the one in .venv, which the shell need not know
        here = os.path.join(os.getcwd(), "")
        python = sys.executable.removeprefix(here)
    return quoted([python, "-m", module, *argv])


def quoted(arguments: Sequence[str]) -> str:
    """Return arguments as they are written in a shell; Windows' shells know only double quotes."""
    return subprocess.list2cmdline(arguments) if sys.platform == "win32" else shlex.join(arguments)


def describe_best(trainer: Trainer) -> str:
    """Return which epoch of a run was best, and where it is kept."""
    row = None if trainer.best is None else best_epoch(trainer.history, trainer.best)
    if row is None or not trainer.best_path.exists():
        return "no epoch was kept as the best"
    measure = f"validation {trainer.best} {row[f'val_{trainer.best}']:.4f}"
    return f"best epoch: {row['epoch']} of {len(trainer.history)} ({measure}), kept in {trainer.best_path}"


def load_weights(model: Module, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Give a model the weights of a checkpoint that was read from `path`.

    Raises:
        CheckpointError: they do not fit.
    """
    try:
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit this model: {one_line(error.args[0], 500)}") from error


def fit(trainer: Trainer, resume_command: str, finish: Callable[[], None]) -> None:
    """Run `trainer.fit()` and then `finish`, which measures and draws; turn what can go wrong into advice.

    Raises:
        SystemExit: the run was stopped (status 128 + the signal's number), or diverged or could not write (1).
    """
    saved = trainer.checkpoint_path
    left = None
    try:
        trainer.fit()
        left = ". The training is done and saved, measures and pictures are not complete"
        finish()
        return
    except TrainingInterrupted as stop:
        words, left, status = str(stop), "; everything is saved", 128 + stop.signal
    except (KeyboardInterrupt, _Terminated) as stop:
        words, status = "stopped", 128 + _signal_of(stop)
    except TrainingDiverged as error:
        advice = f"The last good epoch is in {saved}." if saved.exists() else "No epoch was finished before."
        print(f"error: {error}. Try a smaller --lr, or a larger --batch-size. {advice}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        words, status = f"error: {in_words(error)}", 1
    if left is None:
        left = ". What was saved before is whole" if saved.exists() else ". Nothing was saved before"
    print(f"{words}{left}." + (f" Go on with:\n  {resume_command}" if saved.exists() else ""), file=sys.stderr)
    raise SystemExit(status)


class _Terminated(BaseException):
    """The process was asked to end by `args[0]`, a signal."""


def _signal_of(stop: BaseException) -> int:
    return stop.args[0] if isinstance(stop, _Terminated) else signal.SIGINT


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into exceptions, as SIGINT is one: files half written are removed on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return

    def terminate(number: int, *_: object) -> NoReturn:
        raise _Terminated(number)

    numbers = [number for number in heeded_signals() if number != signal.SIGINT]
    previous = {number: signal.signal(number, terminate) or signal.SIG_DFL for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def guarded(main: Callable[[Sequence[str]], None], argv: Sequence[str] | None) -> int:
    """Run an example's main function; report foreseeable errors in one line. Returns the exit status."""
    with tolerant_program():
        try:
            with _terminable():
                mg.get_num_threads()  # a wrong MINIGRAD_NUM_THREADS is better known before the work
                main(sys.argv[1:] if argv is None else argv)
        except (UsageError, DatasetUnavailable, CheckpointError, DeviceError, ValueError, OSError) as error:
            print(f"error: {in_words(error)}", file=sys.stderr)
            return 2
        except ModuleNotFoundError as error:
            print(f"error: {error}. The examples need more packages: pip install -e '.[examples]'", file=sys.stderr)
            return 2
        except (KeyboardInterrupt, _Terminated) as stop:
            print("stopped", file=sys.stderr)
            return 128 + _signal_of(stop)
        return 0
