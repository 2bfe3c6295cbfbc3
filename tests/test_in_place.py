"""`+=` and its relatives: leaves change in place inside `no_grad`, everything else becomes a new Tensor."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import minigrad as mg
from minigrad import Parameter, Tensor, nn

ASSIGNMENTS = {
    operator.iadd: [5, 8], operator.isub: [3, 4], operator.imul: [4, 12], operator.itruediv: [4, 3],
    operator.ipow: [4, 36],
}  # fmt: skip
each_assignment = pytest.mark.parametrize(
    "assign, expected", ASSIGNMENTS.items(), ids=lambda a: getattr(a, "__name__", "")
)


@each_assignment
def test_a_leaf_changes_in_place_inside_no_grad(device, assign, expected):
    w = Tensor([4.0, 6.0], requires_grad=True, device=device)
    memory, other = w.data, Tensor([1.0, 2.0], device=device)
    with mg.no_grad():
        changed = assign(w, 2 if assign is operator.ipow else other)
    assert changed is w and w.data is memory
    expected = [16, 36] if assign is operator.ipow else expected
    assert w.numpy().tolist() == expected and w.requires_grad and w.node is None


@each_assignment
def test_a_leaf_outside_no_grad_is_an_error_that_says_what_to_do(assign, expected):
    w = Parameter([4.0, 6.0])
    with pytest.raises(RuntimeError, match=r"=: a leaf of shape \(2,\) cannot .* do it inside `with no_grad\(\):`"):
        assign(w, 2)
    assert w.numpy().tolist() == [4, 6]


def test_gradient_descent_by_hand(device):
    layer = nn.Linear(2, 1).to(device)
    before = [p.numpy().copy() for p in layer.parameters()]
    (layer(Tensor(np.ones((3, 2), np.float32), device=device)) ** 2).sum().backward()
    with mg.no_grad():
        for p in layer.parameters():
            p -= 0.1 * p.grad
    for p, old in zip(layer.parameters(), before, strict=True):
        np.testing.assert_allclose(p.numpy(), old - 0.1 * p.grad.numpy(), rtol=1e-6)


def test_attributes_and_frozen_parameters_change_too():
    layer = nn.Linear(1, 1).requires_grad_(False)
    weight = layer.weight
    with mg.no_grad():
        layer.weight *= 0.0
        layer.weight += np.array([[2.0]])
    assert layer.weight is weight and weight.item() == 2 and weight.dtype == np.float32


def test_a_change_between_forward_and_backward_is_noticed():
    w = Tensor([2.0], requires_grad=True)
    y = w * w
    with mg.no_grad():
        w -= 1.0
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("other", [np.ones((2, 2), np.float32), Tensor(np.ones((3, 1, 2), np.float32))])
def test_what_does_not_fit_into_a_leaf_changes_nothing(other):
    w = Tensor([1.0, 2.0], requires_grad=True)
    with (
        mg.no_grad(),
        pytest.raises(ValueError, match=r"\+=: the result, float32 of shape \(.*\), does not fit into the"),
    ):
        w += other
    assert w.numpy().tolist() == [1, 2]


def test_losses_add_up_to_a_new_tensor():
    w = Tensor([2.0], requires_grad=True)
    total = first = Tensor(0.0)
    for penalty in (w * w, 3 * w):
        total += penalty.sum()
    total.backward()
    assert first.item() == 0 and w.grad.item() == 7
    with mg.no_grad():
        total += 1
    assert total.node is None and total.item() == 11


# ---- methods that say that they work in place ------------------------------------------------------------


def test_methods_change_any_tensor_without_history(device):
    buffer = Tensor([1.0, 2.0], device=device)
    view = buffer.detach()
    assert buffer.mul_(2).add_(Tensor([1.0, 1.0], device=device)) is buffer
    assert view.numpy().tolist() == [3, 5]
    assert buffer.copy_([7.0, 8.0]).numpy().tolist() == [7, 8] and buffer.zero_().numpy().tolist() == [0, 0]
    assert Tensor([3], device=device).zero_().dtype == np.int64


def test_methods_in_place_refuse_what_has_a_history_or_would_get_one():
    w = Tensor([1.0], requires_grad=True)
    for change in (lambda: w.mul_(2), lambda: Tensor([1.0]).add_(w), lambda: (w * 2).zero_()):
        with pytest.raises(RuntimeError, match="history of a Tensor cannot be changed; do it inside `with no_grad"):
            change()
    with mg.no_grad():
        assert w.add_(w).item() == 2
    y = w * w
    with mg.no_grad():
        w.zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


# ---- .data -------------------------------------------------------------------------------------------------------


def test_data_takes_tensors_and_numbers_as_arrays(device):
    w, step = (Tensor(values, requires_grad=True, device=device) for values in ([1.0, 2.0], [0.5, 0.5]))
    w.data = w.data - 2 * step
    assert type(w.data) is type(step.data) and w.numpy().tolist() == [0, 1]
    w.data = step
    w.data *= 2
    assert step.numpy().tolist() == [0.5, 0.5]  # a copy


def test_data_may_be_changed_by_a_tensor_in_place():
    w, step = (Tensor(values, requires_grad=True) for values in ([1.0, 2.0], [0.5, 0.5]))
    with mg.no_grad():
        w.data -= step
    w.data -= step.detach()
    assert (w * w).sum().item() == 1
    with pytest.raises(TypeError, match="knows nothing of gradients"):
        w.data -= step


def test_data_takes_a_scalar_of_numpy():
    w = Tensor(1.0, requires_grad=True)
    w.data = np.float32(3.0)
    assert isinstance(w.data, np.ndarray) and (w * 2).item() == 6


@pytest.mark.parametrize("wrong", ["text", [1.0, 2.0], 1.0, None, np.array(["a"]), np.array([1, 2]), np.array([1j])])
def test_data_refuses_what_is_no_array_of_such_numbers(wrong):
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="data: expected an array of floating point numbers, got"):
        w.data = wrong
    assert w.numpy().tolist() == [1, 2]


def test_data_is_made_writable_and_in_the_order_of_bytes_of_this_machine():
    w = Tensor([1.0, 2.0], requires_grad=True)
    for array in (np.broadcast_to(np.float32(3), 2), np.full(2, 3, ">f4")):
        w.data = array
        assert w.data.flags.writeable and w.dtype.isnative and w.numpy().tolist() == [3, 3]
    with pytest.raises(TypeError, match="data: expected an array of floating point numbers, got float64"):
        w.data = np.float64(3)
