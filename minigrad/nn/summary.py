"""A table of what a model is made of and what it costs."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np

from minigrad.grad_mode import no_grad
from minigrad.nn.layers import Conv2d, Linear
from minigrad.nn.module import Module, observed
from minigrad.tensor import Parameter, Tensor


class Table(str):
    """Text in columns, which notebooks show as a table.

    Attributes:
        lines: the cells of each line; the first line has the titles, the last one the totals.
    """

    lines: list[tuple[str, ...]]

    def __new__(cls, lines: list[tuple[str, ...]]) -> Table:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        rule = "-" * len(text[0])
        table = super().__new__(cls, "\n".join([text[0], rule, *text[1:-1], rule, text[-1]]))
        table.lines = lines
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


def summary(model: Module, input_shape: tuple[int, ...]) -> Table:
    """Return a table with one row per layer: name, output shape, parameters and multiply-adds for one input.

    It is a string, to be printed; notebooks and the interactive Python show it by themselves.

    Args:
        model: runs once, in evaluation mode, on zeros; it is left as it was.
        input_shape: shape of one input without the batch, such as (3, 32, 32).

    Multiply-adds are counted where nearly all of them are: O·C/groups·kh·kw·OH·OW in a convolution and out·in per row
    in a linear layer.
    """
    names = {id(module): name or "(own)" for name, module in model.named_modules()}
    modes = [(module, module.training) for module in model.modules()]
    device = next((p.device for p in model.parameters()), "cpu")
    rows: list[tuple[str, str, str, int, int]] = []
    counted: set[int] = set()  # a layer that is used twice has its parameters once

    def note(module: Module, output: Any) -> None:
        own = [p for p in vars(module).values() if isinstance(p, Parameter)]
        if isinstance(output, Tensor) and (own or next(module.children(), None) is None):
            size = sum(p.size for p in own if id(p) not in counted)
            counted.update(id(p) for p in own)
            kind = type(module).__name__
            rows.append((names[id(module)], kind, str(output.shape[1:]), size, _multiply_adds(module, output)))

    try:
        with no_grad(), observed(note):
            model.eval()(Tensor(np.zeros((1, *input_shape), np.float32), device=device))
    finally:
        for module, mode in modes:
            module.training = mode
    total = sum(p.size for p in model.parameters())
    lines = [("layer", "kind", "output shape", "parameters", "multiply-adds")]
    lines += [(name, kind, shape, f"{own:,}", f"{work:,}") for name, kind, shape, own, work in rows]
    lines += [("total", type(model).__name__, "", f"{total:,}", f"{sum(row[4] for row in rows):,}")]
    return Table(lines)


def _multiply_adds(module: Module, output: Tensor) -> int:
    if isinstance(module, Conv2d):
        return math.prod(module.weight.shape) * math.prod(output.shape[2:])
    if isinstance(module, Linear):
        return math.prod(module.weight.shape) * math.prod(output.shape[1:-1])
    return 0
