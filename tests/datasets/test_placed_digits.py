"""PlacedDigits: real digits, true boxes, the same pictures every time."""

from __future__ import annotations

import numpy as np
import pytest

from datasets import Digits, placed_digits
from datasets.placed_digits import PlacedDigits


@pytest.fixture(scope="module")
def train() -> PlacedDigits:
    return PlacedDigits(300)


def test_form(train):
    assert train.images.shape == (300, 3, 64, 64) and train.images.dtype == np.uint8
    assert train.boxes.shape == (300, 4) and train.boxes.dtype == np.float32
    assert train.classes == list("0123456789")
    assert (np.bincount(train.labels, minlength=10) > 10).all()
    assert repr(train) == "PlacedDigits(training set: 300 pictures of 3×64×64, 10 classes, boxes)"


def test_each_picture_depends_on_seed_part_and_index_only(train):
    again = PlacedDigits(20)
    np.testing.assert_array_equal(again.images, train.images[:20])
    np.testing.assert_array_equal(again.boxes, train.boxes[:20])
    for other in (PlacedDigits(20, seed=1), PlacedDigits(20, train=False)):
        assert (other.images != again.images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("part", [True, False])
def test_training_and_validation_show_the_digits_of_their_own_part(part, monkeypatch):
    shown = []
    monkeypatch.setattr(placed_digits, "_place", lambda digit, size, rng: shown.append(digit) or np.ones((size, size)))
    labels = PlacedDigits(50, train=part).labels
    digits = Digits(train=part)
    known = {image[0].tobytes(): label for image, label in zip(digits.images, digits.labels, strict=True)}
    assert [known[digit.tobytes()] for digit in shown] == labels.tolist()


@pytest.mark.parametrize("size", [32, 64, 100])
def test_box_is_tight_around_the_ink(monkeypatch, size):
    # Black ink on white without noise: whatever is darker than four fifths is ink.
    monkeypatch.setattr(placed_digits, "_background", lambda size, rng: np.ones((3, size, size), np.float32))
    monkeypatch.setattr(placed_digits, "_NOISE", 0)
    data = PlacedDigits(60, size=size)
    for image, box in zip(data.images, data.boxes, strict=True):
        paper = image[:, 0, 0].astype(float) if box[0] > 0 or box[1] > 0 else image[:, -1, -1].astype(float)
        away = abs(image - paper[:, None, None]).max(axis=0)
        rows, columns = np.nonzero(away > 0.2 * away.max())
        expected = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / size
        np.testing.assert_allclose(box, expected, atol=1.01 / size)


def test_size_and_place_vary(train):
    width, height = (train.boxes[:, 2:] - train.boxes[:, :2]).T
    centre = (train.boxes[:, 2:] + train.boxes[:, :2]) / 2
    assert height.min() < 0.35 and height.max() > 0.65
    assert width.min() < 0.25 and width.max() > 0.5
    assert centre.min() < 0.2 and centre.max() > 0.8
    assert train.boxes.min() >= 0 and train.boxes.max() <= 1


def test_statistics(train):
    pixels = train.images / 255.0
    np.testing.assert_allclose(pixels.mean(axis=(0, 2, 3)), train.mean, atol=0.03)
    np.testing.assert_allclose(pixels.std(axis=(0, 2, 3)), train.std, atol=0.02)


def test_digits_can_be_told_from_the_background(train):
    """Averaged over the box's ink, the digit differs clearly from the median of the picture."""
    for image, box in zip(train.images[:100] / 255.0, train.boxes, strict=False):
        left, top, right, bottom = np.rint(box * 64).astype(int)
        difference = abs(image[:, top:bottom, left:right].mean(axis=0) - np.median(image))
        assert np.percentile(difference, 90) > 0.2


@pytest.mark.parametrize("arguments", [(0,), (-1,), (5, 15)])
def test_impossible_arguments(arguments):
    with pytest.raises(ValueError, match="PlacedDigits: expected count >= 1 and size >= 16"):
        PlacedDigits(*arguments)
