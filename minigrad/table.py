"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class Table(str):
    """Text in columns, which notebooks show as a table.

    Attributes:
        lines: the cells of each line; the first line has the titles, the last one the totals.
    """

    lines: list[tuple[str, ...]]

    def __new__(cls, lines: Sequence[tuple[str, ...]], words: int) -> Table:
        """Lay out lines of cells: so many columns of words, to the left, and then numbers, to the right."""
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        sides = [str.ljust if i < words else str.rjust for i in range(len(widths))]
        text = ["  ".join(side(c, w) for side, c, w in zip(sides, line, widths, strict=True)) for line in lines]
        rule = "-" * len(text[0])
        table = super().__new__(cls, "\n".join([text[0], rule, *text[1:-1], rule, text[-1]]))
        table.lines = list(lines)
        return table

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        title, *body, total = ["".join(f"<td>{escape(cell)}</td>" for cell in line) for line in self.lines]
        rows = [f"<tr>{line}</tr>" for line in body]
        head, foot = (line.replace("td>", "th>") for line in (title, total))
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody><tfoot><tr>{foot}</tr></tfoot></table>"
        )
