"""What the tests of optimizers share: one entry per optimizer, small parameters, and a few steps."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import optim
from minigrad.tensor import Parameter, Tensor

SHAPES = [(4, 3, 2, 2), (5,), ()]
OPTIMIZERS = {
    "sgd": (optim.SGD, "SGD", {"lr": 0.1}),
    "sgd-decay": (optim.SGD, "SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "sgd-momentum": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    "sgd-dampening": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "sgd-nesterov": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
    "adam": (optim.Adam, "Adam", {}),
    "adam-options": (optim.Adam, "Adam", {"lr": 0.02, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    "adamw": (optim.AdamW, "AdamW", {"lr": 0.02}),
    "adamw-options": (optim.AdamW, "AdamW", {"lr": 0.02, "betas": (0.0, 0.9), "weight_decay": 0.3}),
}
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


def make_params(device="cpu", dtype=np.float32, shapes=SHAPES):
    rng = np.random.default_rng(0)
    return [Parameter(rng.standard_normal(shape).astype(dtype), device=device) for shape in shapes]


def gradients(step, dtype=np.float32, shapes=SHAPES):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def train(optimizer, params, steps):
    for step in steps:
        for p, grad in zip(params, gradients(step, params[0].dtype), strict=True):
            p.grad = Tensor(grad, device=p.device)
        optimizer.step()


def values(params):
    return [p.numpy().copy() for p in params]
