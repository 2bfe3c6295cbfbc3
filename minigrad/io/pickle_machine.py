"""A pickle, run as data: a stack machine that cannot import and cannot call.

A pickle is a program for a small stack machine, and Python's own machine will import and call whatever the program
names, so a file of unknown origin would run with the user's rights. On this machine a name stays a label, and what a
call stands for is up to a subclass.

A short program can also ask for much work: what is stored once can be recalled a million times. So a program has a
budget, from which each instruction is paid; one that costs more than its share is charged for it (`charge`), and texts
that are compared or put together (names, keys) are short or refused.

The opcodes and their meaning: the comments in Python's `pickletools.py`, which also decodes their arguments here.
Admitted are the ones that Python 2 and 3 write for plain values and simple objects with the protocols 2 to 5.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import BinaryIO, NoReturn

from minigrad.quoting import quoted

# Instructions that push their own argument. pickletools shows the byte strings of Python 2 as Latin-1 text.
LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
OTHERS = {
    "NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "MARK",
    "PROTO", "FRAME", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET",
    "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID",
}  # fmt: skip
# What objects need that are made neither of plain values nor of names alone: sets, tuples that contain themselves.
OBJECTS = {"EMPTY_SET", "ADDITEMS", "FROZENSET", "NEWOBJ_EX", "POP", "POP_MARK"}
ADMITTED = LITERALS | OTHERS


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")


def _integer(content: bytes) -> int:
    return int.from_bytes(content, "little", signed=True)


def _old_text(content: bytes) -> str:
    return content.decode("latin-1")


# How many bytes of the file say how long the literal is that follows, and what makes a value of it.
_LENGTHS: dict[str, tuple[int, Callable[[bytes], object]]] = {
    "SHORT_BINUNICODE": (1, _text), "BINUNICODE": (4, _text), "BINUNICODE8": (8, _text),
    "SHORT_BINSTRING": (1, _old_text), "BINSTRING": (4, _old_text), "LONG1": (1, _integer), "LONG4": (4, _integer),
    "SHORT_BINBYTES": (1, bytes), "BINBYTES": (4, bytes), "BINBYTES8": (8, bytes), "BYTEARRAY8": (8, bytearray),
}  # fmt: skip
_BYTES_PER_UNIT = 25  # of a literal: a byte of UTF-8 can take four in memory

MAX_NAME = 500  # characters of a key, or of a module's, class's or function's name
# Instructions that cost more than others, see `charge`.
COSTS = {
    "GLOBAL": 6,
    "STACK_GLOBAL": 6,
    "BINPERSID": 6,
    "REDUCE": 3,
    "NEWOBJ": 3,
    "NEWOBJ_EX": 3,
    "BUILD": 2,
    "MARK": 2,
}


class PickleMachine:
    """The machine; a subclass says what names, calls and persistent ids stand for.

    Attributes:
        names: what each admitted pair (module, name) is replaced by. A label, nothing that can be called.
        expected: for error messages, what the pickle may describe.
        admitted: names of the instructions that may occur.
        max_instructions: bounds time and memory; those that cost more count as several.
        max_literal: texts, bytes and integers of more bytes than this, and all floats, are skipped, and None stands in
            their place; so they cost no memory. None: all are kept.
    """

    names: Mapping[tuple[str, str], object] = {}
    expected: str = "plain values"
    admitted: Set[str] = ADMITTED
    max_instructions: int = 600_000
    max_literal: int | None = None

    def call(self, function: object, arguments: object) -> object:
        """Return what `function(*arguments)` stands for; `function` is a value of `names`, or anything at all."""
        raise ValueError(f"the pickle calls something, expected {self.expected}")

    def set_state(self, target: object, state: object) -> None:
        """Take note of `target.__setstate__(state)`."""
        raise ValueError(f"the pickle sets the state of an object, expected {self.expected}")

    def persistent_load(self, identifier: object) -> object:
        """Return what the persistent id stands for."""
        raise ValueError(f"the pickle refers to something outside it, expected {self.expected}")

    def set_items(self, target: object, values: list) -> None:
        """Set items, keys and values by turns, of a dictionary."""
        if not isinstance(target, dict) or len(values) % 2:
            raise ValueError("damaged pickle: it sets items of something that is not a dictionary, or half an item")
        self.charge(1 + len(values) // 2)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if (kept := self.key(key)) is not None:
                target[kept] = value

    def extend(self, target: object, values: list) -> None:
        """Append `values` to a list."""
        if not isinstance(target, list):
            raise ValueError("damaged pickle: it appends to something that is not a list")
        target.extend(values)

    def key(self, key: object) -> str | None:
        """Return a key of a dictionary as it shall be, or None to leave its entry out, or refuse it."""
        # Numbers and tuples could be chosen to have one hash, which makes a dictionary quadratic.
        if not isinstance(key, str) or len(key) > MAX_NAME:
            raise ValueError(f"a dictionary has a key that is no text of at most {MAX_NAME} characters")
        return key

    def charge(self, units: int) -> None:
        """Pay `units` from the budget: instructions of usual cost, at most a microsecond and 100 bytes.

        Raises:
            ValueError: there are not so many left.
        """
        self.left -= units
        if self.left < 0:
            raise ValueError(f"the pickle has more than {self.max_instructions:,} instructions, or costs as much")

    def run(self, stream: BinaryIO) -> object:
        """Return the value that the pickle in `stream` describes, and leave `stream` behind its end.

        Where literals are kept, the stream must be in memory and of a bounded size: one may claim to fill it.

        Raises:
            ValueError: the pickle is cut short, is none, or does something that is not admitted.
        """
        self.stack: list = []
        self.laid_aside: list[list] = []  # MARK lays the stack aside until an instruction collects what came since
        self.memo: dict[int, object] = {}
        self.left = self.max_instructions
        read, instructions = stream.read, self._instructions()
        while (code := read(1)) != b".":  # STOP
            cost, read_argument, step = instructions.get(code) or self._refuse(code)
            self.left -= cost
            if self.left < 0:
                self.charge(0)
            if step is None:
                self.stack.append(read_argument(stream))
            else:
                step(self, read_argument(stream) if read_argument else None)
        return self.pop(1)[0]

    def _instructions(self) -> dict[bytes, tuple[int, Callable | None, Callable | None]]:
        """Return what this machine does, by an instruction's byte: its cost, what reads its argument, and its step;
        without one, the argument is pushed.
        """
        found = {}
        for code, opcode in pickletools.code2op.items():
            if opcode.name not in self.admitted:
                continue
            cost, reader = COSTS.get(opcode.name, 1), opcode.arg and opcode.arg.reader
            if opcode.name == "GLOBAL":
                reader = self._read_name
            elif self.max_literal is not None and opcode.name in _LENGTHS:  # it pays by its length
                cost, reader = 0, partial(self.literal, *_LENGTHS[opcode.name])
            elif self.max_literal is not None and opcode.name == "BINFLOAT":
                cost, reader = 0, self._skip_float
            found[code.encode("latin-1")] = cost, reader, _STEPS.get(opcode.name)
        return found

    def _refuse(self, code: bytes) -> NoReturn:
        self.charge(1)
        if not code:
            raise ValueError("the pickle has no end: the file is cut short, or the pickle is too long")
        opcode = pickletools.code2op.get(code.decode("latin-1"))
        name = opcode.name if opcode else code
        raise ValueError(f"instruction {name} does not belong here, expected {self.expected}")

    def _read_name(self, stream: BinaryIO) -> object:
        # pickletools would undo escapes, and has a warning for bad ones
        lines = [stream.readline(_LINE).removesuffix(b"\n").decode("utf-8", "replace") for _ in range(2)]
        return self.name(*lines)

    def _skip_float(self, stream: BinaryIO) -> None:
        if len(stream.read(8)) < 8:
            raise ValueError("the pickle ends within a number: the file is cut short")

    def literal(self, width: int, decode: Callable[[bytes], object], stream: BinaryIO) -> object:
        """Return the literal that begins here with its length in `width` bytes; None, passed over, if it is long."""
        length = int.from_bytes(stream.read(width), "little")
        self.left -= 1 + min(length, self.max_literal) // _BYTES_PER_UNIT
        if self.left < 0:
            self.charge(0)
        if length <= self.max_literal:
            content = stream.read(length)
            if len(content) < length:
                raise ValueError("the pickle ends within a text or number: the file is cut short")
            return decode(content)
        place = stream.tell()
        if length > stream.seek(0, io.SEEK_END) - place:
            raise ValueError(f"the pickle claims a text or number of {length} bytes: the file is cut short")
        stream.seek(place + length)
        return None

    def name(self, module: object, name: object) -> object:
        """Return what stands for a name; it is looked up as a pair, so no dotted name can reach into a module."""
        if not (
            isinstance(module, str) and isinstance(name, str) and len(module) <= MAX_NAME and len(name) <= MAX_NAME
        ):
            raise ValueError(f"a name that is no text of at most {MAX_NAME} characters")
        if (module, name) not in self.names:
            return self.unknown(module, name)
        return self.names[module, name]

    def unknown(self, module: str, name: str) -> object:
        """Return what stands for a name that is not among `names`, or refuse it."""
        raise ValueError(f"forbidden name {quoted(f'{module}.{name}')}, expected {self.expected}")

    def top(self) -> object:
        """Return the value on top of the stack."""
        if not self.stack:
            raise ValueError("damaged pickle: an instruction finds nothing on the stack")
        return self.stack[-1]

    def pop(self, count: int) -> list:
        """Take `count` values from the stack."""
        stack = self.stack
        first = len(stack) - count
        if first < 0:
            raise ValueError("damaged pickle: an instruction finds too little on the stack")
        values = stack[first:]
        del stack[first:]
        return values

    def pop_to_mark(self) -> list:
        """Take all values since the last MARK."""
        if not self.laid_aside:
            raise ValueError("damaged pickle: an instruction finds no mark")
        values, self.stack = self.stack, self.laid_aside.pop()
        return values

    # ---- the instructions ------------------------------------------------------------------------------------------

    def _store(self, place: int | None) -> None:
        self.memo[len(self.memo) if place is None else place] = self.top()

    def _recall(self, place: int) -> None:
        if place not in self.memo:
            raise ValueError(f"damaged pickle: it recalls value {place}, which it never stored")
        self.stack.append(self.memo[place])

    def _mark(self, _: None) -> None:
        self.laid_aside.append(self.stack)
        self.stack = []

    def _pop(self, _: None) -> None:
        if self.stack or not self.laid_aside:
            self.pop(1)
        else:
            self.pop_to_mark()

    def _add_items(self, _: None) -> None:
        values = self.pop_to_mark()
        self.extend(self.top(), values)

    def _set_items(self, _: None) -> None:
        values = self.pop_to_mark()
        self.set_items(self.top(), values)

    def _append(self, _: None) -> None:
        values = self.pop(1)
        self.extend(self.top(), values)

    def _set_item(self, _: None) -> None:
        values = self.pop(2)
        self.set_items(self.top(), values)

    def _call_with_keywords(self, _: None) -> None:
        function, arguments, _ = self.pop(3)
        self.stack.append(self.call(function, arguments))

    def _build(self, _: None) -> None:
        (state,) = self.pop(1)
        self.set_state(self.top(), state)


def _push(make: Callable[[PickleMachine], object]) -> Callable[[PickleMachine, object], None]:
    return lambda machine, _: machine.stack.append(make(machine))


_STEPS: dict[str, Callable] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), PickleMachine._store),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), PickleMachine._recall),
    "NONE": _push(lambda machine: None),
    "NEWTRUE": _push(lambda machine: True),
    "NEWFALSE": _push(lambda machine: False),
    "EMPTY_TUPLE": _push(lambda machine: ()),
    "TUPLE1": _push(lambda machine: tuple(machine.pop(1))),
    "TUPLE2": _push(lambda machine: tuple(machine.pop(2))),
    "TUPLE3": _push(lambda machine: tuple(machine.pop(3))),
    "TUPLE": lambda machine, _: (values := machine.pop_to_mark(), machine.stack.append(tuple(values))),
    "EMPTY_LIST": _push(lambda machine: []),
    "EMPTY_DICT": _push(lambda machine: {}),
    "EMPTY_SET": _push(lambda machine: []),  # its items are of no importance here, nor is their order
    "FROZENSET": lambda machine, _: (values := machine.pop_to_mark(), machine.stack.append(values)),
    "MARK": PickleMachine._mark,
    "POP": PickleMachine._pop,
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "APPEND": PickleMachine._append,
    **dict.fromkeys(("APPENDS", "ADDITEMS"), PickleMachine._add_items),
    "SETITEM": PickleMachine._set_item,
    "SETITEMS": PickleMachine._set_items,
    "STACK_GLOBAL": _push(lambda machine: machine.name(*machine.pop(2))),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _push(lambda machine: machine.call(*machine.pop(2)))),
    "NEWOBJ_EX": PickleMachine._call_with_keywords,
    "BUILD": PickleMachine._build,
    "BINPERSID": _push(lambda machine: machine.persistent_load(*machine.pop(1))),
}
_LINE = 4 * MAX_NAME + 2  # bytes; a longer one is no name that is looked up
