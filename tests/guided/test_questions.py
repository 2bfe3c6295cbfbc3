"""Predict first: the question that fits a node, its answer, and what is said to usual wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops
from tests.guided.reading import node


def said_to(question, answer):
    (says,) = [w["says"] for w in question["wrong"] if w["answer"] == answer]
    return says


def test_a_value_with_several_uses_is_asked_for_the_sum():
    x = Tensor(2.0, requires_grad=True)
    question = node(mg.tour(lambda: x * x + 3 * x), "x")["question"]
    assert (question["kind"], question["at"], question["ask"]) == ("number", "backward", "∂L/∂x?")
    assert question["answer"] == 7 and question["right"].startswith("3 + 2 + 2 = 7")
    assert said_to(question, 3).startswith("That is one share of 3")
    assert said_to(question, 12).startswith("That is the product of the shares")


def test_what_arrives_and_the_slope_are_told_apart():
    a = Tensor(5.0, requires_grad=True)
    question = node(mg.tour(lambda: (a * 2) * 3), "a")["question"]
    assert question["answer"] == 6
    assert said_to(question, 3) == "That is what arrives at mul: multiply it by the slope there."
    assert said_to(question, 2).startswith("That is the slope of mul")
    assert said_to(question, 15).startswith("That is g times the value itself")
    assert said_to(question, -6).startswith("The size is right")


def test_what_is_no_number_is_not_asked_for():
    x = Tensor(0.0, requires_grad=True)
    with np.errstate(divide="ignore"):
        tour = mg.tour(lambda: x.log() * 2)
    assert node(tour, "log")["question"]["answer"] == 2
    assert node(tour, "x")["question"] is None


def test_a_gradient_that_is_0_but_for_rounding_is_not_asked_for():
    scores, b = Tensor([[1.0, 2.0, -1.0]]), Tensor([0.3], requires_grad=True)
    tour = mg.tour(lambda: ops.cross_entropy(scores + b, [0]))
    assert node(tour, "b")["question"] is None


def test_which_entries_relu_and_max_pooling_stop():
    x = Tensor([[1.0, -2.0], [-3.0, 4.0]], requires_grad=True)
    tour = mg.tour(lambda: x.relu().sum())
    question = node(tour, "relu")["question"]
    assert (question["kind"], question["answer"]) == ("zeros", [1, 2])
    assert said_to(question, [0, 3]).startswith("It is the other way round")
    y = Tensor([1.0, -2.0, 3.0], requires_grad=True)
    question = node(mg.tour(lambda: y.relu().max()), "relu")["question"]
    assert question["answer"] == [0, 1] and "where the g that arrives is 0" in question["right"]
    assert said_to(question, [1]).startswith("There relu lets nothing pass. But")
    picture = Tensor(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), requires_grad=True)
    question = node(mg.tour(lambda: ops.max_pool2d(picture, 2).sum()), "max_pool2d")["question"]
    assert sorted({*range(16)} - {*question["answer"]}) == [5, 7, 13, 15]


@pytest.mark.parametrize(("shape", "axes"), [((3,), [0]), ((2, 1), [1]), ((1, 1), [0, 1])])
def test_over_which_axes_a_share_is_summed(shape, axes):
    x, b = Tensor(np.ones((2, 3), np.float32)), Tensor(np.ones(shape, np.float32), requires_grad=True)
    question = node(mg.tour(lambda: (x + b).sum()), "add")["question"]
    assert (question["kind"], question["answer"]) == ("axis", axes)
    assert "it was repeated" in said_to(question, [])


def test_the_shape_of_a_weights_gradient():
    x, w = Tensor(np.ones((5, 3), np.float32)), Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    question = node(mg.tour(lambda: ops.linear(x, w).sum()), "linear")["question"]
    assert (question["kind"], question["ask"], question["answer"]) == ("shape", "Which shape has ∂L/∂w?", [4, 3])
    assert said_to(question, [5, 4]).startswith("That is the shape of the gradient that arrives")
    assert said_to(question, [3, 4]).startswith("These lengths")


def test_what_cross_entropys_gradient_adds_up_to():
    x = Tensor([[1.0, 2.0, 0.0]], requires_grad=True)
    question = node(mg.tour(lambda: ops.cross_entropy(x, [1])), "cross_entropy")["question"]
    assert question["answer"] == "0" and set(question["choices"]) == {"0", "1", "it depends on the loss"}


def test_every_operation_has_a_question_and_no_wrong_answer_is_right():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    x = Tensor(np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(np.float32), requires_grad=True)
    tour = mg.tour(lambda: (ops.softmax(model(x) * 2) ** 2).mean().exp(), create_graph=True)
    for graph in (tour.data, tour.data["second_order"]):
        for found in graph["nodes"]:
            question = found["question"]
            assert question or found["operation"] is None
            if question:
                answers = [w["answer"] for w in question["wrong"]]
                assert question["answer"] not in answers and question["ask"]
                assert question["choices"] is None or set(question["choices"]) == {question["answer"], *answers}
    assert all("∂L/" not in (n["question"] or {"ask": ""})["ask"] for n in tour.data["second_order"]["nodes"])
