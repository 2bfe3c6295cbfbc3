"""The counter of code lines: on code whose lines are known."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks import lines

ROOT = Path(__file__).parents[2]

CODE = '''"""A module."""

import functools


def decorated(function):
    @functools.wraps(function)
    def called(*args):
        # what it adds
        return function(*args)

    return called


@decorated
def used(x):
    """It says
    what it does.
    """

    text = """two
    lines"""
    return [y for y in (lambda z: [z, text])(x)]


class Kind:
    """Something."""

    def method(self):
        return used(1)


def never():
    return 1
'''


@pytest.fixture
def module(tmp_path):
    (tmp_path / "code.py").write_text(CODE)
    names = {}
    exec(compile(CODE, str(tmp_path / "code.py"), "exec"), names)
    return tmp_path, names


def found(folder, expression):
    return {function.name: function.lines for function in lines.Watch(folder).of(expression)}


def test_docstrings_comments_and_blanks_are_no_code(module):
    folder, names = module
    assert found(folder, names["used"].__wrapped__.__get__(1)) == {"used": 5}


def test_functions_inside_are_part_of_the_one_around_them_and_methods_have_their_class(module):
    folder, names = module
    assert found(folder, names["Kind"]().method) == {"decorated": 5, "used": 5, "Kind.method": 2}


def test_what_runs_only_the_first_time_is_not_counted(module):
    folder, names = module
    calls = []
    assert found(folder, lambda: calls or (calls.append(1), names["never"]())) == {}


def test_threads_are_counted_that_start_later(module):
    folder, names = module
    watch = lines.Watch(folder)
    threading.setprofile(watch)
    try:

        def work():
            thread = threading.Thread(target=names["never"])
            thread.start()
            thread.join()

        assert [function.name for function in watch.of(work)] == ["never"]
    finally:
        threading.setprofile(None)


def test_it_counts_the_same_each_time_and_in_another_tree():
    command = [sys.executable, str(ROOT / "benchmarks" / "lines.py"), "--tree", str(ROOT), "--list"]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "tests").stdout for _ in range(2)
    )
    assert first == second
    assert "(x*x).sum().backward()" in first and "minigrad/ops/elementwise.py: Mul.backward" in first
