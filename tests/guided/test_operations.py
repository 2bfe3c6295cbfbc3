"""A tour of every operation: each step's numbers fit together, whatever is computed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.gradcheck.cases import CASES
from tests.guided.reading import array, steps


def loss_of(case, inputs):
    """A number in which every entry of the result counts, each with a weight of its own."""
    result = case(*inputs)
    results = result if isinstance(result, (tuple, list)) else [result]
    weighted = [(y * Tensor(np.linspace(0.5, 2, y.size, dtype=y.dtype).reshape(y.shape))).sum() for y in results]
    return sum(weighted[1:], weighted[0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_tour_of_every_operation(case):
    inputs = {f"input {i}": x for i, x in enumerate(case.inputs("cpu"))}
    with case.choice():
        tour = mg.tour(lambda: loss_of(case, inputs.values()), names=inputs, create_graph=True)
        expected = mg.grad(loss_of(case, inputs.values()), list(inputs.values()))
    nodes = tour.data["nodes"]
    assert json.dumps(tour.data, allow_nan=False)
    for step in steps(tour, "backward"):
        for share in step["shares"]:
            value = tour.data["values"][share["share"]]
            assert value["shape"] == nodes[share["to"]]["shape"] == tour.data["values"][share["sum"]]["shape"]
            assert nodes[step["node"]]["inputs"][share["input"]] == share["to"]
    leaves = {nodes[step["node"]]["name"]: array(tour, step["gradient"]) for step in steps(tour, "leaf")}
    for name, gradient in zip(inputs, expected, strict=True):
        np.testing.assert_allclose(leaves.get(name, 0), gradient.numpy(), rtol=1e-6, atol=1e-9)
    if "float32" not in case.description:  # where slopes are rounded away
        assert max(n["belief"]["relative"] for n in nodes if n["belief"]) < 1e-4
