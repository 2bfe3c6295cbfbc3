"""The files of a data set, out of its tar archive or out of the folder that it was unpacked to.

An archive is read from front to back and never unpacked to disk, one file at a time in memory. Its headers are not
trusted: what they claim is compared with limits before anything of that size is read (`minigrad/io/tar_reader.py`).
"""

from __future__ import annotations

import io
import os
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, NamedTuple

from minigrad.io.tar_reader import members
from minigrad.quoting import one_line, quoted

MAX_FILE_BYTES = 64 * 2**20
_MAX_NAME_BYTES = 255  # of each part of a path: no file system here takes more
# Bounds on time, not on memory. Real archives unpack to a small multiple of their size, but zeros to a thousandfold.
_MAX_UNPACKED, _MAX_EXPANSION = 256 * 2**20, 16
_CONTROL = re.compile("[\\0-\\x1f\\x7f-\\x9f\\u2028\\u2029]")  # what a terminal obeys, and all ends of lines
ENDINGS = (".tar.gz", ".tgz", ".tar")  # what is read; browsers undo compressions on the way
_OTHER_ENDINGS = (".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tar.Z", ".zip", ".7z")
_GZIP = b"\x1f\x8b"
_CHUNK = 2**16
_MAX_STREAMS = 100


class FoundFile(NamedTuple):
    """A file in memory: its name inside the data set, where it was found (for messages), what is in it."""

    name: str
    origin: str
    content: bytes


def check_inside(name: str) -> PurePosixPath:
    """`name`, which comes from an archive or a list, as a path that stays inside its folder.

    Raises:
        ValueError: it is empty, absolute, climbs with `..`, would mean something else on Windows, holds control
            characters, or is too long.
    """
    path = PurePosixPath(name)
    leaves = path.is_absolute() or ".." in path.parts or (":" in name and bool(PureWindowsPath(name).drive))
    if leaves or "\\" in name or not path.parts:
        raise ValueError(f"{quoted(name, 100)} is not a path inside the folder, with / between its parts")
    if _CONTROL.search(name):
        raise ValueError(f"{quoted(name, 100)} has control characters, expected the name of a file without them")
    if len(name) > 1000 or any(len(part.encode("utf-8", "replace")) > _MAX_NAME_BYTES for part in path.parts):
        raise ValueError(f"{quoted(name, 100)} is too long for the name of a file")
    return path


def read_folder(root: Path, names: Iterable[str], max_bytes: int = MAX_FILE_BYTES) -> Iterator[FoundFile]:
    """Those of the files `names` (paths below `root`) that exist, in that order.

    A name that exists in another spelling of the same letters (composed and decomposed, as macOS writes them) is found,
    too.

    Raises:
        ValueError: a name leads out of `root`, or a file is larger than `max_bytes`.
    """
    for name in names:
        path = _existing(root, check_inside(name))
        if path is None:
            continue
        origin = one_line(f"{root}{os.sep}{name}", 1000)
        with path.open("rb") as file:
            content = file.read(
                min(max_bytes, os.fstat(file.fileno()).st_size) + 1
            )  # reading takes room for all at once
        if len(content) > max_bytes:
            raise ValueError(f"{origin}: larger than {max_bytes} bytes")
        yield FoundFile(name, origin, content)


def check_present(root: Path, names: Collection[str]) -> None:
    """Make sure that `root` has all the files `names`, before memory is taken for them.

    Raises:
        FileNotFoundError: one is missing.
        ValueError: a name leads out of `root`.
    """
    missing = [name for name in names if _existing(root, check_inside(name)) is None]
    if missing:
        raise FileNotFoundError(
            f"{one_line(root, 1000)}: {one_line(missing[0])} is missing "
            f"({len(missing)} of the {len(names)} photos that are needed)"
        )


def _existing(root: Path, name: PurePosixPath) -> Path | None:
    """The regular file `name` below `root`. A pipe or a device is none: reading it could wait for ever."""
    spellings = [str(name)]
    if not spellings[0].isascii():
        spellings += [unicodedata.normalize(form, spellings[0]) for form in ("NFC", "NFD")]
    for spelling in spellings:
        try:
            if (root / spelling).is_file():
                return root / spelling
        except (OSError, ValueError):  # a name that this file system cannot have
            return None
    return None


def find_archive(folder: Path, name: str) -> Path | None:
    """The archive `name` (without its ending) in `folder`, if there is one that is read here."""
    return next((path for path in (folder / f"{name}{ending}" for ending in ENDINGS) if path.is_file()), None)


