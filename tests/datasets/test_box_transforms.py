"""Box transforms: a rectangle is drawn, transformed, found again, and must be where its box says."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.box_transforms import Compose, OnBatch, OnImages, RandomHorizontalFlip, RandomResizedCrop
from datasets.transforms import Cutout, Normalize
from tests.datasets.fake_pets import find_box

RANDOM = [RandomHorizontalFlip(), RandomResizedCrop(), RandomResizedCrop((0.1, 0.3), (0.5, 2), keep=0.5)]
ALL = [*RANDOM, OnImages(Cutout(3)), Compose([*RANDOM, OnImages(Normalize((0.5,) * 3, (0.2,) * 3))])]
HEIGHT, WIDTH = 96, 128


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rectangles(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Dark pictures (N, 3, 96, 128) with a bright rectangle each, and their boxes; some touch the border."""
    generator = rng(1)
    pixels = generator.integers(0, (WIDTH - 10, HEIGHT - 10), (count, 2))
    pixels = np.concatenate([pixels, pixels + generator.integers(10, 60, (count, 2))], axis=1)
    pixels = np.minimum(pixels, (WIDTH, HEIGHT, WIDTH, HEIGHT))
    images = np.full((count, 3, HEIGHT, WIDTH), 20, np.uint8)
    for image, (left, top, right, bottom) in zip(images, pixels, strict=True):
        image[:, top:bottom, left:right] = 240
    return images, (pixels / (WIDTH, HEIGHT, WIDTH, HEIGHT)).astype(np.float32)


