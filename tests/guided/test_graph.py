"""Names, boxes of modules, lines of code, formulas; what is left out of large graphs."""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops
from minigrad.guided import operations
from minigrad.ops.norm import BatchNorm
from models.resnet import resnet18
from tests.guided.reading import array, node, shares_to, steps


def boxes(tour):
    return {m["path"]: m for m in tour.data["modules"]}


def test_modules_are_boxes_with_the_parameters_that_belong_there():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    x = Tensor([[1.0, 2.0]])
    criterion = nn.MSELoss()
    tour = mg.tour(lambda: criterion(model(x), Tensor([[0.0, 0.0, 0.0]])))
    found = boxes(tour)
    assert list(found) == ["model", "model.0", "model.1", "criterion"]
    assert [m["type"] for m in found.values()] == ["Sequential", "Linear", "ReLU", "MSELoss"]
    assert [m["parent"] for m in found.values()] == [None, 0, 0, None]
    assert [m["open"] for m in found.values()] == [False, True, True, True]
    assert node(tour, "model.0.weight")["module"] == node(tour, "linear")["module"] == found["model.0"]["id"]
    assert node(tour, "relu")["module"] == found["model.1"]["id"]
    assert node(tour, "x")["module"] is None


def test_a_module_that_is_called_twice_has_two_boxes():
    layer = nn.Linear(2, 2)
    x = Tensor([[1.0, 2.0]])
    tour = mg.tour(lambda: layer(layer(x)).sum())
    assert [(m["path"], m["call"]) for m in tour.data["modules"]] == [("layer", 1), ("layer", 2)]
    assert node(tour, "layer.weight")["uses"] == 2


def test_given_names_go_before_those_of_variables():
    x, layer = Tensor([[1.0, 2.0]], requires_grad=True), nn.Linear(2, 1)
    tour = mg.tour(lambda: layer(x).sum(), names={"input": x, "net": layer})
    assert {n["name"] for n in tour.data["nodes"]} >= {"input", "net.weight", "net.bias"}


def test_an_array_that_the_function_makes_a_tensor_of_keeps_its_name():
    data = np.array([1.0, 2.0], np.float32)
    w = Tensor([1.0, 1.0], requires_grad=True)
    tour = mg.tour(lambda: (Tensor(data) * w).sum())
    assert node(tour, "data")["kind"] == "constant"


def test_modules_without_a_name_go_by_their_kind():
    layers = {"first": nn.Linear(2, 1)}
    tour = mg.tour(lambda: layers["first"](Tensor([[1.0, 2.0]])).sum())
    assert [m["path"] for m in tour.data["modules"]] == ["Linear"]
    assert node(tour, "Linear.weight")["kind"] == "parameter"


def test_the_line_of_the_users_code_and_the_title():
    x = Tensor(2.0, requires_grad=True)
    here = inspect.currentframe().f_lineno
    tour = mg.tour(lambda: x.exp() + 1)
    line = node(tour, "exp")["line"]
    assert line == {
        "file": "tests/guided/test_graph.py",
        "number": here + 1,
        "text": "tour = mg.tour(lambda: x.exp() + 1)",
    }
    assert tour.data["title"] == "x.exp() + 1"

    def loss():
        return x * 2

    assert mg.tour(loss).data["title"] == "loss: x * 2"
    assert mg.tour(functools.partial(loss)).data["title"] == "partial"


OPERATION = """
import minigrad as mg

class Double(mg.Function):
    def forward(self, x):
        return x * 2

    def backward(self, grad):
        return (grad * 2,)

def loss(x):
    return lambda: Double.apply(x)
"""


@pytest.mark.parametrize(
    "now", ["", "it is " * 40 + "\n", "'\n" * 20, "it\\is a \\ text\n" * 20, "(\n" * 20, "\n  f\n f\n" * 9]
)
def test_code_whose_file_has_changed_since(now, tmp_path):
    file = tmp_path / "mine.py"
    namespace = {}
    exec(compile(OPERATION, file, "exec"), namespace)
    file.write_text(now)
    tour = mg.tour(namespace["loss"](Tensor(2.0, requires_grad=True)))
    assert isinstance(tour.data["title"], str) and tour.data["nodes"]


