"""All parsers of files from outside: what they read, how their inputs are made, and the errors that they document."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import random
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

import minigrad as mg
from datasets import CIFAR10, PhotoFolder, pets, voc
from datasets.archive import FoundFile, read_archive
from datasets.photos import Frame, decode_photo
from examples import cifar10, common
from minigrad.io import checkpoints
from minigrad.io.checkpoints import CheckpointError
from minigrad.io.torch_file import TorchFileError, load_torch
from minigrad.train import TrainingInterrupted, describe, read_checkpoint
from tests import training_run
from tests.datasets import fake_cifar10, fake_pets
from tests.fuzz.damage import changed, damaged
from tests.io.torch_file import builders as b


class Parser(NamedTuple):
    """One way in.

    Attributes:
        sound: returns inputs without damage, all of which are read.
        make: returns an input.
        parse: reads it.
        write: puts it where `parse` finds it, in a folder that is empty at first and the parser's own.
        errors: what it may raise.
        share: of all inputs, in parts of the sum.
    """

    sound: Callable[[], Sequence[bytes]]
    make: Callable[[random.Random], bytes]
    parse: Callable[[bytes, Path], object]
    errors: tuple[type[Exception], ...]
    share: int
    write: Callable[[bytes, Path], None] = lambda content, folder: None


def from_seeds(
    *seeds: bytes, refused: Sequence[bytes] = (), wrap: Callable[[bytes], bytes] = bytes
) -> tuple[Callable, Callable]:
    """Return `sound` and `make` of a parser: damage is done to `seeds`, and to what is `refused` without any; the rest
    of the file is wrapped around.
    """
    everything = (*seeds, *refused)
    return lambda: [wrap(seed) for seed in seeds], lambda rng: wrap(damaged(rng, rng.choice(everything), everything))


# ---- PyTorch's files -------------------------------------------------------------------------------------------------

REBUILD_PARAMETER = b.name("torch._utils", "_rebuild_parameter")
OBJECT = b.name("argparse", "Namespace") + b")\x81}" + b.text("lr") + b.number(3) + b"sb"
CHECKPOINT = b.pickle(
    b"}(" + b.text("model") + b.state_dict({
        "fc.weight": b.call(REBUILD_PARAMETER, b.tensor("0", 6, (3, 2), (1, 3)), b.TRUE, b.EMPTY),
        "fc.bias": b.tensor("1", 2, (2,)) + b"q\x01",
        "tied": b"h\x01",
    }) + b.text("args") + OBJECT + b.text("optimizer") + b"}" + b.number(2**40) + b.tensor("1", 2, (2,)) + b"s"
    + b.text("set") + b"\x8f(" + b.number(1) + b"\x90" + b.text("lr") + b"G" + bytes(8) + b"u", 4
)  # fmt: skip
PIECES = [
    b.tensor("0", 6, (2, 3)), b.tensor("1", 2, (2,)), b.storage("0", 6), b.storage("1", 2), b.REBUILD_V2, b.REBUILD_V3,
    REBUILD_PARAMETER, b.PARAMETER, b.ORDERED_DICT, b.EMPTY, b.name("torch", "float32"), b.name("os", "system"), OBJECT,
    b.text("a"), b.text("model"), b.text("storage"), b.number(0), b.number(1), b.numbers((2, 3)),
    *(bytes([code]) for code in b"()}]NQRabestu01\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"), b"q\x00", b"h\x00",
]  # fmt: skip


WEIGHT = b"}" + b.text("w") + b.tensor("0", 6, (2, 3)) + b"s"


def sound_program() -> list[bytes]:
    return [b.in_zip(b.pickle(WEIGHT, 4))]


def program(rng: random.Random) -> bytes:
    """A program of any pieces: alone, as an entry, or beside a weight and with few of them, which is often read."""
    match rng.randrange(3):
        case 0:
            start, most, end = b"", 25, b""
        case 1:
            start, most, end = b"}" + b.text("x"), 25, b"s"
        case 2:
            start, most, end = WEIGHT + b.text("x"), 2, b"s"
    return b.in_zip(b.pickle(start + b"".join(rng.choices(PIECES, k=rng.randint(1, most))) + end, 4))


def load_from_memory(content: bytes, _: Path) -> None:
    key = "model" if len(content) % 2 and b"model" in content else None
    for array in load_torch(io.BytesIO(content), key=key, skipped=[]).values():
        if array.size:
            array[(0,) * array.ndim], array[(-1,) * array.ndim]


# ---- data sets -------------------------------------------------------------------------------------------------------

META = fake_cifar10.python2_pickle(fake_cifar10.meta())
BATCH = fake_cifar10.batch(count=1, data=np.zeros((1, 3072), np.uint8))
TAR = fake_pets.tar({"images/a.txt": b"a" * 700, "images/" + "long" * 40: b"b"}, mode="w:")


def write_cifar10(content: bytes, folder: Path) -> None:
    path = folder / fake_cifar10.FOLDER
    if not path.exists():
        path.mkdir()
        (path / "batches.meta").write_bytes(META)
    (path / "test_batch").write_bytes(content)


def write_list(content: bytes, folder: Path) -> None:
    for name in ("a.png", "b.png"):
        if not (folder / name).exists():
            Image.new("L", (10, 10)).save(folder / name)
    (folder / "boxes.csv").write_bytes(content)


def write_names(content: bytes, folder: Path) -> None:
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "trainval.txt").write_bytes(content)


def read_annotation(content: bytes, _: Path) -> None:
    voc.parse("tom.xml", content).largest_box("cat", Frame(60, 40))


def pictures() -> list[bytes]:
    image, encode = fake_pets.picture(), fake_pets.encode
    modes = [encode(image.convert(mode), "PNG") for mode in ("L", "LA", "RGBA", "1", "I;16")]
    return [
        encode(image, orientation=6), encode(image, progressive=True), encode(image.convert("CMYK")),
        encode(image, "PNG", orientation=3), encode(image.convert("P"), "PNG", transparency=b"\xff\xfe"), *modes,
        encode(image, "GIF", save_all=True, append_images=[ImageOps.mirror(image)], comment=b"hello"),
        encode(image, "BMP"), encode(image, "WEBP", orientation=8),
        encode(image.convert("RGBA"), "WEBP", lossless=True),
    ]  # fmt: skip


XML = fake_pets.xml(fake_pets.xml_object(), fake_pets.xml_object(name="dog"))
XMLS = [
    XML, b"\xef\xbb\xbf" + XML, ('<?xml version="1.0" encoding="utf-16"?>' + XML.decode()).encode("utf-16"),
    b'<?xml version="1.0" encoding="ISO-8859-1"?><!-- \xe4 -->' + XML,
]  # fmt: skip
WITH_ENTITIES = [b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]>' + XML]
HEADER = b"file,label,xmin,ymin,xmax,ymax\n"
LISTS = [
    HEADER + b"a.png,cat,1,1,9,9\nb.png,dog,2,2,8,8\nb.png,dog,,,,\n",
    b"sep=;\n" + (HEADER + b"a.png,cat,1,1,9,9\n").replace(b",", b";") + b"b.png;dog;1,5;1,5;9,5;9,5\n;;;;;\n",
    b"filename,width,height,class,xmin,ymin,xmax,ymax\na.png,10,10,cat,1,1,9,9\n",
]


# ---- checkpoints -----------------------------------------------------------------------------------------------------

STRUCTURE = {
    "dict": {"a": {"array": "a"}, "b": {"tuple": [1, 0.5, {"float": "7ff0000000000000"}, {"int": "0xff"}, "é", None]}}
}


def checkpoint(rng: random.Random) -> bytes:
    """A file with a right checksum around a strange structure, as an attacker would write it; or a damaged one."""
    structure = json.dumps(changed(rng, STRUCTURE)) if rng.random() < 0.8 else json.dumps(STRUCTURE)
    if rng.random() < 0.2:
        structure = damaged(rng, structure.encode(), [b"[{}]"]).decode("utf-8", "replace")
    content = checkpoint_of(structure)
    return damaged(rng, content, [content]) if rng.random() < 0.3 else content


def sound_checkpoint() -> list[bytes]:
    return [checkpoint_of(json.dumps(STRUCTURE))]


def checkpoint_of(structure: str) -> bytes:
    arrays = {"a": np.arange(3.0)}
    crc = checkpoints._checksum(structure, arrays)
    known = {"format": checkpoints.FORMAT, "version": checkpoints.VERSION, "structure": structure, "crc32": crc}
    header = {"__metadata__": known, "a": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}}
    return b.safetensors_file(header, arrays["a"].tobytes())


@cache
def training_run_state() -> dict:
    """A checkpoint that was saved in mid-epoch, with the settings of an example."""
    recipe = cifar10.RECIPES["cifar10", "cnn"]
    config = {"data": "cifar10", "model": "cnn", **recipe, "limit": None, "seed": 0}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        objective = training_run.at_step(training_run.STEPS + 2, training_run.press_ctrl_c)
        trainer = training_run.build(folder, objective, epochs=2, config=config)
        with contextlib.suppress(TrainingInterrupted):
            trainer.fit()
        return mg.load(trainer.checkpoint_path)


def training_state(rng: random.Random) -> bytes:
    state = training_run_state()
    for _ in range(rng.choice((1, 1, 2))):
        state = changed(
            rng, state, (*STRANGE_ARRAYS, None, True, -1, 3.5, "x", "\x1b[2J", [], {}, [1], [[]], 2**2000, 1e308)
        )
    return pickle.dumps(state)


STRANGE_ARRAYS = (np.zeros(3), np.zeros((2, 2)), np.array(1.0), np.array(True), np.full(4, np.nan))


def write_state(content: bytes, folder: Path) -> None:
    mg.save(folder / "file", pickle.loads(content))


def resume(_: bytes, folder: Path) -> None:
    """Read a training run's checkpoint as the examples do, and hand it to whoever uses it."""
    saved = read_checkpoint(folder / "file")
    for row in saved["history"]:
        describe(row, 2)
    config = training_run_state()["config"]
    common.merged_config({"lr": config["lr"]}, saved["config"], config)
    trainer = training_run.build(folder, epochs=2)
    trainer.resume(saved)
    trainer._means.read()


