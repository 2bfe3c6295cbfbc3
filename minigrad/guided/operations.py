"""What there is to say about an operation: its name, its formulas, its source, and which entries come from which."""

from __future__ import annotations

import functools
import inspect
import re
import textwrap
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minigrad import ops
from minigrad.function import Function
from minigrad.kernels.conv import Window
from minigrad.ops.in_memory_order import Elementwise

PACKAGE = Path(__file__).parent.parent

# Public functions by their letters, so that MaxPool2d is found as max_pool2d.
FUNCTIONS = {name.replace("_", ""): name for name in ops.__all__}


def called(operation: type[Function]) -> str:
    """Return the name by which users call an operation: "conv2d"."""
    name = operation.__name__
    return FUNCTIONS.get(name.lower()) or re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@functools.cache
def described(operation: type[Function]) -> dict[str, Any]:
    """Return the formulas that an operation's docstring begins with, the docstring, and the source of both passes."""
    doc = inspect.cleandoc(operation.__doc__ or "") if operation.__doc__ != Function.__doc__ else ""
    return {"formula": _formula(doc), "doc": doc, "source": _source(operation)}


def _formula(doc: str) -> dict[str, str]:
    first = " ".join(doc.split("\n\n")[0].split())
    forward, _, backward = first.partition("⇒")
    if not backward:  # it is told in a line of its own
        backward = next((line.strip(" .;") for line in doc.splitlines() if line.lstrip().startswith("∂L/∂")), "")
    return {"forward": forward.strip(" ."), "backward": backward.strip(" .")}


def source_of(function: Callable[..., Any]) -> str | None:
    """Return a function's source; None where there is none: it was typed into an interpreter, is no function of
    Python's, or its file has changed since, so that what stands at its line need not even be Python.
    """
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        return None


def _source(operation: type[Function]) -> dict[str, str] | None:
    forward, backward = source_of(operation.forward), source_of(operation.backward)
    if forward is None or backward is None:
        return None
    file = Path(inspect.getsourcefile(operation.forward) or "")
    shown = Path(PACKAGE.name, *file.relative_to(PACKAGE).parts) if file.is_relative_to(PACKAGE) else Path(file.name)
    return {"forward": forward, "backward": backward, "file": shown.as_posix()}


@functools.cache
def operand_names(operation: type[Function]) -> tuple[str, ...]:
    """Return what `forward` calls its inputs, as the formulas do: ("x", "w", "b")."""
    parameters = inspect.signature(operation.forward).parameters.values()
    return tuple(p.name for p in parameters if p.name != "self" and p.kind is not p.KEYWORD_ONLY)


def operand_name(operation: type[Function], i: int) -> str:
    """Return what `forward` calls input `i`."""
    names = operand_names(operation)
    if i < len(names) and (i < len(names) - 1 or not _takes_many(operation)):
        return names[i]
    return f"input {i}"


@functools.cache
def _takes_many(operation: type[Function]) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(operation.forward).parameters.values())


def options_text(options: dict[str, Any]) -> str:
    """Return what an operation was called with beside its inputs; arrays are named only, they would fill the page."""
    parts = []
    for name, value in options.items():
        if isinstance(value, Window):
            fields = ("stride", "padding", "dilation", "groups")
            parts += [f"{field}={getattr(value, field)}" for field in fields]
        elif isinstance(value, (int, float, str, tuple, list, type(None), slice)):
            parts.append(f"{name}={_short(repr(value))}")
    return ", ".join(parts)


def _short(text: str, letters: int = 80) -> str:
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= letters else text[: letters - 1] + "…"


def reach_of(operation: type[Function], options: dict[str, Any]) -> dict[str, Any] | None:
    """Return how an entry of the output came from entries of the inputs, as far as the page can show it."""
    window = options.get("window")
    if isinstance(window, Window):
        kind = "pool" if "Pool" in operation.__name__ else "window"
        fields = ("kernel", "stride", "padding", "dilation", "groups")
        return {"kind": kind} | {field: getattr(window, field) for field in fields}
    if issubclass(operation, Elementwise) or operation.__name__ in ("Keep", "BroadcastTo"):
        return {"kind": "elementwise"}
    if operation.__name__ in ("MatMul", "Linear"):
        return {"kind": operation.__name__.lower()}
    if "axes" in options and operation.__name__ in ("Sum", "Max", "Min"):
        return {"kind": "reduce", "axes": list(options["axes"])}
    return None
