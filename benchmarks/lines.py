"""How much code a reader meets: the code lines of minigrad's functions that run in an expression.

    python -m benchmarks.lines [--list] [--tree FOLDER]

Every function of minigrad that is called, in any thread, is counted once, with all its lines but docstrings, comments
and blanks; functions and lambdas inside it are part of it. `--tree` counts in another copy of the repository, say an
older commit's. What runs only at the first call (imports, the start of threads, what is cached) is not counted: each
expression is evaluated once before.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import threading
import tokenize
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


class FunctionLines(NamedTuple):
    """A function and how many code lines it has."""

    file: str
    name: str
    lines: int


@cache
def functions(path: Path) -> list[tuple[range, FunctionLines]]:
    """Return the outermost functions and methods of a file, each with the range of its lines, decorators included."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    code = code_lines(text, tree)
    found = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([child.lineno, *[d.lineno for d in child.decorator_list]])
                lines = range(first, (child.end_lineno or first) + 1)
                found.append((lines, FunctionLines(str(path), prefix + child.name, len(code.intersection(lines)))))
            else:
                visit(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix)

    visit(tree, "")
    return found


def code_lines(text: str, tree: ast.AST | None = None) -> set[int]:
    """Return the numbers of the lines with code: no docstrings, no comments, no blank lines."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree or ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            if is_text and isinstance(first.value.value, str):
                lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


class Watch:
    """Notes the functions below a folder that are called while `on`, in this thread and in those started later."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.on, self.called = str(folder), False, set[CodeType]()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if self.on and event == "call" and frame.f_code.co_filename.startswith(self.folder):
            self.called.add(frame.f_code)

    def of(self, expression: Callable[[], Any]) -> list[FunctionLines]:
        """Return the functions that `expression()` calls the second time, those with most lines first."""
        expression()
        self.called.clear()
        sys.setprofile(self)
        self.on = True
        try:
            expression()
        finally:
            self.on = False
            sys.setprofile(None)
        found = set()
        for code in self.called:
            where = functions(Path(code.co_filename))
            found.update(function for lines, function in where if code.co_firstlineno in lines)
        return sorted(found, key=lambda function: (-function.lines, function.file, function.name))


def expressions() -> dict[str, Callable[[], Any]]:
    """Return what is counted, by its name in the table."""
    import numpy as np

    import minigrad as mg
    from minigrad import nn, ops

    rng = np.random.default_rng(0)

    def tensor(*shape: int) -> mg.Tensor:
        return mg.Tensor(rng.standard_normal(shape, dtype=np.float32), requires_grad=True)

    x = tensor(3)
    convolutions = [  # of CifarCNN, from its first to its last
        (tensor(128, channels, size, size), tensor(filters, channels, 3, 3))
        for channels, filters, size in ((3, 32, 32), (32, 64, 16), (128, 128, 8))
    ]

    def convolve() -> None:
        for images, weight in convolutions:
            y = ops.conv2d(images, weight, padding=1)
            y.backward(mg.Tensor(y.data))

    images, classes = mg.Tensor(tensor(16, 3, 32, 32).data), mg.Tensor(rng.integers(10, size=16))
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)]
    head, criterion = nn.Linear(32 * 16 * 16, 10), nn.CrossEntropyLoss()

    def step() -> None:
        y = images
        for layer in layers:
            y = layer(y)
        criterion(head(y.flatten(1)), classes).backward()

    return {
        "(x*x).sum().backward()": lambda: (x * x).sum().backward(),
        "three convolutions of CifarCNN, all directions": convolve,
        "a step of conv, norm, relu, pool, linear and loss": step,
    }


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, count, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lines", description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", type=Path, default=Path(__file__).parents[1], help="another copy of the repository")
    parser.add_argument("--list", action="store_true", help="list the functions")
    options = parser.parse_args(arguments)
    tree = options.tree.resolve()
    sys.path.insert(0, str(tree))
    watch = Watch(tree / "minigrad")
    threading.setprofile(watch)  # before there are threads
    for name, expression in expressions().items():
        found = watch.of(expression)
        files = {function.file for function in found}
        total = sum(function.lines for function in found)
        print(f"{total:5} lines, {len(found):3} functions, {len(files):2} files: {name}")
        if options.list:
            for function in found:
                print(f"{function.lines:9} {Path(function.file).relative_to(tree)}: {function.name}")


if __name__ == "__main__":
    main()
