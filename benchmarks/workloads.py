"""What is measured. To add a row, write a function that prepares it and add an entry to `ROWS`.

Data are random but the same in every framework: float32 pictures and int64 classes from one seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework

CLASSES = 10


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what `--filter` and `worker.py` call it.
        title: what it does, for the reader of the table.
        steps: how many steps each process times, unless told otherwise; about half a second's worth.
        prepare: builds everything in one framework and returns the step, a function without arguments.
    """

    name: str
    title: str
    steps: int
    prepare: Callable[[Framework], Callable[[], None]]


def training_step(
    framework: Framework, network: Callable[[Any], Any], batch: int, shape: tuple[int, ...]
) -> Callable[[], None]:
    """Return one step of training: forward, cross-entropy, backward, SGD with momentum 0.9.

    Args:
        framework: what to build it in.
        network: builds the network from the framework's `nn`.
        batch: examples per step.
        shape: of one example.
    """
    rng = np.random.default_rng(0)
    inputs = framework.tensor(rng.standard_normal((batch, *shape), dtype=np.float32))
    targets = framework.tensor(rng.integers(CLASSES, size=batch))
    model, criterion = network(framework.nn), framework.nn.CrossEntropyLoss()
    optimizer = framework.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        optimizer.step()

    return step


def perceptron(nn: Any) -> Any:
    """Two layers so small that time goes into the engine around the arithmetic, not into the arithmetic."""
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def lenet(nn: Any) -> Any:
    """The small classic for 3x32x32 pictures (LeCun et al. 1998, with ReLU and max-pooling): 62,006 parameters."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES)),
    )


def vgg(nn: Any) -> Any:
    """Pairs of 3x3 convolutions (Simonyan & Zisserman 2015, made small) for 3x32x32 pictures: 550,570 parameters."""
    layers = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, CLASSES))


def _training_row(name: str, title: str, steps: int, network: Callable, batch: int, shape: tuple[int, ...]) -> Row:
    prepare = partial(training_step, network=network, batch=batch, shape=shape)
    return Row(f"{name}-{batch}", f"{title}, batch {batch}, training step", steps, prepare)


ROWS = {
    row.name: row
    for row in (
        _training_row("perceptron", "two-layer perceptron", 1000, perceptron, 4, (32,)),
        _training_row("lenet", "LeNet-style CNN", 200, lenet, 4, (3, 32, 32)),
        _training_row("lenet", "LeNet-style CNN", 40, lenet, 64, (3, 32, 32)),
        _training_row("vgg", "VGG-style CNN", 5, vgg, 64, (3, 32, 32)),
    )
}
