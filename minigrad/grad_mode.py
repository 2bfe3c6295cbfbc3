"""Whether operations are recorded: `no_grad`, `enable_grad`."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Generator
from contextlib import ContextDecorator
from typing import Any


class GradMode(threading.local):
    """Whether operations are recorded, for each thread; switched by `no_grad` and `enable_grad`."""

    enabled = True

    def __init__(self) -> None:
        self.before: list[bool] = []  # what the switches that this thread is in found


grad_mode = GradMode()


class _GradSwitch(ContextDecorator):
    enabled: bool

    def __new__(cls, function: Callable | None = None) -> Any:
        """Accept `@no_grad` beside `@no_grad()`."""
        return super().__new__(cls) if function is None else cls()(function)

    def __call__(self, function: Callable) -> Callable:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"{type(self).__name__}: expected a function to decorate, got {function!r}")
        if inspect.isasyncgenfunction(function):
            raise TypeError(f"{type(self).__name__}: cannot decorate {function.__name__}, an asynchronous generator")
        if inspect.isgeneratorfunction(function):

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return self._step_by_step(function(*args, **kwargs))

        elif inspect.iscoroutinefunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                return await self._step_by_step(function(*args, **kwargs))

        else:
            return super().__call__(function)
        return functools.wraps(function)(wrapper)

    @types.coroutine
    def _step_by_step(self, steps: Any) -> Generator[Any, Any, Any]:
        """Run a generator or coroutine under the switch, but not what its caller does between its steps."""
        advance, value = steps.send, None
        try:
            while True:
                with self:
                    try:
                        result = advance(value)
                    except StopIteration as end:
                        return end.value
                try:
                    advance, value = steps.send, (yield result)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    advance, value = steps.throw, error
        finally:
            with self:
                steps.close()

    def __enter__(self) -> None:
        grad_mode.before.append(grad_mode.enabled)
        grad_mode.enabled = self.enabled

    def __exit__(self, *error: object) -> None:
        grad_mode.enabled = grad_mode.before.pop()


class no_grad(_GradSwitch):  # noqa: N801 - PyTorch's name
    """Record no operations: `with no_grad():`, or `@no_grad()` on a function, a generator or a coroutine. For
    evaluation and for updates of parameters: inside, leaves that require gradients, and Parameters, change in place
    (`p -= lr * p.grad`). For every other Tensor, a buffer, say, `b *= 0.9` means `b = b * 0.9` here as everywhere;
    `b.mul_(0.9)` changes it in place.
    """

    enabled = False


class enable_grad(_GradSwitch):  # noqa: N801 - PyTorch's name
    """Record operations again inside `no_grad`: `with enable_grad():` or `@enable_grad()`."""

    enabled = True


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return grad_mode.enabled