def packed_otherwise(folders: Iterable[Path], names: Collection[str]) -> str:
    """A sentence for errors about archives in `folders` that would be read, were they packed in another way, or ""."""
    paths = (folder / f"{name}{ending}" for folder in folders for name in names for ending in _OTHER_ENDINGS)
    found = ", ".join(one_line(path, 1000) for path in paths if path.is_file())
    return f"\n{found}: packed in a way that is not read, expected {', '.join(ENDINGS)}; pack it anew" if found else ""


def read_archive(
    path: Path,
    names: Collection[str],
    max_bytes: int = MAX_FILE_BYTES,
    max_members: int | None = None,
) -> Iterator[FoundFile]:
    """Those of the members `names` that the archive `path` (a tar, plain or in gzip) holds, in the archive's order.

    The archive is read to its end even when all were found, because a gzip checksum stands there.

    Raises:
        ValueError: the archive is damaged or malicious; one member with bad intentions condemns all.
    """
    wanted = set(names)
    limits = {} if max_members is None else {"max_headers": max_members}
    try:
        with path.open("rb") as packed:
            stream = _Unpacked(packed)
            for member in members(stream, max_bytes, **limits):
                if not member.is_file and PurePosixPath(member.name) == PurePosixPath("."):
                    continue  # what `tar -c .` begins with
                name = str(check_inside(member.name))
                if member.is_file and name in wanted:
                    wanted.remove(name)
                    content = stream.read(member.size)
                    if len(content) < member.size:
                        raise ValueError(f"it is cut short in member {quoted(name)}")
                    yield FoundFile(name, f"{path}, member {one_line(name)}", content)
            stream.read_to_end()
    except (OSError, zlib.error, ValueError) as error:
        raise ValueError(
            f"{path}: damaged, or not the expected archive ({one_line(error)}). "
            "If it was downloaded, delete it, and it can be downloaded again"
        ) from error


class _Unpacked:
    """What is in the file, without its compression if it has one: some programs undo it on the way and keep the name.

    It moves forward only, and not beyond a limit.
    """

    def __init__(self, packed: BinaryIO) -> None:
        size = packed.seek(0, os.SEEK_END)
        self._limit = _MAX_UNPACKED + _MAX_EXPANSION * size
        packed.seek(0)
        is_gzip = packed.read(len(_GZIP)) == _GZIP
        packed.seek(0)
        self._stream = io.BufferedReader(_Inflated(packed, _MAX_STREAMS + size // 2**12), _CHUNK) if is_gzip else packed
        self._place = 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        if self._place + size > self._limit:
            raise ValueError(f"unpacks to more than {self._limit} bytes")
        content = self._stream.read(size)
        self._place += len(content)
        return content

    def seek(self, place: int) -> None:
        """Go forward to `place`, or to the end if that comes before."""
        while self._place < place and self.read(min(place - self._place, _CHUNK)):
            pass

    def read_to_end(self) -> None:
        """Read what is behind the archive; at the end of a compressed stream its checksum is compared."""
        while self.read(_CHUNK):
            pass


class _Inflated(io.RawIOBase):
    """Gzip streams in a row, mostly one. Python's `gzip` takes ten microseconds for each of a million empty ones."""

    def __init__(self, packed: BinaryIO, max_streams: int) -> None:
        self._packed, self._streams_left = packed, max_streams
        self._inflater = zlib.decompressobj(wbits=31)  # 31: with a gzip header and checksum
        self._input = b""

    def readable(self) -> bool:
        return True

    def readinto(self, memory: memoryview) -> int:
        while True:
            self._input = self._input or self._packed.read(_CHUNK)
            if self._inflater.eof:
                self._input = self._input.lstrip(b"\0")  # tapes are padded
                if not self._input and not self._packed.peek(1):
                    return 0
                if self._input:
                    self._streams_left -= 1
                    if self._streams_left < 0:
                        raise ValueError("too many compressed streams in a row")
                    self._inflater = zlib.decompressobj(wbits=31)
            elif not self._input:
                raise ValueError("the compressed stream is cut short")
            else:
                unpacked = self._inflater.decompress(self._input, len(memory))
                self._input = self._inflater.unused_data or self._inflater.unconsumed_tail
                if unpacked:
                    memory[: len(unpacked)] = unpacked
                    return len(unpacked)
