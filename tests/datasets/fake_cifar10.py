"""A tiny CIFAR-10 in the official layout, its pickles written as Python 2 wrote the official ones."""

from __future__ import annotations

import struct
import tarfile
from pathlib import Path

import numpy as np

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def python2_pickle(value) -> bytes:
    """Protocol 2 as Python 2's cPickle writes it: str as byte strings, each stored in the memo."""
    memo: dict[str, int] = {}

    def write(value) -> bytes:
        match value:
            case str() if value in memo:
                return b"h" + bytes([memo[value]])  # BINGET
            case str():
                raw = value.encode("latin-1")
                memo[value] = len(memo)
                put = b"q" + bytes([memo[value]]) if memo[value] < 256 else b"r" + struct.pack("<I", memo[value])
                head = b"U" + bytes([len(raw)]) if len(raw) < 256 else b"T" + struct.pack("<i", len(raw))
                return head + raw + put
            case bool() | None:
                return {True: b"\x88", False: b"\x89", None: b"N"}[value]
            case int() if 0 <= value < 256:
                return b"K" + bytes([value])
            case int():
                return b"J" + struct.pack("<i", value)
            case tuple():
                return b"(" + b"".join(map(write, value)) + b"t"
            case list():
                return b"](" + b"".join(map(write, value)) + b"e"
            case dict():
                return b"}(" + b"".join(write(key) + write(item) for key, item in value.items()) + b"u"
            case np.ndarray():
                make = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + write((0,)) + write("b") + b"tR"
                dtype = b"cnumpy\ndtype\n" + write((value.dtype.str.lstrip("|<"), 0, 1)) + b"R"
                dtype += write((3, "|", None, None, None, -1, -1, 0)) + b"b"
                fortran = value.flags.f_contiguous and not value.flags.c_contiguous
                content = value.tobytes(order="A").decode("latin-1")
                return make + b"(K\x01" + write(value.shape) + dtype + write(fortran) + write(content) + b"tb"
        raise TypeError(type(value))

    return b"\x80\x02" + write(value) + b"."


def meta(**changes) -> dict:
    return {"num_cases_per_batch": 10000, "label_names": CLASSES, "num_vis": 3072} | changes


def batch(number: int = 1, count: int = 4, **changes) -> dict:
    """Batch `number` with `count` pictures: random pixels, labels counting up from `number`."""
    pixels = np.random.default_rng(number).integers(0, 256, (count, 3072), dtype=np.uint8)
    labels = [(number + i) % 10 for i in range(count)]
    names = [f"picture_{number}_{i}.png" for i in range(count)]
    return {"batch_label": f"batch {number}", "labels": labels, "data": pixels, "filenames": names} | changes


def files(write=python2_pickle) -> dict[str, bytes]:
    """The content of all seven files by name."""
    batches = {name: write(batch(number)) for number, name in enumerate(BATCHES, start=1)}
    return {"batches.meta": write(meta())} | batches


def write_folder(root: Path, contents: dict[str, bytes]) -> Path:
    folder = root / FOLDER
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(root: Path, contents: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None) -> Path:
    """The archive, with the members `extra` (without content) in front."""
    source = write_folder(root / "source", contents)
    path = root / ARCHIVE
    with tarfile.open(path, "w:gz") as archive:
        for member in extra or []:
            archive.addfile(member)
        archive.add(source, FOLDER)
    return path
