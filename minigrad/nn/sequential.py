"""Modules in a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.hooks import watching_modules
from minigrad.nn import fused
from minigrad.nn.containers import Row
from minigrad.nn.layers import Conv2d
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
        if watching_modules():  # then every module is called itself
            for module in self.children():
                x = module(x)
            return x
        modules, i = self._flattened(), 0
        while i < len(modules):
            count, x = fused.take(modules[i:], x) if type(modules[i]) is Conv2d else (1, modules[i](x))
            i += count
        return x

    def _flattened(self) -> list[Module]:
        """Return the modules inside, and instead of a Sequential those inside it."""
        modules = []
        for child in self.children():
            plain = type(child) is Sequential and "forward" not in vars(child) and not child.hooks
            modules += child._flattened() if plain else [child]
        return modules
