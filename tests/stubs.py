"""Writes what editors and type checkers cannot see: the operators and methods that a table gives to Tensor, and the
names that a decorator gives to arguments. `python -m tests.stubs` (`make stubs`) writes the file anew.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from minigrad import ops
from minigrad.operators import METHODS, PROPERTIES, SYNTAX

STUB = Path(__file__).parent.parent / "minigrad" / "ops" / "__init__.pyi"
NOTE = "# Written by `make stubs`."
HOMES = {  # of the names in signatures
    "collections.abc": {"Callable", "Sequence"},
    "typing": {"Any"},
    "minigrad.backend": {"Array"},
    "minigrad.kernels.conv": {"Pair"},
    "minigrad.ops.operands": {"Number", "Operand"},
    "minigrad.ops.order": {"Ordered"},
    "minigrad.ops.reduce": {"Axis"},
    "minigrad.tensor": {"Tensor"},
}


def method(name, function, returns=None):
    """The lines of one function or method of a stub: its signature, and its docstring."""
    signature = inspect.signature(function)
    parameters = [p.replace(default=shown(p.default)) for p in signature.parameters.values()]
    returns = returns or signature.return_annotation
    text = str(signature.replace(parameters=parameters, return_annotation=Written(returns)))
    text = re.sub(r": '([^']*)'", r": \1", text)
    text = re.sub(r"\b(int|float|bool)\b", r"builtins.\1", text)  # inside a class these may be methods
    doc = inspect.getdoc(function)
    if not doc or name in SYNTAX:
        ignored = "  # type: ignore[override]" if name in {"__eq__", "__ne__"} else ""  # object's give a bool
        return f"def {name}{text}: ...{ignored}"
    lines = textwrap.indent(f'"""{doc}' + ('\n"""' if "\n" in doc else '"""'), "    ")
    return f"def {name}{text}:\n{lines}"


class Written(str):
    """Text that `repr` shows as it is."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


def shown(default):
    simple = default is inspect.Parameter.empty or isinstance(default, (int, float, str, type(None)))
    return default if simple else Written("...")


def bound(function):
    """The same signature with `self` as the first argument, as a method has it."""
    signature = inspect.signature(function)
    _, *rest = signature.parameters.values()
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)

    def as_method():
        pass

    as_method.__signature__ = signature.replace(parameters=[own, *rest])
    as_method.__doc__ = inspect.getdoc(function)
    return as_method


def operators():
    """The class of what the table gives to a Tensor; it exists for type checkers alone."""
    methods = [method(name, bound(function), "Tensor") for name, function in SYNTAX.items()]
    methods += [method(name, bound(function)) for name, function in METHODS.items()]
    for name, entry in PROPERTIES.items():
        methods.append(f'@property\ndef {name}(self) -> Tensor:\n    """{entry.__doc__}"""')
    body = textwrap.indent("\n".join(methods), "    ")
    return f'class Operators:\n    """What the table of operators.py adds to a Tensor."""\n\n{body}'


def operations():
    """The functions of `ops`."""
    functions = {name: getattr(ops, name) for name in ops.__all__}
    text = "\n\n".join(method(name, function) for name, function in functions.items())
    return f"__all__ = {sorted(ops.__all__)}\n\n{text}"


def stub():
    """The text of ops/__init__.pyi."""
    return page(f"{operations()}\n\n{operators()}\n")


def page(text):
    """Put the imports above the text that its signatures need."""
    words = set(re.findall(r"[(:,\[|>] *\*?(\w+)", text))
    used = {module: sorted(words & names) for module, names in HOMES.items()}
    imports = [f"from {module} import {', '.join(names)}" for module, names in used.items() if names]
    modules = [line for line, word in (("import builtins", "builtins"), ("import numpy as np", "np")) if word in words]
    return "\n".join([NOTE, *modules, *imports, "", text])


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