# ---- the table -------------------------------------------------------------------------------------------------------


def write_file(content: bytes, folder: Path) -> None:
    (folder / "file").write_bytes(content)


def read_tar(_: bytes, folder: Path) -> None:
    list(read_archive(folder / "file", ["images/a.txt"]))


PHOTOS = pictures()
TORCH = [write() for write in b.FILES.values()]
PARSERS = {
    "torch files": Parser(*from_seeds(*TORCH), load_from_memory, (TorchFileError,), 20),
    "pickles in zips": Parser(*from_seeds(CHECKPOINT, wrap=b.in_zip), load_from_memory, (TorchFileError,), 10),
    "pickles in streams": Parser(*from_seeds(CHECKPOINT, wrap=b.in_stream), load_from_memory, (TorchFileError,), 10),
    "pickle programs": Parser(sound_program, program, load_from_memory, (TorchFileError,), 15),
    "safetensors": Parser(*from_seeds(b.in_safetensors()), load_from_memory, (TorchFileError,), 5),
    "checkpoints": Parser(
        sound_checkpoint, checkpoint, lambda _, folder: mg.load(folder / "file"), (CheckpointError,), 8, write_file
    ),
    "training runs": Parser(
        lambda: [pickle.dumps(training_run_state())], training_state, resume, (CheckpointError, common.UsageError), 2,
        write_state,
    ),
    "CIFAR-10": Parser(
        *from_seeds(fake_cifar10.python2_pickle(BATCH), *(pickle.dumps(BATCH, n) for n in (2, 3, 4))),
        lambda _, folder: CIFAR10(folder, train=False), (ValueError, FileNotFoundError), 8, write_cifar10,
    ),
    "tar": Parser(*from_seeds(TAR), read_tar, (ValueError,), 6, write_file),
    "tar.gz": Parser(*from_seeds(TAR, wrap=lambda c: gzip.compress(c, 1)), read_tar, (ValueError,), 3, write_file),
    "damaged gz": Parser(*from_seeds(gzip.compress(TAR, 1)), read_tar, (ValueError,), 3, write_file),
    "pictures": Parser(
        *from_seeds(*PHOTOS), lambda content, _: decode_photo(FoundFile("tom", "tom", content), 8), (ValueError,), 15
    ),
    "VOC": Parser(*from_seeds(*XMLS, refused=WITH_ENTITIES), read_annotation, (ValueError,), 8),
    "boxes.csv": Parser(
        *from_seeds(*LISTS), lambda _, folder: PhotoFolder(folder, size=2, validation=0),
        (ValueError, FileNotFoundError), 6, write_list,
    ),
    "lists of pets": Parser(
        *from_seeds("".join(map(fake_pets.line, fake_pets.NAMES[:4])).encode()),
        lambda _, folder: pets._read_list(folder), (ValueError,), 4, write_names,
    ),
}  # fmt: skip