def test_operations_bring_their_formula_docstring_and_source():
    x = Tensor([1.0, -1.0], requires_grad=True)
    relu = mg.tour(lambda: x.relu().sum()).data["operations"]["ReLU"]
    assert relu["formula"]["forward"] == "y = max(x, 0)"
    assert relu["formula"]["backward"].startswith("∂L/∂x = g where y ≠ 0")
    assert relu["source"]["file"] == "minigrad/ops/activation.py"
    assert relu["source"]["backward"].startswith("def backward(self")
    norm = operations.described(BatchNorm)["formula"]
    assert norm["forward"].startswith("x̂ = (x − μ)·r") and norm["backward"].startswith("∂L/∂b = G,")


def test_an_operation_of_the_users_own():
    class TwiceIt(mg.Function):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            return grad * 2

    x = Tensor(2.0, requires_grad=True)
    tour = mg.tour(lambda: TwiceIt.apply(x))
    assert node(tour, "twice_it")["class"] == "TwiceIt"
    assert tour.data["operations"]["TwiceIt"]["doc"] == ""
    assert "x * 2" in tour.data["operations"]["TwiceIt"]["source"]["forward"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda x: ops.conv2d(x, x, stride=2, padding=1), {"kind": "window", "stride": (2, 2), "padding": (1, 1)}),
        (lambda x: ops.max_pool2d(x, 2), {"kind": "pool", "kernel": (2, 2)}),
        (lambda x: x * 2, {"kind": "elementwise"}),
        (lambda x: x @ x, {"kind": "matmul"}),
        (lambda x: x.sum(1), {"kind": "reduce", "axes": [1]}),
        (lambda x: x.permute(3, 2, 1, 0), None),
    ],
)
def test_where_an_entry_came_from(made, expected):
    x = Tensor(np.ones((1, 1, 4, 4), np.float32), requires_grad=True)
    tour = mg.tour(lambda: made(x).sum())
    reach = next(n for n in tour.data["nodes"] if n["operation"])["reach"]
    assert reach == expected if expected is None else expected.items() <= reach.items()


def test_what_the_loss_is_not_made_of_is_left_out_and_said():
    x = Tensor([1.0, 2.0], requires_grad=True)

    def loss():
        (x.exp() * 2).sum()
        return x.sum()

    tour = mg.tour(loss)
    assert [n["operation"] for n in tour.data["nodes"]] == [None, "sum"]
    assert tour.data["left_out"] == ["3 operations, whose results the loss is not made of."]


def test_ten_thousand_nodes():
    x = Tensor(0.5, requires_grad=True)

    def chain():
        y = x
        for _ in range(10_000):
            y = y + x
        return y

    tour = mg.tour(chain, check=False)
    assert len(tour.data["nodes"]) == 2000
    assert tour.data["left_out"][0].startswith("8,001 of 10,001 nodes: the page shows the 2,000 nearest to the loss")
    x_node, first, *_, last = tour.data["nodes"]
    assert x_node["name"] == "x" and x_node["uses"] == 10_001
    assert first["cut"] and first["inputs"] == [0] and not last["cut"]
    assert all(i < n["id"] for n in tour.data["nodes"] for i in n["inputs"])
    assert len(steps(tour, "backward")) == 1999
    assert array(tour, steps(tour, "leaf")[0]["gradient"]).item() == 10_001
    assert len(tour.html) < 20e6


def test_a_deep_residual_network_opens_with_its_blocks_closed():
    model, criterion = resnet18(num_classes=10), nn.CrossEntropyLoss()
    x = Tensor(np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32))
    model.eval()
    tour = mg.tour(lambda: criterion(model(x), [3]), check=False)
    found = boxes(tour)
    assert found["model"]["open"] and found["model.layer1"]["open"] and found["criterion"]["open"]
    assert not found["model.layer1.0"]["open"] and not found["model.layer4.1"]["open"]
    assert len(tour.html) <= 20e6


def test_a_graph_in_which_a_shape_changes_and_comes_back():
    x = Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
    tour = mg.tour(lambda: (x.t().reshape(6) * 2).sum())
    (share,) = shares_to(tour, "x")
    assert array(tour, share["share"]).tolist() == [[2, 2, 2], [2, 2, 2]]


def test_what_a_gradient_computes_stands_at_the_users_line():
    def penalty():
        (slope,) = mg.grad((x * x * x).sum(), x, create_graph=True)
        return (slope * slope).sum()

    x = Tensor(np.array([1.0, -2.0]), requires_grad=True)
    lines = {n["line"]["text"] for n in mg.tour(penalty).data["nodes"] if n["line"]}
    assert lines == {"(slope,) = mg.grad((x * x * x).sum(), x, create_graph=True)", "return (slope * slope).sum()"}
