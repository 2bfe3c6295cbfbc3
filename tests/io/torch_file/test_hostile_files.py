"""Damaged and malicious files: refused with a reason, nothing executed, no memory or time spent on false claims."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigrad.io.torch_file import TorchFileError, load_torch, unpickler
from tests.io.torch_file import builders as b


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.pth"


def refuse(path, content: bytes, reason: str | None = None, memory: int = 2**21) -> None:
    """Load `content` and expect an error that names the file and the reason, at little cost in memory."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(TorchFileError, match=reason) as error:
            load_torch(path)
        assert tracemalloc.get_traced_memory()[1] < memory + 4 * len(content)
    finally:
        tracemalloc.stop()
    assert str(error.value).startswith(f"load_torch: {path}: ")
    assert len(str(error.value)) < 500 and "\n" not in str(error.value)


# ---- nothing is executed -----------------------------------------------------------------------------------------


class Malicious:
    """Unpickled by Python itself, this leaves a folder behind."""

    def __init__(self, folder) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("container", [b.in_zip, b.in_stream, b.in_tar, bytes], ids=["zip", "stream", "tar", "bare"])
def test_nothing_is_executed(path, container, protocol):
    content = pickle.dumps({"x": Malicious(path.with_name("folder"))}, protocol)
    refuse(path, container(content))
    assert not path.with_name("folder").exists()
    pickle.loads(content)  # the attack is a real one
    assert path.with_name("folder").exists()


def stack_name(module: str, name: str) -> bytes:
    """STACK_GLOBAL, whose names may hold anything."""
    return b.text(module) + b.text(name) + b"\x93"


@pytest.mark.parametrize("write", [b.name, stack_name])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("os", "system"),
        ("torch", "load"),
        ("torch", "hub.load"),
        ("torch", "_utils._rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch._utils ", "_rebuild_tensor_v2"),
        ("torch", "FloatStorage.__init__"),
        ("torch.serialization", "load"),
        ("collections", "OrderedDict.fromkeys"),
        ("collections.OrderedDict", "fromkeys"),
        ("collections", "OrderedDict\\"),
        ("torchvision.models.resnet", "ResNet"),
        ("", ""),
    ],
)
def test_a_name_without_a_meaning_stays_a_label_whatever_is_done_with_it(path, write, module, name):
    label = write(module, name)
    called = label + b.group(b.text("echo")) + b"R" + b"}" + b.text("x") + b.number(1) + b"sb"
    for container in (b.in_zip, b.in_stream, b.in_tar):
        for program in (label, called):
            refuse(path, container(b.pickle(program, protocol=4)), "holds an object|not those that the file")
    if "_rebuild" in name:
        return  # says that it is a tensor, and a network must not lose one without a word
    entries = b.state_dict({"fc.weight": b.tensor("0", 6, (2, 3)), "fc.bias": b.tensor("1", 2, (2,)), "evil": called})
    path.write_bytes(b.in_zip(b.pickle(entries, protocol=4)))
    skipped = []
    assert list(load_torch(path, skipped=skipped)) == ["fc.weight", "fc.bias"]
    assert skipped == [f"{module}.{name}", "entry 'evil'"]


