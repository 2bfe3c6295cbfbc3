"""Rows of the data path: the training loop of the main job, with loading, augmentation and bookkeeping, and its
training step alone.

The loop should reach at least 95 % of the step's pictures per second: data must not make the network wait. Its epochs
are shorter here than CIFAR-10's, so the wait for their first batch counts for more.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.frameworks import Framework
from benchmarks.rows import Row, Step, classes

if TYPE_CHECKING:
    from minigrad.train import Trainer

BATCH, BATCHES = 128, 16


def _trainer(device: str) -> Trainer:
    """Return the trainer of `examples.cifar10` with its default network and augmentation, on pictures of noise."""
    from datasets.images import ImageDataset  # only here: PyTorch's processes read this file too
    from examples.cifar10 import RECIPES, VALIDATION_SHARE, build_trainer

    count = round(BATCH * BATCHES / (1 - VALIDATION_SHARE))
    images = np.random.default_rng(0).integers(256, size=(count, 3, 32, 32), dtype=np.uint8)
    pictures = ImageDataset(images, classes(count, 10), list("0123456789"), [0.5] * 3, [0.3] * 3, train=True)
    config = {"data": "cifar10", "model": "cnn", "limit": None, "seed": 0} | RECIPES["cifar10", "cnn"]
    config |= {"batch_size": BATCH, "epochs": 1000}  # more than anyone measures
    trainer = build_trainer(config, pictures, None, device)  # without a folder nothing is kept
    trainer.epochs = 0
    return trainer


def loop_step(framework: Framework) -> Step:
    """Return one epoch of the real loop; its seconds are those of training, without validation."""
    trainer = _trainer(framework.device)

    def step() -> float:
        trainer.epochs += 1
        return trainer.fit()[-1]["seconds"]

    return step


def bare_step(framework: Framework) -> Step:
    """Return as many training steps as such an epoch has, all on one batch that is at hand."""
    trainer = _trainer(framework.device)
    with closing(iter(trainer.train_loader)) as loaded:
        batch = next(loaded)

    def step() -> None:
        for _ in range(BATCHES):
            loss, _ = trainer.objective(trainer.model, batch)
            trainer.optimizer.zero_grad()
            loss.backward()
            trainer.optimizer.step()
            trainer.schedule.step()

    return step


_COMMON = {"frameworks": ("minigrad",), "items": BATCH * BATCHES}
STEP = Row("data-step", f"CIFAR-10's CNN, batch {BATCH}: the training step alone", bare_step, **_COMMON)
LOOP = Row("data-loop", f"CIFAR-10's CNN, batch {BATCH}: the training loop", loop_step, **_COMMON)
