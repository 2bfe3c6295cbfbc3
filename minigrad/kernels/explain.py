"""Which algorithm computes which convolution, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minigrad.backend import Array
from minigrad.kernels.conv import DIRECTIONS, Call, Problem, conditions, recorded
from minigrad.table import Table

TITLES = ("layer", "convolution", "direction", "algorithm", "because", "million multiply-adds", "MB")


def explain(run: Callable[[], Any], weights: Mapping[str, Array] | None = None) -> Table:
    """Call `run()`, and return a table of the convolutions that it computes: of each one the algorithm, why it was
    taken and those before it in the table of algorithms were not, and what had to be computed and moved.

        kernels.explain(lambda: model(x).sum().backward(), {name: p.data for name, p in model.named_parameters()})

    Args:
        run: anything that computes convolutions, in this thread.
        weights: arrays of weights by name: layers are named after them.

    Returns:
        Text in columns. Multiply-adds are those of the definition; bytes those of all pictures, weights and results,
        which must be read or written.
    """
    names = {id(array): name.removesuffix(".weight") for name, array in (weights or {}).items()}
    with recorded() as calls:
        run()
    lines, total = [TITLES], (0, 0)
    for number, layer in enumerate(_layers(calls), start=1):
        name = next((names[id(call.b)] for call in layer.values() if id(call.b) in names), f"convolution {number}")
        for direction in DIRECTIONS:
            if call := layer.get(direction):
                cost = call.problem.multiply_adds, call.problem.nbytes
                total = total[0] + cost[0], total[1] + cost[1]
                line = name, described(call.problem), direction, call.algorithm, reasons(call)
                lines.append((*line, *_millions(cost)))
                name = ""
    lines.append(("total", "", "", "", "", *_millions(total)))
    return Table(lines, words=5)


def reasons(call: Call) -> str:
    """Return what spoke for the algorithm that was taken, and what against each one before it in the table that serves
    the direction.
    """
    against = []
    for name, suits in conditions(call.problem, call.direction).items():
        if name == call.algorithm:
            return "; ".join([", ".join(suits.pays) or "it can do everything", *against])
        missing = suits.missing or ["another one was asked for, or numbers were too large"]
        against.append(f"not {name}: {missing[0]}")
    raise KeyError(call.algorithm)


def _layers(calls: list[Call]) -> list[dict[str, Call]]:
    """Put together the directions of each convolution: gradients have the same weights, or the same pictures."""
    layers: list[dict[str, Call]] = []
    for call in calls:
        own = next((layer for layer in reversed(layers) if _belongs(call, layer)), None)
        if own is None:
            layers.append(own := {})
        own[call.direction] = call
    return layers


def _belongs(call: Call, layer: Mapping[str, Call]) -> bool:
    """Whether a call is a gradient of a layer that has none in this direction yet."""
    forward = layer.get("forward")
    return bool(forward) and call.direction not in layer and (forward.b is call.b or forward.a is call.a)


def described(problem: Problem) -> str:
    """Return channels, filters, kernel, stride, groups and pictures of a problem in a few words."""
    (kh, kw), stride, _, _, groups = problem.window
    parts = [f"{problem.channels}→{problem.filters}", f"{kh}×{kw}" + (f"/{max(stride)}" if max(stride) > 1 else "")]
    parts += [f"{groups} groups"] if groups > 1 else []
    return " ".join([*parts, f"on {problem.pictures}×{problem.size[0]}×{problem.size[1]}"])


def _millions(numbers: tuple[int, int]) -> tuple[str, ...]:
    return tuple(f"{number / 1e6:,.1f}" for number in numbers)
