"""What the examples share around the training loop: arguments, the folder of a run, and errors in words."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import minigrad as mg
from datasets import DatasetUnavailable
from minigrad.backend import DeviceError
from minigrad.files import atomic_path
from minigrad.nn import Module
from minigrad.quoting import one_line, quoted
from minigrad.serialize import CheckpointError
from minigrad.train import CHECKPOINT_NAME, Trainer, TrainingDiverged, TrainingInterrupted, read_checkpoint


class UsageError(Exception):
    """The arguments contradict each other or what lies on disk; the message says how."""


def positive_int(text: str) -> int:
    """Parse an argument that must be a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """Parse an argument that must be a whole number, 0 or above."""
    if not text.isascii() or not text.isdigit():
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


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every training example has."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the data set lies or is downloaded to "
                        "(default: $MINIGRAD_DATA, else a cache folder in your home)")  # fmt: skip
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
        "--out", type=Path, metavar="DIR", help="folder for everything the run writes (default: runs/...)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out where its checkpoint was saved"
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint to use instead of training")
    parser.add_argument("--eval-only", action="store_true", help="train nothing, only measure --checkpoint")


def counted(number: int, noun: str) -> str:
    """Return "1 epoch", "2 epochs" and so on."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def choose_device(name: str) -> str:
    """Return the device string for `--device`.

    Raises:
        DeviceError: cuda was asked for and cannot be used.
    """
    if name == "auto":
        return "cuda" if mg.cuda_is_available() else "cpu"
    mg.backend.device_module(name)
    return name


def merged_config(
    explicit: Mapping[str, Any], saved: Mapping[str, Any] | None, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a run: what was given, else what the checkpoint says, else the defaults.

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
            raise UsageError(f"the checkpoint's {name} is {quoted(value)}, expected a number above 0")
    for name, value in explicit.items():
        if value is not None and value != saved[name]:
            option = f"--{name.replace('_', '-')}"
            made = f"without {option}" if saved[name] is None else f"with {one_line(saved[name])}"
            raise UsageError(f"{option} {value}: the checkpoint was made {made}")
    return dict(saved)


def _is_sound(name: str, value: float) -> bool:
    """Whether a number is one that the command line would have let in."""
    return 0 < value < 2**31 or (name == "seed" and value >= 0)


def run_folder(out: Path | None, default: Path, resume: bool) -> Path:
    """Return the folder of a run. A new run never overwrites an old one; by default runs are numbered.

    Raises:
        UsageError: `--out` already holds a run, or there is none to resume.
    """
    if resume:
        folder = out or _newest(default)
        if not (folder / CHECKPOINT_NAME).exists():
            raise UsageError(f"--resume: there is no {CHECKPOINT_NAME} in {folder}; give the run's folder as --out")
        return folder
    if out is not None:
        if (out / CHECKPOINT_NAME).exists():
            raise UsageError(f"--out {out} already holds a run; --resume goes on with it, or choose another folder")
        return out
    return next(folder for folder in _numbered(default) if not folder.exists())


def _numbered(default: Path) -> Iterator[Path]:
    """Yield runs/name, runs/name-2, runs/name-3, …"""
    yield default
    yield from (default.with_name(f"{default.name}-{number}") for number in count(2))


def _newest(default: Path) -> Path:
    """Return the last of the numbered runs that has a checkpoint, or `default`."""
    existing = takewhile(Path.exists, _numbered(default))
    return ([folder for folder in existing if (folder / CHECKPOINT_NAME).exists()] or [default])[-1]


def open_run(arguments: argparse.Namespace, default: Path) -> tuple[Path, dict[str, Any] | None]:
    """Return the folder that a run writes to, and the checkpoint that it goes on from or looks at (None: a new run).

    Raises:
        UsageError, CheckpointError, FileNotFoundError: the folder or the checkpoint is not what was asked for.
    """
    if arguments.checkpoint is not None:
        return arguments.out or arguments.checkpoint.parent / "evaluation", read_checkpoint(arguments.checkpoint)
    folder = run_folder(arguments.out, default, arguments.resume)
    return folder, read_checkpoint(folder / CHECKPOINT_NAME) if arguments.resume else None


def note_command(module: str, argv: Sequence[str], arguments: argparse.Namespace, folder: Path) -> str:
    """Keep the command of a new run in its folder; return the command that goes on with the run."""
    command = command_line(module, argv)
    if arguments.resume:
        return command
    with atomic_path(folder / "command.txt") as path:
        path.write_text(command + "\n")
    return f"{command} --resume" + ("" if arguments.out else f" --out {shlex.quote(str(folder))}")


def command_line(module: str, argv: Sequence[str]) -> str:
    """Return the command that made a run, ready to be pasted into a shell."""
    python = "python"
    if shutil.which(python) != sys.executable:  # `make` runs the one in .venv, which the shell need not know
        here = os.path.join(os.getcwd(), "")
        python = sys.executable.removeprefix(here)
    return shlex.join([python, "-m", module, *argv])


def load_weights(model: Module, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Give a model the weights of a checkpoint that was read from `path`.

    Raises:
        CheckpointError: they do not fit.
    """
    try:
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit this model: {one_line(error.args[0], 500)}") from error


def fit(trainer: Trainer, resume_command: str) -> None:
    """Run `trainer.fit()` and turn what can go wrong into advice.

    Raises:
        SystemExit: the run was interrupted (status 130) or diverged (status 1).
    """
    try:
        trainer.fit()
    except TrainingInterrupted as stop:
        print(f"{stop}; everything is saved. Go on with:\n  {resume_command}", file=sys.stderr)
        raise SystemExit(130) from None
    except TrainingDiverged as error:
        saved = trainer.checkpoint_path
        advice = f"The last good epoch is in {saved}." if saved.exists() else "No epoch was finished before."
        print(f"error: {error}. Try a smaller --lr, or a larger --batch-size. {advice}", file=sys.stderr)
        raise SystemExit(1) from None


def guarded(main: Callable[[Sequence[str]], None], argv: Sequence[str] | None) -> int:
    """Run an example's main function; report foreseeable errors in one line. Returns the exit status."""
    try:
        main(sys.argv[1:] if argv is None else argv)
    except (UsageError, DatasetUnavailable, CheckpointError, DeviceError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}. The examples need more packages: pip install -e '.[examples]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0
