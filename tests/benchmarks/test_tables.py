from __future__ import annotations

from benchmarks.tables import ROWS, TABLES


def test_no_two_rows_have_the_same_name_or_title():
    rows = [row for table in TABLES.values() for row in table.rows]
    assert len({row.name for row in rows}) == len({row.title for row in rows}) == len(rows)
    assert all(ROWS[row.name] is row for row in rows)


def test_rows_of_the_main_table_have_processes_of_their_own():
    table = TABLES["main"]
    assert table.groups(table.rows) == [[row] for row in table.rows]


def test_other_rows_share_them_if_they_have_the_same_number_of_threads():
    table = TABLES["scaling"]
    one, two = table.groups(table.rows)
    assert {row.threads for row in one} == {1} and {row.threads for row in two} == {2}
    assert len(one) == len(two) == len(table.rows) / 2
