"""Handwritten digits, learned in a loop of your own, without a Trainer: half a minute, no download.

    python -m examples.first_steps

Change something, and see what happens: the learning rate, the optimizer, a layer of the model, the number of epochs.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from datasets import Digits
from minigrad import nn, optim
from minigrad.data import DataLoader


def normalized(images: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Return pictures, whole numbers from 0 to 255, as numbers around 0."""
    return (images / 255).astype(np.float32) - 0.5


def main(epochs: int = 3) -> float:
    """Train, print what happens, and return the share of the test pictures that were recognised."""
    mg.manual_seed(0)  # the same numbers in every run
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2),  # 3×32×32 → 16×8×8
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # → 32×4×4
        nn.Flatten(), nn.Linear(32 * 4 * 4, 10),  # a score for each digit
    )  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    training = DataLoader(Digits(train=True), batch_size=32, shuffle=True, transform=normalized)
    test = DataLoader(Digits(train=False), batch_size=100, transform=normalized)
    for epoch in range(1, epochs + 1):
        for images, labels in training:
            loss = criterion(model(images), labels)  # forwards: every operation is recorded
            optimizer.zero_grad()  # forget the gradients of the last step
            loss.backward()  # backwards: the gradient of the loss with respect to each parameter
            optimizer.step()  # one step downhill
        with mg.no_grad():  # nothing to learn from the test pictures
            right = sum((model(images).argmax(axis=1) == labels).sum().item() for images, labels in test)
        accuracy = right / len(test.dataset)
        print(f"epoch {epoch}: loss of the last batch {loss.item():.3f}, test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
