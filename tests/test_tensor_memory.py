"""What the graph keeps, and when it lets go: during the sweep, after it, or with the output."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import ClassVar

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Tensor, ops
from minigrad.ops import casting


def leaf(values):
    return Tensor(values, requires_grad=True)


MEGABYTE = 2**20
each_kind = pytest.mark.parametrize("op", [lambda x: x * x, ops.sigmoid], ids=["saved input", "saved output"])


def traced_megabytes():
    return tracemalloc.get_traced_memory()[0] / MEGABYTE


@pytest.fixture
def traced():
    gc.collect()
    gc.disable()  # reference counting alone must do
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def deep_loss(op, depth=20):
    x = leaf(np.zeros(MEGABYTE // 8))  # a megabyte
    y = x
    for _ in range(depth):
        y = op(y)
    return x, y.sum()


@each_kind
def test_what_was_saved_is_freed_by_the_sweep_and_while_it_passes(traced, op):
    _, loss = deep_loss(op)
    before = traced_megabytes()
    assert before > 20
    tracemalloc.reset_peak()
    loss.backward()
    assert tracemalloc.get_traced_memory()[1] / MEGABYTE < before + 8  # the gradients of 20 layers would be 20
    assert traced_megabytes() < 3  # x, its gradient, and little else, although the loss is still held


@each_kind
def test_the_graph_is_freed_with_its_output(traced, op):
    _, loss = deep_loss(op)
    del loss
    assert traced_megabytes() < 2


@each_kind
def test_a_retained_graph_keeps_what_was_saved(traced, op):
    _, loss = deep_loss(op)
    before = traced_megabytes()
    loss.backward(retain_graph=True)
    assert traced_megabytes() >= before
    loss.backward()
    assert traced_megabytes() < 3


def test_each_operation_lets_go_before_the_next_one_runs():
    buffers, alive = [], []

    class Buffer:
        pass

    class Spy(Function):
        def forward(self, x):
            self.buffer = Buffer()
            buffers.append(weakref.ref(self.buffer))
            return x * 1

        def backward(self, grad):
            alive.append([ref() is not None for ref in buffers])
            return grad

    x = leaf(1.0)
    y = Spy.apply(Spy.apply(Spy.apply(x)))
    y.backward()
    assert alive == [[True, True, True], [True, True, False], [True, False, False]]
    assert not any(ref() for ref in buffers)


def test_gradients_and_saved_arrays_are_freed_as_the_sweep_passes():
    arrays, alive = [], []

    class Spy(Function):
        reads = {0: (0,)}

        def forward(self, x):
            return x * 1.0

        def backward(self, grad):
            (x,) = self.inputs
            alive.append(sum(ref() is not None for ref in arrays))
            arrays.extend([weakref.ref(grad.data), weakref.ref(x.data)])
            return grad * 1.0

    x = leaf([1.0])
    y = x * 1.0
    for _ in range(5):
        y = Spy.apply(y)
    loss = y * 1.0
    del y
    loss.backward()
    assert alive == [0] * 5
    assert not any(ref() for ref in arrays)


def test_a_gradient_that_the_sweep_made_goes_to_a_leaf_without_a_copy(monkeypatch):
    monkeypatch.setattr(casting.Clone, "forward", None)  # what copies would call
    x, w = leaf([[1.0, 2.0]]), leaf([3.0, 4.0])
    (x * w.reshape(1, 2)).sum().backward()
    assert w.grad.numpy().tolist() == [1, 2]


def test_leaves_own_their_gradients_and_may_write_into_them(device):
    x, y = (Tensor([1.0, 2.0], requires_grad=True, device=device) for _ in range(2))
    (x + y).sum().backward()
    x.grad.data *= 10
    assert (x.grad.numpy().tolist(), y.grad.numpy().tolist()) == ([10, 10], [1, 1])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_gradient_that_repeats_one_number_is_owned_too(n):
    x = leaf(np.ones(n))
    (x.sum() * 2.0).backward()
    x.grad.data *= np.arange(n)
    assert x.grad.numpy().tolist() == [2.0 * i for i in range(n)]


def test_parts_of_one_gradient_are_owned_each():
    x, y = leaf([1.0]), leaf([2.0, 3.0])
    whole = Tensor([1.0, 2.0, 3.0])
    ops.concat([x, y]).backward(whole)
    x.grad.data[...] = 7
    assert (y.grad.numpy().tolist(), whole.numpy().tolist()) == ([2, 3], [1, 2, 3])


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_the_caller_gave_and_gets_back_is_copied(create_graph):
    x, given = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    (got,) = mg.grad(x.reshape(2, 1), x, given.reshape(2, 1), create_graph=create_graph)
    x.backward(given, create_graph=create_graph)
    got.data[...] = 0
    x.grad.data[...] = 0
    assert given.numpy().tolist() == [3, 4]


def test_an_input_that_is_asked_for_twice_gets_two_gradients():
    x = leaf([1.0, 2.0])
    first, second = mg.grad((x * x).sum(), [x, x])
    first.data *= 10
    assert second.numpy().tolist() == [2, 4]


def test_a_saved_input_that_is_the_gradient_is_copied():
    class HalfSquare(Function):
        reads: ClassVar = {0: (0,)}

        def forward(self, x):
            return (x * x).sum() / 2

        def backward(self, grad):
            return self.inputs[0]

    x = leaf([1.0, 2.0])
    HalfSquare.apply(x).backward()
    x.grad.data *= 10
    assert x.numpy().tolist() == [1, 2]


def test_two_gradients_of_one_sweep_are_separate():
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    gx, gy = mg.grad((x + y).sum(), [x, y])
    gx.data *= 10
    assert gy.numpy().tolist() == [1, 1]


def test_nothing_is_saved_without_recording(traced):
    x = leaf(np.zeros(MEGABYTE // 8))
    y = x
    with mg.no_grad():
        for _ in range(10):
            y = y * y
    assert y.node is None and not y.requires_grad
    assert traced_megabytes() < 3


def test_only_what_a_gradient_reads_is_saved(traced):
    x = leaf(np.zeros(MEGABYTE // 8))
    y = x
    for _ in range(10):
        y = y + 1.0
    assert traced_megabytes() < 3  # x and y: the derivative of a sum needs neither


def test_derivatives_of_derivatives_leave_no_cycles(traced):
    x = leaf(np.zeros(MEGABYTE // 8))
    (first,) = mg.grad((x.exp() * x).sum(), x, create_graph=True)
    (second,) = mg.grad(first.sum(), x)
    del first, second
    assert traced_megabytes() < 2
