"""Arrays that change between the forward and the backward pass: noticed, or of no consequence."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Parameter, Tensor, ops, optim


def leaf(values, device="cpu"):
    return Tensor(values, requires_grad=True, device=device)


def check(tensor, expected):
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-6)


# ---- changes behind the back of backward -------------------------------------------------------------------------

VIEWS = {
    "itself": lambda w: w,
    "T": lambda w: w.T,
    "reshape": lambda w: w.reshape(4),
    "slice": lambda w: w[:1],
    "flatten, unsqueeze": lambda w: w.flatten().unsqueeze(0),
    "broadcast_to": lambda w: w.broadcast_to(3, 2, 2),
    "detach": lambda w: w.detach(),
    "permute of reshape": lambda w: w.reshape(2, 1, 2).permute(2, 1, 0),
}


def changed_by_optimizer(w):
    w.grad = Tensor(np.ones(w.shape, w.dtype), device=w.device)
    optim.SGD([w], lr=0.1).step()


def changed_by_loading(w):
    module = mg.nn.Module()
    module.w = w
    module.load_state_dict({"w": np.zeros(w.shape)})


@pytest.mark.parametrize("change", [changed_by_optimizer, changed_by_loading])
@pytest.mark.parametrize("view", VIEWS)
def test_a_saved_input_that_changed_is_noticed_through_views_too(device, view, change):
    w = Parameter(np.ones((2, 2), np.float32), device=device)
    shown = VIEWS[view](w)
    x = Tensor(np.ones(shown.shape, np.float32), requires_grad=True, device=device)
    y = (shown * x).sum()
    change(w)
    with pytest.raises(RuntimeError, match=r"backward of Mul: an input of shape .* was changed in place"):
        y.backward()


def test_a_saved_output_that_changed_is_noticed(device):
    x = leaf([1.0, 2.0], device)
    y = x.exp()
    module = mg.nn.Module()
    module.register_buffer("y", y.detach())  # shows y's memory
    module.load_state_dict({"y": np.zeros(2)})
    with pytest.raises(RuntimeError, match=r"backward of Exp: the output of shape .* was changed"):
        y.sum().backward()


def test_changes_of_what_backward_does_not_read_are_no_error(device):
    w = Parameter([1.0, 2.0], device=device)
    x = Tensor([3.0, 4.0], device=device)
    y = (w * x + w).sum()
    changed_by_optimizer(w)
    w.grad = None
    y.backward()
    check(w.grad, [4, 5])


def test_a_new_forward_pass_after_the_change_is_fine(device):
    w = Parameter([1.0, 2.0], device=device)
    changed_by_loading(w)
    w.grad = None
    (w * w + 3 * w).sum().backward()
    check(w.grad, [3, 3])


@pytest.mark.parametrize("dtype", [bool, np.int64])
def test_an_index_that_changed_is_noticed_or_does_not_matter(device, dtype):
    module = mg.nn.Module()
    module.register_buffer("index", Tensor(np.array([1, 0]).astype(dtype), device=device))
    x = leaf([1.0, 2.0], device)
    y = x[module.index].sum()
    expected = [1, 0] if dtype is bool else [1, 1]
    module.load_state_dict({"index": np.array([0, 0]).astype(dtype)})
    try:
        y.backward()
    except RuntimeError:
        return
    check(x.grad, expected)


def test_targets_that_changed_are_noticed_or_do_not_matter(device):
    module = mg.nn.Module()
    module.register_buffer("targets", Tensor([1, 0], device=device))
    x = leaf([[0.0, 0.0], [0.0, 0.0]], device)
    loss = ops.cross_entropy(x, module.targets, reduction="sum")
    module.load_state_dict({"targets": np.array([0, 0])})
    try:
        loss.backward()
    except RuntimeError:
        return
    check(x.grad, [[0.5, -0.5], [-0.5, 0.5]])


def test_a_condition_that_changed_is_noticed_or_does_not_matter(device):
    module = mg.nn.Module()
    module.register_buffer("mask", Tensor([True, False], device=device))
    x = leaf([1.0, 2.0], device)
    y = ops.where(module.mask, x, 0.0).sum()
    module.load_state_dict({"mask": np.array([False, False])})
    try:
        y.backward()
    except RuntimeError:
        return
    check(x.grad, [1, 0])


def test_running_statistics_may_move_on_before_backward(device):
    """Two forward passes before one backward: batch norm has updated its running statistics in between."""
    bn = mg.nn.BatchNorm2d(2).to(device)
    x = leaf(np.random.default_rng(0).standard_normal((4, 2, 3, 3), np.float32), device)
    first = (bn.eval()(x) ** 2).sum()
    expected = mg.grad(first, bn.weight, retain_graph=True)[0].numpy()
    bn.train()(x)
    check(mg.grad(first, bn.weight)[0], expected)


def test_moving_a_model_between_forward_and_backward_is_noticed(device):
    if device == "cpu":
        pytest.skip("there is nowhere to go")
    model = mg.nn.Linear(2, 1)
    y = model(leaf([[1.0, 2.0]])).sum()
    model.to(device)
    with pytest.raises(RuntimeError, match=r"changed in place.*or moved"):
        y.backward()


@pytest.mark.parametrize("change", ["replace", "subtract"])
def test_an_assignment_to_data_is_noticed(device, change):
    w = leaf([2.0], device)
    loss = (w * w).sum()
    if change == "replace":
        w.data = w.data * 2
    else:
        w.data -= 1
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_copy_by_index_does_not_mind_what_happens_to_its_source(device):
    w = leaf([2.0, 3.0], device)
    chosen = w[[1, 0]]
    loss = (chosen * chosen).sum()
    w.data -= 1
    loss.backward()
    check(w.grad, [4, 6])
