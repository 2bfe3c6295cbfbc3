"""The two formats of PyTorch before 1.6: a stream of pickles, and before that, in early 2017, a tar archive.

In both, the numbers of a storage are little endian and follow a 64-bit integer, their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from minigrad.io.pickle_machine import PickleMachine
from minigrad.io.tar_reader import members
from minigrad.io.torch_file.binary import read_bytes, read_integers, read_pickle
from minigrad.io.torch_file.tensors import (
    MAX_NDIM,
    Elements,
    Storage,
    Tensor,
    checked_size,
    checked_storage,
)
from minigrad.io.torch_file.unpickler import TensorUnpickler
from minigrad.quoting import quoted

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
STREAM_VERSION = 1001
MAX_SMALL_PICKLE = 2**10  # bytes; a number, or the few words that introduce one storage
MAX_TAR_HEADERS = 100  # there are four members
MAX_TAR_TABLE = 20_000  # storages or tensors; a ResNet152 of that time has 900


class Stream:
    """Five pickles, then the storages; see `Container`.

    The pickles: PyTorch's magic number, the version of the format, sizes of types on the writer's machine (of no
    importance), the object, and the list of the storages' keys in the order in which they follow.
    """

    byteorder = "<"

    def __init__(self, file: BinaryIO, file_size: int) -> None:
        self.file = file
        if read_pickle(file, PickleMachine(), MAX_SMALL_PICKLE) != MAGIC_NUMBER:
            raise ValueError("a pickle, but not one of torch.save, which begins with PyTorch's magic number")
        if read_pickle(file, PickleMachine(), MAX_SMALL_PICKLE) != STREAM_VERSION:
            raise ValueError(f"the version of its format is not {STREAM_VERSION}")
        read_pickle(file, PickleMachine(), MAX_SMALL_PICKLE)
        unpickler = TensorUnpickler(file_size)
        self.content = unpickler.run(file)
        self.skipped = unpickler.skipped
        keys = read_pickle(file, PickleMachine())
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ValueError("damaged pickle: the keys of the storages are no list of texts")
        if len(keys) != len(unpickler.storages) or set(keys) != unpickler.storages.keys():
            raise ValueError("the storages that the tensors need are not those that the file lists")
        self.places: dict[str, int] = {}
        for key in keys:
            (count,) = read_integers(file, 1)
            if count != unpickler.storages[key].size:
                raise ValueError(f"storage {quoted(key)} has {count} elements, expected {unpickler.storages[key].size}")
            self.places[key] = _pass_numbers(file, unpickler.storages[key], file_size)

    def read(self, storage: Storage) -> np.ndarray:
        """Return the bytes of `storage`."""
        self.file.seek(self.places[storage.key])
        return read_bytes(self.file, storage.nbytes)


class Tar:
    """Four files in a tar archive; see `Container`.

    `storages` holds a number of storages, each introduced by a pickle of its key, and a pickle of views, storages that
    are parts of others; `tensors` a number of tensors, each introduced by a pickle of its key and its storage's, with
    shape, strides and offset in binary; `pickle` the object, whose persistent ids are keys of tensors as text.

    It is not read with Python's `tarfile`, which a damaged header can send into an endless loop (CVE-2025-8194).
    """

    byteorder = "<"

    def __init__(self, file: BinaryIO, file_size: int) -> None:
        self.file = file
        self.members = _tar_members(file, file_size)
        missing = {"pickle", "tensors", "storages"} - self.members.keys()
        if missing:
            raise ValueError(f"a tar archive, but not one of torch.save: it has no {' and no '.join(sorted(missing))}")
        self.places: dict[str, int] = {}
        tensors = self.tensor_table(self.storage_table())
        self.enter("pickle")
        unpickler = _TableUnpickler(tensors, file_size)
        self.content = unpickler.run(file)
        self.skipped = unpickler.skipped

    def enter(self, member: str) -> int:
        """Go to the start of a member and return its end."""
        start, end = self.members[member]
        self.file.seek(start)
        return end

    def introductions(self) -> Iterator[object]:
        """Read a number and then, each time when asked, one of so many pickles."""
        count = checked_size(
            read_pickle(self.file, PickleMachine(), MAX_SMALL_PICKLE), "the number of storages or tensors"
        )
        if count > MAX_TAR_TABLE:
            raise ValueError(f"a table of {count} storages or tensors, expected at most {MAX_TAR_TABLE}")
        for _ in range(count):
            yield read_pickle(self.file, TensorUnpickler(), MAX_SMALL_PICKLE)

    def storage_table(self) -> dict[int, Storage]:
        """Return all storages by key, and pass over their numbers."""
        end = self.enter("storages")
        storages: dict[int, Storage] = {}
        for introduction in self.introductions():
            match introduction:
                case (int(key), str(), Elements() as elements):
                    name = str(checked_size(key, "the key of a storage"))
                case _:
                    raise ValueError("damaged tar archive: a storage is not introduced by key, device and type")
            storages[key] = checked_storage(name, elements, read_integers(self.file, 1)[0])
            self.places[name] = _pass_numbers(self.file, storages[key], end)
        views = read_pickle(self.file, PickleMachine())
        for view in views if isinstance(views, list) else [None]:
            match view:
                case (int(key), int(root), first, count) if root in storages:
                    whole = storages[root]
                    part = checked_storage(whole.key, whole.elements, whole.size, (first, count))
                    storages[checked_size(key, "the key of a view")] = part
                case _:
                    raise ValueError("damaged tar archive: a view is no part of a storage")
        return storages

    def tensor_table(self, storages: dict[int, Storage]) -> dict[str, Tensor]:
        """Return all tensors by key."""
        self.enter("tensors")
        tensors: dict[str, Tensor] = {}
        for introduction in self.introductions():
            match introduction:
                case (int(key), int(place), Elements()) if place in storages:
                    name = str(checked_size(key, "the key of a tensor"))
                case _:
                    raise ValueError("damaged tar archive: a tensor is not introduced by key, storage and type")
            ndim = read_integers(self.file, 1)[0] & 0xFFFFFFFF  # of the 8 bytes only 4 were written on purpose
            if ndim > MAX_NDIM:
                raise ValueError(f"a tensor has {ndim} axes, at most {MAX_NDIM} are possible")
            numbers = read_integers(self.file, 2 * ndim + 1)
            tensors[name] = Tensor(
                storages[place], storages[place].elements, numbers[-1], numbers[:ndim], numbers[ndim:-1]
            )
        return tensors

    def read(self, storage: Storage) -> np.ndarray:
        """Return the bytes of `storage`."""
        self.file.seek(self.places[storage.key])
        return read_bytes(self.file, storage.nbytes)


class _TableUnpickler(TensorUnpickler):
    """Finds the tensors in a table, by persistent id."""

    def __init__(self, tensors: dict[str, Tensor], file_size: int) -> None:
        super().__init__(file_size)
        self.tensors = tensors

    def persistent_load(self, identifier: object) -> Tensor:
        if not isinstance(identifier, str) or identifier not in self.tensors:
            raise ValueError("the pickle refers to a tensor that the table does not have")
        return self.tensors[identifier]


def _pass_numbers(file: BinaryIO, storage: Storage, end: int) -> int:
    """Return where the numbers of `storage` are, namely here, and go behind them."""
    start = file.tell()
    if start + storage.nbytes > end:
        raise ValueError(f"storage {quoted(storage.key)} needs {storage.nbytes} bytes, {end - start} are left")
    file.seek(start + storage.nbytes)
    return start


def _tar_members(file: BinaryIO, file_size: int) -> dict[str, tuple[int, int]]:
    """Return start and end of each file in a tar."""
    found: dict[str, tuple[int, int]] = {}
    for member in members(file, max_size=file_size, max_headers=MAX_TAR_HEADERS):
        if member.start + member.size > file_size:
            raise ValueError("damaged tar archive: a member is longer than the file")
        if member.is_file:
            found[member.name] = member.start, member.start + member.size
    return found
