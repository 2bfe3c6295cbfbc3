"""What is called after a module's forward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

Hook = Callable[[Any, tuple[Any, ...], Any], Any]  # hook(module, inputs, output)

_numbers_of_hooks = itertools.count()


class HookHandle:
    """A registered hook; `remove()` ends it, and so does the end of a `with` block."""

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        self._hooks, self._number = hooks, next(_numbers_of_hooks)
        hooks[self._number] = hook

    def remove(self) -> None:
        """Call the hook no more."""
        self._hooks.pop(self._number, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
