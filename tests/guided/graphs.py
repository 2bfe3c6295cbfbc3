"""Small functions to be toured."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import nn


def noise(*shape):
    return mg.Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def polynomial():
    x = mg.Tensor(2.0, requires_grad=True)
    return lambda: x * x + 3 * x


def perceptron():
    x, y = noise(5, 2), mg.Tensor(np.array([0, 1, 1, 0, 1]))
    model, criterion = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), nn.CrossEntropyLoss()
    return lambda: criterion(model(x), y)


def softmax():
    scores = mg.Tensor([[1.0, 2.0, -1.0]], requires_grad=True)
    bias = mg.Tensor([0.5], requires_grad=True)
    return lambda: -(scores + bias).softmax()[0, 0].log()


def convolution():
    picture = noise(1, 1, 6, 6)
    layer = nn.Conv2d(1, 1, 3)
    return lambda: (layer(picture) ** 2).mean()
