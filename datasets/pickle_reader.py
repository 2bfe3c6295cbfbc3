"""Reading a pickle as data: nothing is imported and nothing is called.

CIFAR-10 is published as pickles. They are run on minigrad's `PickleMachine`, which cannot do anything: a name stays a
name, a call is written down as a `Call` and not made. The one thing CIFAR-10 needs beyond plain values, an array of
bytes, is then recognised by its form (`uint8_array`). Accepted is what the official files use (protocol 2, written by
Python 2) and what Python 3 writes for the same content with protocols 2 to 5.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from minigrad.io.pickle_machine import ADMITTED, MAX_NAME, PickleMachine


class Name(Enum):
    """The names that a pickle may mention. They are labels only: none is ever looked up."""

    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    FROM_BUFFER = "numpy.core.numeric._frombuffer"
    NDARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"
    ENCODE = "_codecs.encode"


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): Name.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): Name.RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): Name.FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): Name.FROM_BUFFER,
    ("numpy", "ndarray"): Name.NDARRAY,
    ("numpy", "dtype"): Name.DTYPE,
    ("_codecs", "encode"): Name.ENCODE,
}


@dataclass(eq=False)
class Call:
    """A call that the pickle asks for and nobody makes: `function(*arguments)`, then `__setstate__(state)`."""

    function: Name
    arguments: tuple
    state: object = None


def read_pickle(content: bytes) -> object:
    """The value that the pickle `content` describes, made of plain values, `Name` and `Call`.

    Keys of dictionaries must be strings. Byte strings come as `bytes` or, from Python 2, as Latin-1 text.

    Raises:
        ValueError: `content` is cut short, not a pickle, or uses anything beyond what plain files need.
    """
    return _Machine().run(io.BytesIO(content))


class _Machine(PickleMachine):
    names = _NAMES
    expected = "plain values and NumPy arrays of bytes"
    admitted = ADMITTED - {"LONG1", "LONG4", "NEWOBJ", "BINPERSID"}  # CIFAR-10 has no long numbers and no objects
    max_instructions = 200_000  # an official batch takes some 50,000

    def call(self, function: object, arguments: object) -> Call | str:
        match function, arguments:
            case Name.ENCODE, (str(content), "latin1"):  # how Python 3 writes bytes in protocol 2
                return content
            case Name.RECONSTRUCT | Name.FROM_BUFFER | Name.DTYPE, tuple():
                return Call(function, arguments)
        raise ValueError("damaged pickle: it calls something that cannot be called like this")

    def set_state(self, target: object, state: object) -> None:
        if not isinstance(target, Call) or target.state is not None:
            raise ValueError("damaged pickle: it sets the state of something that has none to set")
        target.state = state

    def key(self, key: object) -> str:
        if isinstance(key, bytes) and len(key) <= MAX_NAME:
            key = text(key)
        return super().key(key)


def text(value: object) -> str:
    """A string of the pickle as `str`, whichever of the two Pythons wrote it, and in whichever string type.

    Raises:
        ValueError: `value` is not a string.
    """
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {type(value).__name__}")
    return value


def uint8_array(value: object) -> np.ndarray:
    """The two-dimensional uint8 array that a `Call` describes, read-only.

    NumPy's own `__setstate__` is not involved; the size is checked against the bytes present before any is copied.

    Raises:
        ValueError: `value` describes no array, or one of another dtype or number of dimensions, or its shape does
            not agree with its content.
    """
    match value:
        case Call(Name.RECONSTRUCT, (Name.NDARRAY, *_), (_, shape, dtype, bool(fortran), content)):
            order = "F" if fortran else "C"
        case Call(Name.FROM_BUFFER, (content, dtype, shape, "C" | "F" as order)):
            pass
        case _:
            raise ValueError(f"expected a NumPy array, found {type(value).__name__}")
    match dtype:
        case Call(Name.DTYPE, ("u1" | "uint8", *_)):
            pass
        case _:
            raise ValueError("expected an array of dtype uint8 ('u1')")
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("expected a two-dimensional array")
    if not isinstance(content, (str, bytes, bytearray)) or len(content) != math.prod(shape):
        raise ValueError(f"an array of shape {shape} does not agree with its content")
    raw = content.encode("latin-1") if isinstance(content, str) else bytes(content)
    return np.frombuffer(raw, dtype=np.uint8).reshape(shape, order=order)
