"""9. Momentum and Adam.

Momentum remembers: the velocity v is what is left of the old one plus the new gradient, v ← m·v + g, and the step is
p ← p − lr·v.

Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1) keeps running means of g and of g²,

    m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²,

which begin at 0 and are too small at first; so they are divided by 1 − β₁ᵗ and 1 − β₂ᵗ, where t = 1 in the first step:

    p ← p − lr·m̂/(√v̂ + ε)   with   m̂ = m/(1 − β₁ᵗ),   v̂ = v/(1 − β₂ᵗ)

Afterwards read minigrad/optim/sgd.py and adam.py.
"""

from __future__ import annotations

import numpy as np


def momentum_step(p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: float, m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the new p and the new v."""
    raise NotImplementedError


def adam_step(
    p: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the new p, m and v; t is 1 in the first step."""
    raise NotImplementedError
