"""What a case of a gradient check is, and the points that it is checked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.tensor import Tensor


@dataclass(frozen=True)
class Case:
    """One call of an operation.

    Attributes:
        operation: its name in `ops`.
        description: what this case is about.
        arrays: values of the inputs, float64; all of them get gradients.
        options: further arguments, by keyword.
        fn: what to call with the inputs and the options instead of the operation itself.
        step: ε of the finite difference.
        choice: a context that forces an algorithm which such small arrays would not get.
    """

    operation: str
    description: str
    arrays: tuple[np.ndarray, ...]
    options: dict[str, Any]
    fn: Callable[..., Tensor] | None = None
    step: float = 1e-6
    choice: Callable[[], AbstractContextManager] = nullcontext

    def __str__(self) -> str:
        return f"{self.operation}: {self.description}"

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the operation."""
        return (self.fn or getattr(ops, self.operation))(*inputs, **self.options)

    def check(self, measure: Callable[..., float], device: str) -> float:
        """Return what `measure` finds, `gradcheck.largest_error` or `largest_second_error`."""
        with self.choice():
            return measure(self, self.inputs(device), eps=self.step)

    def inputs(self, device: str) -> tuple[Tensor, ...]:
        """Return the inputs as fresh leaves on `device`."""
        return tuple(Tensor(array, requires_grad=True, device=device) for array in self.arrays)


def case(
    operation: str,
    description: str,
    *arrays: np.ndarray,
    fn: Callable[..., Tensor] | None = None,
    step: float = 1e-6,
    choice: Callable[[], AbstractContextManager] = nullcontext,
    **options: Any,
) -> Case:
    """Write a `Case` as one line."""
    return Case(operation, description, arrays, options, fn, step, choice)


# ---- points to check at ------------------------------------------------------------------------------------------

_rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    """Return random numbers of both signs."""
    return _rng.standard_normal(shape)


def positive(*shape: int) -> np.ndarray:
    """Return random numbers between 0.5 and 2."""
    return _rng.uniform(0.5, 2.0, shape)


def distinct(*shape: int, offset: float = 0.25) -> np.ndarray:
    """Return the numbers …, −0.75, −0.25, 0.25, 0.75, … in random order; with another offset, none of them again."""
    n = math.prod(shape)
    return (_rng.permutation(n).reshape(shape) - n // 2) / 2 + offset
