"""A pickle, run as data: a stack machine that cannot import and cannot call.

A pickle is a program for a small stack machine, and Python's own machine will import and call whatever the program
names, so a file of unknown origin would run with the user's rights. On this machine a name stays a label, and what a
call stands for is up to a subclass.

The opcodes and their meaning: the comments in Python's `pickletools.py`, which also decodes their arguments here.
Admitted are the ones that Python 2 and 3 write for plain values and simple objects with the protocols 2 to 5.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping, Set
from typing import BinaryIO

# Instructions that push their own argument. pickletools shows the byte strings of Python 2 as Latin-1 text.
LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
OTHERS = {
    "PROTO", "FRAME", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "MARK", "TUPLE",
    "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID",
}  # fmt: skip
ADMITTED = LITERALS | CONSTANTS.keys() | TUPLES.keys() | OTHERS


def quoted(text: str) -> str:
    """Return a text of the file as an error message can show it."""
    return repr(text) if len(repr(text)) <= 80 else repr(text)[:77] + "..."


class PickleMachine:
    """The machine; a subclass says what names, calls and persistent ids stand for.

    Attributes:
        names: what each admitted pair (module, name) is replaced by. A label, nothing that can be called.
        expected: for error messages, what the pickle may describe.
        admitted: names of the instructions that may occur.
        max_instructions: bounds time and memory, whatever the file's size.
    """

    names: Mapping[tuple[str, str], object] = {}
    expected: str = "plain values"
    admitted: Set[str] = ADMITTED
    max_instructions: int = 1_000_000  # torch.save writes 3,000 for a ResNet18, 200,000 for a large optimizer's state

    def call(self, function: object, arguments: object) -> object:
        """Return what `function(*arguments)` stands for; `function` is a value of `names`, or anything at all."""
        raise ValueError(f"the pickle calls something, expected {self.expected}")

    def set_state(self, target: object, state: object) -> None:
        """Take note of `target.__setstate__(state)`."""
        raise ValueError(f"the pickle sets the state of an object, expected {self.expected}")

    def persistent_load(self, identifier: object) -> object:
        """Return what the persistent id stands for."""
        raise ValueError(f"the pickle refers to something outside it, expected {self.expected}")

    def key(self, key: object) -> str | int:
        """Return a key of a dictionary as it shall be, or refuse it."""
        # Large integers could be chosen to have one hash, which makes a dictionary quadratic.
        if not isinstance(key, str) and not (type(key) is int and abs(key) < 2**31):
            raise ValueError("a dictionary has a key that is neither text nor a number below 2³¹")
        return key

    def run(self, stream: BinaryIO) -> object:
        """Return the value that the pickle in `stream` describes, and leave `stream` behind its end.

        The stream must be in memory and of a bounded size: the pickle may claim to fill it.

        Raises:
            ValueError: the pickle is cut short, is none, or does something that is not admitted.
        """
        self.stack: list = []
        self.laid_aside: list[list] = []  # MARK lays the stack aside until an instruction collects what came since
        self.memo: dict[int, object] = {}
        for _ in range(self.max_instructions):
            code = stream.read(1)
            if code == b".":  # STOP
                return self.pop(1)[0]
            if not code:
                raise ValueError("the pickle has no end: the file is cut short, or the pickle is too long")
            opcode = pickletools.code2op.get(code.decode("latin-1"))
            if opcode is None or opcode.name not in self.admitted:
                found = opcode.name if opcode else code
                raise ValueError(f"instruction {found!r} does not belong here, expected {self.expected}")
            if opcode.name == "GLOBAL":  # pickletools would undo escapes, and has a warning for bad ones
                lines = [stream.readline().removesuffix(b"\n").decode("utf-8", "replace") for _ in range(2)]
                self.stack.append(self.name(*lines))
                continue
            argument = opcode.arg.reader(stream) if opcode.arg else None
            if opcode.name in LITERALS:
                self.stack.append(argument)
            else:
                self.step(opcode.name, argument)
        raise ValueError(f"the pickle has more than {self.max_instructions:,} instructions")

    def step(self, opcode: str, argument: object) -> None:
        """Execute one instruction."""
        match opcode:
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.top()
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.top()
            case "BINGET" | "LONG_BINGET":
                if argument not in self.memo:
                    raise ValueError(f"damaged pickle: it recalls value {argument}, which it never stored")
                self.stack.append(self.memo[argument])
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                self.stack.append(CONSTANTS[opcode])
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "MARK":
                self.laid_aside.append(self.stack)
                self.stack = []
            case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.stack.append(tuple(self.pop(TUPLES[opcode])))
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
            case "STACK_GLOBAL":
                self.stack.append(self.name(*self.pop(2)))
            case "REDUCE" | "NEWOBJ":
                self.stack.append(self.call(*self.pop(2)))
            case "BUILD":
                (state,) = self.pop(1)
                self.set_state(self.top(), state)
            case "BINPERSID":
                self.stack.append(self.persistent_load(*self.pop(1)))

    def name(self, module: object, name: object) -> object:
        """Return what stands for a name; it is looked up as a pair, so no dotted name can reach into a module."""
        if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in self.names:
            raise ValueError(f"forbidden name {quoted(f'{module}.{name}')}, expected {self.expected}")
        return self.names[module, name]

    def top(self) -> object:
        """Return the value on top of the stack."""
        if not self.stack:
            raise ValueError("damaged pickle: an instruction finds nothing on the stack")
        return self.stack[-1]

    def pop(self, count: int) -> list:
        """Take `count` values from the stack."""
        if count > len(self.stack):
            raise ValueError("damaged pickle: an instruction finds too little on the stack")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def pop_to_mark(self) -> list:
        """Take all values since the last MARK."""
        if not self.laid_aside:
            raise ValueError("damaged pickle: an instruction finds no mark")
        values, self.stack = self.stack, self.laid_aside.pop()
        return values

    def extend_list(self, values: list) -> None:
        """Append `values` to the list on top of the stack."""
        if not isinstance(self.top(), list):
            raise ValueError("damaged pickle: it appends to something that is not a list")
        self.top().extend(values)

    def extend_dict(self, values: list) -> None:
        """Set items, keys and values by turns, of the dictionary on top of the stack."""
        if not isinstance(self.top(), dict) or len(values) % 2:
            raise ValueError("damaged pickle: it sets items of something that is not a dictionary, or half an item")
        for key, value in zip(values[::2], values[1::2], strict=True):
            self.top()[self.key(key)] = value
