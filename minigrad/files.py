"""Writing files so that a reader only ever sees the old content or the new, never half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name to write to; it becomes ``path`` when the block ends without an error.

    The temporary file lies in the same folder, because a rename is atomic only within one file system, and it keeps the
    suffix of ``path``, because some writers choose their format by it. Missing parent folders are created. If the block
    raises (Ctrl-C included), the temporary file is removed and an existing ``path`` stays as it was::

        with atomic_path("runs/history.csv") as temporary:
            temporary.write_text(text)

    Raises:
        IsADirectoryError: ``path`` is a folder.
        FileNotFoundError: the block ended without having written the temporary file.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"atomic_path: {path} is a folder, expected the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The block itself creates the file, so that it gets the permissions of the user's umask (mkstemp's are private).
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError(f"atomic_path: nothing was written to {temporary}, so {path} was not made")
        # Without fsync a power failure after the rename could leave the new name on an empty file.
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
