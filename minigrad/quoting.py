"""What a message may show of a file: control characters escaped, and no more than a line.

A terminal obeys what it is sent. A tensor's name or a column of a table that holds an escape sequence could clear the
screen, change its title or write over the error itself, so nothing from a file reaches a message but through here.
"""

from __future__ import annotations

import reprlib

LIMIT = 200  # characters


class _Repr(reprlib.Repr):
    """Python's `repr`, which escapes whatever is not printable, of as much as is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3

    def repr_str(self, x: str, level: int) -> str:
        return repr(x[: LIMIT + 1])  # before it is escaped: it may have megabytes

    def repr_bytes(self, x: bytes, level: int) -> str:
        return repr(x[: LIMIT + 1])

    def repr_bytearray(self, x: bytearray, level: int) -> str:
        return repr(bytes(x[: LIMIT + 1]))

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**40 else f"an integer of {x.bit_length()} bits"


_repr = _Repr()


def quoted(value: object, limit: int = LIMIT) -> str:
    """Return a value of a file (text, bytes, numbers, containers of them) as a message can show it, in quotes."""
    return _shortened(_repr.repr(value), limit)


def one_line(text: object, limit: int = LIMIT) -> str:
    """Return a text that may hold parts of a file, such as a library's error, as one printable line."""
    text = str(text)[: 4 * limit]
    return _shortened("".join(c if c.isprintable() else repr(c)[1:-1] for c in text), limit)


def counted(number: int, noun: str) -> str:
    """Return "1 epoch", "2 epochs" and so on."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shortened(text: str, limit: int = LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
