"""A tiny training run for tests of the training loop: a network with everything that has a memory, and its data."""

from __future__ import annotations

import math
import signal
from collections import Counter

import numpy as np

import minigrad as mg
from datasets.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip
from minigrad import Tensor, nn, ops, optim
from minigrad.data import DataLoader, TensorDataset
from minigrad.train import Trainer, read_checkpoint

PICTURES, BATCH = 40, 8
STEPS = PICTURES // BATCH  # of an epoch


class Net(nn.Module):
    """Everything with a memory of its own: running statistics and dropout's random numbers."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(width * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = ops.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.head(self.dropout(x.flatten(1)))


def objective(model, batch):
    images, labels = batch
    logits = model(images)
    hits = (logits.detach().argmax(axis=1) == labels).astype(np.float32)
    return ops.cross_entropy(logits, labels), {"accuracy": hits.mean()}


def build(folder, objective=objective, device="cpu", epochs=2, batch=BATCH, width=4, **options) -> Trainer:
    mg.manual_seed(3)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, PICTURES + 10)
    pictures = rng.integers(0, 100, (PICTURES + 10, 3, 8, 8), dtype=np.uint8)
    pictures += (70 * labels).astype(np.uint8).reshape(-1, 1, 1, 1)  # brighter from class to class
    normalize = Normalize([0.5] * 3, [0.25] * 3)
    augment = Compose([RandomCrop(8, padding=1), RandomHorizontalFlip(), normalize])
    training = TensorDataset(pictures[:PICTURES], labels[:PICTURES])
    train_loader = DataLoader(training, batch, shuffle=True, transform=augment, seed=5, num_workers=1, device=device)
    validation = TensorDataset(pictures[PICTURES:], labels[PICTURES:])
    val_loader = DataLoader(validation, 4, transform=normalize, device=device)
    model = Net(width).to(device)
    optimizer = optim.SGD(list(model.parameters()), 0.05, momentum=0.9, nesterov=True)
    schedule = optim.OneCycleLR(optimizer, 0.05, total_steps=epochs * len(train_loader))
    return Trainer(model, optimizer, objective, train_loader, val_loader, epochs, folder, schedule, **options)


def at_step(step, action, objective=objective, when_training=True):
    """The objective, which calls `action(loss)` at one step (or validation batch), counted from 1."""
    calls = Counter()

    def wrapped(model, batch):
        loss, metrics = objective(model, batch)
        calls[model.training] += 1
        if model.training == when_training and calls[when_training] == step:
            loss = action(loss) or loss
        return loss, metrics

    return wrapped


def press_ctrl_c(_loss=None):
    signal.raise_signal(signal.SIGINT)


def become_nan(loss):
    return loss * math.nan


def crash(_loss):
    raise OSError("power cut")


def contents(folder):
    """A checkpoint as `path -> bytes or value`, without the times."""
    flat = {}

    def walk(path, node):
        if isinstance(node, dict):
            for name, value in node.items():
                walk(f"{path}/{name}", value)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                walk(f"{path}/{index}", value)
        elif isinstance(node, np.ndarray):
            flat[path] = (node.dtype, node.shape, node.tobytes())
        elif not path.endswith(("/seconds", "/images_per_second")):
            flat[path] = node

    walk("", read_checkpoint(folder / "checkpoint.safetensors"))
    return flat


def resumed(folder, **options) -> Trainer:
    trainer = build(folder, **options)
    trainer.resume(read_checkpoint(trainer.checkpoint_path))
    return trainer
