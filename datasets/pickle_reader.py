"""Reading a pickle as data: nothing is imported and nothing is called.

A pickle is a program for a small stack machine, and Python's own machine will import and call whatever the program
names. CIFAR-10 is published as pickles, so a file of unknown origin would run with the user's rights. This reader
runs the same program on a machine that cannot do anything: a name stays a name, a call is written down as a `Call`
and not made. The one thing CIFAR-10 needs beyond plain values, an array of bytes, is then recognised by its form
(`uint8_array`). `pickletools.genops` splits the file into instructions and refuses those that are cut short.

The opcodes and their meaning: the comments in Python's `pickletools.py`. Accepted is what the official files use
(protocol 2, written by Python 2) and what Python 3 writes for the same content with protocols 2 to 5.
"""

from __future__ import annotations

import math
import pickletools
from dataclasses import dataclass
from enum import Enum

import numpy as np

# An official batch takes some 50,000 instructions. The limit bounds time and memory, whatever the file's size.
_MAX_INSTRUCTIONS = 200_000


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

# Instructions that push their own argument. pickletools shows the byte strings of Python 2 as Latin-1 text.
_NUMBERS = {"BININT", "BININT1", "BININT2", "BINFLOAT"}
_TEXTS = {"SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_LITERALS = _NUMBERS | _TEXTS | _BYTES
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


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
    try:
        return _Machine().run(content)
    except IndexError as error:
        raise ValueError("damaged pickle: an instruction finds nothing on the stack") from error


class _Machine:
    """The stack machine. `MARK` lays the current stack aside until an instruction collects what came since."""

    def __init__(self) -> None:
        self.stack: list = []
        self.laid_aside: list[list] = []
        self.memo: dict[int, object] = {}

    def run(self, content: bytes) -> object:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count >= _MAX_INSTRUCTIONS:
                raise ValueError(f"pickle of more than {_MAX_INSTRUCTIONS} instructions")
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            else:
                self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, opcode: str, argument: object) -> None:
        stack = self.stack
        match opcode:
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                if argument not in self.memo:
                    raise ValueError(f"damaged pickle: it recalls value {argument}, which it never stored")
                stack.append(self.memo[argument])
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[opcode])
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "MARK":
                self.laid_aside.append(stack)
                self.stack = []
            case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self.pop(_TUPLES[opcode])))
            case "TUPLE":
                values = self.pop_to_mark()
                self.stack.append(tuple(values))
            case "APPEND":
                self.extend_list(self.pop(1))
            case "APPENDS":
                self.extend_list(self.pop_to_mark())
            case "SETITEM":
                self.extend_dict(self.pop(2))
            case "SETITEMS":
                self.extend_dict(self.pop_to_mark())
            case "GLOBAL":
                stack.append(_name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(_name(*self.pop(2)))
            case "REDUCE":
                stack.append(_call(*self.pop(2)))
            case "BUILD":
                self.set_state(stack.pop())
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _:
                raise ValueError(f"instruction {opcode} does not belong in a file of plain values and arrays")

    def pop(self, count: int) -> list:
        if count > len(self.stack):
            raise IndexError
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def pop_to_mark(self) -> list:
        values, self.stack = self.stack, self.laid_aside.pop()
        return values

    def extend_list(self, values: list) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("damaged pickle: it appends to something that is not a list")
        self.stack[-1].extend(values)

    def extend_dict(self, values: list) -> None:
        if not isinstance(self.stack[-1], dict) or len(values) % 2:
            raise ValueError("damaged pickle: it sets items of something that is not a dictionary, or half an item")
        self.stack[-1].update(zip(map(text, values[::2]), values[1::2], strict=True))

    def set_state(self, state: object) -> None:
        target = self.stack[-1]
        if not isinstance(target, Call) or target.state is not None:
            raise ValueError("damaged pickle: it sets the state of something that has none to set")
        target.state = state


def _name(module: object, name: object = "") -> Name:
    if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in _NAMES:
        raise ValueError(f"forbidden name {f'{module}.{name}'[:80]!r}: only NumPy arrays of plain bytes are admitted")
    return _NAMES[module, name]


def _call(function: object, arguments: object) -> Call | str:
    match function, arguments:
        case Name.ENCODE, (str(content), "latin1"):  # how Python 3 writes bytes in protocol 2
            return content
        case Name.RECONSTRUCT | Name.FROM_BUFFER | Name.DTYPE, tuple():
            return Call(function, arguments)
    raise ValueError("damaged pickle: it calls something that cannot be called like this")


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
