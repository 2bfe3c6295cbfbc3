"""The house stays small enough to be read."""

from __future__ import annotations

import re

from benchmarks import size

# The share of the core's source lines that say what the code does: docstrings and comments, not thinned to save lines.
EXPLAINED = 0.21


def sizes(*shelves):
    rooms = size.rooms()
    return sum((total for shelf in shelves for total in rooms[shelf].values()), size.NOTHING)


def test_the_core_and_the_path_through_it_stay_below_their_ceilings():
    assert sum(one.source for _, one in size.path_sizes()) <= size.CEILINGS["path"]
    assert sizes("core").source <= size.CEILINGS["core"]
    assert sizes("core", "more of the core").source <= size.CEILINGS["core and more"]


def test_docstrings_are_not_thinned():
    core = sizes("core")
    assert 1 - core.code / core.source >= EXPLAINED


def test_the_path_leads_through_the_core_and_every_named_file_exists():
    assert [size.shelf_of(name) for name in size.PATH] == ["core"] * len(size.PATH)
    named = [place for places in size.SHELVES.values() for place in places]
    assert [place for place in named if not (size.PACKAGE / place).exists()] == []


def test_source_lines_are_not_blank_and_code_lines_neither_docstring_nor_comment(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""One.\n\nTwo.\n"""\n\n# three\nx = (\n    1,\n)\n\n\ndef f():\n    """Four."""\n    return x\n')
    assert size.size_of(path) == size.Size(files=1, source=10, code=5)


def test_the_table_adds_up(capsys):
    size.main()
    printed = capsys.readouterr().out
    path, rooms = printed.split("\n\n")
    assert [line.split()[-1] for line in path.splitlines()[1:]] == [f"minigrad/{name}" for name in size.PATH]
    rows = [re.match(r" *(\d+) +(\d+) +(\d+)( +)", line) for line in rooms.splitlines()[1:]]
    shelves = [row for row in rows if len(row[4]) == 2]
    assert len(shelves) == len(size.SHELVES)
    for column in (1, 2, 3):
        assert sum(int(row[column]) for row in rows) == 2 * sum(int(row[column]) for row in shelves)
