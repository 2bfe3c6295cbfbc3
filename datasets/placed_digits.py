"""Handwritten digits at random places on cluttered backgrounds: localization without a download."""

from __future__ import annotations

import numpy as np

from datasets.boxes import BoxDataset
from datasets.digits import Digits
from datasets.resample import bilinear_weights

# Of 10,000 training pictures of 64×64.
MEAN = (0.5, 0.5, 0.5)
STD = (0.247, 0.247, 0.247)

_HEIGHT = (0.3, 0.75)  # of the digit's cell, in fractions of the picture
_RATIO = (0.8, 1.25)  # width of the cell over its height
_SHAPES = 8  # of clutter in each picture
_RADIUS = (0.02, 0.3)  # of shapes, in fractions of the picture: a line is thin in one direction
_NOISE = 0.04
_VISIBLE = 0.2  # ink below this share cannot be told from the noise


class PlacedDigits(BoxDataset):
    """Pictures 3×size×size, each with one real handwritten digit, its label 0 to 9 and the box around its ink.

    The digits are those of `Digits`; the training and the validation set show different ones. Height, width, place
    and colour are random, and so is the background: smooth colours, filled rectangles, ellipses and lines, and noise.
    The digit is lighter or darker than everything around it, never of a fixed colour.

    Each picture depends only on `seed`, `train` and its index, so the first ones are the same for any `count`. The
    true box is known exactly: it touches the outermost pixels with visible ink. A mirrored digit is not a digit: do
    not train with horizontal flips.

    Args:
        count: number of pictures.
        size: side of the pictures, in pixels.
        seed: of everything random.
        train: the training set, otherwise the validation set.

    Attributes:
        mean, std: of many training pictures, constants.

    Further attributes: see `BoxDataset`.

    Raises:
        ImportError: scikit-learn is not installed.
        ValueError: `count` is not positive, or `size` is below 16, where digits cannot be told apart.
    """

    def __init__(self, count: int = 2000, size: int = 64, seed: int = 0, train: bool = True) -> None:
        if count < 1 or size < 16:
            raise ValueError(f"PlacedDigits: expected count >= 1 and size >= 16, got {count} and {size}")
        digits = Digits(train)
        images = np.empty((count, 3, size, size), dtype=np.uint8)
        boxes = np.empty((count, 4), dtype=np.float32)
        source = np.empty(count, dtype=np.int64)
        for index in range(count):
            rng = np.random.default_rng([seed, int(train), index])
            source[index] = rng.integers(len(digits))
            ink = _place(digits.images[source[index], 0], size, rng)
            boxes[index] = _tight_box(ink)
            images[index] = _paint(ink, _background(size, rng), rng)
        super().__init__(
            boxes=boxes,
            names=[f"picture {index}" for index in range(count)],
            sizes=[(size, size)] * count,
            images=images,
            labels=digits.labels[source],
            classes=digits.classes,
            mean=MEAN,
            std=STD,
            train=train,
        )


def _place(digit: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Ink `(size, size)`, 0 to 1, of the digit `(32, 32)` drawn at random height, width and place."""
    height = rng.uniform(*_HEIGHT)
    extent = np.array([height, height * rng.uniform(*_RATIO)])
    corner = rng.random(2) * (1 - extent)
    side = len(digit)
    centre = (np.arange(size) + 0.5) / size
    # Where the centre of each row and column of the picture lies on the digit, in the digit's pixels.
    of_rows, of_columns = (
        bilinear_weights((centre - corner[axis]) / extent[axis] * side - 0.5, side) for axis in range(2)
    )
    blurred = of_rows @ (digit / np.float32(255)) @ of_columns.T
    # The source is 8×8, so enlarged edges are wide: the middle half of the greys becomes all of them.
    return np.clip(2 * blurred - 0.5, 0, 1)


def _tight_box(ink: np.ndarray) -> tuple[float, float, float, float]:
    """The box, in fractions, around all pixels with visible ink."""
    size, visible = len(ink), ink > _VISIBLE
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    return columns[0] / size, rows[0] / size, (columns[-1] + 1) / size, (rows[-1] + 1) / size


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Clutter `(3, size, size)`, 0 to 1: smooth colours under rotated rectangles and ellipses, some thin as lines."""
    weights = bilinear_weights(np.linspace(0, 3, size), 4)
    background = weights @ rng.random((3, 4, 4), dtype=np.float32) @ weights.T

    centre, colour = rng.random((_SHAPES, 2)), rng.random((_SHAPES, 3))
    radius = np.exp(rng.uniform(*np.log(_RADIUS), (_SHAPES, 2)))
    angle, is_ellipse = rng.uniform(0, np.pi, _SHAPES), rng.random(_SHAPES) < 0.5
    axis = (np.arange(size) + 0.5) / size
    for shape in range(_SHAPES):
        x, y = axis - centre[shape, 0], (axis - centre[shape, 1])[:, None]
        cos, sin = np.cos(angle[shape]), np.sin(angle[shape])
        along = np.abs(x * cos + y * sin) / radius[shape, 0]
        across = np.abs(y * cos - x * sin) / radius[shape, 1]
        inside = along**2 + across**2 < 1 if is_ellipse[shape] else np.maximum(along, across) < 1
        background[:, inside] = colour[shape, :, None]
    return background


def _paint(ink: np.ndarray, background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The uint8 picture `(3, size, size)`: ink on the background, in a colour that can be told from it, and noise."""
    colour = np.float32(0.25) * rng.random((3, 1, 1), dtype=np.float32)
    picture = 0.4 + 0.6 * background
    picture += ink * (colour - picture)
    if rng.random() < 0.5:
        picture = 1 - picture  # light on dark instead of dark on light
    picture += _NOISE * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
