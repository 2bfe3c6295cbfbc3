"""The fuzz run itself: it passes on what stands, repeats itself, and can fail."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from tests.fuzz import runner
from tests.fuzz.parsers import PARSERS, Parser

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its limits are those of Linux")


def test_some_inputs_through_every_parser(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "1500"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "0 broke a rule" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", PARSERS)
def test_inputs_repeat_themselves(name):
    first, again = ([PARSERS[name].make(rng) for _ in range(3)] for rng in (random.Random(3), random.Random(3)))
    assert first == again


@pytest.mark.parametrize("name", PARSERS)
def test_inputs_without_damage_are_read(tmp_path, name):
    for number, content in enumerate(PARSERS[name].sound()):
        folder = tmp_path / str(number)
        folder.mkdir()
        PARSERS[name].write(content, folder)
        PARSERS[name].parse(content, folder)


def test_parser_that_reads_nothing_fails_the_run():
    assert runner.dead(100, 0) and not runner.dead(100, 1) and not runner.dead(5, 0)


def no_clean_line(content, folder):
    raise ValueError("\x1b[2J")


def another_error(content, folder):
    raise KeyError("x")


def out_of_memory(content, folder):
    try:
        raise MemoryError
    except MemoryError as error:
        raise ValueError("refused") from error


def much_memory(content, folder):
    np.ones(320 * 2**17)


@pytest.mark.parametrize("parse", [no_clean_line, another_error, out_of_memory, much_memory])
def test_broken_rules_are_noticed(tmp_path, monkeypatch, parse):
    monkeypatch.setitem(PARSERS, "bad", Parser(list, lambda rng: b"", parse, (ValueError,), 1))
    with pytest.raises((AssertionError, KeyError)):
        runner.check("bad", b"", tmp_path)


def test_memory_is_measured_anew_for_each_input(tmp_path, monkeypatch):
    np.ones(320 * 2**17)  # by somebody else, before
    test_broken_rules_are_noticed(tmp_path, monkeypatch, much_memory)


def opens(path):
    return "open", (path, "w", 0)


@pytest.mark.parametrize(
    "event",
    [("exec", (None,)), ("import", ("os",)), ("subprocess.Popen", ()), ("os.system", ()), ("compile", ()), opens("x")],
    ids=lambda event: event[0],
)
def test_what_a_file_must_not_make_happen_ends_the_run(monkeypatch, event):
    runner.audit(*event)  # nothing is parsed at the moment
    monkeypatch.setitem(runner._state, "armed", True)
    with pytest.raises(runner.Executed):
        runner.audit(*event)


def test_shares_add_up():
    chunks = runner.tasks(list(PARSERS), 100_000)
    assert 100_000 <= sum(count for _, _, count in chunks) <= 100_100
    assert len({(name, number) for name, number, _ in chunks}) == len(chunks)
