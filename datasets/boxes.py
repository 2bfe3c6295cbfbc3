"""Pictures with one labelled box each: what a localizer learns from.

A box is `(xmin, ymin, xmax, ymax)` in fractions of the picture: 0 is its left or upper edge, 1 its right or lower
edge. The edges are lines between pixels, so a box around all pixels is `(0, 0, 1, 1)` at any size of the picture.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.images import ImageDataset
from minigrad.quoting import quoted

_NUMBER = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]{0,300})?|\.[0-9]{1,300})([eE][+-]?[0-9]{1,3})?")


class BoxDataset(ImageDataset):
    """Labelled pictures in memory with a box each; an item is `(picture, label, box)`.

    Attributes:
        boxes: float32 array `(N, 4)`, fractions of the picture.
        names: what to call each picture, such as the name of its file.
        sizes: int64 array `(N, 2)`, width and height in pixels of the upright photos that the pictures were made from;
            by default those of the pictures.

    Further attributes: see `ImageDataset`.
    """

    def __init__(
        self, boxes: np.ndarray, names: Sequence[str], sizes: Sequence[tuple[int, int]] | None = None, **pictures: Any
    ) -> None:
        super().__init__(**pictures)
        self.boxes = np.ascontiguousarray(boxes, dtype=np.float32)
        self.names = list(names)
        own = [self.images.shape[:1:-1]] * len(self)
        self.sizes = np.array(own if sizes is None else sizes, dtype=np.int64).reshape(-1, 2)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64, np.ndarray]:
        """Picture `(3, H, W)`, label and box `(4,)` at `index`; picture and box are views."""
        return self.images[index], self.labels[index], self.boxes[index]

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pictures `(B, 3, H, W)`, labels `(B,)` and boxes `(B, 4)` at `indices`: copies."""
        return *super().batch(indices), self.boxes.take(indices, axis=0)

    def __repr__(self) -> str:
        part = "training" if self.train else "validation"
        shape = "×".join(map(str, self.images.shape[1:]))
        return f"{type(self).__name__}({part} set: {len(self)} pictures of {shape}, {len(self.classes)} classes, boxes)"


def parse_number(text: str) -> float:
    """The number that `text` writes in plain digits: no underscores, no digits of other scripts, no `inf`.

    Raises:
        ValueError: it writes none.
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{quoted(text)} is not a number")
    return float(text)


def check_box(box: Sequence[float]) -> None:
    """Check that `(xmin, ymin, xmax, ymax)` has width and height.

    Raises:
        ValueError: it is upside down, a line or a point, or not made of finite numbers.
    """
    xmin, ymin, xmax, ymax = box
    if not (all(map(math.isfinite, box)) and xmin < xmax and ymin < ymax):
        raise ValueError(f"degenerate box {tuple(box)}: expected xmin < xmax and ymin < ymax")


def area(box: Sequence[float]) -> float:
    """Area of a box."""
    xmin, ymin, xmax, ymax = box
    return (xmax - xmin) * (ymax - ymin)


def to_fractions(box: Sequence[float], width: float, height: float) -> np.ndarray:
    """The box, its edges in pixels of a picture of `width`×`height`, clipped to it: float32 fractions `(4,)`.

    Raises:
        ValueError: nothing of the box is inside the picture.
    """
    fractions = np.array(box) / (width, height, width, height)
    fractions = np.clip(fractions, 0, 1).astype(np.float32)
    if not (fractions[:2] < fractions[2:]).all():
        raise ValueError(f"the box {tuple(box)} is outside the picture of {width:g}×{height:g} pixels")
    return fractions


def split_by_class(labels: Sequence[int], train: bool, validation: float) -> np.ndarray:
    """Indices of the training or the validation part: of each class, evenly spread, the same share is for validation.

    Nothing is random: with `validation=0.2` the 5th, 10th, 15th, … item of each class is for validation. So the split
    is stratified by whatever the items of a class are sorted by, too.

    Args:
        labels: the class of each item.
        train: which part.
        validation: the share for validation, at least 0 and less than 1; rounded down in each class.

    Raises:
        ValueError: `validation` is out of range, or the part is empty.
    """
    if not 0 <= validation < 1:
        raise ValueError(f"validation: expected a share of at least 0 and less than 1, got {validation}")
    labels = np.asarray(labels, dtype=np.int64)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        before = np.floor(np.arange(len(members) + 1) * validation + 1e-9)  # how many of the first 0, 1, 2, … it gets
        chosen[members] = np.diff(before) > 0
    part = np.flatnonzero(~chosen if train else chosen)
    if len(part) == 0:
        name = "training" if train else "validation"
        largest = int(np.unique(labels, return_counts=True)[1].max(initial=0))
        needed = f", {math.ceil(1 / validation)} are needed" if validation and not train else ""
        raise ValueError(
            f"no picture is for {name}: with validation={validation:g}, rounded down in each class, the classes are "
            f"too small; the largest has {largest}{needed}"
        )
    return part
