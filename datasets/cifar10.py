"""CIFAR-10: 60,000 colour pictures of ten kinds of things (Krizhevsky, 2009).

Source: Learning Multiple Layers of Features from Tiny Images, https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datasets.archive import FoundFile, find_archive, packed_otherwise, read_archive, read_folder
from datasets.download import DatasetUnavailable, data_root, fetch
from datasets.images import ImageDataset
from datasets.pickle_reader import read_pickle, text, uint8_array
from minigrad.quoting import one_line

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
_BATCH = 10_000  # pictures, at most
_SHAPE = (3, 32, 32)

_MAX_FILE_BYTES = 32 * 2**20  # the official ones take 31 MB each: a bound on memory, should one not be what it seems
_MAX_ARCHIVE_MEMBERS = 100


class CIFAR10(ImageDataset):
    """The CIFAR-10 pictures, 3×32×32, of the training set (50,000) or the test set (10,000).

    Looked for, in this order: the unpacked folder `cifar-10-batches-py` in `root`, the batches in `root` itself, the
    archive `cifar-10-python.tar.gz` in `root` (or `.tgz`, or `.tar`, if the browser has undone the compression), which
    is read without being unpacked. The files are pickles, and are read as data by `datasets.pickle_reader`: nothing in
    them is ever executed.

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
        source, batches = _locate(data_root(root), download), _TRAINING_BATCHES if train else _TEST_BATCHES
        # Each batch is copied to its place as it comes: all of them at once would take as much memory again.
        images = np.empty((len(batches) * _BATCH, *_SHAPE), dtype=np.uint8)
        labels: dict[str, np.ndarray] = {}
        classes: list[str] = []
        for file in _read(source, (_META, *batches)):
            name = file.name.rpartition("/")[2]
            if name == _META:
                classes = _parse(file, _class_names)
                continue
            pictures, labels[name] = _parse(file, _pictures_and_labels)
            start = batches.index(name) * _BATCH
            images[start : start + len(pictures)] = pictures
        missing = [name for name in (_META, *batches) if name not in labels and (classes == [] or name != _META)]
        if missing:
            raise FileNotFoundError(f"{source}: {missing[0]} is missing in this copy of CIFAR-10")
        count = 0
        for index, name in enumerate(batches):  # close the gaps behind batches that are not full
            start, length = index * _BATCH, len(labels[name])
            images[count : count + length] = images[start : start + length]
            count += length
        super().__init__(
            images=images[:count],
            labels=np.concatenate([labels[name] for name in batches]),
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
    name = ARCHIVE.removesuffix(".tar.gz")
    if archive := find_archive(root, name):
        return archive
    if download:
        return fetch(URL, f"md5:{MD5}", root)
    raise DatasetUnavailable(
        f"CIFAR-10 is not in {root}: expected the folder {FOLDER} or the file {ARCHIVE}.\n"
        f"Pass download=True, or download {URL} (md5 {MD5}) and save it, still packed, as {root / ARCHIVE}"
        f"{packed_otherwise([root], [name])}"
    )


def _read(source: Path, names: tuple[str, ...]) -> Iterator[FoundFile]:
    """Those of the files `names` that there are, in the folder or in the archive."""
    if source.is_dir():
        return read_folder(source, names, _MAX_FILE_BYTES)
    return read_archive(source, [f"{FOLDER}/{name}" for name in names], _MAX_FILE_BYTES, _MAX_ARCHIVE_MEMBERS)


def _parse(file: FoundFile, interpret: Callable[[dict], Any]) -> Any:
    """What `interpret` makes of the pickled dictionary in `file`; errors name the file."""
    try:
        entries = read_pickle(file.content)
        if not isinstance(entries, dict):
            raise ValueError(f"expected a dictionary, found {type(entries).__name__}")
        return interpret(entries)
    except ValueError as error:
        raise ValueError(f"{file.origin}: damaged, or not a file of CIFAR-10 ({one_line(error)})") from error


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
    if len(rows) > _BATCH:
        raise ValueError(f"{len(rows)} pictures, expected at most {_BATCH} in a batch")
    if not isinstance(labels, list) or len(labels) != len(rows):
        raise ValueError(f"labels is not a list of {len(rows)} numbers, one for each picture")
    # Exactly int: True is an instance of int as well.
    if not all(type(label) is int and 0 <= label < _CLASSES for label in labels):
        raise ValueError(f"labels must be integers from 0 to {_CLASSES - 1}")
    return rows.reshape(-1, *_SHAPE), np.array(labels, dtype=np.int64)
