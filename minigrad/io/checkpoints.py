"""Checkpoints: nested dicts, lists and tuples of arrays, numbers and text, in one safetensors file.

The arrays are ordinary safetensors entries, named by where they are in the object (`model/conv1.weight`), so that other
programs can read them. Everything else is JSON in the file's metadata. JSON has no tuples, no arrays, no infinities
and, for many readers, no integers beyond 64 bits; these are written as an object with a single key, the tag:

    {"array": "model/conv1.weight"}   {"tuple": [...]}   {"dict": {...}}   {"int": "0x1f..."}   {"float": "7ff0..."}

Nothing in a file is executed (there is no pickle), and nothing is used before it was checked.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import zlib
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.io.files import atomic_path
from minigrad.quoting import one_line, quoted
from minigrad.tensor import Tensor

FORMAT, VERSION = "minigrad checkpoint", "1"
MAX_DEPTH = 64  # containers in containers: more than any real checkpoint, and far from Python's recursion limit
MAX_HEADER = 16 * 2**20  # bytes: the structure, as text in JSON once more, and a line for each array
MAX_STRUCTURE = 6 * 2**20
MAX_CONTAINERS = 400_000
DTYPES = {
    "BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U8": "uint8", "U16": "uint16",
    "U32": "uint32", "U64": "uint64", "F16": "float16", "F32": "float32", "F64": "float64",
}  # fmt: skip


class CheckpointError(ValueError):
    """A file is no checkpoint, or a damaged one. The message names the file and the reason."""


def save(path: str | os.PathLike[str], obj: Any) -> None:
    """Write `obj` to the file `path`, atomically: after an interruption the file is the old one or the new one.

    Args:
        path: of the file, by custom `….safetensors`; missing folders are created.
        obj: None, bools, ints of any size, floats (kept bit for bit, inf and nan too), strings, NumPy or CuPy arrays,
            Tensors, and dicts (with string keys), lists and tuples of all these. Arrays are boolean, integer or
            floating point of up to 64 bits. Arrays on a GPU and Tensors come back as NumPy arrays, NumPy scalars as
            Python numbers, and subclasses (an OrderedDict) as the plain type.

    Raises:
        TypeError: something else is in `obj`; the message says where.
        ValueError: containers are nested deeper than 64 levels, or what is not in arrays takes more than 6 MB.
        OSError: it cannot be written; where the disk is full, the error says how much was needed.
    """
    from safetensors.numpy import save as to_bytes

    arrays: dict[str, np.ndarray] = {}
    structure = _structure(obj, (), arrays)
    metadata = {"format": FORMAT, "version": VERSION, "structure": structure, "crc32": _checksum(structure, arrays)}
    # Not safetensors' save_file, which makes the file readable for its owner only, whatever the umask says.
    content = to_bytes(arrays, metadata)
    if (header := int.from_bytes(content[:8], "little")) > MAX_HEADER:
        raise ValueError(f"mg.save: the object has {len(arrays)} arrays, a header of {header} bytes; join small arrays")
    with atomic_path(path, len(content)) as temporary:
        temporary.write_bytes(content)


def check_savable(name: str, obj: Any) -> None:
    """Make sure that `obj` can be saved as the entry `name` of something: before the work of which it is a part.

    Raises:
        TypeError, ValueError: as in `save`.
    """
    _structure(obj, (name,), {})


def _structure(obj: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> str:
    """Return `obj`, which is found at `path`, as JSON; its arrays are added to `arrays`."""
    structure = json.dumps(_encode(obj, path, arrays), separators=(",", ":"))
    if reason := _too_large(structure):
        raise ValueError(f"mg.save: the object has {reason}; long rows of numbers belong into arrays")
    return structure


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` wrote; arrays come back as NumPy arrays of their own memory.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: it is damaged, or no checkpoint of minigrad.
    """
    from safetensors import SafetensorError

    path = os.fspath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"mg.load: {one_line(path, 1000)} is not a regular file")
    with open(path, "rb"):
        pass  # a missing or unreadable file is the operating system's error, which names it
    try:
        return _read(path)
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise CheckpointError(
            f"mg.load: {one_line(path, 1000)} is damaged or not a checkpoint: {one_line(error)}"
        ) from error


