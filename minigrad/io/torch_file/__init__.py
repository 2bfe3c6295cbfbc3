"""What a `.pth` file is, and how its tensors are read without PyTorch and without trusting the file.

`torch.save` pickles an object, most often a model's state dict: an OrderedDict from names to tensors. A pickle is a
program, and Python's unpickler would import and call whatever it names. Two things in this program belong to PyTorch:

* A tensor is a call, `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, ...)`: a way to look at a
  storage, element [i, j] of it being number offset + i·strides[0] + j·strides[1]. Transposes, slices and tied weights
  are several tensors on one storage. A `Parameter` is a call around such a call, or, in early files, an object.
* A storage, a plain row of numbers, is not in the pickle at all. There the pickle holds a *persistent id*,
  `("storage", torch.FloatStorage, key, "cpu", count)`, and the numbers lie elsewhere in the file, under that key.

Where they lie has changed twice:

    since 1.6     zip_archive.py   a zip: one file for the pickle, one for each storage
    since 2017    early.py         a stream: five pickles, the object being the fourth, then the storages
    early 2017    early.py         a tar of four files: the pickle, a table of the tensors, the storages, a remark

Beside them there is `.safetensors` (`safetensors_file.py`): a table, then the numbers, no pickle and so no program.

A file is read in three steps. `minigrad/io/pickle_machine.py` runs the program on a machine that cannot import or call
anything. `unpickler.py` tells it what the names mean that tensors and dictionaries are made of, all others staying
labels, and `tensors.py` writes down each tensor as a description, checked against the size of its storage. When it is
known which tensors are wanted, their storages, and no others, are read straight into the memory of the arrays. Whatever
the file claims is checked against what is really there before memory is spent on it: a file costs at most
2 seconds and another one for every 10 MB of it; and at most 300 MB of memory and three times its size.
"""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np

from minigrad.io.torch_file.binary import Container, OpenFile
from minigrad.io.torch_file.early import Stream, Tar
from minigrad.io.torch_file.safetensors_file import Safetensors
from minigrad.io.torch_file.tensors import Arrays, Tensor
from minigrad.io.torch_file.unpickler import Parameter, Skipped
from minigrad.io.torch_file.zip_archive import ZipArchive
from minigrad.quoting import one_line, quoted

__all__ = ["TorchFileError", "load_torch"]

# Under these names training scripts put the state dict into a larger checkpoint; the first that is found counts.
WRAPPERS = (
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params", "ema"
)  # fmt: skip
MAX_REASON = 300  # characters
MAX_WRAPPERS = 8  # dictionaries in dictionaries: a pickle can hold one that holds itself


class TorchFileError(ValueError):
    """A file is no PyTorch file, a damaged one, or holds what is not read here. Names the file and the reason."""


def load_torch(
    path: str | os.PathLike[str] | BinaryIO, key: str | None = None, skipped: list[str] | None = None
) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch file (`.pth`, `.pt`) or a `.safetensors` file; the content decides which it is.

    Nothing in the file is executed, and nothing is believed before it was checked.

    Args:
        path: of a file written by any version of `torch.save`: a state dict, or a checkpoint around one; or such a
            file, opened for reading bytes and seekable (`BytesIO` and `mmap`, too), which is read from its beginning.
            Found are state dicts under a customary name (`state_dict`, `model`, ...) or as the only dictionary with
            tensors.
        key: the entry of a checkpoint to look in, where there are several: `load_torch("gan.pth", key="netG")`.
        skipped: a list to which is added what was not understood and left out: classes and functions that the file
            names (`argparse.Namespace`), and entries of the state dict that are no tensors.

    Returns:
        Arrays by name, in the file's order; entries that are no tensors are left out. Types are the file's own, but for
        bfloat16, which NumPy does not have and float32 holds exactly. Shapes and strides are the tensors' own, too:
        tensors that share memory in PyTorch (tied weights, transposes) share it here.

    Raises:
        FileNotFoundError: there is no such file; other OSErrors if it cannot be read.
        TorchFileError: it is none of these files, is damaged or malicious, or holds no tensors by name, or among them
            others than dense ones of floating point, complex, integer or bool type; or it is open for something else.
        TypeError: `path` is neither a path nor an open file.
    """
    name = source_name(path)
    if hasattr(path, "read"):
        return _load(OpenFile(path), name, key, skipped)
    if isinstance(path, bytes | bytearray | memoryview) and b"\0" in bytes(path):
        raise TorchFileError("load_torch: bytes that are no path; the content of a file can be read from io.BytesIO")
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"load_torch: expected a path or a file open for reading bytes, got {type(path).__name__}")
    path = os.fsdecode(path)
    if "\0" in path or (os.path.exists(path) and not os.path.isfile(path)):
        raise TorchFileError(f"load_torch: {name}: not a regular file")
    with open(path, "rb") as file:
        return _load(file, name, key, skipped)


def source_name(path: object) -> str:
    """Return what messages call a file, given by its path or open: one printable line."""
    return one_line(getattr(path, "name", "an open file") if hasattr(path, "read") else path, 1000)


def _load(opened: BinaryIO | OpenFile, name: str, key: str | None, skipped: list[str] | None) -> dict[str, np.ndarray]:
    try:
        file = opened.reader() if isinstance(opened, OpenFile) else opened
        container = _container(file)
        left_out = [*(thing.name for thing in container.skipped.values())]
        tensors = _named_tensors(_chosen(container.content, key), left_out)
        arrays = Arrays(container.read, container.byteorder)
        loaded = {tensor_name: arrays.of(tensor) for tensor_name, tensor in tensors.items()}
    except ValueError as error:
        raise TorchFileError(f"load_torch: {name}: {one_line(error, MAX_REASON)}") from error
    if skipped is not None:
        skipped += map(one_line, left_out)
    return loaded


def _container(file: BinaryIO) -> Container:
    """Open the file as what its first bytes say it is."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(512)
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return ZipArchive(file, size)
    if start[257:262] == b"ustar":
        return Tar(file, size)
    if start[8:9] == b"{":
        return Safetensors(file, size)
    if start.startswith(b"\x80"):
        return Stream(file, size)
    raise ValueError("not a file of torch.save or safetensors (expected a zip, a tar, pickles or a safetensors header)")


