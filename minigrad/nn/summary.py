"""A table of what a model is made of and what it costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.function import no_grad
from minigrad.nn.layers import Conv2d, Linear
from minigrad.nn.module import Module
from minigrad.tensor import Tensor


def summary(model: Module, input_shape: tuple[int, ...]) -> str:
    """Return a table with one row per layer: name, output shape, parameters and multiply-adds for one input.

    Args:
        model: runs once, in evaluation mode, on zeros; it is left as it was.
        input_shape: shape of one input without the batch, such as (3, 32, 32).

    Multiply-adds are counted where nearly all of them are: O·C/groups·kh·kw·OH·OW in a convolution and out·in per row
    in a linear layer.
    """
    leaves = {id(m): name for name, m in model.named_modules() if next(m.children(), None) is None}
    modes = [(module, module.training) for module in model.modules()]
    device = next((p.device for p in model.parameters()), "cpu")
    rows: list[tuple[str, str, str, int, int]] = []

    def traced(module: Module, *inputs: Any, **options: Any) -> Any:
        output = module.forward(*inputs, **options)
        if id(module) in leaves and isinstance(output, Tensor):
            own = sum(p.size for p in module.parameters())
            rows.append(
                (leaves[id(module)], type(module).__name__, str(output.shape[1:]), own, _multiply_adds(module, output))
            )
        return output

    plain_call, Module.__call__ = Module.__call__, traced
    try:
        with no_grad():
            model.eval()(Tensor(np.zeros((1, *input_shape), np.float32), device=device))
    finally:
        Module.__call__ = plain_call
        for module, mode in modes:
            module.training = mode
    total = sum(p.size for p in model.parameters())
    lines = [("layer", "kind", "output shape", "parameters", "multiply-adds")]
    lines += [(name, kind, shape, f"{own:,}", f"{work:,}") for name, kind, shape, own, work in rows]
    lines += [("total", type(model).__name__, "", f"{total:,}", f"{sum(row[4] for row in rows):,}")]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    text = [
        "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    rule = "-" * len(text[0])
    return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])


def _multiply_adds(module: Module, output: Tensor) -> int:
    if isinstance(module, Conv2d):
        return math.prod(module.weight.shape) * math.prod(output.shape[2:])
    if isinstance(module, Linear):
        return math.prod(module.weight.shape) * math.prod(output.shape[1:-1])
    return 0