STORAGE = b.storage("0", 6)
PROGRAMS = {
    "call of a type": b.call(b.name("torch", "FloatStorage"), b.number(4)),
    "call of a text": b.call(b.text("eval"), b.text("1")),
    "call of a call": b.call(b.EMPTY),
    "arguments that are no tuple": b.REBUILD_V2 + b"]R",
    "OrderedDict of a dictionary": b.call(b.ORDERED_DICT, b"}"),
    "OrderedDict of half items": b.call(b.ORDERED_DICT, b"]]" + b.text("a") + b"aa"),
    "OrderedDict of unhashable names": b.call(b.ORDERED_DICT, b"](](]" + b.text("a") + b"ee"),
    "tensor without a storage": b.call(b.REBUILD_V1, b.NONE, b.number(0), b.numbers([1]), b.numbers([1])),
    "tensor of a tensor": b.call(b.REBUILD_V1, b.tensor("0", 6, (6,)), b.number(0), b.numbers([1]), b.numbers([1])),
    "tensor with too few arguments": b.call(b.REBUILD_V2, STORAGE),
    "parameter of a text": b.call(b.name("torch._utils", "_rebuild_parameter"), b.text("x"), b.TRUE, b.EMPTY),
    "type rebuilt by itself": b.call(
        b.name("torch._tensor", "_rebuild_from_type_v2") + b"q\x00", b"h\x00", b.PARAMETER, b.group(), b"}"
    ),
    "state of a name": b.PARAMETER + b"}" + b.text("__code__") + b.number(1) + b"sb",
    "state of a tensor": b.tensor("0", 6, (6,)) + b"}b",
    "state of a parameter that is no tensor": b.PARAMETER + b")\x81" + b.group(b.text("x")) + b"b",
    "persistent id of a module": b.group(b.text("module"), b.PARAMETER, b.text("file.py"), b.text("code")) + b"Q",
    "persistent id that is a number": b.number(3) + b"Q",
    "storage of a type that is text": b.group(*map(b.text, ("storage", "Float", "0", "cpu")), b.number(6)) + b"Q",
    "INST": b"(ios\nsystem\n",
    "OBJ": b"(" + b.PARAMETER + b"o",
    "NEWOBJ_EX": b.PARAMETER + b")}\x92",
    "text persistent id": b"P0\n",
    "extension code": b"\x82\x01",
    "out-of-band buffer": b"\x97",
    "text with escapes": b"S'\\q'\n",
    "long text of a number": b"L" + b"9" * 5000 + b"L\n",
    "unknown instruction": b"\xff",
        "key that is a large number": b"}" + b.number(2**61) + b.NONE + b"s",
    "items of a list": b"](" + b.number(1) + b.number(2) + b"u",
    "half an item": b"}(" + b.text("a") + b"u",
    "append to a number": b.number(1) + b.number(2) + b"a",
    "value never stored": b"h\x07",
    "nothing to store": b"q\x00",
    "nothing at all": b"",
    "no mark": b"t",
    "too little for a pair": b"\x86",
    "text longer than the file": b"X\xff\xff\xff\x7f",
    "bytes longer than memory": b"\x8e" + struct.pack("<Q", 2**62),
    "text that is none": b"X\x02\x00\x00\x00\xff\xff",
    "number longer than the file": b"\x8b\xff\xff\xff\x7f",
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_programs_that_no_state_dict_contains(path, program):
    for container in (b.in_zip, b.in_stream, b.in_tar):
        refuse(path, container(b.pickle(program, protocol=4)))


def test_number_of_instructions_is_bounded(path, monkeypatch):
    monkeypatch.setattr(unpickler, "MAX_INSTRUCTIONS", 1000)
    refuse(path, b.in_zip(b"\x80\x02" + b"]" * 2000 + b"."), "more than 1,000 instructions")


def test_large_parts_that_are_used_again_and_again(path):
    """These would take minutes if each use cost as much as the first."""
    count = 20_000
    texts = [b.text(str(i)) for i in range(count)]
    numbered = b"}q\x01(" + b"".join(key + b.TRUE for key in texts) + b"u"
    shared_dictionary = b"}(" + b.text("") + numbered + b"".join(key + b"h\x01" for key in texts) + b"u"
    refuse(path, b.in_zip(b.pickle(shared_dictionary)), "no tensors by name", memory=2**25)
    items = b"]q\x01(" + b"".join(b"](" + key + b.TRUE + b"e" for key in texts) + b"e"
    shared_items = b.ORDERED_DICT + b"q\x02](" + items + b"h\x02h\x01\x85R" * count + b"e"
    refuse(path, b.in_zip(b.pickle(shared_items)), "no tensors by name", memory=2**25)
    arguments = b.group(b.storage("0", 6), b.number(0), b.numbers([1]), b.numbers([1]), b.TRUE * count) + b"q\x01"
    shared_arguments = b.REBUILD_V2 + b"q\x02](" + arguments + b"h\x02h\x01R" * count + b"e"
    refuse(path, b.in_zip(b.pickle(shared_arguments)), "no tensors by name", memory=2**25)


# ---- claims that are not true ------------------------------------------------------------------------------------

CLAIMS = {
    "shape beyond the storage": (b.tensor("0", 6, (7,)), "needs 7 elements, its storage has 6"),
    "strides beyond the storage": (b.tensor("0", 6, (2, 3), (4, 1)), "needs 7 elements"),
    "offset beyond the storage": (b.tensor("0", 6, (2, 3), offset=1), "needs 7 elements"),
    "negative offset": (b.tensor("0", 6, (2,), offset=-1), "offset of a tensor is no integer from 0"),
    "negative stride": (b.tensor("0", 6, (2,), (-1,), offset=5), "stride is no integer"),
    "negative length": (b.tensor("0", 6, (-2,), (1,)), "length of an axis is no integer"),
    "overflowing shape": (b.tensor("0", 6, (2**32, 2**32)), "needs"),
    "huge number": (b.tensor("0", 6, (2**700,), (1,)), "length of an axis is no integer"),
    "endless repetition": (b.tensor("0", 6, (2**50,), (0,)), "beyond measure"),
    "endless emptiness": (b.tensor("0", 6, (0, 2**58, 2**58), (1, 1, 1)), "too big"),
    "length that is true": (b.call(b.REBUILD_V1, STORAGE, b.number(0), b.group(b.TRUE), b.numbers([1])), "no integer"),
    "fewer strides than axes": (b.tensor("0", 6, (2, 3), (1,)), "as many strides"),
    "too many axes": (b.tensor("0", 6, (1,) * 65), "65 axes"),
    "storage longer than it is": (b.tensor("0", 7, (2,)), "storage '0' has (24 bytes|6 elements), expected (28|7)"),
    "storage as long as memory": (b.tensor("0", 2**58, (2,)), "storage '0' has (24 bytes|6 elements)"),
    "storage of negative length": (b.tensor("0", -6, (2,)), "length of a storage is no integer"),
    "storage that is not there": (b.tensor("9", 6, (2,)), "storage '9' has no bytes|not those that the file lists"),
    "storage elsewhere on disk": (b.tensor("../data.pkl", 6, (2,)), "has no bytes|not those that the file lists"),
    "storage of two types": (
        b.group(b.tensor("0", 6, (2,)), b.tensor("0", 6, (2,), kind="IntStorage")),
        "described in two ways",
    ),
    "view beyond the storage": (
        b.tensor("0", 6, (1,), view=b.group(b.text("v"), b.number(4), b.number(3))),
        "lies outside its storage",
    ),
    "booleans other than 0 and 1": (b.tensor("0", 24, (24,), kind="BoolStorage"), "other than 0 and 1|expected"),
    "another type than the storage": (
        b.call(b.REBUILD_V3, STORAGE, b.number(0), *[b.numbers([1])] * 2, b.FALSE, b.EMPTY, b.name("torch", "int8")),
        "a tensor of type int8 in a storage of type float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("container", [b.in_zip, b.in_stream])
@pytest.mark.parametrize(("tensor", "reason"), CLAIMS.values(), ids=CLAIMS)
def test_claims_of_a_pickle(path, container, tensor, reason):
    pickled = b.pickle(b.state_dict({"x": tensor, "y": b.tensor("1", 2, (2,))}))
    refuse(path, container(pickled), reason)


ROW = np.arange(6, dtype=np.float32).tobytes()
ONE = b.pickle(b.state_dict({"x": b.text("21") + b"Q"}))
TARS = {
    "shape beyond the storage": b.tar_file(ONE, [(21, 11, (7,), (1,), 0)], [(11, "Float", 6, ROW)]),
    "negative stride": b.tar_file(ONE, [(21, 11, (2,), (-1,), 3)], [(11, "Float", 6, ROW)]),
    "too many axes": b.tar_file(ONE, [(21, 11, (1,) * 65, (1,) * 65, 0)], [(11, "Float", 6, ROW)]),
    "storage longer than the file": b.tar_file(ONE, [(21, 11, (2,), (1,), 0)], [(11, "Float", 2**40, ROW)]),
    "storage of negative length": b.tar_file(ONE, [(21, 11, (2,), (1,), 0)], [(11, "Float", -6, ROW)]),
    "storage that is not there": b.tar_file(ONE, [(21, 12, (2,), (1,), 0)], [(11, "Float", 6, ROW)]),
    "tensor that is not there": b.tar_file(ONE, [(22, 11, (2,), (1,), 0)], [(11, "Float", 6, ROW)]),
    "view beyond the storage": b.tar_file(ONE, [], [(11, "Float", 6, ROW)], [(12, 11, 4, 3)]),
    "view of nothing": b.tar_file(ONE, [], [], [(12, 11, 0, 1)]),
    "other files": b.tar_archive({"photo.jpg": b"\xff\xd8"}),
}


@pytest.mark.parametrize("content", TARS.values(), ids=TARS)
def test_claims_of_a_tar(path, content):
    refuse(path, content)


@pytest.mark.parametrize("size", [b"\xff" * 12, b"-0000000001\0", b"77777777777\0", b"99999999999\0", bytes(12)])
def test_size_in_a_tar_header(path, size):
    header = bytearray(b.in_tar())
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    refuse(path, bytes(header))


# ---- containers --------------------------------------------------------------------------------------------------


def changed_entry(content: bytes, name: str, **changes: int) -> bytes:
    """Change fields of an entry in the directory of a zip archive."""
    fields = {"flags": 8, "method": 10, "crc": 16, "packed": 20, "size": 24, "place": 42}
    changed = bytearray(content)
    start = content.rindex(name.encode()) - 46
    assert content[start : start + 4] == b"PK\x01\x02"
    for field, value in changes.items():
        struct.pack_into("<H" if fields[field] < 16 else "<I", changed, start + fields[field], value)
    return bytes(changed)


ZIP = b.in_zip()
STORAGES = {"0": b.WEIGHT.tobytes(), "1": b.BIAS.tobytes()}
ZIPS = {
    "compressed": (b.zip_file(b.PICKLE, STORAGES, compression=zipfile.ZIP_DEFLATED), "compressed"),
    "bomb": (b.zip_file(b"\x80\x02" + bytes(10**7), {}, compression=zipfile.ZIP_DEFLATED), "compressed"),
    "encrypted": (changed_entry(ZIP, "archive/data/0", flags=9), "encrypted"),
    "wrong checksum": (changed_entry(ZIP, "archive/data/0", crc=1), "Bad CRC-32"),
    "size beyond the file": (changed_entry(ZIP, "archive/data/0", size=2**30, packed=2**30), "larger than the file"),
    "two sizes": (changed_entry(ZIP, "archive/data/0", packed=20), "compressed"),
    "place beyond the file": (changed_entry(ZIP, "archive/data/0", place=2**30), "damaged or encrypted"),
    "entry of another name": (changed_entry(ZIP, "archive/data/0", place=0), "damaged or encrypted"),
    "unknown byte order": (b.zip_file(b.PICKLE, STORAGES, {"byteorder": b"middle"}), "byte order"),
    "two pickles": (ZIP.replace(b"archive/version", b"xxxxxx/data.pkl"), "one entry NAME/data.pkl"),
    "storage missing": (b.zip_file(b.PICKLE, {"0": b.WEIGHT.tobytes()}), "storage '1' has no bytes, expected 8"),
    "storage too short": (b.zip_file(b.PICKLE, STORAGES | {"1": b"1234"}), "storage '1' has 4 bytes, expected 8"),
    "no pickle": (b.zip_file(b.PICKLE, STORAGES).replace(b"data.pkl", b"data.txt"), "one entry NAME/data.pkl"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason"), ZIPS.values(), ids=ZIPS)
def test_zip_archives(path, content, reason):
    refuse(path, content, reason)


def test_many_entries_that_are_the_same_bytes(path):
    raw, count = io.BytesIO(), 50
    with zipfile.ZipFile(raw, "w") as archive:
        items = {str(i): b.tensor(str(i), 10_000, (10_000,)) for i in range(count)}
        archive.writestr("archive/data.pkl", b.pickle(b.state_dict(items)))
        archive.writestr("archive/data/0", bytes(40_000))
        first = archive.getinfo("archive/data/0")
        for i in range(1, count):
            copy = zipfile.ZipInfo(f"archive/data/{i}")
            copy.file_size, copy.compress_size, copy.CRC, copy.header_offset = (
                40_000,
                40_000,
                first.CRC,
                first.header_offset,
            )
            archive.filelist.append(copy)
    refuse(path, raw.getvalue(), "larger than the file")


HEADERS = {
    "unknown type": {"x": {"dtype": "F8_E4M3", "shape": [24], "data_offsets": [0, 24]}},
    "shape beyond the place": {"x": {"dtype": "F32", "shape": [7], "data_offsets": [0, 24]}},
    "place beyond the file": {"x": {"dtype": "F32", "shape": [6], "data_offsets": [24, 48]}},
    "overlapping": {n: {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]} for n in "xy"},
    "negative": {"x": {"dtype": "F32", "shape": [-6], "data_offsets": [24, 0]}},
    "no table": {"x": 3},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_safetensors(path, header):
    refuse(path, b.safetensors_file(header, ROW))


def test_safetensors_header_longer_than_the_file(path):
    refuse(path, struct.pack("<Q", 2**40) + b.in_safetensors()[8:], "safetensors")


OTHER_FILES = {
    "empty": b"",
    "text": b"version https://git-lfs.github.com/spec/v1\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "page": b"<!DOCTYPE html><title>404</title>",
    "pickle": pickle.dumps({"x": [1, 2]}),
    "two pickles": pickle.dumps(1) + pickle.dumps(2),
    "stream of another version": b.MAGIC + b.pickle(b.number(1002)),
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES)
def test_other_files(path, content):
    refuse(path, content)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_torch(tmp_path / "missing.pth")
    with pytest.raises(TorchFileError, match="not a regular file"):
        load_torch(tmp_path)


@pytest.mark.parametrize("write", b.FILES.values(), ids=b.FILES)
def test_truncated_files(path, write):
    content = write().rstrip(b"\0") if write is b.in_tar else write()  # blocks of zeros end a tar
    for length in range(0, len(content), max(1, len(content) // 200)):
        path.write_bytes(content[:length])
        with pytest.raises(TorchFileError):
            load_torch(path)


# ---- damage by chance --------------------------------------------------------------------------------------------

FUZZ = settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Edits as one row of bytes, five for each: what to do, where, and a number that says how. Hypothesis makes such a row
# several times as fast as a list of tuples.
EDITS = st.binary(min_size=5, max_size=20)
KINDS = ["flip", "write", "number", "insert", "delete", "copy", "cut"]
NUMBERS = [struct.pack("<Q", n) for n in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**64 - 1)]


def damaged(content: bytes, edits: bytes) -> bytes:
    """Apply the edits to `content`."""
    for kind, place, how in struct.iter_unpack("<BHH", edits[: len(edits) // 5 * 5]):
        place %= len(content) + 1
        head, tail = content[:place], content[place:]
        some = how.to_bytes(4, "little")[: how % 3 + 1]
        match KINDS[kind % len(KINDS)]:
            case "flip":
                content = head + bytes(byte ^ 1 << how % 8 for byte in tail[:1]) + tail[1:]
            case "write":
                content = head + some + tail[len(some) :]
            case "number":
                content = head + NUMBERS[how % len(NUMBERS)] + tail[8:]
            case "insert":
                content = head + some + tail
            case "delete":
                content = head + tail[how % 40 :]
            case "copy":
                source = how % (len(content) + 1)
                content = head + content[source : source + 20] + tail
            case "cut":
                content = head
    return content


def load_or_refuse(path, content: bytes) -> bool:
    """Load; an error must be a clean one, and what is loaded must be usable. Returns whether it was loaded."""
    path.write_bytes(content)
    try:
        loaded = load_torch(path)
    except TorchFileError as error:
        assert len(str(error)) < 500
        return False
    for name, array in loaded.items():
        assert isinstance(name, str)
        if array.size:
            array[(0,) * array.ndim], array[(-1,) * array.ndim]
    return True


REBUILD_PARAMETER = b.name("torch._utils", "_rebuild_parameter")
CHECKPOINT = b.pickle(
    b"}(" + b.text("model") + b.state_dict({
        "fc.weight": b.call(REBUILD_PARAMETER, b.tensor("0", 6, (3, 2), (1, 3)), b.TRUE, b.EMPTY),
        "fc.bias": b.tensor("1", 2, (2,)) + b"q\x01",
        "tied": b"h\x01",
    }) + b.text("epoch") + b.number(3) + b.text("lr") + b"G" + struct.pack(">d", 0.1) + b"u"
)  # fmt: skip


SOUND = {name: write() for name, write in b.FILES.items()}


@pytest.mark.parametrize("name", SOUND)
@FUZZ
@given(edits=EDITS)
def test_damaged_files(path, name, edits):
    load_or_refuse(path, damaged(SOUND[name], edits))


@pytest.mark.parametrize("container", [b.in_zip, b.in_stream])
@FUZZ
@given(edits=EDITS)
def test_damaged_pickles_in_sound_containers(path, container, edits):
    load_or_refuse(path, container(damaged(CHECKPOINT, edits)))


@FUZZ
@given(parts=st.lists(st.sampled_from([
    b.tensor("0", 6, (2, 3)), b.tensor("1", 2, (2,)), b.storage("0", 6), b.storage("1", 2), b.REBUILD_V2, b.REBUILD_V3,
    REBUILD_PARAMETER, b.PARAMETER, b.ORDERED_DICT, b.EMPTY, b.name("torch", "float32"),
    b.text("a"), b.text("model"), b.text("storage"), b.number(0), b.number(1), b.numbers((2, 3)), b.numbers((3, 1)),
    *(bytes([code]) for code in b"()}]NQRabestu\x81\x85\x86\x87\x88\x89"), b"q\x00", b"h\x00",
]), max_size=25))  # fmt: skip
def test_arbitrary_programs(path, parts):
    load_or_refuse(path, b.in_zip(b.pickle(b"".join(parts))))


def test_damage_is_not_always_noticed_but_sound_files_always_load(path):
    """The tests above would pass if nothing were ever loaded."""
    for write in b.FILES.values():
        assert load_or_refuse(path, write())
    assert load_or_refuse(path, b.in_zip(CHECKPOINT))
    assert not load_or_refuse(path, b.in_zip()[:-1])
    assert zlib.crc32(b.PICKLE)  # the archives do have checksums
