"""All small faults that can be put into a source file, one at a time.

Each is found in the syntax tree, and made in the text, so that a mutant differs from its file in a line or two. What
only informs is left alone: docstrings, annotations, error messages and other strings. So is what changes nothing by
construction, such as the order of the arguments of `maximum`.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

EXCHANGED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.And: ast.Or, ast.Or: ast.And,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
IN_ORDER = {"isinstance", "hasattr", "getattr", "setattr"}  # the other way round they can only crash
# There it makes no difference, if there are two.
ANY_ORDER = {"minimum", "maximum", "min", "max", "add", "mul", "multiply", "transpose", "may_share_memory"}
NAMING = {"__all__", "__name__", "__qualname__", "__doc__"}  # assigned to for readers only
ALIASES = ("Axis = ", "Number = ")  # of types
CHECKS_ONLY = {"strict"}  # keywords that make no difference to a program that is right


@dataclass(frozen=True)
class Mutant:
    """A file with one fault.

    Attributes:
        path: the file, from the root of the repository.
        line: where the fault is.
        original, source: the text without and with it.
    """

    path: str
    line: int
    original: str
    source: str

    @property
    def module(self) -> str:
        """The name under which the file is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def diff(self) -> str:
        """The fault as a unified diff."""
        lines = self.original.splitlines(keepends=True), self.source.splitlines(keepends=True)
        return "".join(difflib.unified_diff(*lines, self.path, self.path, n=2))


def mutants(path: str, text: str) -> list[Mutant]:
    """Return every mutant of the file `path` with the content `text`, in the order of their lines."""
    tree = ast.parse(text)
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = {}
    for node, replacement in _faults(tree):
        source = text.encode()
        start = starts[node.lineno - 1] + node.col_offset  # both count bytes
        end = starts[node.end_lineno - 1] + node.end_col_offset
        source = (source[:start] + replacement.encode() + source[end:]).decode()
        if replacement != ast.unparse(node):
            found.setdefault(source, Mutant(path, node.lineno, text, source))
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.source))


def _faults(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield nodes at or below `node`, each with the text of a faulty one."""
    if _is_only_for_readers(node):
        return
    yield from _faults_here(node)
    if isinstance(node, ast.Raise):
        return  # which error, and its message, is no matter of right and wrong results
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        if name == "body" and isinstance(node, ast.If) and isinstance(value[-1], ast.Raise):
            value = value[-1:]  # what stands before an error prepares its message
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _faults(child)


def _is_only_for_readers(node: ast.AST) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__repr__", "__str__")
    if isinstance(node, ast.Assign):
        names = {getattr(target, "id", getattr(target, "attr", "")) for target in node.targets}
        return bool(names & NAMING) or ast.unparse(node).startswith(ALIASES)
    return isinstance(node, ast.keyword) and node.arg in CHECKS_ONLY


def _faults_here(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.BinOp(left, op, right) if type(op) in EXCHANGED:
            yield node, f"({ast.unparse(ast.BinOp(left, EXCHANGED[type(op)](), right))})"
        case ast.AugAssign(target, op, value):
            if type(op) in EXCHANGED:
                yield node, ast.unparse(ast.AugAssign(target, EXCHANGED[type(op)](), value))
            yield node, "pass"
        case ast.Compare(left, ops, comparators):
            for i, op in enumerate(ops):
                other = [*ops[:i], EXCHANGED[type(op)](), *ops[i + 1 :]]
                yield node, f"({ast.unparse(ast.Compare(left, other, comparators))})"
        case ast.BoolOp(op, values):
            yield node, f"({ast.unparse(ast.BoolOp(EXCHANGED[type(op)](), values))})"
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.Constant(value):
            for other in _other_constants(value):
                yield node, repr(other)
        case ast.If(test) | ast.IfExp(test) | ast.While(test):
            yield test, f"(not ({ast.unparse(test)}))"
        case ast.comprehension(ifs=conditions):
            for test in conditions:
                yield test, f"(not ({ast.unparse(test)}))"
        case ast.Raise() | ast.Delete() | ast.Expr(ast.Call()):
            yield node, "pass"
        case ast.Continue() | ast.Break():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case ast.Return(ast.Tuple(elts=[first, second, *rest])):
            yield node, ast.unparse(ast.Return(ast.Tuple([second, first, *rest], ast.Load())))
        case ast.Call(func, args, keywords):
            for text in _other_calls(func, args, keywords):
                yield node, text


def _other_constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [value * 2 or 1.0]
    return []


def _other_calls(func: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> Iterator[str]:
    """The first two arguments exchanged; one keyword left out."""
    if len(args) >= 2 and not _has_its_order(func, args):
        yield ast.unparse(ast.Call(func, [args[1], args[0], *args[2:]], keywords))
    for i, keyword in enumerate(keywords):
        if keyword.arg is not None and keyword.arg not in CHECKS_ONLY:
            yield ast.unparse(ast.Call(func, args, [*keywords[:i], *keywords[i + 1 :]]))


def _has_its_order(func: ast.expr, args: list[ast.expr]) -> bool:
    """Whether with the first two arguments exchanged a call could only crash, or would do the same."""
    name = getattr(func, "id", getattr(func, "attr", ""))
    starred = any(isinstance(arg, ast.Starred) for arg in args[:2])
    text = any(isinstance(arg, ast.Constant) and isinstance(arg.value, str) for arg in args[:2])
    return starred or text or name in IN_ORDER or (name in ANY_ORDER and len(args) == 2)
