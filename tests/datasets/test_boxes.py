"""Boxes as fractions, and the split into training and validation."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.boxes import BoxDataset, area, check_box, split_by_class, to_fractions


def test_pixels_to_fractions():
    fractions = to_fractions((10, 20, 50, 80), 100, 80)
    assert fractions.dtype == np.float32
    np.testing.assert_allclose(fractions, [0.1, 0.25, 0.5, 1.0])


def test_clipped_at_every_edge():
    assert to_fractions((-1, -2, 500, 80.5), 100, 80).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("box", [(100, 0, 120, 80), (-9, 0, 0, 80), (0, 80, 9, 90), (0, 99.9999999, 9, 200)])
def test_nothing_inside(box):
    with pytest.raises(ValueError, match="outside the picture of 100×80 pixels"):
        to_fractions(box, 100, 80)


@pytest.mark.parametrize(
    "box", [(1, 1, 1, 2), (1, 1, 2, 1), (2, 1, 1, 2), (1, 2, 2, 1), (0, 0, np.inf, 1), (np.nan,) * 4]
)
def test_degenerate_boxes(box):
    with pytest.raises(ValueError, match="degenerate box"):
        check_box(box)


def test_area():
    assert area((1, 2, 4, 4)) == 6


@pytest.fixture
def data() -> BoxDataset:
    return BoxDataset(
        boxes=np.arange(12).reshape(3, 4) / 12,
        names=["a", "b", "c"],
        images=np.arange(3 * 3 * 4 * 4).reshape(3, 3, 4, 4),
        labels=[1, 0, 1],
        classes=["cat", "dog"],
        mean=(0, 0, 0),
        std=(1, 1, 1),
        train=False,
    )


def test_batch_and_items(data):
    images, labels, boxes = data.batch(np.array([2, 0, 2]))
    assert images.shape == (3, 3, 4, 4) and images.dtype == np.uint8
    assert labels.tolist() == [1, 1, 1] and labels.dtype == np.int64
    np.testing.assert_array_equal(boxes, data.boxes[[2, 0, 2]])
    assert boxes.dtype == np.float32
    images[:], boxes[:] = 0, 0
    assert data.images.any() and data.boxes.any(), "a batch is a copy"
    image, label, box = data[1]
    np.testing.assert_array_equal(image, data.images[1])
    assert label == 0 and box.tolist() == data.boxes[1].tolist() and len(data) == 3
    assert repr(data) == "BoxDataset(validation set: 3 pictures of 3×4×4, 2 classes, boxes)"


def test_every_fifth_of_each_class_is_for_validation():
    labels = [0] * 12 + [1] * 5 + [0] * 3 + [2] * 4
    assert split_by_class(labels, train=False, validation=0.2).tolist() == [4, 9, 16, 19]


@pytest.mark.parametrize("validation", [0, 0.1, 0.25, 0.3, 0.5, 0.99])
def test_parts_are_disjoint_complete_and_stratified(validation):
    labels = np.random.default_rng(0).integers(0, 3, 500)
    train = split_by_class(labels, train=True, validation=validation)
    held_out = split_by_class(labels, train=False, validation=validation) if validation else []
    assert sorted([*train, *held_out]) == list(range(500))
    for label in range(3):
        assert (
            (labels[held_out] == label).sum() == int((labels == label).sum() * validation + 1e-9)
            if validation
            else True
        )


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match="no picture is for validation: .* the largest has 2, 5 are needed"):
        split_by_class([0, 0, 1, 1], train=False, validation=0.2)
    for share in (-0.1, 1, np.nan):
        with pytest.raises(ValueError, match="expected a share"):
            split_by_class([0, 0], train=True, validation=share)
