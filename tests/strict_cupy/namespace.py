"""What CuPy offers: its public names and the parameters of its functions, as recorded in namespace.json."""

from __future__ import annotations

import functools
import json
from inspect import Parameter, Signature
from pathlib import Path

PATH = Path(__file__).with_name("namespace.json")


class NotModelledError(NotImplementedError):
    """CuPy has this, but the stand-in does not imitate it: extend the stand-in, or test it on a GPU."""


@functools.cache
def _read() -> dict:
    return json.loads(PATH.read_text(encoding="utf-8"))


def load() -> dict[str, dict[str, str]]:
    """For each module and class of CuPy its public names; see refresh.py for the values."""
    return _read()["namespaces"]


def version() -> str:
    """The version of CuPy that the list describes."""
    return _read()["cupy_version"]


def missing(place: str, name: str) -> Exception:
    """The error for ``place.name``: AttributeError if CuPy lacks it, NotModelledError if only the stand-in does."""
    if name in load().get(place, ()):
        return NotModelledError(f"{place}.{name} exists in CuPy, but the strict stand-in does not model it")
    return AttributeError(f"{place} has no attribute {name!r} (nor has CuPy)")


class Partial:
    """Base of the classes that imitate one of CuPy's: a name that is not defined raises what `missing` says."""

    __slots__ = ()
    _place = "cupy.cuda"

    def __getattr__(self, name):
        raise missing(f"{self._place}.{type(self).__name__}", name)


def parse_signature(text: str) -> Signature:
    """The ``Signature`` that a recorded ``"(a, axis=, *, dtype=)"`` stands for."""
    kind, parameters = Parameter.POSITIONAL_OR_KEYWORD, []
    for word in filter(None, text[1:-1].split(", ")):
        name = word.strip("*=")
        if word == "/":
            parameters = [p.replace(kind=Parameter.POSITIONAL_ONLY) for p in parameters]
        elif word == "*":
            kind = Parameter.KEYWORD_ONLY
        elif word.startswith("**"):
            parameters.append(Parameter(name, Parameter.VAR_KEYWORD))
        elif word.startswith("*"):
            parameters.append(Parameter(name, Parameter.VAR_POSITIONAL))
            kind = Parameter.KEYWORD_ONLY
        else:
            parameters.append(Parameter(name, kind, default=None if word.endswith("=") else Parameter.empty))
    return Signature(parameters)
