"""Photos from anywhere, and what a network answers about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.archive import read_folder
from datasets.photos import Frame, decode_photo
from datasets.transforms import Normalize
from minigrad import Tensor, ops, plots
from minigrad.data import DataLoader, TensorDataset
from minigrad.nn import Module
from minigrad.train import predict

BATCH = 32
TOLD = 3  # of the answers of a classifier
SHOWN = 512  # pixels: the longer side of photos in the pictures that are written


class Photo(NamedTuple):
    """A photo as the network sees it, squeezed to a square; and its true shape."""

    path: Path
    pixels: np.ndarray
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
        pixels, frame = _decoded(path, size)
        photos.append(Photo(path, pixels, *frame.upright))
    return photos


def _decoded(path: Path, size: int) -> tuple[np.ndarray, Frame]:
    found = list(read_folder(path.parent, [path.name]))
    if not found:
        raise FileNotFoundError(f"--predict: {path} is not a file")
    return decode_photo(found[0], size)


def draw_predictions(
    model: Module, photos: Sequence[Photo], normalize: Normalize, classes: Sequence[str], folder: Path, device: str
) -> None:
    """Ask a localizer about photos; print the answers, and draw them on pictures that are written to `folder`."""
    scores, boxes = _ask(model, photos, normalize, device)
    print()
    for photo, target, row, box in zip(photos, _targets(photos, folder), _shares(scores), boxes, strict=True):
        answer = f"{classes[row.argmax()]} ({row.max():.0%})"
        shown, _ = _decoded(photo.path, SHOWN)
        plots.plot_detection(shown, box, answer, target, aspect=photo.height / photo.width)
        corners = box * (photo.width, photo.height, photo.width, photo.height)
        where = "x {0:.0f} to {2:.0f}, y {1:.0f} to {3:.0f}".format(*corners)
        print(f"{photo.path}: {answer}, {where} of {photo.width}×{photo.height} pixels; drawn in {target}")


def draw_answers(
    model: Module, photos: Sequence[Photo], normalize: Normalize, classes: Sequence[str], folder: Path, device: str
) -> None:
    """Ask a classifier about photos; print the likeliest answers, and draw them beside the photos in `folder`."""
    scores = _ask(model, photos, normalize, device)
    print()
    for photo, target, row in zip(photos, _targets(photos, folder), _shares(scores), strict=True):
        shown, _ = _decoded(photo.path, SHOWN)
        plots.plot_answers(shown, row, classes, target, aspect=photo.height / photo.width)
        likeliest = ", ".join(f"{classes[index]} ({row[index]:.0%})" for index in np.argsort(-row)[:TOLD])
        print(f"{photo.path}: {likeliest}; drawn in {target}")


def _ask(model: Module, photos: Sequence[Photo], normalize: Normalize, device: str) -> Any:
    pixels = TensorDataset(np.stack([photo.pixels for photo in photos]))
    outputs, _ = predict(model, DataLoader(pixels, BATCH, transform=normalize, device=device))
    return outputs


def _shares(scores: np.ndarray) -> np.ndarray:
    return ops.softmax(Tensor(scores), axis=1).numpy()


def _targets(photos: Sequence[Photo], folder: Path) -> list[Path]:
    """Return where to draw each photo; numbered if photos of different folders are called the same."""
    numbered = len({photo.path.stem.casefold() for photo in photos}) < len(photos)
    return [
        folder / f"{f'{number}-' if numbered else ''}{photo.path.stem}.png" for number, photo in enumerate(photos, 1)
    ]