@pytest.mark.parametrize("transform", [*RANDOM, Compose(RANDOM[:2])], ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_the_rectangle_is_where_its_box_says(transform, seed):
    images, boxes = transform(*rectangles(), rng(seed))
    for image, box in zip(images, boxes, strict=True):
        np.testing.assert_allclose(find_box(image), box, atol=1.01 / HEIGHT)


def test_flip_by_hand():
    images = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    boxes = np.array([[0.0, 0.25, 0.75, 1.0]], np.float32)
    flipped, moved = RandomHorizontalFlip(p=1)(images, boxes, rng())
    assert flipped.tolist() == [[[[2, 1, 0], [5, 4, 3]]]]
    assert moved.tolist() == [[0.25, 0.25, 1.0, 1.0]]
    np.testing.assert_array_equal(RandomHorizontalFlip(p=0)(images, boxes, rng())[1], boxes)


def test_batch_keeps_its_labels_and_gets_images_and_boxes_transformed_together():
    images, boxes = rectangles()
    expected = RANDOM[1](images, boxes, rng(4))
    new_images, labels, new_boxes = OnBatch(RANDOM[1])((images, np.arange(60), boxes), rng(4))
    assert labels.tolist() == list(range(60))
    np.testing.assert_array_equal(new_images, expected[0])
    np.testing.assert_array_equal(new_boxes, expected[1])


def test_flipped_pictures_and_boxes_are_the_same_ones():
    images, boxes = rectangles(2000)
    flipped, moved = RandomHorizontalFlip(p=0.25)(images, boxes, rng())
    mirrored = (flipped == images[..., ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_allclose(
        moved[mirrored], 1 - boxes[mirrored][:, [2, 1, 0, 3]] * [1, -1, 1, -1] - [0, 1, 0, 1], atol=1e-6
    )
    np.testing.assert_array_equal(moved[~mirrored], boxes[~mirrored])
    assert abs(mirrored.mean() - 0.25) < 0.04


def test_crop_by_hand():
    """The left upper quarter is the only window of its size that sees this box, which it shows twice as large."""
    images, boxes = np.zeros((1, 1, 4, 4), np.uint8), np.array([[0, 0, 0.25, 0.25]], np.float32)
    images[0, 0, :2, :2] = [[10, 20], [30, 40]]
    crop = RandomResizedCrop((0.25, 0.25), (1, 1), keep=1)
    crop._windows = lambda boxes, rng: (np.zeros((1, 2)), np.full((1, 2), 0.5))
    enlarged, moved = crop(images, boxes, rng())
    assert moved.tolist() == [[0, 0, 0.5, 0.5]]
    # New centres lie at -¼, ¼, ¾, 1¼ of the old ones; the first is held at the edge.
    assert enlarged[0, 0, 0, :3].tolist() == [10, 12, 18]
    assert enlarged[0, 0, :3, 0].tolist() == [10, 15, 25]


def test_crop_of_everything_changes_nothing():
    images, boxes = rectangles()
    same, still = RandomResizedCrop((1, 1), (1, 1))(images, boxes, rng())
    np.testing.assert_array_equal(same, images)
    np.testing.assert_allclose(still, boxes, atol=1e-7)


@pytest.mark.parametrize("keep", [0.3, 0.8, 1.0])
def test_enough_of_each_box_stays_in_the_window(keep):
    _, boxes = rectangles(5000)
    boxes = boxes.astype(np.float64)
    start, extent = RandomResizedCrop((0.05, 1), (0.3, 3), keep)._windows(boxes, rng())
    assert start.min() >= 0 and (start + extent).max() <= 1 + 1e-12
    seen = np.minimum(boxes[:, 2:], start + extent) - np.maximum(boxes[:, :2], start)
    share = seen / (boxes[:, 2:] - boxes[:, :2])
    assert share.min() >= keep - 1e-9
    if keep < 1:
        assert share.min() < keep + 0.05, "the freedom is used"


def test_size_and_shape_of_the_windows():
    boxes = np.tile([0.5, 0.5, 0.501, 0.501], (5000, 1))
    start, extent = RandomResizedCrop((0.2, 0.6), (0.5, 2))._windows(boxes, rng())
    area, ratio = extent.prod(axis=1), extent[:, 0] / extent[:, 1]
    assert 0.2 - 1e-9 <= area.min() < 0.21 and 0.59 < area.max() <= 0.6 + 1e-9
    assert ratio.min() < 0.55 and ratio.max() > 1.8
    assert start.std(axis=0).min() > 0.1


def test_a_box_that_fills_the_picture():
    images = np.full((20, 3, 8, 8), 9, np.uint8)
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (20, 1))
    cropped, moved = RandomResizedCrop((0.1, 0.1))(images, boxes, rng())
    assert (cropped == 9).all() and (moved == boxes).all()


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_repeats_exactly_and_leaves_its_input_alone(transform):
    images, boxes = rectangles(8)
    images.flags.writeable = boxes.flags.writeable = False
    first, second = (transform(images, boxes, rng(5)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.shares_memory(first[0], images)


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_dtypes_are_kept_and_seeds_matter(transform, dtype):
    images, boxes = rectangles(16)
    images = images.astype(dtype)
    (first, moved), (second, _) = transform(images, boxes, rng(0)), transform(images, boxes, rng(1))
    assert first.dtype == dtype and first.shape == images.shape and moved.dtype == np.float32
    assert (first != second).any()
    assert transform(images, boxes.astype(np.float64), rng(0))[1].dtype == np.float64


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_empty_batches(transform):
    images, boxes = transform(*rectangles(0), rng())
    assert images.shape == (0, 3, HEIGHT, WIDTH) and boxes.shape == (0, 4)


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_wrong_arguments_are_refused(transform):
    images, boxes = rectangles(4)
    with pytest.raises(ValueError, match="expected a NumPy batch"):
        transform(images[0], boxes, rng())
    for wrong in (boxes[:3], boxes[:, :3], boxes.astype(int), None):
        with pytest.raises(ValueError, match=r"expected floating-point boxes \(4, 4\)"):
            transform(images, wrong, rng())
    with pytest.raises(TypeError, match=r"np.random.Generator, got NoneType"):
        transform(images, boxes, None)


def test_impossible_parameters():
    for p in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match="probability"):
            RandomHorizontalFlip(p)
    for arguments in [
        ((0, 1),),
        ((0.5, 1.1),),
        ((0.8, 0.5),),
        ((0.5, 1), (0, 1)),
        ((0.5, 1), (1, 1), 0),
        ((0.5, np.nan),),
    ]:
        with pytest.raises(ValueError, match="RandomResizedCrop: impossible"):
            RandomResizedCrop(*arguments)


def test_compose_applies_in_order_with_one_generator():
    generator, expected = rng(3), rectangles()
    for transform in RANDOM:
        expected = transform(*expected, generator)
    for one, other in zip(Compose(RANDOM)(*rectangles(), rng(3)), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_repr_can_be_read():
    transform = Compose([RandomHorizontalFlip(), RandomResizedCrop(), OnImages(Cutout(8))])
    assert repr(transform) == (
        "Compose([RandomHorizontalFlip(p=0.5), RandomResizedCrop(scale=(0.5, 1.0), ratio=(0.75, 1.3333), keep=0.9), "
        "OnImages(Cutout(8, fill=(0.0,)))])"
    )
