"""`.safetensors`: a length, a table in JSON (type, shape and place of each tensor), then the numbers, little endian."""

from __future__ import annotations

import json
import math
from typing import BinaryIO

import numpy as np

from minigrad.pickle_machine import quoted
from minigrad.torch_file.binary import MAX_PICKLE, read_bytes, read_integers
from minigrad.torch_file.tensors import Elements, Storage, Tensor, checked_storage, checked_tensor

TYPES = {
    "F64": Elements.FLOAT64, "F32": Elements.FLOAT32, "F16": Elements.FLOAT16, "BF16": Elements.BFLOAT16,
    "I64": Elements.INT64, "I32": Elements.INT32, "I16": Elements.INT16, "I8": Elements.INT8,
    "U64": Elements.UINT64, "U32": Elements.UINT32, "U16": Elements.UINT16, "U8": Elements.UINT8,
    "BOOL": Elements.BOOL,
}  # fmt: skip


class Safetensors:
    """An open file; see `Container`.

    The library checks the table: sizes, and that places lie in the file and do not overlap. It is read again here,
    because the library's NumPy arrays know no bfloat16, and older versions of it do not tell the file's order.
    """

    byteorder = "<"

    def __init__(self, file: BinaryIO, file_size: int, path: str) -> None:
        from safetensors import SafetensorError, safe_open

        self.file = file
        (length,) = read_integers(file, 1)
        if not 0 <= length <= MAX_PICKLE:
            raise ValueError(f"damaged safetensors file: its table has {length} bytes, expected at most {MAX_PICKLE}")
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise ValueError(f"damaged safetensors file: {error}") from error
        table = json.loads(read_bytes(file, length).tobytes())
        table.pop("__metadata__", None)
        self.content: dict[str, Tensor] = {}
        self.places: dict[str, int] = {}
        for name, entry in sorted(table.items(), key=lambda item: item[1]["data_offsets"]):
            if entry["dtype"] not in TYPES:
                raise ValueError(
                    f"tensor {quoted(name)} is of type {entry['dtype']}, expected one of {', '.join(TYPES)}"
                )
            shape = tuple(entry["shape"])
            row = checked_storage(name, TYPES[entry["dtype"]], math.prod(shape))
            strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
            self.content[name] = checked_tensor(row, 0, shape, strides)
            self.places[name] = 8 + length + entry["data_offsets"][0]
            if self.places[name] + row.nbytes > file_size:
                raise ValueError(f"tensor {quoted(name)} reaches beyond the end of the file")

    def read(self, storage: Storage) -> np.ndarray:
        """Return the bytes of `storage`."""
        self.file.seek(self.places[storage.key])
        return read_bytes(self.file, storage.nbytes)
