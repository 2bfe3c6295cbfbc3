"""Writing files so that a reader only ever sees the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # the disk, or the user's share of it
SHOWN = 20  # letters of a file's name in that of its temporary file
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp(\..*)?", re.DOTALL)


@contextmanager
def atomic_path(path: str | os.PathLike[str], size: int | None = None) -> Iterator[Path]:
    """Yield a temporary name to write to; it becomes ``path`` when the block ends without an error.

    The temporary file lies in the same folder, because a rename is atomic only within one file system, and it keeps the
    suffix of ``path``, because some writers choose their format by it. Missing parent folders are created. If the block
    raises (Ctrl-C included), the temporary file is removed and an existing ``path`` stays as it was::

        with atomic_path("runs/history.csv") as temporary:
            temporary.write_text(text, encoding="utf-8")

    Args:
        path: the file to write or replace.
        size: how many bytes it will have, if that is known; a full disk's error says so.

    A ``path`` that is a link stays one: the file it points to is replaced. A file that exists keeps its permissions,
    read-only ones too, and while it is written nobody else can read more of it than before.

    Raises:
        IsADirectoryError: ``path`` is a folder.
        OSError: ``path`` is something else that is no file (a device, a link to itself), or cannot be written to.
        FileNotFoundError: the block ended without having written the temporary file.
        OSError: the disk is full; the error names ``path``, and says how much is free, and was needed if that is known.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(f"atomic_path: {path} is a folder, expected the name of a file")
    if os.path.lexists(path) and not path.is_file():
        raise OSError(f"atomic_path: {path} is no regular file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, mode = temporary_path(path), None
    try:
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            os.chmod(temporary, mode | stat.S_IRUSR | stat.S_IWUSR)  # a file that is read-only is replaced, too
            os.utime(temporary, ns=(0, 0))  # so that it shows whether the block has written
        # Else the block creates the file, so that it gets the permissions of the user's umask (mkstemp's are private).
        yield temporary
        if not temporary.exists() or temporary.stat().st_mtime_ns == 0:
            raise FileNotFoundError(f"atomic_path: nothing was written to {temporary}, so {path} was not made")
        # Without fsync a power failure after the rename could leave the new name on an empty file.
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        temporary.unlink(missing_ok=True)
        raise _disk_full(error, path, size) from error
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Return a new name beside `path` that `remove_leftovers` knows."""
    # Parts of the name only, because the whole may be as long as names can be.
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= 40 else ""
    return path.with_name(f".{path.stem[:SHOWN]}.{secrets.token_hex(4)}.tmp{suffix}")


def _disk_full(error: OSError, path: Path, size: int | None) -> OSError:
    needed = "" if size is None else f"{_in_units(size)} needed, "
    free = _in_units(shutil.disk_usage(path.parent).free)
    return OSError(error.errno, f"{error.strerror} ({needed}{free} free)", str(path))


def _in_units(size: int) -> str:
    """Return a number of bytes as "640 bytes", "1.2 kB", "31.0 MB", …"""
    number, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        del units[0]
    return f"{number:.0f} bytes" if units[0] == "bytes" else f"{number:.1f} {units[0]}"


def remove_leftovers(
    folder: str | os.PathLike[str], seconds: float = 0.0, names: Collection[str] | None = None
) -> None:
    """Remove the temporary files that killed programs left in `folder`, if it exists.

    Args:
        folder: where `atomic_path` wrote.
        seconds: only those that nobody has written to for so long; 0 where nobody else can be writing.
        names: only those that were to become a file of such a name; None for all.
    """
    stems = None if names is None else {Path(name).stem[:SHOWN] for name in names}
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in list(os.scandir(folder)):
            found = TEMPORARY.fullmatch(entry.name)
            if not found or (stems is not None and found[1] not in stems):
                continue
            with suppress(FileNotFoundError):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if (age >= seconds or not seconds) and entry.is_file(follow_symlinks=False):
                    os.unlink(entry)
