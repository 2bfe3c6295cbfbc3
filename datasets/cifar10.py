"""CIFAR-10: 60,000 colour pictures of ten kinds of things (Krizhevsky, 2009).

Source: Learning Multiple Layers of Features from Tiny Images, https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from datasets.download import DatasetUnavailable, data_root, fetch
from datasets.images import ImageDataset
from datasets.pickle_reader import read_pickle, text, uint8_array

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"

# Of the 50,000 official training pictures, on the 0..1 scale, per channel: red, green, blue.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)

_META = "batches.meta"
_TRAINING_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST_BATCHES = ("test_batch",)
_CLASSES = 10
_SHAPE = (3, 32, 32)

# Twice what the official files take (31 MB and 186 MB): a bound on memory, should a file not be what it seems.
_MAX_FILE_BYTES = 64 * 2**20
_MAX_ARCHIVE_BYTES = 384 * 2**20
_MAX_ARCHIVE_MEMBERS = 100


class CIFAR10(ImageDataset):
    """The CIFAR-10 pictures, 3×32×32, of the training set (50,000) or the test set (10,000).

    Looked for, in this order: the unpacked folder `cifar-10-batches-py` in `root`, the batches in `root` itself, the
    archive `cifar-10-python.tar.gz` in `root`, which is read without being unpacked. The files are pickles, and are
    read as data by `datasets.pickle_reader`: nothing in them is ever executed.

    Args:
        root: the folder of data sets; by default what `data_root` finds.
        train: the training set, otherwise the test set.
        download: fetch the archive from its official address when it is not on disk.

    Raises:
        DatasetUnavailable: the files are not on disk, and were not to be or could not be downloaded.
        FileNotFoundError: one of the files is missing.
        ValueError: a file is damaged, foreign or malicious; the message names it.
    """

    def __init__(self, root: str | os.PathLike | None = None, train: bool = True, download: bool = False) -> None:
        names = (_META, *(_TRAINING_BATCHES if train else _TEST_BATCHES))
        files = _read_files(_locate(data_root(root), download), names)

        origin, content = next(files)
        classes = _parse(origin, content, _class_names)
        batches = [_parse(origin, content, _pictures_and_labels) for origin, content in files]
        super().__init__(
            images=np.concatenate([pictures for pictures, _ in batches]),
            labels=np.concatenate([labels for _, labels in batches]),
            classes=classes,
            mean=MEAN,
            std=STD,
            train=train,
        )


def _locate(root: Path, download: bool) -> Path:
    """The folder of batches or the archive."""
    if (root / FOLDER).is_dir():
        return root / FOLDER
    if any((root / name).is_file() for name in (_META, *_TRAINING_BATCHES, *_TEST_BATCHES)):
        return root
    if (root / ARCHIVE).is_file():
        return root / ARCHIVE
    if download:
        return fetch(URL, f"md5:{MD5}", root)
    raise DatasetUnavailable(
        f"CIFAR-10 is not in {root}: expected the folder {FOLDER} or the file {ARCHIVE}.\n"
        f"Pass download=True, or download {URL} (md5 {MD5}) and save it, still packed, as {root / ARCHIVE}"
    )


def _read_files(source: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """For each of `names`, in order: where it was found, for messages, and its content."""
    return _read_folder(source, names) if source.is_dir() else _read_archive(source, names)


def _read_folder(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path}: this file of CIFAR-10 is missing")
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"{path}: larger than {_MAX_FILE_BYTES} bytes, so it cannot be a file of CIFAR-10")
        yield str(path), content


def _read_archive(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        # The whole tar is unpacked to memory first: then no header, however large a size it claims, makes
        # tarfile read more than this, and a cut or changed archive fails its checksum before anything is used.
        with gzip.open(path) as file:
            content = file.read(_MAX_ARCHIVE_BYTES + 1)
        if len(content) > _MAX_ARCHIVE_BYTES:
            raise ValueError(f"unpacks to more than {_MAX_ARCHIVE_BYTES} bytes")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            members = _checked_members(archive)
            for name in names:
                inside = str(PurePosixPath(FOLDER, name))
                if inside not in members:
                    raise FileNotFoundError(f"{path}: {inside} is missing in this archive")
                yield f"{path}, member {inside}", archive.extractfile(members[inside]).read()
    # tarfile follows chains of extended headers by recursion.
    except (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: damaged, or not the CIFAR-10 archive ({error}). Delete it, and it can be downloaded again"
        ) from error


def _checked_members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The regular files of the archive by normalised path; one member with bad intentions condemns all."""
    files = {}
    for count, member in enumerate(archive, start=1):
        shown = repr(member.name[:100])
        if count > _MAX_ARCHIVE_MEMBERS:
            raise ValueError(f"more than {_MAX_ARCHIVE_MEMBERS} members")
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name:
            raise ValueError(f"member {shown} points outside the archive's folder")
        if not (member.isreg() or member.isdir()):
            raise ValueError(f"member {shown} is a link or a device, not a file")
        if not 0 <= member.size <= _MAX_FILE_BYTES:
            raise ValueError(f"member {shown} claims {member.size} bytes, expected at most {_MAX_FILE_BYTES}")
        if member.isreg():
            files[str(path)] = member
    return files


def _parse(origin: str, content: bytes, interpret: Callable[[dict], Any]) -> Any:
    """What `interpret` makes of the pickled dictionary `content`; errors name the file."""
    try:
        entries = read_pickle(content)
        if not isinstance(entries, dict):
            raise ValueError(f"expected a dictionary, found {type(entries).__name__}")
        return interpret(entries)
    except ValueError as error:
        raise ValueError(f"{origin}: damaged, or not a file of CIFAR-10 ({error})") from error


def _entry(entries: dict, key: str) -> object:
    if key not in entries:
        raise ValueError(f"entry {key!r} is missing")
    return entries[key]


def _class_names(entries: dict) -> list[str]:
    names = _entry(entries, "label_names")
    if not isinstance(names, list) or len(names) != _CLASSES:
        raise ValueError(f"label_names is not a list of {_CLASSES} names")
    names = [text(name) for name in names]
    if len(set(names)) != _CLASSES or not all(name.isprintable() and 0 < len(name) <= 40 for name in names):
        raise ValueError("label_names must be different, printable names of at most 40 letters")
    return names


def _pictures_and_labels(entries: dict) -> tuple[np.ndarray, np.ndarray]:
    """Pictures `(N, 3, 32, 32)` uint8 and labels `(N,)` int64. A row holds all red pixels, then green, then blue."""
    rows = uint8_array(_entry(entries, "data"))
    labels = _entry(entries, "labels")
    values = int(np.prod(_SHAPE))
    if len(rows) == 0 or rows.shape[1] != values:
        raise ValueError(f"data has shape {rows.shape}, expected (number of pictures, {values})")
    if not isinstance(labels, list) or len(labels) != len(rows):
        raise ValueError(f"labels is not a list of {len(rows)} numbers, one for each picture")
    # Exactly int: True is an instance of int as well.
    if not all(type(label) is int and 0 <= label < _CLASSES for label in labels):
        raise ValueError(f"labels must be integers from 0 to {_CLASSES - 1}")
    return rows.reshape(-1, *_SHAPE), np.array(labels, dtype=np.int64)
