"""Predict first: for each node one question, its answer, and what the usual wrong answers would mean.

A question about a number at the backward pass is about the node's own gradient; every other one is about what the
operation does with the gradient that arrives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from minigrad.guided.graph import Graph
from minigrad.guided.values import FEW, Values, plain

ROUNDING = 1e-6
Wrong = list[tuple[Any, str]]

# What an operation sends its first input, entry by entry: the right one first, then wrong ones and what they mean.
CHOICES: dict[str, tuple[str, str, Wrong]] = {
    "add": ("g", "A sum passes g on to both inputs as it is.", [
        ("g/2", "A sum does not divide: when either input rises by 1, so does the result."),
        ("g·b", "That would be a product's: there the slope is the other factor."),
    ]),
    "sub": ("g", "The first input of a difference gets g, the second one −g.", [
        ("−g", "That is what the second input gets: the result falls when it rises."),
        ("g − b", "Gradients are not subtracted: the slope of a − b in a is 1."),
    ]),
    "mul": ("g·b", "The slope of a·b in a is b, and the chain rule multiplies it by g.", [
        ("g·a", "That is what b gets: the slope in one factor is the other one."),
        ("g", "That would be a sum's: a product's slope is the other factor."),
    ]),
    "div": ("g/b", "The slope of a/b in a is 1/b.", [
        ("g·b", "That would be a product's."),
        ("−g·a/b²", "That is what b gets."),
    ]),
    "exp": ("g·y", "eˣ is its own slope, and that is y: it is saved and used again.", [
        ("g·x", "The slope of eˣ is eˣ, not x."),
        ("g", "That would be right only where y = 1."),
    ]),
    "tanh": ("g·(1 − y²)", "It is largest where y = 0, and dies out where y is near −1 or 1.", [
        ("g·y", "That is the slope of eˣ."),
        ("g·(1 − y)", "That would be 2 at y = −1, where tanh is flat."),
    ]),
    "sigmoid": ("g·y·(1 − y)", "It is never more than g/4, and dies out where y is near 0 or 1.", [
        ("g·y", "That is the slope of eˣ."),
        ("g·(1 − y²)", "That is the slope of tanh."),
    ]),
}  # fmt: skip


def add_questions(graph: Graph, values: Values, symbol: str = "L") -> None:
    """Give each node of a graph its question; only leaves that are arrays have none."""
    asking = _Asking(graph, values, symbol)
    for node in graph.nodes:
        node["question"] = asking.question(node)


class _Asking:
    """Asks about the nodes of one graph; what the answers are, is read from its first sweep."""

    def __init__(self, graph: Graph, values: Values, symbol: str) -> None:
        self._nodes, self._values, self._symbol = graph.nodes, values, symbol
        sweeps = [step["sweep"] for step in graph.steps if "sweep" in step]
        steps = [step for step in graph.steps if step.get("sweep") == min(sweeps, default=1)]
        self._steps = {step["node"]: step for step in steps if step["direction"] == "backward"}
        self._shares: dict[int, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        for step in self._steps.values():
            for share in step["shares"]:
                self._shares.setdefault(share["to"], []).append((step, share))

    def question(self, node: dict[str, Any]) -> dict[str, Any] | None:
        """Return the question that fits a node, or None."""
        shares = self._shares.get(node["id"])
        if math.prod(node["shape"]) == 1 and shares and shares[-1][1]["nth"] == node["uses"]:
            own = self._of_own_gradient(node, shares)
            if own:
                return own
        if node["operation"] is None:
            return None
        if node["id"] not in self._steps or not self._steps[node["id"]]["shares"]:
            return self._of_result(node)
        for ask in (self._of_broadcast, self._of_zeros, self._of_distribution, self._of_slope, self._of_shape):
            found = ask(node, self._steps[node["id"]])
            if found:
                return found
        return self._of_result(node)

    def _of_own_gradient(self, node: dict[str, Any], shares: list[tuple[dict, dict]]) -> dict[str, Any] | None:
        numbers = [self._number(share["share"]) for _, share in shares]
        total, here = self._number(shares[-1][1]["sum"]), self._number(node["value"])
        if not math.isfinite(total) or 0 < abs(total) < ROUNDING * max(map(abs, (1.0, *numbers))):
            return None  # no number, or a 0 but for rounding, which nobody can predict
        wrong: Wrong = []
        if len(numbers) > 1:
            right = f"{' + '.join(map(_digits, numbers))} = {_digits(total)}: every use sends a share, and they add up."
            product = math.prod(numbers)
            wrong += [(n, f"That is one share of {len(numbers)}: every other use sends one, too.") for n in numbers]
            wrong.append((product, "That is the product of the shares: they are added, as both ways change the loss."))
        else:
            step, _ = shares[0]
            user = self._nodes[step["node"]]
            right = f"The sum of what goes back from every entry of {user['operation']} that it went into."
            if math.prod(user["shape"]) == 1:
                right, slips = self._of_one_use(user, self._number(step["gradient"]), total, here)
                wrong += slips
            wrong.append((-total, "The size is right, the sign is not: does the loss rise when this value rises?"))
        wrong.append((here, "That is the value itself. Its gradient says how fast the loss changes when it changes."))
        wrong.append((0.0, "That would mean that the loss does not change when this value does."))
        return _asked("number", "backward", f"{self._gradient_of(node)}?", total, wrong, right)

    @staticmethod
    def _of_one_use(user: dict[str, Any], g: float, total: float, here: float) -> tuple[str, Wrong]:
        """Return how a number's gradient follows from the `g` that arrives at its only user, and what may go wrong."""
        name = user["operation"]
        wrong: Wrong = [(g, f"That is what arrives at {name}: multiply it by the slope there.")]
        if g == 0:
            return "Where 0 arrives, 0 is sent back.", wrong
        wrong.append((total / g, f"That is the slope of {name}: multiply it by what arrives."))
        if name == "mul":
            wrong.append((g * here, "That is g times the value itself. The slope of a product is the other factor."))
        return f"{_digits(g)}, which arrives at {name}, times {_digits(total / g)}, the slope.", wrong

    def _of_broadcast(self, node: dict[str, Any], step: dict[str, Any]) -> dict[str, Any] | None:
        for share in step["shares"]:
            to, shape = self._nodes[share["to"]], (share["broadcast"] or {"from": []})["from"]
            axes = [axis for axis in (share["broadcast"] or {"axes": []})["axes"] if shape[axis] != 1]
            if not axes:
                continue
            name, own, wide = _name(to), _shape(to["shape"]), _shape(shape)
            kept = (
                f"Then the gradient would have the shape {wide}, and {name} has {own}: it was repeated, and every copy "
            )
            wrong: Wrong = [
                ([], kept + "sends something back."),
                ([axis for axis in range(len(shape)) if axis not in axes], f"Along these {name} was not repeated."),
                (list(range(len(shape))), f"That would leave a single number for {own}."),
            ]
            ask = f"{name}, {own}, was repeated to {wide}. Over which axes is its share summed?"
            right = "What was repeated on the way forwards is summed on the way back."
            return _asked("axis", "backward", ask, axes, wrong, right)
        return None

    def _of_zeros(self, node: dict[str, Any], step: dict[str, Any]) -> dict[str, Any] | None:
        if node["operation"] not in ("relu", "max_pool2d"):
            return None
        share = step["shares"][0]
        to = self._nodes[share["to"]]
        is_relu = node["operation"] == "relu"
        asked = f"{self._gradient_of(to)}"
        if math.prod(to["shape"]) > FEW:
            if is_relu:
                wrong: Wrong = [
                    ("where y is not 0", "There relu lets g pass as it is: the slope is 1."),
                    ("nowhere", "Where x < 0, y stays 0 whatever x is, so nothing goes back."),
                ]
                right = "Where y is 0, it stays 0 when x changes a little, and so does the loss."
                return _choice(f"Where does relu set {asked} to 0?", "where y is 0", wrong, right)
            wrong = [
                ("all of them", "That would be average pooling. Here only the largest makes it to the output."),
                ("none", "Then nothing before the pool could learn."),
            ]
            right = "Only the largest one made it to the output; when the others change a little, the output does not."
            return _choice("How many entries of a window does its g go to?", "one", wrong, right)
        entries = self._values.entries[share["share"]]["data"]
        zeros = [i for i, x in enumerate(entries) if x == 0]
        why = "Where x < 0, y stays 0 when x changes a little." if is_relu else "Only a window's largest gets its g."
        right, own = why, zeros
        if any(x == 0 for x in self._values.entries[step["gradient"]]["data"]):
            right += " And where the g that arrives is 0, so is what goes back."
            if is_relu:
                own = [i for i, y in enumerate(self._values.entries[node["value"]]["data"]) if y == 0]
        wrong = [
            (own, "There relu lets nothing pass. But where the g that arrives is 0, what goes back is 0, too."),
            ([i for i in range(len(entries)) if i not in zeros], "It is the other way round: there g passes."),
            ([], why),
            (list(range(len(entries))), "Then nothing would pass; some entries do."),
        ]
        return _asked("zeros", "backward", f"Which entries of {asked} are 0?", zeros, wrong, right)

    def _of_distribution(self, node: dict[str, Any], step: dict[str, Any]) -> dict[str, Any] | None:
        given = self._nodes[node["inputs"][0]]
        targets = self._nodes[node["inputs"][-1]]
        fits = node["operation"] == "softmax" or targets["dtype"].startswith(("int", "uint"))
        if node["operation"] not in ("softmax", "cross_entropy") or not fits:
            return None
        wrong: Wrong = [
            ("1", "The probabilities do. The gradient is a difference in which their sum is taken away."),
            ("it depends on the loss", "Adding a number to all scores of a row changes no probability: never a slope."),
        ]
        right = "Adding the same number to all scores of a row changes no probability, and so not the loss."
        return _choice(f"What do the entries of a row of {self._gradient_of(given)} add up to?", "0", wrong, right)

    def _of_slope(self, node: dict[str, Any], step: dict[str, Any]) -> dict[str, Any] | None:
        if node["operation"] not in CHOICES or step["shares"][0]["input"] != 0:
            return None
        answer, right, wrong = CHOICES[node["operation"]]
        given = "a" if len(node["inputs"]) > 1 else "x"
        formula = node_formula(node)
        ask = f"{formula}: what goes back to {given}, entry by entry?"
        return _choice(ask, answer, wrong, right)

    def _of_shape(self, node: dict[str, Any], step: dict[str, Any]) -> dict[str, Any] | None:
        share = next((s for s in step["shares"] if s["input"] == 1), step["shares"][0])
        to = self._nodes[share["to"]]
        shape, arrives = to["shape"], node["shape"]
        if not shape:
            return None
        wrong: Wrong = [
            (arrives, "That is the shape of the gradient that arrives. A gradient has the shape of its own value."),
            (
                shape[::-1],
                "These lengths, but in the order of the value itself: a gradient has the shape of its value.",
            ),
        ]
        right = "A gradient has the shape of its value: one slope for each entry."
        return _asked("shape", "backward", f"Which shape has {self._gradient_of(to)}?", shape, wrong, right)

    def _of_result(self, node: dict[str, Any]) -> dict[str, Any] | None:
        given = [self._nodes[i] for i in node["inputs"]]
        name = node["operation"]
        if math.prod(node["shape"]) == 1 and all(math.prod(x["shape"]) == 1 for x in given):
            result = self._number(node["value"])
            if not math.isfinite(result):
                return None
            return _asked("number", "forward", f"{name} gives?", result, self._confused(given), "")
        shapes = ", ".join(_shape(x["shape"]) for x in given)
        wrong = [(x["shape"], f"That is the shape of {_name(x)}, which goes in.") for x in given]
        return _asked("shape", "forward", f"{name} of {shapes}: which shape comes out?", node["shape"], wrong, "")

    def _confused(self, given: list[dict[str, Any]]) -> Wrong:
        numbers = [self._number(x["value"]) for x in given]
        if len(numbers) < 2:
            return []
        return [(sum(numbers), "That is the sum."), (math.prod(numbers), "That is the product.")]

    def _gradient_of(self, node: dict[str, Any]) -> str:
        return f"∂{self._symbol}/∂{_name(node)}"

    def _number(self, value: int) -> float:
        return float(self._values.entries[value]["data"][0])


