"""Modules in a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.nn.containers import Row
from minigrad.nn.module import Module


class Sequential(Row):
    """Modules called one after the other, named "0", "1", … as in PyTorch; or by the keys of a mapping, such as
    `Sequential({"conv": Conv2d(…), "act": ReLU()})`. A slice of it is a Sequential of the same modules.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        (first, *rest) = modules or ({},)
        named = first if isinstance(first, Mapping) and not rest else {str(i): m for i, m in enumerate(modules)}
        for name, module in named.items():
            self.add_module(name, module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self.named_children())[index]))
        return super().__getitem__(index)

    def forward(self, x: Any) -> Any:
        """Return the last module's output."""
        for module in self.children():
            x = module(x)
        return x
