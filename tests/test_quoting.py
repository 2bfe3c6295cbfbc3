from __future__ import annotations

import pytest

from minigrad.quoting import LIMIT, one_line, quoted


@pytest.mark.parametrize(
    "value", ["\x1b[2Jcleared", "two\nlines", "a\u202eb", b"\x1b[0m\xff", ["\x07"], {"\x9b31m": "\r"}]
)
def test_control_characters_are_escaped(value):
    for text in (quoted(value), one_line(value)):
        assert text.isprintable()


LARGE = {
    "text": "x" * 10**7,
    "bytes": b"x" * 10**7,
    "number": 10**9000,
    "list": ["x" * 10**7] * 10**5,
    "key": {"x" * 10**7: 1},
}


@pytest.mark.parametrize("value", LARGE.values(), ids=LARGE)
def test_large_values_are_shortened(value):
    assert len(quoted(value)) <= LIMIT


def test_plain_values_are_shown_as_they_are():
    assert quoted("fc.weight") == "'fc.weight'" and quoted(3) == "3" and quoted("Kätzchen") == "'Kätzchen'"
    assert one_line("no module named 'x'") == "no module named 'x'"


def test_a_container_that_holds_itself():
    loop = []
    loop.append(loop)
    assert len(quoted(loop)) < 40


def test_the_rest_is_marked():
    assert one_line("a" * 300) == "a" * 199 + "…" and one_line("a" * 30, 10) == "a" * 9 + "…"
