"""`mg.grad`: gradients of and with respect to anything, derivatives of any order."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Tensor


def leaf(values, device="cpu"):
    return Tensor(values, requires_grad=True, device=device)


def check(tensor, expected):
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-6)


# ---- grad() ------------------------------------------------------------------------------------------------------


def test_grad_returns_gradients_and_leaves_grad_alone(device):
    x, w = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    x.grad = kept = Tensor([9.0, 9.0], device=device)
    dx, dw = mg.grad((x * w).sum(), [x, w])
    check(dx, [3, 4])
    check(dw, [1, 2])
    assert x.grad is kept and w.grad is None
    assert not dx.requires_grad


def test_grad_of_intermediate_results(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    z = y * y
    dx, dy, dz = mg.grad(z.sum(), [x, y, z])
    check(dz, [1, 1])
    check(dy, [4, 8])
    check(dx, [8, 16])


def test_grad_of_an_output_with_respect_to_itself():
    x = leaf([1.0])
    y = x * 2
    assert [g.item() for g in mg.grad(y, [y, x, x])] == [1, 2, 2]
    assert mg.grad(x, x)[0].item() == 1


def test_grad_takes_an_intermediate_result_that_leads_to_another():
    x = leaf(3.0)
    a = x * x
    b = a * a
    da, db = mg.grad(b * a, [a, b])  # a³
    check(da, 3 * 81)
    check(db, 9)


def test_grad_of_unrelated_inputs_is_zero(device):
    x, other = leaf([1.0, 2.0], device), Tensor(np.ones((2, 3)), requires_grad=True, device=device)
    (zeros,) = mg.grad((x * x).sum(), other)
    assert (zeros.shape, zeros.dtype, zeros.device) == ((2, 3), np.float64, other.device)
    check(zeros, np.zeros((2, 3)))


def test_grad_sums_over_several_outputs(device):
    x, w = leaf([1.0, 2.0], device), leaf([5.0, 5.0], device)
    dx, dw = mg.grad([(x * x).sum(), (x * w).sum()], [x, w])
    check(dx, [7, 9])
    check(dw, [1, 2])


@pytest.mark.parametrize("make", [np.asarray, list, tuple, Tensor])
def test_grad_takes_the_gradients_of_its_outputs(make):
    x = leaf([1.0, 2.0])
    y, z = x * x, x * 3
    g = np.array([1.0, 10.0], np.float32)
    (dx,) = mg.grad([y, z], x, [make(g), make(g)])
    check(dx, [2 + 3, 40 + 30])


def test_grad_takes_one_gradient_for_one_output():
    x = leaf([1.0, 2.0])
    for g in (np.array([1.0, 10.0]), Tensor([1.0, 10.0])):
        check(mg.grad(x * x, x, g)[0], [2, 40])
    check(mg.grad((x * x).sum(), x, 3.0)[0], [6, 12])


def test_grad_outputs_must_fit():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match="1 outputs but 2 grad_outputs"):
        mg.grad(x * x, x, [None, None])
    with pytest.raises(ValueError, match=r"grad has shape \(3,\)"):
        mg.grad(x * x, x, np.ones(3))
    with pytest.raises(ValueError, match="one number only"):
        mg.grad(x * x, x)


def test_grad_of_what_requires_none_is_an_error(device):
    x = leaf([1.0], device)
    with pytest.raises(RuntimeError, match=r"input 1 of shape \(2,\) does not require gradients"):
        mg.grad((x * x).sum(), [x, Tensor([1.0, 2.0], device=device)])
    with pytest.raises(RuntimeError, match="no graph"):
        mg.grad(Tensor(1.0, device=device), x)


def test_grad_walks_only_what_leads_to_the_inputs():
    class Forbidden(Function):
        def forward(self, x):
            return x * x * x

        def backward(self, grad):
            raise AssertionError("not needed")

    x, w = leaf(2.0), leaf(3.0)
    y = Forbidden.apply(w)
    check(mg.grad(x * x + y, x)[0], 4)
    check(mg.grad(Forbidden.apply(w) * y, y)[0], 27)


def test_grad_takes_create_graph_as_fourth_argument(device):
    x = Tensor([2.0], requires_grad=True, device=device)
    (slope,) = mg.grad((x**3).sum(), x, None, True)
    (curvature,) = mg.grad(slope.sum(), x)
    assert curvature.item() == 12


# ---- higher derivatives ------------------------------------------------------------------------------------------


def test_grad_releases_the_graph_unless_it_is_retained(device):
    x = leaf([1.0, 2.0], device)
    y = (x * x).sum()
    for _ in range(2):
        check(mg.grad(y, x, retain_graph=True)[0], [2, 4])
    for _ in range(2):
        check(mg.grad(y, x, create_graph=True)[0], [2, 4])
    mg.grad(y, x)
    with pytest.raises(RuntimeError, match="released"):
        mg.grad(y, x)


def test_third_derivatives(device):
    x = leaf([1.0, 2.0, -3.0], device)
    values = np.array([1.0, 2.0, -3.0])
    y = x**5
    for expected in (5 * values**4, 20 * values**3, 60 * values**2, 120 * values):
        (y,) = mg.grad(y.sum(), x, create_graph=True)
        check(y, expected)


def test_higher_derivatives_of_saved_outputs(device):
    x = leaf(0.5, device)
    y = x.exp()
    for _ in range(4):
        (y,) = mg.grad(y, x, create_graph=True)
        check(y, np.exp(0.5))


def test_backward_with_create_graph_gives_gradients_that_can_be_differentiated(device):
    x = leaf([2.0, 3.0], device)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    check(g, [12, 27])
    (g * g).sum().backward()  # (3x²)² has the derivative 36x³
    check(x.grad, [36 * 8, 36 * 27])


def test_without_create_graph_the_gradient_has_no_history(device):
    x = leaf([2.0], device)
    (x**3).sum().backward()
    assert x.grad.node is None and not x.grad.requires_grad


def test_gradients_flow_to_the_incoming_gradient_too():
    x, v = leaf([2.0, 3.0]), leaf([1.0, 1.0])
    (dx,) = mg.grad(x * x, x, v, create_graph=True)
    (dv,) = mg.grad(dx, v, Tensor([1.0, 10.0]))
    check(dv, [4, 60])