def node_formula(node: dict[str, Any]) -> str:
    """Return the formula of an operation that `CHOICES` knows."""
    binary = {"add": "a + b", "sub": "a − b", "mul": "a·b", "div": "a/b"}
    return f"y = {binary.get(node['operation'], node['operation'] + '(x)')}"


def _choice(ask: str, answer: str, wrong: Wrong, right: str) -> dict[str, Any]:
    choices = sorted([answer, *(text for text, _ in wrong)])  # so that the right one is not always the first
    return _asked("choice", "backward", ask, answer, wrong, right) | {"choices": choices}


def _asked(kind: str, at: str, ask: str, answer: Any, wrong: Wrong, right: str) -> dict[str, Any]:
    kept = [{"answer": _plain(given), "says": says} for given, says in _distinct(kind, answer, wrong)]
    return {
        "kind": kind,
        "at": at,
        "ask": ask,
        "answer": _plain(answer),
        "choices": None,
        "wrong": kept,
        "right": right,
    }


def _distinct(kind: str, answer: Any, wrong: Wrong) -> Iterator[tuple[Any, str]]:
    """Yield wrong answers that are wrong, and each once: the first thing that is said about it."""
    said = [_rounded(kind, answer)]
    for given, says in wrong:
        if _rounded(kind, given) not in said:
            said.append(_rounded(kind, given))
            yield given, says


def _rounded(kind: str, answer: Any) -> Any:
    return f"{answer + 0.0:.3g}" if kind == "number" else answer


def _plain(answer: Any) -> Any:
    return plain(answer) if isinstance(answer, float) else answer


def _name(node: dict[str, Any]) -> str:
    return node["name"] or node["symbol"]


def _shape(shape: list[int]) -> str:
    return str(tuple(shape))


def _digits(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")
