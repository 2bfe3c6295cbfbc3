"""Modules in a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minigrad.nn import fused
from minigrad.nn.module import Module, is_observed


class Sequential(Module):
    """Modules called one after the other, named "0", "1", … as in PyTorch."""

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: argument {i} is a {type(module).__name__}, not a Module")
            setattr(self, str(i), module)

    def forward(self, x: Any) -> Any:
        """Return the last module's output."""
        if is_observed():  # then every module is called itself
            for module in self.children():
                x = module(x)
            return x
        modules = list(self._flattened())
        while modules:
            count, x = fused.take(modules, x)
            del modules[:count]
        return x

    def _flattened(self) -> Iterator[Module]:
        """Yield the modules inside, and instead of a Sequential those inside it."""
        for child in self.children():
            if type(child) is Sequential and "forward" not in vars(child):
                yield from child._flattened()
            else:
                yield child

    def __len__(self) -> int:
        return len(list(self.children()))

    def __getitem__(self, index: int) -> Module:
        return list(self.children())[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.children())
