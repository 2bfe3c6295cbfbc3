"""Reading numbers and pickles from a file that may be shorter than it says."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import BinaryIO, Protocol

import numpy as np

from minigrad.io.pickle_machine import PickleMachine
from minigrad.io.torch_file.tensors import Storage
from minigrad.io.torch_file.unpickler import Skipped

MAX_PICKLE = 2**24  # bytes; of the keys of all storages
CHUNK = 2**20


class Container(Protocol):
    """What each kind of file becomes when it is opened.

    Sizes and places are checked against the size of the file then, so that `read` never asks for more memory than the
    file has bytes.

    Attributes:
        content: the object in the file, with a `Tensor` in the place of each tensor.
        byteorder: of the numbers, "<" (little endian) or ">".
        skipped: what the pickle names and nobody here knows.
    """

    content: object
    byteorder: str
    skipped: Mapping[object, Skipped]

    def read(self, storage: Storage) -> np.ndarray:
        """Return the bytes of the whole `storage`, a uint8 array of its own memory."""


class OpenFile(io.RawIOBase):
    """Any object that reads bytes and seeks, such as an `mmap`, as a file of the usual kind; it stays open."""

    def __init__(self, file: object) -> None:
        self.file = file

    def reader(self) -> BinaryIO:
        """Return the file with a buffer.

        Raises:
            ValueError: it is closed, or not open for reading bytes, or cannot seek.
        """
        can_read, can_seek = (getattr(self.file, name, lambda: True)() for name in ("readable", "seekable"))
        if not (can_read and can_seek and hasattr(self.file, "seek") and hasattr(self.file, "tell")):
            raise ValueError('it is open for writing or cannot seek, expected a file open for reading bytes ("rb")')
        if not isinstance(self.file.read(0), bytes):
            raise ValueError('it is open as text, expected a file open for reading bytes ("rb")')
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.file.seek(offset, whence)  # mmap's returned nothing before Python 3.13
        return self.file.tell()

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, memory: memoryview) -> int:
        content = self.file.read(len(memory))
        memory[: len(content)] = content
        return len(content)


def read_bytes(stream: BinaryIO, count: int) -> np.ndarray:
    """Read `count` bytes straight into the memory of a new array.

    Raises:
        ValueError: there are fewer. So do the functions below.
    """
    memory = np.empty(count, np.uint8)
    rest = memoryview(memory)
    while rest:
        got = stream.readinto(rest[:CHUNK])
        if not got:
            raise ValueError("the file is cut short")
        rest = rest[got:]
    return memory


def read_integers(file: BinaryIO, count: int) -> tuple[int, ...]:
    """Read 64-bit integers, signed and little endian."""
    return struct.unpack(f"<{count}q", read_bytes(file, 8 * count))


def read_pickle(file: BinaryIO, machine: PickleMachine, limit: int = MAX_PICKLE) -> object:
    """Run the pickle that begins here, of at most `limit` bytes, and leave `file` behind its end.

    It is held in memory for that; a machine that passes over what is long can run on the file itself.
    """
    start = file.tell()
    rest = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    window = io.BytesIO(file.read(min(limit, rest)))  # reading takes the memory for all that is asked for
    value = machine.run(window)
    file.seek(start + window.tell())
    return value
