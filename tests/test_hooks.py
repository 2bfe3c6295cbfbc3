"""Hooks see every operation, in order, and change nothing."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Tensor, backend, nn, ops
from minigrad.hooks import Hook


class Log(Hook):
    """Writes down what it sees."""

    def __init__(self):
        self.events, self.leaves = [], []

    def before_forward(self, node, inputs, options):
        self.events.append(("before", node.name))

    def after_forward(self, node, inputs, options, output):
        self.events.append(("after", node.name))
        self.last = inputs, options, output

    def before_backward(self, node, grad):
        self.events.append(("before backward", node.name))

    def after_backward(self, node, grad, input_grads):
        self.events.append(("after backward", node.name))
        self.last_backward = grad, input_grads

    def leaf_done(self, leaf, grad):
        self.events.append(("leaf", leaf.shape))
        self.leaves.append((leaf, np.array(backend.to_numpy(grad))))

    def failed(self, owner):
        self.events.append(("failed", owner.name))


def leaf(values, device="cpu"):
    return Tensor(values, requires_grad=True, device=device)


def test_each_pass_is_seen_before_and_after(device):
    x = leaf([1.0, 2.0], device)
    with Log() as log:
        (x * 3.0).sum().backward()
    first, backwards = log.events[:4], log.events[6:]  # between them, the gradient 1 is made
    assert first == [("before", "Mul"), ("after", "Mul"), ("before", "Sum"), ("after", "Sum")]
    assert backwards[0] == ("before backward", "Sum") and backwards[-3:] == [
        ("before backward", "Mul"),
        ("after backward", "Mul"),
        ("leaf", (2,)),
    ]
    count = len(log.events)
    (x * 3.0).sum().backward()
    assert len(log.events) == count  # the context has ended


def test_what_is_seen_are_arrays(device):
    x = leaf([1.0, 2.0], device)
    with Log() as log:
        y = x.sum(axis=0, keepdims=True)
        inputs, options, output = log.last
        y.backward(Tensor([5.0], device=device), create_graph=True)
    assert all(backend.is_array(a) for a in (*inputs, output, log.last_backward[0], *log.last_backward[1]))
    assert options["axes"] == (0,) and output.tolist() == [3] and log.last_backward[1][0].tolist() == [5, 5]


def test_numbers_and_none_are_seen_as_they_are_given():
    with Log() as log:
        2.0 * leaf([1.0])
        assert log.last[0][0] == 2.0
        ops.linear(leaf([[1.0]]), leaf([[1.0]]))
        assert log.last[0][2] is None


def test_nothing_can_be_written_into():
    class Careless(Hook):
        def after_forward(self, node, inputs, options, output):
            output[...] = 0

    with Careless(), pytest.raises(ValueError, match="read-only"):
        leaf([1.0]) * 2.0
    assert (leaf([1.0]) * 2.0).tolist() == [2]


def trained(steps, hook):
    mg.manual_seed(0)
    model = nn.Sequential(
        *(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(36, 3),
        )
    )
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(0)
    x, y = Tensor(rng.standard_normal((8, 3, 8, 8), dtype=np.float32)), Tensor(rng.integers(3, size=8))
    with hook:
        for _ in range(steps):
            optimizer.zero_grad()
            ops.cross_entropy(model(x), y).backward()
            optimizer.step()
    return {name: value.tobytes() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("hook", [Log, mg.profile, mg.detect_anomaly])
def test_training_is_the_same_to_the_bit(hook):
    assert trained(3, hook()) == trained(3, nullcontext())


def test_a_leaf_is_done_once_with_its_whole_gradient_and_early(device):
    w, early = leaf([2.0], device), leaf([3.0], device)
    with Log() as log:
        h = w * early * w  # w has two uses, deep in the graph
        for _ in range(3):
            h = h * 1.5
        last = leaf([4.0], device)
        (h * last).backward()
    done = dict((id(x), g) for x, g in log.leaves)
    assert len(log.leaves) == 3 and set(done) == {id(w), id(early), id(last)}
    for x in (w, early, last):
        np.testing.assert_allclose(done[id(x)], backend.to_numpy(x.grad.data))
    assert log.events.index(("leaf", (1,))) < log.events.index(("before backward", "Mul"), -8)
    assert log.leaves[0][0] is last  # whose only use was the last operation


def test_a_leaf_that_gets_no_gradient_is_not_done():
    class Stop(Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            return None

    x, y = leaf([1.0]), leaf([1.0])
    with Log() as log:
        (Stop.apply(x * 2.0) + y).backward()
    assert [seen for seen, _ in log.leaves] == [y] and x.grad is None


def test_leaves_are_done_under_grad_too():
    x, y = leaf([1.0]), leaf([2.0])
    with Log() as log:
        mg.grad(x * y, x)
    assert [seen for seen, _ in log.leaves] == [x]


def test_hooks_nest_and_each_sees_all():
    with Log() as outer:
        leaf([1.0]) * 1.0
        with Log() as inner:
            leaf([1.0]) * 1.0
    assert len(outer.events) == 2 * len(inner.events) == 4


def test_other_threads_are_not_watched():
    def work():
        (leaf([1.0]) * 2.0).backward()

    with Log() as log:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert log.events == []


def test_what_a_hook_computes_is_not_watched():
    class Computing(Log):
        def after_forward(self, node, inputs, options, output):
            super().after_forward(node, inputs, options, output)
            Tensor(output).exp()

    with Computing() as log:
        leaf([1.0]) * 2.0
    assert log.events == [("before", "Mul"), ("after", "Mul")]


def test_a_pass_that_fails_is_told():
    class Broken(Function):
        def forward(self, x):
            raise OSError("broken")

    with Log() as log:
        with pytest.raises(OSError, match="broken"):
            Broken.apply(leaf([1.0]))
        assert log.events == [("before", "Broken"), ("failed", "Broken")]
        leaf([1.0]) * 2.0
    assert log.events[2:] == [("before", "Mul"), ("after", "Mul")]


def test_an_exception_of_a_hook_reaches_the_user_and_the_hook_ends_with_its_context():
    class Refusing(Hook):
        def before_backward(self, node, grad):
            raise KeyError(node.name)

    x = leaf([1.0])
    y = x * 2.0
    with pytest.raises(KeyError, match="Mul"), Refusing():
        y.backward()
    assert mg.hooks.in_use == 0 and x.grad is None
    y.backward()
    assert x.grad.tolist() == [2]


def test_modules_are_seen():
    class Modules(Hook):
        def __init__(self):
            self.seen = []

        def before_module(self, module, inputs):
            self.seen.append(("before", type(module).__name__, len(inputs)))

        def after_module(self, module, inputs, output):
            self.seen.append(("after", type(module).__name__, output.shape))

    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with Modules() as hook:
        model(Tensor([[1.0, 2.0]]))
    assert hook.seen == [
        ("before", "Sequential", 1),
        ("before", "Linear", 1),
        ("after", "Linear", (1, 3)),
        ("before", "ReLU", 1),
        ("after", "ReLU", (1, 3)),
        ("after", "Sequential", (1, 3)),
    ]
