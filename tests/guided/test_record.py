"""What the page shows are the engine's own numbers: values, shares, their sums, gradients, a second sweep."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops
from tests.guided.reading import array, node, shares_to, steps


def test_a_number_that_is_used_three_times_collects_three_shares():
    x = Tensor(2.0, requires_grad=True)
    tour = mg.tour(lambda: x * x + 3 * x)
    shares = shares_to(tour, "x")
    assert [array(tour, s["share"]).item() for s in shares] == [3, 2, 2]
    assert [array(tour, s["sum"]).item() for s in shares] == [3, 5, 7]
    assert [(s["nth"], s["of"]) for s in shares] == [(1, 3), (2, 3), (3, 3)]
    assert node(tour, "x")["uses"] == 3
    (leaf,) = steps(tour, "leaf")
    assert array(tour, leaf["gradient"]).item() == array(tour, leaf["after"]).item() == 7
    assert leaf["before"] is None


def network(rng):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, y = Tensor(rng.normal(size=(5, 3)).astype(np.float32)), Tensor([0, 1, 1, 0, 1])
    return model, lambda kept: ops.cross_entropy(kept("scores", model[2](kept("h", model[1](model[0](x))))), y)


def test_values_and_gradients_are_those_of_the_engine(rng):
    model, loss_of = network(rng)
    made = {}

    def keeping(name, tensor):
        made[name] = tensor
        return tensor

    tour = mg.tour(lambda: loss_of(lambda _, tensor: tensor), names={"model": model})
    loss = loss_of(keeping)
    named = dict(model.named_parameters())
    expected = mg.grad(loss, [made["h"], made["scores"], *named.values()])
    assert array(tour, node(tour, "tanh")["value"]) == pytest.approx(made["h"].numpy(), abs=0)
    by_node = {s["node"]: s["gradient"] for s in steps(tour, "backward") + steps(tour, "leaf")}
    linear = [n for n in tour.data["nodes"] if n["operation"] == "linear"][1]
    nodes = [node(tour, "tanh"), linear, *(node(tour, f"model.{name}") for name in named)]
    for found, gradient in zip(nodes, expected, strict=True):
        np.testing.assert_array_equal(array(tour, by_node[found["id"]]), gradient.numpy())


def test_every_gradient_is_the_last_sum_of_its_shares(rng):
    _, loss_of = network(rng)
    tour = mg.tour(lambda: loss_of(lambda _, tensor: tensor))
    last = {}
    for step in steps(tour, "backward"):
        if step["node"] in last:
            assert step["gradient"] == last[step["node"]]
        last.update({s["to"]: s["sum"] for s in step["shares"]})
    assert {s["node"]: s["gradient"] for s in steps(tour, "leaf")}.items() <= last.items()


def test_forward_steps_come_in_the_order_of_making_and_backward_steps_in_reverse():
    x = Tensor([1.0, 2.0], requires_grad=True)
    tour = mg.tour(lambda: ((x * 2).exp() * (x + 1)).sum())
    forward, backward = ([s["node"] for s in steps(tour, d)] for d in ("forward", "backward"))
    assert forward == sorted(forward) and backward == forward[::-1]
    for n in tour.data["nodes"]:
        assert all(i < n["id"] for i in n["inputs"])


def test_a_second_sweep_adds_and_only_the_last_one_releases():
    x = Tensor([1.0, 3.0], requires_grad=True)
    tour = mg.tour(lambda: (x * x).sum(), backwards=2)
    first, second = steps(tour, "leaf")
    assert array(tour, first["after"]).tolist() == array(tour, second["before"]).tolist() == [2, 6]
    assert array(tour, second["gradient"]).tolist() == [2, 6]
    assert array(tour, second["after"]).tolist() == [4, 12]
    assert [s["released"] for s in steps(tour, "backward", 1)] == [[], []]
    assert [s["released"] for s in steps(tour, "backward", 2)] == [[s["node"]] for s in steps(tour, "backward", 2)]
    assert len(shares_to(tour, "x", 2)) == 2


def test_what_was_broadcast_is_summed_and_the_page_says_over_which_axes():
    a, b, c = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((2, 3), (3,), (2, 1)))
    tour = mg.tour(lambda: ((a * b) + c).sum())
    (of_b,), (of_c,), (of_a,) = (shares_to(tour, name) for name in "bca")
    assert of_b["broadcast"] == {"from": [2, 3], "to": [3], "axes": [0]}
    assert of_c["broadcast"] == {"from": [2, 3], "to": [2, 1], "axes": [1]}
    assert of_a["broadcast"] is None
    assert array(tour, of_b["share"]).tolist() == [2, 2, 2]
    assert array(tour, of_c["share"]).tolist() == [[3], [3]]


def test_what_is_saved_is_what_the_operation_reads():
    x, w = Tensor([[1.0, -2.0]], requires_grad=True), Tensor([[3.0, 4.0]], requires_grad=True)
    frozen = Tensor([[5.0, 6.0]])
    tour = mg.tour(lambda: (ops.relu(x * w) * frozen).sum())
    of_x, of_w, of_frozen = (node(tour, name)["id"] for name in ("x", "w", "frozen"))
    relu = node(tour, "relu")
    first, second = [n for n in tour.data["nodes"] if n["operation"] == "mul"]
    assert first["saved"] == [
        {"label": "a", "node": of_x, "shape": [1, 2]},
        {"label": "b", "node": of_w, "shape": [1, 2]},
    ]
    assert second["saved"] == [{"label": "b", "node": of_frozen, "shape": [1, 2]}]
    assert relu["saved"] == [{"label": "y", "node": relu["id"], "shape": [1, 2]}]


def test_views_constants_and_missing_operands():
    x, w = Tensor(np.ones((2, 3), np.float32), requires_grad=True), nn.Parameter(np.ones((4, 3), np.float32))
    tour = mg.tour(lambda: (ops.linear(x, w) * 0.5).reshape(8).sum())
    kinds = {n["name"] or n["symbol"]: n["kind"] for n in tour.data["nodes"]}
    assert kinds == {
        "x": "leaf", "w": "parameter", "0.5": "constant", "z1": "operation", "z2": "operation", "z3": "view",
        "L": "operation",
    }  # fmt: skip
    assert node(tour, "reshape")["view_of"] == node(tour, "mul")["id"]
    assert node(tour, "linear")["inputs"] == [node(tour, "x")["id"], node(tour, "w")["id"]]


def test_operations_without_gradients_are_shown_too():
    x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    tour = mg.tour(lambda: ((x / 2).exp() * w).sum())
    exp = node(tour, "exp")
    assert exp["inputs"] == [node(tour, "div")["id"]] and not exp["needs_grad"] and exp["uses"] == 0
    assert exp["id"] not in {s["node"] for s in steps(tour, "backward")}
    assert exp["id"] in {s["node"] for s in steps(tour, "forward")}


def test_a_leaf_that_is_first_used_without_a_gradient_is_one_node():
    x = Tensor([1.0, -2.0], requires_grad=True)
    tour = mg.tour(lambda: ops.where(x > 0, x, x * 2).sum())
    assert node(tour, "x")["kind"] == "leaf" and node(tour, "x")["uses"] == 2


def test_a_gradient_inside_the_function_is_a_part_of_the_graph():
    x = Tensor(3.0, requires_grad=True)

    def penalty():
        (slope,) = mg.grad(x * x * x, x, create_graph=True)
        return slope * slope

    tour = mg.tour(penalty)
    (leaf,) = steps(tour, "leaf")
    assert array(tour, node(tour, "L")["value"]).item() == 27**2
    assert array(tour, leaf["gradient"]).item() == 2 * 27 * 18
    assert node(tour, "x")["belief"]["relative"] < 1e-6


def test_the_gradients_own_graph():
    x = Tensor(2.0, requires_grad=True)
    tour = mg.tour(lambda: x * x * x, create_graph=True)
    second = tour.data["second_order"]
    output = next(n for n in second["nodes"] if n["is_output"])
    (leaf,) = [s for s in second["steps"] if s["direction"] == "leaf"]
    assert array(tour, output["value"]).item() == 12
    assert array(tour, leaf["gradient"]).item() == 12
    assert second["title"] == "∂L/∂x"
    assert len(tour.data["nodes"]) == 3


def test_several_gradients_are_summed_for_a_graph_of_their_own():
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor(3.0, requires_grad=True)
    tour = mg.tour(lambda: (x * x * w).sum(), create_graph=True)
    second = tour.data["second_order"]
    assert second["title"] == "the sum of all entries of the gradients"
    named = {n["id"]: n["name"] for n in second["nodes"]}
    found = {named[s["node"]]: array(tour, s["gradient"]).tolist() for s in second["steps"] if s["direction"] == "leaf"}
    assert found == {"x": [2 * 1 + 2 * 3, 2 * 2 + 2 * 3], "w": 2 * 1 + 2 * 2}  # of x·x summed, plus 2·x·w summed


def test_a_gradient_that_depends_on_nothing_has_no_graph():
    x = Tensor(2.0, requires_grad=True)
    assert mg.tour(lambda: x * x).data["second_order"] is None
    assert mg.tour(lambda: x * 3, create_graph=True).data["second_order"] is None


def test_convolution_on_a_gpu(device):
    x = Tensor(np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6), device=device)
    w = Tensor(np.ones((1, 1, 3, 3), np.float32), requires_grad=True, device=device)
    tour = mg.tour(lambda: ops.conv2d(x, w).relu().mean())
    (leaf,) = steps(tour, "leaf")
    ops.conv2d(x, w).relu().mean().backward()
    np.testing.assert_array_equal(array(tour, leaf["gradient"]), w.grad.numpy())
    assert node(tour, "w")["belief"]["relative"] < 1e-4
    assert node(tour, "conv2d")["reach"]["kernel"] == (3, 3)


def test_a_convolutions_weight_and_its_gradient_are_filters():
    x, w = Tensor(np.ones((1, 2, 5, 5), np.float32)), Tensor(np.ones((3, 2, 3, 3), np.float32), requires_grad=True)
    tour = mg.tour(lambda: ops.conv2d(x, w).sum(), backwards=2)
    fields = [node(tour, "w")["value"], *(s[f] for s in steps(tour, "leaf") for f in ("gradient", "before", "after"))]
    fields += [s[f] for s in shares_to(tour, "w") for f in ("share", "sum")]
    assert {tour.data["values"][i]["show"] for i in fields if i is not None} == {"filters"}
    assert tour.data["values"][node(tour, "x")["value"]]["show"] == "pictures"
