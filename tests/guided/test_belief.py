"""Slopes by finite differences beside the gradients, and that nothing of the user's changes for them."""

from __future__ import annotations

import random

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops, rng
from minigrad.guided import belief
from tests.guided.reading import node


def beliefs(tour):
    return {n["name"]: n["belief"] for n in tour.data["nodes"] if n["belief"]}


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 3)
    )


def test_every_leaf_agrees_with_its_slopes(rng):
    model, x = network(), Tensor(rng.normal(size=(4, 1, 6, 6)).astype(np.float32))
    tour = mg.tour(lambda: ops.cross_entropy(model(x), [0, 1, 2, 0]))
    found = beliefs(tour)
    assert set(found) == {f"model.{name}" for name, _ in model.named_parameters()}
    assert max(belief["relative"] for belief in found.values()) < 1e-3
    assert {belief["dtype"] for belief in found.values()} == {"float64"}
    assert found["model.5.weight"]["sampled"] and not found["model.1.bias"]["sampled"]
    assert tour.data["left_out"] == []


def test_a_leaf_that_the_function_makes_anew_has_no_slope():
    x = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    tour = mg.tour(lambda: (x * Tensor(np.array([1.0, 2.0]), requires_grad=True)).sum())
    assert set(beliefs(tour)) == {"x"} and beliefs(tour)["x"]["relative"] < 1e-6
    assert tour.data["left_out"] == [
        "The slopes of 1 leaf made anew in each run of the function, where nothing can be moved: make such leaves "
        "before it."
    ]


def test_a_wrong_backward_is_seen():
    class Wrong(mg.Function):
        def forward(self, x):
            return x * 3

        def backward(self, grad):
            return grad * 2

    x = Tensor(1.0, requires_grad=True)
    belief = beliefs(mg.tour(lambda: Wrong.apply(x)))["x"]
    assert belief["entries"] == [{"index": [], "slope": pytest.approx(3), "gradient": 2}]
    assert belief["largest"] == pytest.approx(1) and belief["relative"] == pytest.approx(0.5)


def test_what_is_the_users_stays_as_one_run_leaves_it(rng):
    x = Tensor(rng.normal(size=(4, 1, 6, 6)).astype(np.float32))
    states = []
    for run in (lambda loss: mg.tour(loss), lambda loss: loss()):
        mg.manual_seed(3)
        random.seed(3)
        model = network()
        before = {name: p.data for name, p in model.named_parameters()}
        model[0].weight.grad = Tensor(np.ones((4, 1, 3, 3), np.float32))
        gradient = model[0].weight.grad
        run(lambda: ops.cross_entropy(model(x), [0, 1, 2, 0]) + random.random())  # noqa: B023 - called at once
        assert all(p.data is before[name] for name, p in model.named_parameters())
        assert model[0].weight.grad is gradient and model[5].weight.grad is None
        assert x.dtype == np.float32
        states.append((model.state_dict(), mg.rng.rng_state(), random.random(), gradient.tolist()))
    (first, *others), (second, *expected) = states
    assert others == expected
    assert first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
    assert first["1.num_batches_tracked"] == 1


def test_reruns_within_a_random_stream_draw_the_same_masks():
    x = Tensor(np.ones(100, np.float32), requires_grad=True)
    with mg.random_stream(7):
        ops.dropout(x)
        tour = mg.tour(lambda: ops.dropout(x, 0.5).sum())
        place = rng.position()
    assert node(tour, "x")["belief"]["relative"] < 1e-6
    with mg.random_stream(7):
        ops.dropout(x), ops.dropout(x)
        assert rng.position() == place


def test_a_function_that_gives_another_number_each_time_is_not_believed():
    x, numbers = Tensor(1.0, requires_grad=True), iter(range(100))
    tour = mg.tour(lambda: x * next(numbers))
    assert beliefs(tour) == {}
    assert tour.data["left_out"][0].startswith("Finite differences: run again, the function gave")


def test_a_function_that_does_not_run_in_float64_is_compared_in_its_own_precision():
    w = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    tour = mg.tour(lambda: ops.linear(Tensor([[0.5, 0.25]]), w).sum())
    assert beliefs(tour)["w"]["dtype"] == "float32"
    assert beliefs(tour)["w"]["relative"] < 1e-3
    assert "TypeError" in tour.data["left_out"][0] and w.dtype == np.float32


def test_without_check_the_function_runs_once():
    x, runs = Tensor(1.0, requires_grad=True), []

    def loss():
        runs.append(1)
        return x * x

    assert beliefs(mg.tour(loss, check=False)) == {}
    assert len(runs) == 1


def test_an_error_in_a_rerun_leaves_all_as_it_was():
    x, runs = Tensor([1.0, 2.0], requires_grad=True), []
    array = x.data

    def loss():
        runs.append(1)
        if len(runs) == 5:
            raise OverflowError("enough")
        return (x * x).sum()

    with pytest.raises(OverflowError, match="enough"):
        mg.tour(loss)
    assert x.data is array and x.tolist() == [1, 2] and x.grad is None


def test_large_leaves_are_sampled_and_the_sample_is_the_same_each_time():
    x = Tensor(np.linspace(0, 1, 1000, dtype=np.float32), requires_grad=True)
    first, second = (beliefs(mg.tour(lambda: (x * x).sum()))["x"] for _ in range(2))
    assert first == second and first["sampled"] and len(first["entries"]) == 16


def test_of_very_many_leaves_some_are_compared(monkeypatch):
    monkeypatch.setattr(belief, "WORK", 200)
    leaves = [Tensor(float(i), requires_grad=True) for i in range(20)]
    tour = mg.tour(lambda: ops.stack([leaf * 2 for leaf in leaves]).sum())
    compared = [n for n in tour.data["nodes"] if n["belief"]]
    assert 0 < len(compared) < 20
    assert tour.data["left_out"] == [f"The slopes of {20 - len(compared)} of 20 leaves: they would take long."]
