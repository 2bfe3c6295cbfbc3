"""The faults that are put in, and what is left alone."""

from __future__ import annotations

import textwrap

import pytest

from tests.mutation.mutants import mutants
from tests.mutation.runner import draw, sources


def changed(line):
    """What becomes of one line inside a function."""
    text = f"def f(a, b, *c, **options):\n    {line}\n"
    return {mutant.source.removeprefix("def f(a, b, *c, **options):\n").strip() for mutant in mutants("f.py", text)}


@pytest.mark.parametrize(
    "line, faulty",
    [
        ("return a + b", {"return (a - b)"}),
        ("return a ** -b", {"return (a * -b)", "return a ** (b)"}),
        ("a *= b", {"a /= b", "pass"}),
        ("return a < b", {"return (a <= b)"}),
        ("return 0 <= a", {"return (0 < a)", "return 1 <= a"}),
        ("return a < b is None", {"return (a <= b is None)", "return (a < b is not None)"}),
        ("return a and not b", {"return (a or not b)", "return a and (b)"}),
        ("return 3 if a else b", {"return 4 if a else b", "return 3 if (not (a)) else b"}),
        ("while a: b()", {"while (not (a)): b()", "while a: pass"}),
        ("return [x for x in a if x]", {"return [x for x in a if (not (x))]"}),
        ("return True, 2.5", {"return False, 2.5", "return True, 5.0", "return (2.5, True)"}),
        ("return 0.0", {"return 1.0"}),
        ("return a(b, c, d)", {"return a(c, b, d)"}),
        ("return a(b, axis=c)", {"return a(b)"}),
        ("a.b = c", {"pass"}),
        ("raise ValueError(f'{a + 1}: less than {2}')", {"pass"}),
        ("return 'η' + a[b:][1]", {"return ('η' - a[b:][1])", "return 'η' + a[b:][2]"}),
    ],
)
def test_what_becomes_of_a_line(line, faulty):
    assert changed(line) == faulty


@pytest.mark.parametrize(
    "text",
    [
        '"""1 + 1"""',
        "from . import a",
        "x: int | None",
        "def f(a: int | float) -> 1 + 1: ...",
        "__all__ = [1 + 1]",
        "class A:\n    def __repr__(self):\n        return 1 + 1",
        "Axis = int | None",
        "zip(a, strict=True)",
        "maximum(a, b)",
        "isinstance(a, b)",
        "a('b', c)",
        "a(*b, c)",
    ],
)
def test_what_only_informs_or_makes_no_difference_is_left_alone(text):
    faulty = [mutant.source for mutant in mutants("f.py", f"if f:\n{textwrap.indent(text, '    ')}\n")]
    assert set(faulty) <= {f"if (not (f)):\n{textwrap.indent(text, '    ')}\n", "if f:\n    pass\n"}


def test_what_stands_before_an_error_only_prepares_its_message():
    text = "if a:\n    b = a + 1\n    raise ValueError(b)\n"
    assert {mutant.line for mutant in mutants("f.py", text)} == {1, 3}


def test_a_mutant_is_a_line_of_one_module_and_shows_it():
    (mutant,) = mutants("minigrad/ops/__init__.py", "# é\n\n\nx = a + b\n")
    assert (mutant.module, mutant.line) == ("minigrad.ops", 4)
    assert mutant.diff.splitlines()[-2:] == ["-x = a + b", "+x = (a - b)"]


def test_the_same_seed_draws_the_same():
    paths = sources()
    first = draw(3, 50, paths)
    assert first == draw(3, 50, paths) != draw(4, 50, paths)
    assert len({mutant.source for mutant in first}) == 50
    for mutant in first:
        compile(mutant.source, mutant.path, "exec")
    assert {"minigrad/optim/adam.py", "minigrad/sweep.py", "minigrad/ops/conv.py"} <= set(paths)