def _chosen(content: object, key: str | None) -> dict:
    """Return the dictionary to look for tensors in: the object in the file, or its entry `key`."""
    if isinstance(content, Skipped):
        raise ValueError(f"it holds an object, {quoted(content.name)} (a whole model?), expected its state_dict()")
    entries = content if isinstance(content, dict) else {}
    if key is None:
        return entries
    if not isinstance(entries.get(key), dict):
        known = ", ".join(quoted(name) for name in _dictionaries(entries)[:20]) or "none"
        raise ValueError(f"it has no dictionary under key={quoted(key)}; dictionaries are: {known}")
    return entries[key]


def _dictionaries(content: dict) -> list[str]:
    return [name for name, value in content.items() if isinstance(value, dict)]


def _named_tensors(content: dict, left_out: list[str]) -> dict[str, Tensor]:
    """Find the state dict in `content`, a dictionary of tensors or a checkpoint with one inside."""
    around = _around_tensors(content)
    for _ in range(MAX_WRAPPERS):
        inside = {name: content[name] for name in _dictionaries(content) if id(content[name]) in around}
        customary = [inside[name] for name in WRAPPERS if name in inside]
        if customary:  # even beside tensors: a checkpoint may keep its best accuracy as one
            content = next(filter(_has_tensors, customary), customary[0])
        elif _has_tensors(content):
            return _tensors(content, left_out)
        else:
            distinct = {id(value): name for name, value in inside.items()}  # one may have several names
            candidates = [name for name in distinct.values() if _has_tensors(inside[name])] or [*distinct.values()]
            if len(candidates) > 1:
                names = ", ".join(quoted(name) for name in candidates[:3])
                raise ValueError(
                    f"several dictionaries hold tensors ({names}), and none has a customary name: choose one with key="
                )
            content = inside[candidates[0]] if candidates else {}
    kinds = f"; not read were {', '.join(map(quoted, left_out[:3]))}" if left_out else ""
    raise ValueError(f"it holds no tensors by name, expected a state dict or a checkpoint around one{kinds}")


def _around_tensors(content: dict) -> set[int]:
    """Return which dictionaries in `content`, by id, hold tensors, or others that do; each is looked into once."""
    rest, holders = [content], []
    outside: dict[int, list[dict]] = {id(content): []}  # by id of a dictionary, the ones that it is in
    while rest:
        outer = rest.pop()
        if _has_tensors(outer):
            holders.append(outer)
        for inner in outer.values():
            if isinstance(inner, dict):
                if id(inner) not in outside:
                    outside[id(inner)] = []
                    rest.append(inner)
                outside[id(inner)].append(outer)
    found: set[int] = set()
    while holders:
        holder = id(holders.pop())
        if holder not in found:
            found.add(holder)
            holders += outside[holder]
    return found


def _has_tensors(content: dict) -> bool:
    return any(map(_is_tensor, content.values()))


def _is_tensor(value: object) -> bool:
    """Whether it is a tensor, of a kind that is read here or another: one is refused where it is wanted, not lost."""
    return isinstance(value, Tensor | Parameter) or (isinstance(value, Skipped) and value.is_tensor)


def _tensors(content: dict, left_out: list[str]) -> dict[str, Tensor]:
    """Return the tensors in `content`, those in Parameters taken out; the others' names are added to `left_out`."""
    tensors = {}
    for name, value in content.items():
        if isinstance(value, Tensor | Parameter):
            tensors[name] = value.data if isinstance(value, Parameter) else value
            if tensors[name] is None:
                raise ValueError(f"the entry {quoted(name)} is a Parameter without a tensor")
        elif _is_tensor(value):  # a network without it would be another one
            raise ValueError(
                f"the entry {quoted(name)} is a tensor of a kind that is not read here, made by {quoted(value.name)}"
            )
        else:
            left_out.append(f"entry {quoted(name)}")
    return tensors
