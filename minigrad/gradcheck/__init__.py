"""Finite-difference checks: is the gradient that an operation claims the one that it has?

A derivative is compared with the slope of a secant, (f(x + ε) − f(x − ε))/2ε, whose error is of order ε²; in float64,
with ε = 1e-6, about ten digits agree when the formula is right. A function with many outputs is first made one number
by a random weighted sum, L = Σ v·f(x): an error in the Jacobian goes unseen only if it cancels in this one sum. A
function that returns one number is checked as it is.

`python -m minigrad.gradcheck` runs these checks on every operation and prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.grad_mode import enable_grad
from minigrad.sweep import grad
from minigrad.tensor import Tensor


class GradcheckError(AssertionError):
    """An analytic gradient disagrees with the finite difference."""


def gradcheck(fn: Callable, inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3) -> bool:
    """Check the gradients of `fn` against central differences.

    Args:
        fn: takes the inputs, returns a Tensor or several. It must be differentiable at the inputs and return the same
            each time.
        inputs: a Tensor or several; those that require gradients are checked and must be float64.
        eps: step of the difference, ε.
        atol, rtol: an element passes if |analytic − numeric| ≤ atol + rtol·|numeric|.

    Returns:
        True.

    Raises:
        GradcheckError: names the input, the index, what was differentiated, and both values of the element that is
            furthest off, with their ratio: 2 or −1, say, is a hint.
        TypeError, ValueError: the inputs are not fit for checking.
    """
    largest_error(fn, inputs, eps, atol, rtol)
    return True


def gradgradcheck(fn: Callable, inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3) -> bool:
    """Check second derivatives of `fn`: `gradcheck` of its gradients, as functions of the inputs and of ∂L/∂fn.

    Arguments, result and errors as `gradcheck`; in the error, inputs beyond fn's own are the upstream gradients of its
    outputs.
    """
    largest_second_error(fn, inputs, eps, atol, rtol)
    return True


def largest_error(fn: Callable, inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3) -> float:
    """Run `gradcheck` and return the largest |analytic − numeric| / max(1, |numeric|)."""
    inputs = _as_tuple(inputs)
    checked = _checked(inputs)
    with enable_grad():
        outputs = _as_tuple(fn(*inputs))
        weights = [_weights(y, k, ones=_is_one_number(outputs)) for k, y in enumerate(outputs)]
        analytic = _gradients(outputs, weights, [inputs[i] for i in checked])

    def total(i: int, values: np.ndarray) -> float:
        moved = [Tensor(values, True, x.device) if k == i else x for k, x in enumerate(inputs)]
        return sum(float((y * v).sum().item()) for y, v in zip(_as_tuple(fn(*moved)), weights, strict=True))

    worst = 0.0
    for i, gradient in zip(checked, analytic, strict=True):
        expected = backend.to_numpy(gradient.data)
        measured = _central_differences(lambda values, i=i: total(i, values), inputs[i], eps)
        excess = np.abs(expected - measured) - (atol + rtol * np.abs(measured))
        if expected.size and not excess.max() <= 0:  # written so that nan fails
            index = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
            where = tuple(int(k) for k in index)
            raise GradcheckError(
                f"gradient of input {i} (shape {inputs[i].shape}) is wrong at index {where}: "
                f"analytic {expected[index]:.10g}, numeric {measured[index]:.10g}"
                f"{_ratio(expected[index], measured[index])}; derivatives of {_differentiated(outputs)}"
            )
        if expected.size:
            worst = max(worst, float((np.abs(expected - measured) / np.maximum(1, np.abs(measured))).max()))
    return worst


def largest_second_error(fn: Callable, inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3) -> float:
    """Run `gradgradcheck` and return the largest |analytic − numeric| / max(1, |numeric|)."""
    inputs = _as_tuple(inputs)
    checked = _checked(inputs)
    outputs = _as_tuple(fn(*inputs))
    upstream = [_weights(y, 100 + k, requires_grad=True) for k, y in enumerate(outputs)]

    def gradients(*arguments: Tensor) -> tuple[Tensor, ...]:
        own, weights = arguments[: len(inputs)], arguments[len(inputs) :]
        with enable_grad():
            return tuple(_gradients(_as_tuple(fn(*own)), weights, [own[i] for i in checked], create_graph=True))

    return largest_error(gradients, (*inputs, *upstream), eps, atol, rtol)


def _ratio(analytic: float, numeric: float) -> str:
    return f", ratio {analytic / numeric:.4g}" if numeric and np.isfinite([analytic, numeric]).all() else ""


def _differentiated(outputs: Sequence[Tensor]) -> str:
    """Say what number was differentiated, as `_weights` makes it."""
    if _is_one_number(outputs):
        return "fn's own output"
    shapes = " and ".join(str(y.shape) for y in outputs)
    return f"L = Σ v·fn(...) over the elements of fn's output of shape {shapes}, with fixed random v from 0.5 to 1.5"


def _is_one_number(outputs: Sequence[Tensor]) -> bool:
    return len(outputs) == 1 and outputs[0].size == 1


def _gradients(
    outputs: Sequence[Tensor], weights: Sequence[Tensor], inputs: Sequence[Tensor], create_graph: bool = False
) -> list[Tensor]:
    """Return the gradients of Σ weights·outputs, zeros where nothing depends on an input."""
    paths = [(y, v) for y, v in zip(outputs, weights, strict=True) if y.requires_grad]
    return grad([y for y, _ in paths], inputs, [v for _, v in paths], retain_graph=True, create_graph=create_graph)


def _central_differences(total: Callable[[np.ndarray], float], x: Tensor, eps: float) -> np.ndarray:
    values = np.array(backend.to_numpy(x.data))
    slopes = np.zeros_like(values)
    for index in np.ndindex(values.shape):
        kept = values[index]
        values[index] = kept + eps
        above = total(values)
        values[index] = kept - eps
        below = total(values)
        values[index] = kept
        slopes[index] = (above - below) / (2 * eps)
    return slopes


def _as_tuple(x: Any) -> tuple:
    if not isinstance(x, (Tensor, list, tuple)):
        raise TypeError(f"gradcheck: expected a Tensor or several, got {type(x).__name__}")
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _checked(inputs: Sequence[Any]) -> list[int]:
    """Return which inputs are to be checked."""
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires gradients")
    for i in checked:
        if inputs[i].dtype != np.float64:
            raise TypeError(f"gradcheck: input {i} is {inputs[i].dtype}; finite differences need float64")
    return checked


def _weights(y: Tensor, seed: int, requires_grad: bool = False, ones: bool = False) -> Tensor:
    """Return fixed random numbers of y's shape: away from 0, so that no element goes unseen; or ones.

    Every output has a seed of its own: with equal weights, the two gradients of a − b, say, would cancel.
    """
    values = np.ones(y.shape) if ones else np.random.default_rng(seed).uniform(0.5, 1.5, y.shape)
    return Tensor(values, requires_grad=requires_grad, device=y.device)
