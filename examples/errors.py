"""What can go wrong in an example, in words."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.quoting import quoted


class UsageError(Exception):
    """The arguments contradict each other or what lies on disk; the message says how."""


def in_words(error: BaseException) -> str:
    """Return what an error says; of the operating system's the reason and the file, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {str(error.filename)!r}"
    return str(error)


def check_same_classes(found: Sequence[str], expected: Sequence[str]) -> None:
    """Check that data have the classes of a checkpoint, in its order.

    Raises:
        UsageError: they have others.
    """
    if found != expected:
        raise UsageError(f"these data have the classes {listed(found)}, the checkpoint has {listed(expected)}")


def listed(names: Sequence[str], most: int = 12) -> str:
    """Return names for a message, quoted, and no more of them than can be read."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(quoted(name, 40) for name in names[:most]) + more
