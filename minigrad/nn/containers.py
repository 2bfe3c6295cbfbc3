"""Modules that hold modules, and find their parameters: what plain lists and dicts do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from minigrad.nn.module import Module
from minigrad.tensor import Parameter


class Row(Module):
    """Base of the containers whose modules stand in a row, named "0", "1", … unless they were named."""

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int) -> Module:
        return list(self.children())[index]

    def __setitem__(self, index: int, module: Module) -> None:
        names = [name for name, _ in self.named_children()]
        self.add_module(names[index], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self.children())
        del modules[index]
        self._refill(modules)

    def append(self, module: Module) -> Row:
        """Add a module at the end, under the first number from its place on that is free. Returns itself."""
        names = dict(self.named_children())
        self.add_module(next(str(n) for n in itertools.count(len(names)) if str(n) not in names), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Row:
        """Add modules at the end. Returns itself."""
        for module in modules:
            self.append(module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> Row:
        return self.extend(modules)

    def insert(self, index: int, module: Module) -> None:
        """Put a module in front of number `index`; those behind are renumbered."""
        modules = list(self.children())
        modules.insert(index, module)
        self._refill(modules)

    def pop(self, index: int = -1) -> Module:
        """Take module number `index` out, renumber those behind it, and return it."""
        module = self[index]
        del self[index]
        return module

    def _refill(self, modules: Iterable[Module]) -> None:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        for number, module in enumerate(modules):
            self.add_module(str(number), module)


class ModuleList(Row):
    """A list of modules that are called one by one: `for layer in self.layers: x = layer(x)`."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        return ModuleList(list(self)[index]) if isinstance(index, slice) else super().__getitem__(index)


class ModuleDict(Module):
    """Modules by name: `self.heads["box"](x)`."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def __getitem__(self, name: str) -> Any:
        return dict(self.named_children())[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        self[name]  # a KeyError where there is none
        delattr(self, name)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def pop(self, name: str) -> Module:
        """Take a module out and return it."""
        module = self[name]
        del self[name]
        return module

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules."""
        for name, module in dict(modules).items():
            self.add_module(name, module)

    def keys(self) -> list[str]:
        """The names, in order."""
        return [name for name, _ in self.named_children()]

    def values(self) -> list[Module]:
        """The modules, in order."""
        return list(self.children())

    def items(self) -> list[tuple[str, Module]]:
        """Names and modules, in order."""
        return list(self.named_children())


class ParameterList(Module):
    """A list of Parameters."""

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        super().__init__()
        for parameter in parameters:
            self.append(parameter)

    def append(self, parameter: Parameter) -> ParameterList:
        """Add a Parameter at the end. Returns itself."""
        if not isinstance(parameter, Parameter):
            raise TypeError(f"ParameterList: expected Parameters, got {type(parameter).__name__}")
        setattr(self, str(len(self)), parameter)
        return self

    def _values(self) -> list[Parameter]:
        return [value for value in vars(self).values() if isinstance(value, Parameter)]

    def __len__(self) -> int:
        return len(self._values())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._values())

    def __getitem__(self, index: int) -> Parameter:
        return self._values()[index]

    def extra_repr(self) -> str:
        return ", ".join(str(parameter.shape) for parameter in self)
