"""gradcheck and gradgradcheck find wrong derivatives and say where."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.function import Function
from minigrad.gradcheck import GradcheckError, gradcheck, gradgradcheck, largest_error, largest_second_error


class Square(Function):
    """y = x², with a slope to be given: 2x is right."""

    reads = {0: (0,)}

    def forward(self, x, slope):
        self.slope = slope
        return x * x

    def backward(self, grad):
        (x,) = self.inputs
        return grad * self.slope(x)


class Frozen(Function):
    """The same numbers, without their history."""

    differentiable = False

    def forward(self, x):
        return x


def square(slope):
    return lambda x: Square.apply(x, slope=slope)


def leaf(device, *values):
    return Tensor(np.array(values), requires_grad=True, device=device)


def test_right_gradients_pass(device):
    x = leaf(device, 1.0, -2.0, 3.0)
    assert gradcheck(square(lambda x: 2 * x), x) is True
    assert gradgradcheck(square(lambda x: 2 * x), [x]) is True


def test_the_error_is_small_where_the_gradient_is_right(device):
    x = leaf(device, 1.0, -2.0)
    assert largest_error(square(lambda x: 2 * x), x) < 1e-8
    assert largest_second_error(square(lambda x: 2 * x), x) < 1e-8


def test_a_wrong_gradient_is_named_with_input_index_and_both_values(device):
    wrong = square(lambda x: 2 * x + (x > 2.5) * x / 3 - (x > 3.5) * x * 0.3)
    unit = Tensor(np.ones(4), requires_grad=True, device=device)
    with pytest.raises(GradcheckError) as error:
        gradcheck(lambda a, x: a * 0.0 + wrong(x).sum(), [unit, leaf(device, 1.0, 2.0, 3.0, 4.0)])
    message = str(error.value)
    assert "input 1 (shape (4,))" in message and "index (2,)" in message  # the one that is furthest off
    analytic, numeric = (float(message.split(word)[1].split(",")[0]) for word in ("analytic ", "numeric "))
    assert analytic / numeric == pytest.approx(7 / 6, rel=1e-6)


def test_a_wrong_second_derivative_is_named_too(device):
    detached = square(lambda x: 2 * Frozen.apply(x))
    x = leaf(device, 1.0, 2.0)
    assert gradcheck(detached, x)
    with pytest.raises(GradcheckError, match=r"input 0 \(shape \(2,\)\).* index \(\d,\): analytic 0, numeric \d"):
        gradgradcheck(detached, x)


def test_gradients_of_the_upstream_gradient_are_checked(device):
    class Careless(Square):
        def backward(self, grad):
            return super().backward(Frozen.apply(grad))

    with pytest.raises(GradcheckError, match="input 1 "):  # input 0 is x, input 1 the gradient from above
        gradgradcheck(lambda x: Careless.apply(x, slope=lambda x: 2 * x), leaf(device, 1.0, 2.0))


def test_a_backward_that_leaves_the_graph_is_caught_at_second_order(device):
    class OnArrays(Square):
        def backward(self, grad):
            (x,) = self.inputs
            return Tensor(grad.data * 2 * x.data) if isinstance(x, Tensor) else grad * 2 * x

    x = leaf(device, 1.0, 2.0)
    assert gradcheck(lambda x: OnArrays.apply(x, slope=None), x)
    with pytest.raises(GradcheckError):
        gradgradcheck(lambda x: OnArrays.apply(x, slope=None), x)


def test_opposite_errors_of_two_inputs_do_not_cancel(device):
    detached = square(lambda d: 2 * Frozen.apply(d))
    with pytest.raises(GradcheckError):
        gradgradcheck(lambda a, b: detached(a - b), [leaf(device, 1.0, 2.0), leaf(device, 0.5, 3.0)])


def test_the_message_says_what_was_differentiated_and_by_which_factor_it_is_off(device):
    wrong = square(lambda x: x)
    with pytest.raises(
        GradcheckError, match=r"analytic 3, numeric 6(\.0*|, |\d|\.)*ratio 0.5; derivatives of fn's own"
    ):
        gradcheck(wrong, leaf(device, 3.0))
    with pytest.raises(
        GradcheckError, match=r"ratio 0.5; derivatives of L = Σ v·fn\(...\).* shape \(2,\), with fixed ra"
    ):
        gradcheck(wrong, leaf(device, 1.0, 2.0))


def test_a_nan_is_never_right(device):
    with pytest.raises(GradcheckError, match="analytic nan"):
        gradcheck(square(lambda x: x * float("nan")), leaf(device, 1.0))


def test_a_function_that_loses_the_graph_is_caught(device):
    with pytest.raises(GradcheckError, match="analytic 0, numeric"):
        gradcheck(lambda x: x.detach() * 2, leaf(device, 1.0))


def test_several_inputs_and_outputs(device):
    a, b = leaf(device, 1.0, 2.0), leaf(device, 3.0)
    plain = Tensor(np.array([5.0, 6.0]), device=device)
    assert gradcheck(lambda a, b, c: (a * b, a.sum(), c * 2), [a, b, plain])
    assert gradgradcheck(lambda a, b, c: (a * b * c, b.exp(), c * 2), [a, b, plain])


def test_an_input_without_influence_has_gradient_zero(device):
    assert gradcheck(lambda a, b: a * 2, [leaf(device, 1.0), leaf(device, 2.0)])


def test_empty_inputs_pass(device):
    assert gradcheck(lambda x: x * 2, leaf(device)) and gradgradcheck(lambda x: x * 2, leaf(device))


def test_the_inputs_stay_as_they_were(device):
    x = leaf(device, 1.0, 2.0)
    gradcheck(lambda x: x * x, x)
    assert x.grad is None and x.numpy().tolist() == [1, 2]


def test_it_works_where_recording_is_off(device):
    x = leaf(device, 1.0, 2.0)
    with mg.no_grad():
        assert largest_error(lambda x: x * x, x) < 1e-8
        assert largest_second_error(lambda x: x * x, x) < 1e-8


def test_what_cannot_be_checked_is_refused(device):
    with pytest.raises(TypeError, match="input 1 is float32; finite differences need float64"):
        gradcheck(lambda a, b: a * b, [leaf(device, 1.0), Tensor([1.0], requires_grad=True, device=device)])
    with pytest.raises(ValueError, match="no input requires gradients"):
        gradcheck(lambda x: x * 2, Tensor(np.ones(2), device=device))


def test_the_public_names():
    assert mg.gradcheck is gradcheck and mg.gradgradcheck is gradgradcheck and mg.GradcheckError is GradcheckError
    assert issubclass(GradcheckError, AssertionError)
