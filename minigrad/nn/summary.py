"""A table of what a model is made of and what it costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.grad_mode import no_grad
from minigrad.hooks import Hook
from minigrad.nn.layers import Conv2d, Linear
from minigrad.nn.module import Module
from minigrad.table import Table
from minigrad.tensor import Parameter, Tensor


def summary(model: Module, input_shape: tuple[int, ...]) -> Table:
    """Return a table with one row per layer: name, output shape, parameters and multiply-adds for one input.

    It is a string, to be printed; notebooks and the interactive Python show it by themselves.

    Args:
        model: runs once, in evaluation mode, on zeros; it is left as it was.
        input_shape: shape of one input without the batch, such as (3, 32, 32).

    Multiply-adds are counted where nearly all of them are: O·C/groups·kh·kw·OH·OW in a convolution and out·in per row
    in a linear layer.
    """
    modes = [(module, module.training) for module in model.modules()]
    device = next((p.device for p in model.parameters()), "cpu")
    try:
        with no_grad(), _Layers(model) as layers:
            model.eval()(Tensor(np.zeros((1, *input_shape), np.float32), device=device))
    finally:
        for module, mode in modes:
            module.training = mode
    total = sum(p.size for p in model.parameters())
    lines = [("layer", "kind", "output shape", "parameters", "multiply-adds")]
    lines += [(name, kind, shape, f"{own:,}", f"{work:,}") for name, kind, shape, own, work in layers.rows]
    lines += [("total", type(model).__name__, "", f"{total:,}", f"{sum(row[4] for row in layers.rows):,}")]
    return Table(lines, words=3)


class _Layers(Hook):
    """Notes each layer that is called: its path, kind, output shape, parameters and multiply-adds."""

    def __init__(self, model: Module) -> None:
        self.names = {id(module): name or "(own)" for name, module in model.named_modules()}
        self.rows: list[tuple[str, str, str, int, int]] = []
        self.counted: set[int] = set()  # a layer that is used twice has its parameters once

    def after_module(self, module: Module, inputs: tuple[Any, ...], output: Any) -> None:
        own = [p for p in vars(module).values() if isinstance(p, Parameter)]
        if isinstance(output, Tensor) and (own or next(module.children(), None) is None):
            size = sum(p.size for p in own if id(p) not in self.counted)
            self.counted.update(id(p) for p in own)
            row = str(output.shape[1:]), size, _multiply_adds(module, output)
            self.rows.append((self.names[id(module)], type(module).__name__, *row))


def _multiply_adds(module: Module, output: Tensor) -> int:
    if isinstance(module, Conv2d):
        return math.prod(module.weight.shape) * math.prod(output.shape[2:])
    if isinstance(module, Linear):
        return math.prod(module.weight.shape) * math.prod(output.shape[1:-1])
    return 0
