"""`.safetensors`: a length, a table in JSON (type, shape and place of each tensor), then the numbers, little endian."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO

import numpy as np

from minigrad.io.torch_file.binary import read_bytes, read_integers
from minigrad.io.torch_file.tensors import (
    MAX_NDIM,
    Elements,
    Storage,
    Tensor,
    checked_size,
    checked_storage,
)
from minigrad.io.torch_file.unpickler import Skipped
from minigrad.quoting import quoted

TYPES = {
    "F64": Elements.FLOAT64, "F32": Elements.FLOAT32, "F16": Elements.FLOAT16, "BF16": Elements.BFLOAT16,
    "I64": Elements.INT64, "I32": Elements.INT32, "I16": Elements.INT16, "I8": Elements.INT8,
    "U64": Elements.UINT64, "U32": Elements.UINT32, "U16": Elements.UINT16, "U8": Elements.UINT8,
    "BOOL": Elements.BOOL, "C64": Elements.COMPLEX64,
}  # fmt: skip


MAX_TABLE = 2**22  # bytes; a network of a thousand tensors takes 100,000


class Safetensors:
    """An open file; see `Container`.

    The table is checked as the format demands: each tensor has as many bytes as its shape, and they lie one behind the
    other, from the end of the table to the end of the file. The library that writes such files could check it, too, but
    its NumPy arrays know no bfloat16, and it opens nothing but a path.
    """

    byteorder = "<"
    skipped: Mapping[object, Skipped] = MappingProxyType({})

    def __init__(self, file: BinaryIO, file_size: int) -> None:
        self.file = file
        (length,) = read_integers(file, 1)
        if not 0 <= length <= min(MAX_TABLE, file_size - 8):
            raise ValueError(
                f"damaged safetensors file: its table has {length} of {file_size} bytes, expected at most {MAX_TABLE}"
            )
        try:
            table = json.loads(read_bytes(file, length).tobytes().decode())
        except RecursionError:
            raise ValueError("damaged safetensors file: its table is nested too deeply") from None
        if not isinstance(table, dict):
            raise ValueError("damaged safetensors file: its table is no object")
        table.pop("__metadata__", None)
        rows = sorted((*_place(name, entry), name, entry) for name, entry in table.items())
        self.content: dict[str, Tensor] = {}
        self.places: dict[str, int] = {}
        place = 0
        for start, end, name, entry in rows:
            self.content[name] = tensor = _tensor(name, entry)
            if start != place or end - start != tensor.storage.nbytes:
                raise ValueError(
                    f"damaged safetensors file: tensor {quoted(name)} has bytes {start} to {end}, "
                    f"expected {place} to {place + tensor.storage.nbytes}"
                )
            self.places[name] = 8 + length + start
            place = end
        if 8 + length + place != file_size:
            raise ValueError(f"damaged safetensors file: {file_size} bytes, its table ends at {8 + length + place}")

    def read(self, storage: Storage) -> np.ndarray:
        """Return the bytes of `storage`."""
        self.file.seek(self.places[storage.key])
        return read_bytes(self.file, storage.nbytes)


def _place(name: str, entry: object) -> tuple[int, int]:
    match entry:
        case {"dtype": str(), "shape": list(), "data_offsets": [int(start), int(end)]} if len(entry) == 3:
            return checked_size(start, "a place"), checked_size(end, "a place")
    raise ValueError(f"damaged safetensors file: tensor {quoted(name)} lacks type, shape or place")


def _tensor(name: str, entry: dict) -> Tensor:
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if kind not in TYPES:
        raise ValueError(f"tensor {quoted(name)} is of type {quoted(kind)}, expected one of {', '.join(TYPES)}")
    if len(shape) > MAX_NDIM:  # before anything is multiplied
        raise ValueError(f"tensor {quoted(name)} has {len(shape)} axes, at most {MAX_NDIM} are possible")
    strides, count = [], 1
    for length in reversed(shape):
        strides.append(count)
        count = checked_size(count * checked_size(length, "the length of an axis"), "the size of a tensor")
    return Tensor(checked_storage(name, TYPES[kind], count), TYPES[kind], 0, shape, tuple(reversed(strides)))
