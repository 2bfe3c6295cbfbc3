"""Output that cannot be shown ends nobody's work."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.output import TolerantStream, tolerant_output

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from minigrad.output import tolerant_program
with tolerant_program():
    for _ in range(3):
        print("\u03bb \u00d7 \u2265 \u732b", flush=True)
        print("problem \u03bb", file=sys.stderr, flush=True)
        print("x" * 100_000)
    open(sys.argv[1], "w").close()
"""


def run(folder, redirected="", **environment):
    """Run a program that prints and then writes a file, in a shell; return its status, and its output where shown."""
    command = f"{sys.executable} -c '{PROGRAM}' {folder}/done {redirected}"
    result = subprocess.run(
        ["bash", "-c", command + "; exit ${PIPESTATUS[0]}"], cwd=ROOT, env=os.environ | environment, capture_output=True
    )
    assert (folder / "done").exists()
    return result


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(
    "redirected", [">&-", "2>&-", ">&- 2>&- <&-", "| true", "2>&1 | true", "> /dev/full", "> /dev/full 2> /dev/full"]
)
def test_streams_that_are_closed_full_or_gone_end_no_program(tmp_path, redirected):
    result = run(tmp_path, redirected)
    assert result.returncode == 0
    assert b"Error" not in result.stderr and b"ignored" not in result.stderr


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("cp1252", "? \xd7 ? ?"),
        ("ascii", "? ? ? ?"),
        ("cp437:strict", "? ? \u2265 ?"),
        ("utf-8", "\u03bb \u00d7 \u2265 \u732b"),
    ],
)
def test_letters_that_a_stream_cannot_encode_are_replaced(tmp_path, encoding, shown):
    result = run(tmp_path, PYTHONIOENCODING=encoding)
    assert result.returncode == 0
    assert result.stdout.decode(encoding.partition(":")[0]).splitlines()[0] == shown


def test_no_file_gets_the_number_of_a_stream_that_was_closed(tmp_path):
    code = """
import sys
from minigrad.output import tolerant_program
with tolerant_program():
    with open(sys.argv[1], "w") as file:
        file.write(str(file.fileno()))
"""
    subprocess.run(["bash", "-c", f"{sys.executable} -c '{code}' {tmp_path}/number >&- 2>&-"], cwd=ROOT, check=True)
    assert int((tmp_path / "number").read_text()) > 2


def test_streams_are_restored_and_the_program_may_have_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", mine := io.StringIO())
    with tolerant_output():
        print("shown")
        print("nowhere", file=sys.stderr)
        with tolerant_output():
            print("also")
    assert sys.stdout is mine and sys.stderr is None
    assert mine.getvalue() == "shown\nalso\n"


def test_a_stream_that_fails_now_and_then_goes_on_later():
    class Moody(io.StringIO):
        def write(self, text):
            if text == "lost":
                raise OSError("disk full")
            return super().write(text)

    stream = TolerantStream(moody := Moody())
    for text in ("a", "lost", "b"):
        assert stream.write(text) == len(text)
    assert moody.getvalue() == "ab"
    moody.close()
    stream.write("closed")
    stream.flush()


def test_what_else_a_stream_has_is_that_of_the_stream_behind():
    stream = TolerantStream(io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    assert stream.encoding == "cp1252" and not stream.isatty()
