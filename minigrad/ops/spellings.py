"""PyTorch's names for our arguments: `x.sum(dim=0, keepdim=True)` is `x.sum(axis=0, keepdims=True)`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable)


def also(**spellings: str) -> Callable[[F], F]:
    """Let a function take arguments by further names: below `@also(dim="axis")`, `dim=1` means `axis=1`.

    The further names are part of the signature that `help` and editors show. Giving both is a TypeError.
    """

    names = frozenset(spellings)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def called(*args: Any, **options: Any) -> Any:
            if not names.isdisjoint(options):
                options = _translated(function.__name__, spellings, options)
            return function(*args, **options)

        called.__signature__ = _extended(inspect.signature(function), spellings)  # type: ignore[attr-defined]
        return called  # type: ignore[return-value]

    return decorate


def _translated(name: str, spellings: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    ours = {spellings.get(option, option): value for option, value in options.items()}
    if len(ours) < len(options):
        raise TypeError(f"{name}: got {', '.join(sorted(options))}, two of which mean the same; give one of them")
    return ours


def _extended(signature: inspect.Signature, spellings: dict[str, str]) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    for theirs, ours in spellings.items():
        kind, default = inspect.Parameter.KEYWORD_ONLY, signature.parameters[ours].default
        parameters.append(signature.parameters[ours].replace(name=theirs, kind=kind, default=default))
    return signature.replace(parameters=parameters)
