"""The folder of a run: chosen, claimed so that no other run writes into it, checked, and cleared of what was killed.

All of that happens before any work does. A claim is a lock of the operating system's, which ends with the process,
however it ends.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from examples.errors import UsageError, in_words
from minigrad.io.checkpoints import CheckpointError
from minigrad.io.files import remove_leftovers, temporary_path
from minigrad.train import CHECKPOINT_NAME, read_checkpoint

PREDICTIONS = "predictions"  # a folder in a run's
RUNNING = ".running"  # the lock on Windows


class FolderTakenError(UsageError):
    """Another process writes into the folder now."""


@contextmanager
def open_run(arguments: argparse.Namespace, default: Path) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Claim the folder that a run writes to and yield it, and the checkpoint that the run goes on from or looks at.

    The checkpoint is None for a new run. A new run never overwrites an old one. Where `--out` names no folder, new runs
    are numbered, and what looks at a checkpoint writes into `evaluation`, `evaluation-2`, … beside it. One that stays
    empty is removed.

    Raises:
        UsageError, CheckpointError: the folder or the checkpoint is not what was asked for.
    """
    out = arguments.out
    with ExitStack() as stack:
        if arguments.checkpoint is not None:
            saved = _read("--checkpoint", arguments.checkpoint)
            beside = arguments.checkpoint.parent / "evaluation"
            folder = _claim_first_free(stack, beside) if out is None else stack.enter_context(claimed(out))
        elif arguments.resume:
            folder = out or _newest(default)
            if not (folder / CHECKPOINT_NAME).exists():
                raise UsageError(f"--resume: there is no {CHECKPOINT_NAME} in {folder}; give the run's folder as --out")
            stack.enter_context(claimed(folder))  # before the checkpoint is read: another run may be writing it
            saved = _read("--resume", folder / CHECKPOINT_NAME)
        else:
            folder = _claim_first_free(stack, default) if out is None else stack.enter_context(claimed(out))
            saved = None
            if (folder / CHECKPOINT_NAME).exists():
                raise UsageError(f"--out {out} already holds a run; --resume goes on with it, or choose another folder")
        yield folder, saved


def _read(option: str, path: Path) -> dict[str, Any]:
    try:
        return read_checkpoint(path)
    except OSError as error:
        raise CheckpointError(f"{option}: {in_words(error)}") from error


def _claim_first_free(stack: ExitStack, default: Path) -> Path:
    for folder in _numbered(default):
        with suppress(FolderTakenError, FileExistsError):
            return stack.enter_context(claimed(folder, new=True))
    raise AssertionError("there is always another number")


def _numbered(default: Path) -> Iterator[Path]:
    """Yield runs/name, runs/name-2, runs/name-3, …"""
    yield default
    yield from (default.with_name(f"{default.name}-{number}") for number in count(2))


def _newest(default: Path) -> Path:
    """Return the last of the numbered runs that has a checkpoint, or `default`."""
    existing = takewhile(Path.exists, _numbered(default))
    return ([folder for folder in existing if (folder / CHECKPOINT_NAME).exists()] or [default])[-1]


@contextmanager
def claimed(folder: Path, new: bool = False) -> Iterator[Path]:
    """Make `folder` where it is missing, and hold it: until the block ends, nobody else can claim it.

    What killed runs left half written there is removed.

    Raises:
        FolderTakenError: somebody else holds it.
        FileExistsError: it should be `new`, and holds something else.
        UsageError: it is no folder, cannot be made, or nothing can be written there.
    """
    try:
        made = _make(folder)
        lock = _lock(folder)
    except FileExistsError:
        if new:
            raise
        raise UsageError(f"--out {folder}: there is a file of that name, expected a folder") from None
    except OSError as error:
        if new and os.path.isdir(folder):
            raise FileExistsError(folder) from error
        raise UsageError(f"--out {folder}: {in_words(error)}; choose another folder") from error
    try:
        with suppress(OSError):  # what cannot be written to is told below
            remove_leftovers(folder)
            remove_leftovers(folder / PREDICTIONS)
        if new and any(path.name != RUNNING for path in folder.iterdir()):
            raise FileExistsError(folder)
        try:
            probe = temporary_path(folder / "writable")
            probe.touch()
            probe.unlink()
        except OSError as error:
            if new and folder not in made:
                raise FileExistsError(folder) from error
            reason = f"nothing can be written there ({error.strerror})"
            raise UsageError(f"--out {folder}: {reason}; choose another folder") from error
        yield folder
    finally:
        _remove_empty(made)  # before somebody else can claim them
        os.close(lock)
        _remove_empty(made)  # Windows refuses as long as the lock exists


def _make(folder: Path) -> list[Path]:
    """Make a folder and its parents; return those that were made here, the innermost first."""
    made: list[Path] = []
    try:
        for path in reversed(list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))):
            with suppress(FileExistsError):  # another run was quicker
                path.mkdir()
                made.insert(0, path)
        if not folder.is_dir():
            raise FileExistsError(folder)
    except OSError:
        _remove_empty(made)
        raise
    return made


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _lock(folder: Path) -> int:
    """Lock a folder and return the descriptor that holds the lock until it is closed.

    Raises:
        FolderTakenError: another process holds it.
        OSError: the folder cannot be read.
    """
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderTakenError(_taken(folder)) from None
    except OSError as error:  # some network drives know no locks
        print(f"{folder} cannot be locked ({in_words(error)}): start no other run there", file=sys.stderr)
    return descriptor


def _lock_on_windows(folder: Path) -> int:
    """The same by a file, because there folders cannot be opened; it disappears when it is closed."""
    import msvcrt

    try:
        descriptor = os.open(folder / RUNNING, os.O_RDWR | os.O_CREAT | os.O_TEMPORARY)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except PermissionError:
        raise FolderTakenError(_taken(folder)) from None
    return descriptor


def _taken(folder: Path) -> str:
    return f"--out {folder}: another run is writing there now; choose another folder, or wait until it is done"
