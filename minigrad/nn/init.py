"""Initial values of weights.

With fan_in inputs to a unit, independent weights of variance σ² give its output fan_in·σ² times the inputs' mean
square. Kaiming's choice keeps that at 1 through a ReLU, which halves it; Xavier's balances the forward and the backward
pass.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad import rng


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (out, in, …): units times kernel positions.

    Raises:
        ValueError: the shape has fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"init: a weight of shape {shape} has no fan; expected (out, in, ...)")
    positions = math.prod(shape[2:])
    return shape[1] * positions, shape[0] * positions


def uniform(shape: tuple[int, ...], bound: float) -> np.ndarray:
    """Return float32 numbers, uniform in [−bound, bound), from the CPU's seeded generator: the same on every device."""
    values = rng.generator().random(shape, dtype=np.float32)
    return (values * 2 - 1) * np.float32(bound)


def normal(shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Return float32 numbers, normal with mean 0, from the CPU's seeded generator."""
    return rng.generator().standard_normal(shape, dtype=np.float32) * np.float32(deviation)


def kaiming_uniform(shape: tuple[int, ...], a: float = math.sqrt(5)) -> np.ndarray:
    """Return uniform weights with bound √(6/((1 + a²)·fan_in)) (He et al. 2015, arXiv:1502.01852, eq. 14).

    `a` is the negative slope of a leaky ReLU. PyTorch's layers use a = √5 by default, which makes the bound 1/√fan_in.
    """
    return uniform(shape, math.sqrt(6 / ((1 + a * a) * fans(shape)[0])) if fans(shape)[0] else 0.0)


def kaiming_normal(shape: tuple[int, ...], mode: str = "fan_in") -> np.ndarray:
    """Return normal weights with deviation √(2/fan), for layers before a ReLU (He et al. 2015, eq. 10).

    Raises:
        ValueError: `mode` is neither "fan_in" nor "fan_out".
    """
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming_normal: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return normal(shape, math.sqrt(2 / fans(shape)[mode == "fan_out"]))


def xavier_uniform(shape: tuple[int, ...]) -> np.ndarray:
    """Return uniform weights with bound √(6/(fan_in + fan_out)) (Glorot & Bengio 2010, section 4.2.1, eq. 16)."""
    return uniform(shape, math.sqrt(6 / sum(fans(shape))))
