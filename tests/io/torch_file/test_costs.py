"""Small files that ask for much: they cost little time and memory, whatever they ask for."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import pytest

from minigrad.io.torch_file import TorchFileError, load_torch
from minigrad.io.torch_file.tensors import Elements
from tests.costs import within_the_rule
from tests.io.torch_file import builders as b


def cost(content: bytes) -> str:
    return within_the_rule(lambda: load_torch(io.BytesIO(content)), len(content), TorchFileError)


def pickled(program: bytes) -> bytes:
    return b.in_zip(b.pickle(program, protocol=4))


def rebuilt(shape: tuple[int, ...]) -> bytes:
    arguments = b.group(b.storage("0", 6), b.number(0), b.numbers(shape), b.numbers(shape), b.FALSE, b.EMPTY)
    return b.REBUILD_V2 + b"q\x02](" + arguments + b"q\x01" + b"h\x02h\x01R" * 330_000 + b"e"


MEGABYTE, HALF = "k" * 10**6, "k" * 500_000
PROGRAMS = {
    "long key recalled": b"}" + b.text(MEGABYTE) + b"q\x00Ns" + b"h\x00Ns" * 60_000,
    "long bytes as a key": b"}B" + struct.pack("<I", 10**6) + MEGABYTE.encode() + b"q\x00Ns" + b"h\x00Ns" * 60_000,
    "equal long keys": b"}" + b.text(HALF) + b"q\x00Ns" + b.text(HALF) + b"q\x01Ns" + b"h\x00Nsh\x01Ns" * 60_000,
    "huge number as a key": b"}" + b.number(2**2000) + b"q\x00Ns" + b"h\x00Ns" * 190_000,
    "nested tuple as a key": b"})" + b"\x85" * 1000 + b"q\x00Ns" + b"h\x00Ns" * 190_000,
    "64 axes rebuilt": rebuilt((1,) * 64),
    "no axes rebuilt": rebuilt(()),
    "long names recalled": b.text(MEGABYTE) + b"q\x00(" + b"h\x00h\x00\x93" * 60_000 + b"t",
    "many names": b"(" + b"".join(b"ca%d\nb\n" % i for i in range(1_490_000)) + b"t",
    "long storage keys": b.text(HALF) + b"q\x00" + b.text("storage") + b"q\x01" + b.name("torch", "FloatStorage")
    + b"q\x02" + b.text("cpu") + b"q\x03(" + b"(h\x01h\x02h\x00h\x03K\x06tQ" * 80_000 + b"t",
    **{f"many {code}": code * 1_490_000 for code in (b"]", b"}", b"(", b"\x8f", b"N")},
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_pickles(program):
    assert cost(pickled(program))


LARGE = {
    "lists": b"]" * 1_990_000,
    "values that are stored": b"N" + b"".join(b"r" + struct.pack("<I", i) for i in range(1_990_000)),
    "wide texts": b"(" + b.text("\U0001f40d" * 499) * 20_000 + b"t",
    "one text": b.text("\U0001f40d" * 2_500_000),
    "dictionaries in dictionaries": b"}q\x00("
    + b"".join(b"X\x06\0\0\0%06d}X\1\0\0\0ah\x00s" % i for i in range(190_000)) + b"u",
    "64 axes under many names": b"}(" + b.tensor("0", 6, (1,) * 64) + b"q\x01" + b"0"
    + b"".join(b"X\x06\0\0\0%06dh\x01" % i for i in range(630_000)) + b"u",
}  # fmt: skip


@pytest.mark.parametrize("container", [b.in_zip, b.in_stream], ids=["zip", "stream"])
@pytest.mark.parametrize("program", LARGE.values(), ids=LARGE)
def test_pickles_in_large_files(program, container):
    padding = b"B" + struct.pack("<I", 10**7) + bytes(10**7) + b"0"
    cost(container(b.pickle(padding + program, protocol=4)))


@pytest.mark.parametrize("axes", [65, 60_000, 1_300_000])
def test_safetensors_of_many_axes(axes):
    header = {"x": {"dtype": "F32", "shape": [1] * axes, "data_offsets": [0, 4]}}
    assert "table has" in (said := cost(b.safetensors_file(header, bytes(4)))) or "axes" in said


TABLES = {
    "many tensors": json.dumps({str(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(60_000)}),
    "nested": '{"a":' + "[" * 2_000_000,
    "long": '{"a":"' + "x" * 5_000_000 + '"}',
    "large numbers": json.dumps({"x": {"dtype": "U8", "shape": [2**60] * 64, "data_offsets": [0, 0]}}),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_of_safetensors(table):
    cost(struct.pack("<Q", len(table)) + table.encode())


def archive(entries: int, extra: bytes = b"") -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        file.writestr("archive/data.pkl", b.PICKLE)
        for number in range(entries):
            file.writestr(f"archive/{number}", b"")
            file.filelist[-1].extra = extra
    return raw.getvalue()


def test_directories_of_zip_archives():
    assert cost(archive(40_000))
    assert cost(archive(60, b"\0\0\0\0" * 16_000))
    short = archive(0)
    assert cost(short[:-10] + struct.pack("<I", 2**31) + short[-6:])


@pytest.mark.parametrize("container", ["zip", "stream"])
def test_many_small_storages(container):
    keys = [f"{number:05}" for number in range(40_000)]
    program = b.REBUILD_V2 + b"q\x04" + b.name("torch", "FloatStorage") + b"q\x02" + b.EMPTY + b"q\x07}("
    program += b"".join(
        b.text(key)
        + b"q\x09h\x04(("
        + b.text("storage")
        + b"h\x02h\x09"
        + b.text("cpu")
        + b"K\x01tQK\0K\x01\x85K\x01\x85\x89h\x07tR"
        for key in keys
    )
    pickle = b.pickle(program + b"u", 4)
    if container == "zip":
        content = b.zip_file(pickle, dict.fromkeys(keys, bytes(4)))
    else:
        content = b.stream_file(pickle, dict.fromkeys(keys, (1, bytes(4))))
    assert within_the_rule(lambda: len(load_torch(io.BytesIO(content))) == 40_000 or 1 / 0, len(content)) == ""


@pytest.mark.parametrize("byteorder", [b"little", b"big"])
def test_one_storage_of_many_types(byteorder):
    size = 4 * 10**7
    raw = b.storage("0", size, "UntypedStorage")
    place = b.number(0), b.numbers((2,)), b.numbers((1,))
    entries = {e.value: b.call(b.REBUILD_V3, raw, *place, b.FALSE, b.EMPTY, b.name("torch", e.value)) for e in Elements}
    content = b.zip_file(b.pickle(b.state_dict(entries)), {"0": bytes(size)}, {"byteorder": byteorder})
    said = cost(content)
    assert said == "" if byteorder == b"little" else "more types" in said


def test_tables_of_tar_archives():
    tensors = [(i, 11, (1,) * 64, (1,) * 64, 0) for i in range(20_001)]
    assert "20001 storages or tensors" in cost(b.tar_file(b.PICKLE, tensors, [(11, "Float", 6, bytes(24))]))
