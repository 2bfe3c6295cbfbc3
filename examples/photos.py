"""Photos from anywhere, and what a localizer answers about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minigrad as mg
from datasets.archive import read_folder
from datasets.photos import decode_photo
from datasets.transforms import Normalize
from minigrad import Tensor, ops, plots
from minigrad.nn import Module

SHOWN = 512  # pixels: the longer side of photos in the pictures that are written


class Photo(NamedTuple):
    """A photo at two sizes, both squeezed to a square: for the network, and to be shown; and its true shape."""

    path: Path
    pixels: np.ndarray
    shown: np.ndarray
    width: int
    height: int


def read_photos(paths: Sequence[Path], size: int) -> list[Photo]:
    """Return photos, upright, with pixels (3, size, size).

    Raises:
        FileNotFoundError: a path is not that of a file.
        ValueError: a file is not a picture that can be used; the message names it.
    """
    photos = []
    for path in paths:
        found = list(read_folder(path.parent, [path.name]))
        if not found:
            raise FileNotFoundError(f"--predict: {path} is not a file")
        pixels, frame = decode_photo(found[0], size)
        shown, _ = decode_photo(found[0], SHOWN)
        photos.append(Photo(path, pixels, shown, *frame.upright))
    return photos


def draw_predictions(
    model: Module, photos: Sequence[Photo], normalize: Normalize, classes: Sequence[str], folder: Path, device: str
) -> None:
    """Ask a localizer about photos; print the answers, and draw them on pictures that are written to `folder`."""
    with mg.no_grad():
        inputs = normalize(np.stack([photo.pixels for photo in photos]))
        scores, boxes = model.eval()(Tensor(inputs, device=device))
    probabilities, boxes = ops.softmax(scores, axis=1).numpy(), boxes.numpy()
    print()
    for number, (photo, row, box) in enumerate(zip(photos, probabilities, boxes, strict=True), start=1):
        answer = f"{classes[row.argmax()]} ({row.max():.0%})"
        # Two photos may have the same name in different folders.
        twins = sum(other.path.stem == photo.path.stem for other in photos) > 1
        target = folder / f"{photo.path.stem}{f'-{number}' if twins else ''}.png"
        plots.plot_detection(photo.shown, box, answer, target, aspect=photo.height / photo.width)
        corners = box * (photo.width, photo.height, photo.width, photo.height)
        where = "x {0:.0f} to {2:.0f}, y {1:.0f} to {3:.0f}".format(*corners)
        print(f"{photo.path}: {answer}, {where} of {photo.width}×{photo.height} pixels; drawn in {target}")