def _read(path: str) -> Any:
    from safetensors import safe_open

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, expected at most {MAX_HEADER}")
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError("it is a safetensors file, but not one written by mg.save (mg.load_torch reads weights)")
        if metadata.get("version") != VERSION:
            raise ValueError(f"its format version is {quoted(metadata.get('version'))}, this program reads {VERSION!r}")
        arrays = {}
        for name in file.keys():  # noqa: SIM118 - no mapping
            dtype = file.get_slice(name).get_dtype()
            if dtype not in DTYPES:
                raise ValueError(
                    f"the array {quoted(name)} has the type {quoted(dtype)}, expected one of {', '.join(DTYPES)}"
                )
            arrays[name] = file.get_tensor(name)
            if dtype == "BOOL" and arrays[name].view(np.uint8).max(initial=0) > 1:
                raise ValueError(f"the array {quoted(name)} of booleans has bytes other than 0 and 1")
    structure = metadata.get("structure", "")
    if metadata.get("crc32") != _checksum(structure, arrays):
        raise ValueError("its content does not match its checksum")
    if reason := _too_large(structure):
        raise ValueError(f"it has {reason}")
    obj = _decode(json.loads(structure), arrays, depth=0)
    if arrays:
        raise ValueError(f"nothing refers to the arrays {quoted(sorted(arrays))}")
    return obj


def _too_large(structure: str) -> str | None:
    """Return what there is too much of in the JSON, if there is: as Python objects it takes many times its size."""
    if len(structure) > MAX_STRUCTURE:
        return f"a structure of {len(structure)} characters, expected at most {MAX_STRUCTURE}"
    if structure.count("[") + structure.count("{") > MAX_CONTAINERS:
        return f"more than {MAX_CONTAINERS} containers"
    return None


def _checksum(structure: str, arrays: dict[str, np.ndarray]) -> str:
    """CRC-32 over everything that matters: safetensors itself would not notice a flipped bit in an array or a dtype."""
    crc = zlib.crc32(structure.encode())
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.data, crc)
    return f"{crc:08x}"


def _encode(obj: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """Return `obj` as JSON values; its arrays are added to `arrays` under the names that the JSON refers to."""
    if len(path) > MAX_DEPTH:
        raise ValueError(
            f"mg.save: {_where(path[:3])} is nested deeper than {MAX_DEPTH} levels (does it contain itself?)"
        )
    if isinstance(obj, np.generic) and obj.dtype.kind in "biuf":
        obj = obj.item()
    if obj is None or isinstance(obj, bool | str):
        return obj
    if isinstance(obj, int):
        return int(obj) if -(2**63) <= obj < 2**63 else {"int": hex(obj)}
    if isinstance(obj, float):
        return float(obj) if math.isfinite(obj) else {"float": struct.pack(">d", obj).hex()}
    if isinstance(obj, list | tuple):
        items = [_encode(item, (*path, str(index)), arrays) for index, item in enumerate(obj)]
        return {"tuple": items} if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        for key in obj:
            if not isinstance(key, str):
                raise TypeError(f"mg.save: {_where(path)} has the key {key!r}; keys must be strings")
        return {"dict": {key: _encode(value, (*path, key), arrays) for key, value in obj.items()}}
    return {"array": _add_array(obj, path, arrays)}


def _add_array(obj: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> str:
    """Put an array into `arrays` and return the name it got."""
    try:
        array = backend.to_numpy(obj.data if isinstance(obj, Tensor) else obj)
    except TypeError:
        raise TypeError(f"mg.save: {_where(path)} is of type {type(obj).__name__}, which cannot be saved") from None
    if array.dtype.name not in DTYPES.values():
        raise TypeError(f"mg.save: {_where(path)} is an array of {array.dtype}, which cannot be saved")
    name = "/".join(path).encode("utf-8", "backslashreplace").decode() or "array"
    while name in arrays or name == "__metadata__":  # keys may contain slashes, and the format keeps one name to itself
        name += "'"
    # safetensors writes the memory behind the array as it lies, whatever the strides say.
    arrays[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return name


def _where(path: tuple[str, ...]) -> str:
    return f"the entry {'/'.join(path)!r}" if path else "the object"


def _decode(node: Any, arrays: dict[str, np.ndarray], depth: int) -> Any:
    """Undo `_encode`. Each array is taken out of `arrays`: one that is referred to twice or not at all is an error."""
    if depth > MAX_DEPTH:
        raise ValueError(f"its structure is nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, list):
        return [_decode(item, arrays, depth + 1) for item in node]
    if not isinstance(node, dict):
        return node
    match list(node.items()):
        case [("tuple", list(items))]:
            return tuple(_decode(item, arrays, depth + 1) for item in items)
        case [("dict", dict(items))]:
            return {key: _decode(value, arrays, depth + 1) for key, value in items.items()}
        case [("array", str(name))] if name in arrays:
            return arrays.pop(name)
        case [("int", str(digits))] if re.fullmatch("-?0x[0-9a-f]+", digits):
            return int(digits, 16)
        case [("float", str(digits))] if re.fullmatch("[0-9a-f]{16}", digits):
            return struct.unpack(">d", bytes.fromhex(digits))[0]
    raise ValueError(f"its structure has an entry that means nothing or refers to no array: {quoted(node)}")
