"""Every `backward` is one formula for arrays and for Tensors: a look at the code of all of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import minigrad

OPS = Path(minigrad.__file__).parent / "ops"
FILES = sorted(OPS.glob("*.py"))
MEANS_ANOTHER_THING = {"data", "numpy", "detach", "sum", "mean", "var", "max", "min", "transpose", "_wrap"}


def functions(tree):
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def backwards(tree):
    """All methods `backward`, and what they call in their own module, by name."""
    known = functions(tree)
    todo = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "backward"]
    done = []
    while todo:
        function = todo.pop()
        done.append(function)
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            private = known.get(name) if name.startswith("_") else None
            if private is not None and private not in done and private not in todo:
                todo.append(private)
    return done


def mistakes(tree):
    """What would not mean the same on an array and on a Tensor."""
    for function in backwards(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and node.attr in MEANS_ANOTHER_THING:
                yield f"{function.name}, line {node.lineno}: .{node.attr}"
            if isinstance(node, ast.Name) and node.id == "Tensor" and isinstance(node.ctx, ast.Load):
                yield f"{function.name}, line {node.lineno}: Tensor"
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                yield f"{function.name}, line {node.lineno}: @"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_backward_asks_what_it_is_given(path):
    assert list(mistakes(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_there_are_backwards_to_look_at():
    assert sum(len(backwards(ast.parse(path.read_text(encoding="utf-8")))) for path in FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_operation_asks_whether_it_is_recorded(path):
    names = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(ast.parse(path.read_text("utf-8")))}
    assert names.isdisjoint({"is_grad_enabled", "grad_mode"})


@pytest.mark.parametrize(
    "line",
    [
        "grad.data * 2",
        "Tensor._wrap(grad)",
        "isinstance(grad, Tensor)",
        "grad @ x",
        "grad.sum(axis=0)",
        "_helper(grad)",
    ],
)
def test_a_mistake_is_found(line):
    code = f"class F:\n    def backward(self, grad):\n        return {line}\n\ndef _helper(x):\n    return x.data\n"
    assert list(mistakes(ast.parse(code)))
