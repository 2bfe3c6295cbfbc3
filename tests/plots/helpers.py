"""What the tests of pictures share."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from minigrad import plots

HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.3, "val_loss": 1.8, "val_accuracy": 0.35, "lr": 0.1},
    {"epoch": 2, "train_loss": 1.5, "train_accuracy": 0.5, "val_loss": None, "val_accuracy": float("nan"), "lr": 0.05},
    {"epoch": 3, "train_loss": 1.2, "train_accuracy": 0.6, "val_loss": 1.4, "val_accuracy": 0.55},
]
NAMES = ["cat", "dog"]


def assert_is_picture(figure, folder, width=300, height=100):
    """The one file in the folder is a PNG of at least this many pixels that shows more than one colour."""
    path = figure.path
    assert os.listdir(folder) == [path.name]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width >= width and picture.height >= height
        assert picture.convert("L").getextrema()[0] < 128


def assert_refused(folder, name, arguments, message):
    """The function says what does not fit, beginning with its own name, and writes nothing."""
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        getattr(plots, name)(**arguments, path=folder / "picture.png")
    assert os.listdir(folder) == []
