"""PyTorch's names for our arguments: `x.sum(dim=0, keepdim=True)` is `x.sum(axis=0, keepdims=True)`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable)
OF_NUMPY = frozenset({"dtype", "out"})


def also(**spellings: str) -> Callable[[F], F]:
    """Let a function take arguments by further names: below `@also(dim="axis")`, `dim=1` means `axis=1`.

    The further names are part of the signature that `help` and editors show. Giving both is a TypeError. A name that
    means something else in PyTorch stands for no argument but for a text, which says what to use instead.

    `np.any(x)` calls `x.any(axis=None, out=None)`, and `np.mean(x)` gives a `dtype`: None for these means nothing.
    """

    def decorate(function: F) -> F:
        names = frozenset(spellings) | (OF_NUMPY - inspect.signature(function).parameters.keys())

        @functools.wraps(function)
        def called(*args: Any, **options: Any) -> Any:
            if not names.isdisjoint(options):
                options = _translated(function.__name__, spellings, options)
            return function(*args, **options)

        called.__signature__ = _extended(inspect.signature(function), spellings)  # type: ignore[attr-defined]
        return called  # type: ignore[return-value]

    return decorate


def _translated(name: str, spellings: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    options = {option: value for option, value in options.items() if option not in OF_NUMPY or value is not None}
    for option in options:
        if " " in spellings.get(option, ""):
            raise TypeError(f"{name}: does not take {spellings[option]}")
    ours = {spellings.get(option, option): value for option, value in options.items()}
    if len(ours) < len(options):
        raise TypeError(f"{name}: got {', '.join(sorted(options))}, two of which mean the same; give one of them")
    return ours


def _extended(signature: inspect.Signature, spellings: dict[str, str]) -> inspect.Signature:
    """Add the further names. Where an argument must be given under either name, neither alone is required."""
    parameters, further = signature.parameters, []
    required = [name for name, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    first = min([required.index(ours) for ours in spellings.values() if ours in required], default=len(required))
    own = [p.replace(default=...) if name in required[first:] else p for name, p in parameters.items()]
    for theirs, ours in spellings.items():
        if " " not in ours:
            p = next(p for p in own if p.name == ours)
            further.append(p.replace(name=theirs, kind=inspect.Parameter.KEYWORD_ONLY))
    return signature.replace(parameters=[*own, *further])
