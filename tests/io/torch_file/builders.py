"""Writes the files of every version of PyTorch, instruction by instruction, so that tests need no PyTorch.

A pickle is put together from the functions below: `pickle(state_dict({"weight": tensor("0", 6, (2, 3))}))`.
"""

from __future__ import annotations

import io
import json
import math
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

# ---- values ------------------------------------------------------------------------------------------------------


def name(module: str, name: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    """BINUNICODE."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    """BININT where it fits, else LONG1."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def group(*parts: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(parts) + b"t"


def numbers(values: Sequence[int]) -> bytes:
    return group(*map(number, values))


def call(function: bytes, *arguments: bytes) -> bytes:
    """REDUCE."""
    return function + group(*arguments) + b"R"


NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
ORDERED_DICT = name("collections", "OrderedDict")
EMPTY = call(ORDERED_DICT)
REBUILD_V1, REBUILD_V2, REBUILD_V3 = (name("torch._utils", f"_rebuild_tensor{v}") for v in ("", "_v2", "_v3"))
PARAMETER = name("torch.nn.parameter", "Parameter")


def storage(key: str, count: int, kind: str = "FloatStorage", view: bytes = b"") -> bytes:
    """The persistent id of a storage; `view` is what the stream has in addition."""
    module = "torch.storage" if kind == "UntypedStorage" else "torch"
    return group(text("storage"), name(module, kind), text(key), text("cpu"), number(count), view) + b"Q"


def tensor(
    key: str,
    count: int,
    shape: Sequence[int],
    strides: Sequence[int] | None = None,
    offset: int = 0,
    kind: str = "FloatStorage",
    view: bytes = b"",
) -> bytes:
    """A tensor, by default contiguous; `count` is the length of its storage."""
    strides = contiguous(shape) if strides is None else strides
    place = number(offset), numbers(shape), numbers(strides)
    return call(REBUILD_V2, storage(key, count, kind, view), *place, FALSE, EMPTY)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def state_dict(entries: Mapping[str, bytes]) -> bytes:
    """An OrderedDict, with the `_metadata` that a module's state dict has."""
    items = b"".join(text(key) + value for key, value in entries.items())
    metadata = b"}" + text("_metadata") + EMPTY + text("") + b"}" + text("version") + number(1) + b"ss" + b"s"
    return EMPTY + b"(" + items + b"u" + metadata + b"b"


def pickle(value: bytes, protocol: int = 2) -> bytes:
    return b"\x80" + bytes([protocol]) + value + b"."


# ---- containers --------------------------------------------------------------------------------------------------


class Unseekable(io.RawIOBase):
    """Makes zipfile write sizes behind the data, into data descriptors, as a streaming writer must."""

    def __init__(self) -> None:
        self.content = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        return self.content.write(data)


def zip_file(
    pickled: bytes,
    storages: Mapping[str, bytes],
    others: Mapping[str, bytes] = {},
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """The zip archive, streamed."""
    raw = Unseekable()
    entries = {"data.pkl": pickled} | {f"data/{key}": content for key, content in storages.items()} | dict(others)
    with zipfile.ZipFile(raw, "w", compression) as archive:
        for entry, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{entry}"), content, compression)
        archive.writestr(zipfile.ZipInfo("archive/version"), b"3\n")
    return raw.content.getvalue()


MAGIC = pickle(b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little"))
SYSTEM = pickle(b"}" + text("little_endian") + TRUE + b"s")


def stream_file(pickled: bytes, storages: Mapping[str, tuple[int, bytes]]) -> bytes:
    """The stream of pickles; `storages` has the number of elements and the bytes of each."""
    keys = pickle(b"](" + b"".join(map(text, storages)) + b"e")
    numbers = b"".join(struct.pack("<q", count) + content for count, content in storages.values())
    return MAGIC + pickle(number(1001)) + SYSTEM + pickled + keys + numbers


def tar_file(
    pickled: bytes,
    tensors: Sequence[tuple[int, int, Sequence[int], Sequence[int], int]],
    storages: Sequence[tuple[int, str, int, bytes]],
    views: Sequence[tuple[int, int, int, int]] = (),
) -> bytes:
    """The tar archive. Tensors: key, storage, shape, strides, offset. Storages: key, type, length, bytes."""
    table = pickle(number(len(tensors)))
    for key, place, shape, strides, offset in tensors:
        table += pickle(group(number(key), number(place), name("torch", "FloatTensor")))
        table += struct.pack("<i4x", len(shape)) + struct.pack(f"<{2 * len(shape) + 1}q", *shape, *strides, offset)
    rows = pickle(number(len(storages)))
    for key, kind, count, content in storages:
        rows += pickle(group(number(key), text("cpu"), name("torch", f"{kind}Storage")))
        rows += struct.pack("<q", count) + content
    rows += pickle(b"](" + b"".join(map(numbers, views)) + b"e")
    return tar_archive({"sys_info": SYSTEM, "pickle": pickled, "tensors": table, "storages": rows})


def tar_archive(members: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:", format=tarfile.PAX_FORMAT) as archive:
        for member, data in members.items():
            info = tarfile.TarInfo(member)
            info.size, info.mtime = len(data), 1483719550.98  # a fraction needs an extended header
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def safetensors_file(header: Mapping[str, object], content: bytes) -> bytes:
    table = json.dumps(header).encode()
    return struct.pack("<Q", len(table)) + table + content


# ---- one state dict in every container ---------------------------------------------------------------------------

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
BIAS = np.array([-1.5, 2.5], np.float32)
VALUES = {"fc.weight": WEIGHT, "fc.bias": BIAS}
PICKLE = pickle(state_dict({"fc.weight": tensor("0", 6, (2, 3)), "fc.bias": tensor("1", 2, (2,))}))
TAR_PICKLE = pickle(state_dict({"fc.weight": text("21") + b"Q", "fc.bias": PARAMETER + b")\x81" + group(
    text("22") + b"Q", NONE, NONE, TRUE, FALSE) + b"b"}))  # fmt: skip
HEADER = {
    "fc.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "fc.bias": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]},
}


def in_zip(pickled: bytes = PICKLE) -> bytes:
    return zip_file(pickled, {"0": WEIGHT.tobytes(), "1": BIAS.tobytes()}, {"byteorder": b"little"})


def in_stream(pickled: bytes = PICKLE) -> bytes:
    return stream_file(pickled, {"0": (6, WEIGHT.tobytes()), "1": (2, BIAS.tobytes())})


def in_tar(pickled: bytes = TAR_PICKLE) -> bytes:
    tensors = [(21, 11, (2, 3), (3, 1), 0), (22, 12, (2,), (1,), 0)]
    return tar_file(pickled, tensors, [(11, "Float", 6, WEIGHT.tobytes()), (12, "Float", 2, BIAS.tobytes())])


def in_safetensors() -> bytes:
    return safetensors_file(HEADER, WEIGHT.tobytes() + BIAS.tobytes())


FILES = {"zip": in_zip, "stream": in_stream, "tar": in_tar, "safetensors": in_safetensors}
