"""Output that ends nobody's work.

A run of hours shall not die of its own words: because the reader of a pipe went away, the terminal was closed, the
log's disk is full, a stream was closed from the start (`2>&-`), or cannot encode a letter (redirected output on Windows
is in cp1252). What cannot be shown is dropped, letters that cannot be encoded are replaced, and the work goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

STREAMS = ("stdout", "stderr")


class TolerantStream:
    """A text stream that takes all words and raises nothing; in all else it is the stream behind it, or none."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written of `text`; return its length."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            self.write(text.encode(encoding, "replace").decode(encoding))
        # ValueError: closed. RuntimeError: a signal's handler writes while the stream is writing.
        except (OSError, ValueError, RuntimeError):
            pass
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError, ValueError, RuntimeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def tolerant_output() -> Iterator[None]:
    """Make `sys.stdout` and `sys.stderr` tolerant while the block runs."""
    before = {name: getattr(sys, name) for name in STREAMS}
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        for name, stream in before.items():
            if not isinstance(stream, TolerantStream):
                setattr(sys, name, TolerantStream(nowhere if stream is None else stream))
        try:
            yield
        finally:
            for name, stream in before.items():
                setattr(sys, name, stream)


@contextmanager
def tolerant_program() -> Iterator[None]:
    """The same for a whole program: its standard streams may be closed from the start, and be gone at the end."""
    _occupy_closed_descriptors()
    try:
        with tolerant_output():
            yield
    finally:
        for name in STREAMS:
            _settle(getattr(sys, name))


def _occupy_closed_descriptors() -> None:
    """Open 0, 1 and 2 where they are closed, or the next file would get the number to which libraries write errors."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one


def _settle(stream: Any) -> None:
    """Throw away what nobody takes any more, or the interpreter would fail to flush it when it ends."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
