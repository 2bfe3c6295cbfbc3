"""The files of a data set, out of its tar archive or out of the folder that it was unpacked to.

An archive is read from front to back and never unpacked to disk, one file at a time in memory. Its headers are not
trusted: what they claim is compared with limits before anything of that size is read.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, NamedTuple

_MAX_FILE_BYTES = 64 * 2**20
# Five times what the photos of Oxford-IIIT Pet take, the largest archive here: a bound on time, not on memory.
_MAX_ARCHIVE_BYTES = 4 * 2**30
_MAX_ARCHIVE_MEMBERS = 100_000
_GZIP = b"\x1f\x8b"


class FoundFile(NamedTuple):
    """A file in memory: its name inside the data set, where it was found (for messages), what is in it."""

    name: str
    origin: str
    content: bytes


def check_inside(name: str) -> PurePosixPath:
    """`name`, which comes from an archive or a list, as a path that stays inside its folder.

    Raises:
        ValueError: it is empty, absolute, climbs with `..`, or would mean something else on Windows.
    """
    path = PurePosixPath(name)
    leaves = path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(name).drive)
    if leaves or "\\" in name or "\0" in name or not path.parts:
        raise ValueError(f"{name[:100]!r} is not a path inside the folder, with / between its parts")
    return path


def read_folder(root: Path, names: Iterable[str]) -> Iterator[FoundFile]:
    """Those of the files `names` (paths below `root`) that exist, in that order.

    Raises:
        ValueError: a name leads out of `root`, or a file is larger than 64 MiB.
    """
    for name in names:
        path = root / check_inside(name)
        if not path.is_file():  # nor is a pipe or a device one: reading it could wait for ever
            continue
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"{path}: larger than {_MAX_FILE_BYTES} bytes")
        yield FoundFile(name, str(path), content)


def read_archive(path: Path, names: Collection[str]) -> Iterator[FoundFile]:
    """Those of the members `names` that the archive `path` (`.tar` or `.tar.gz`) holds, in the order of the archive.

    The archive is read to its end even when all were found, because a gzip checksum stands there.

    Raises:
        ValueError: the archive is damaged or malicious; one member with bad intentions condemns all.
    """
    wanted = set(names)
    try:
        with path.open("rb") as packed:
            stream = _Bounded(_unpacked(packed))
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                for name, member in _checked_members(archive):
                    if name in wanted:
                        wanted.remove(name)
                        content = archive.extractfile(member).read()
                        yield FoundFile(name, f"{path}, member {name}", content)
            stream.read_to_end()
    # tarfile follows chains of extended headers by recursion. OSError is gzip's, too: BadGzipFile.
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(
            f"{path}: damaged, or not the expected archive ({error}). Delete it, and it can be downloaded again"
        ) from error


def _unpacked(packed: BinaryIO) -> BinaryIO:
    """The stream without its compression, if it has one: some programs undo it on the way, and keep the name."""
    is_gzip = packed.read(len(_GZIP)) == _GZIP
    packed.seek(0)
    return gzip.GzipFile(fileobj=packed) if is_gzip else packed


def _checked_members(archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The regular files of the archive with their normalised paths."""
    for count, member in enumerate(archive, start=1):
        if count > _MAX_ARCHIVE_MEMBERS:
            raise ValueError(f"more than {_MAX_ARCHIVE_MEMBERS} members")
        shown = repr(member.name[:100])
        if member.isdir() and PurePosixPath(member.name) == PurePosixPath("."):
            continue  # what `tar -c .` begins with
        name = str(check_inside(member.name))
        if not (member.isreg() or member.isdir()):
            raise ValueError(f"member {shown} is a link or a device, not a file")
        if not 0 <= member.size <= _MAX_FILE_BYTES:
            raise ValueError(f"member {shown} claims {member.size} bytes, expected at most {_MAX_FILE_BYTES}")
        if member.isreg():
            yield name, member


class _Bounded:
    """What tarfile sees of the unpacked stream: no header, whatever it claims, makes it read more than the limits."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_FILE_BYTES:
            raise ValueError(f"a header claims {size} bytes, expected at most {_MAX_FILE_BYTES}")
        return self._stream.read(size)

    def seek(self, offset: int) -> int:
        if not 0 <= offset <= _MAX_ARCHIVE_BYTES:
            raise ValueError(f"unpacks to more than {_MAX_ARCHIVE_BYTES} bytes")
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def read_to_end(self) -> None:
        while self._stream.read(2**20):
            self.seek(self.tell())  # compares with the limit
