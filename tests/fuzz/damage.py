"""How inputs are made: sound files with damage of many kinds, all of it from one seeded generator."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

NUMBERS = [
    *(struct.pack(f"{order}{kind}", value)
      for order in "<>"
      for kind, values in {"Q": (2**32, 2**40, 2**62, 2**63), "I": (2**16, 2**31 - 1, 2**31), "H": (255, 2**15)}.items()
      for value in values),
    bytes(8), bytes(4), b"\xff" * 8, b"\xff" * 4, b"99999999999", b"-1", b"nan", b"1e999", b"\x1b[2J\n", b"\0",
]  # fmt: skip


def damaged(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return `content` after a few random edits; pieces may come from `others`."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        # Half of it strikes where the structure is: at the beginning and at the end.
        place = int(
            len(content) * rng.choice((rng.random(), rng.random(), rng.random() * 0.05, 1 - rng.random() * 0.05))
        )
        head, tail = content[:place], content[place:]
        match rng.randrange(9):
            case 0:
                content = head + bytes([tail[0] ^ 1 << rng.randrange(8)]) + tail[1:] if tail else head
            case 1:
                content = head + (some := rng.randbytes(rng.randint(1, 4))) + tail[len(some) :]
            case 2:
                content = head + (number := rng.choice(NUMBERS)) + tail[len(number) :]
            case 3:
                content = head + rng.choice(NUMBERS) + tail
            case 4:
                content = head + tail[rng.randint(1, 40) :]
            case 5:
                content = head if rng.random() < 0.3 else head + tail[: rng.randint(0, 60)]
            case 6:
                start = rng.randint(0, len(content))
                content = head + content[start : start + rng.choice((4, 20, 100, 600))] + tail
            case 7:
                other = rng.choice(others)
                start = rng.randint(0, len(other))
                content = head + other[start : start + rng.choice((4, 20, 100, 600))] + tail
            case 8:
                length = rng.randint(1, 20)
                content = head + tail[:length] * rng.choice((2, 10, 1000)) + tail[length:]
    return content


STRANGE = (
    None, True, -1, 0, 3.5, 2**70, float("nan"), float("inf"), "x", "\x1b[2J\n", "a" * 5000, [], {}, [1], [[]],
    {"a": 1},
)  # fmt: skip


def changed(rng: random.Random, value: object, strange: Sequence[object] = STRANGE) -> object:
    """Return a value made of dicts, lists and others, with something else in one random place."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: changed(rng, value[key], strange)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        return [*value[:place], changed(rng, value[place], strange), *value[place + 1 :]]
    return rng.choice(strange)
