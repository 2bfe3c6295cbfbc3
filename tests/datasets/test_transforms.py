"""Transforms of batches, on numbers small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.transforms import Compose, Cutout, Normalize, RandomCrop, RandomHorizontalFlip

RANDOM = [
    RandomHorizontalFlip(),
    RandomCrop(8, padding=2),
    RandomCrop(8, padding=2, padding_mode="reflect"),
    Cutout(3, fill=(1, 2, 3)),
]
ALL = [*RANDOM, Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.3)), Compose(RANDOM)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pictures(count: int = 64, side: int = 8, dtype=np.uint8) -> np.ndarray:
    """Random pixels from 10 to 255, so that neither padding nor the fill of `Cutout` occurs among them."""
    return rng(1).integers(10, 256, (count, 3, side, side)).astype(dtype)


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_repeats_exactly_and_leaves_its_input_alone(transform):
    images = pictures()
    images.flags.writeable = False
    np.testing.assert_array_equal(transform(images, rng(5)), transform(images.copy(), rng(5)))
    result = transform(images, rng(5))
    assert result.flags.c_contiguous and result.flags.writeable
    assert not np.shares_memory(result, images)


@pytest.mark.parametrize("transform", [*RANDOM, Compose(RANDOM)], ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_random_transforms_keep_dtype_and_differ_by_seed(transform, dtype):
    images = pictures(dtype=dtype)
    first, second = transform(images, rng(0)), transform(images, rng(1))
    assert first.dtype == second.dtype == dtype and first.shape == images.shape
    assert (first != second).any()


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_empty_and_non_contiguous_batches(transform):
    assert transform(pictures(count=0), rng()).shape == (0, 3, 8, 8)
    view = np.asfortranarray(pictures())
    np.testing.assert_array_equal(transform(view, rng()), transform(pictures(), rng()))


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_single_picture_is_refused(transform):
    with pytest.raises(ValueError, match="expected a NumPy batch"):
        transform(pictures()[0], rng())


@pytest.mark.parametrize("transform", [*RANDOM, Compose(RANDOM)], ids=repr)
def test_random_transforms_need_a_generator(transform):
    with pytest.raises(TypeError, match="np.random.Generator, got NoneType"):
        transform(pictures(), None)


def test_normalize_by_hand():
    images = np.array([0, 51, 255], np.uint8).reshape(1, 3, 1, 1)
    result = Normalize(mean=(0.5, 0.1, 0.0), std=(0.25, 0.1, 0.5))(images)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), [-2.0, 1.0, 2.0], rtol=1e-6)


def test_normalize_refuses_what_it_would_distort():
    with pytest.raises(ValueError, match="float32"):
        Normalize((0.5,) * 3, (0.5,) * 3)(pictures(dtype=np.float32))
    with pytest.raises(ValueError, match="1 channels"):
        Normalize((0.5,), (0.5,))(pictures())
    for std in [(0.0, 1.0, 1.0), (-1.0, 1.0, 1.0), (1.0, 1.0), (np.nan, 1.0, 1.0)]:
        with pytest.raises(ValueError, match="one positive std"):
            Normalize((0.5,) * 3, std)


def test_flip_by_hand():
    images = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    assert RandomHorizontalFlip(p=1)(images, rng()).tolist() == [[[[2, 1, 0], [5, 4, 3]]]]
    np.testing.assert_array_equal(RandomHorizontalFlip(p=0)(images, rng()), images)


def test_flip_is_drawn_for_each_picture():
    images = pictures(count=2000, side=2)
    flipped = RandomHorizontalFlip(p=0.25)(images, rng())
    mirrored = (flipped == images[:, :, :, ::-1]).all(axis=(1, 2, 3)) & (images != flipped).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(flipped[~mirrored], images[~mirrored])
    assert abs(mirrored.mean() - 0.25) < 0.04


@pytest.mark.parametrize("p", [-0.1, 1.5, np.nan])
def test_flip_needs_a_probability(p):
    with pytest.raises(ValueError, match="probability"):
        RandomHorizontalFlip(p)


def crop_places(result: np.ndarray, padded: np.ndarray) -> set[tuple[int, int]]:
    """Where each picture of `result` was cut from `padded`, found by comparing with every window."""
    height, width = result.shape[2:]
    found = set()
    for picture, source in zip(result, padded, strict=True):
        rows, columns = source.shape[1] - height + 1, source.shape[2] - width + 1
        matches = [
            (top, left)
            for top in range(rows)
            for left in range(columns)
            if (source[:, top : top + height, left : left + width] == picture).all()
        ]
        assert matches, "not a window of the padded picture"
        found.update(matches)
    return found


@pytest.mark.parametrize(("padding_mode", "mode"), [("zero", "constant"), ("reflect", "reflect")])
def test_crops_are_windows_of_the_padded_picture_at_all_places(padding_mode, mode):
    images = pictures(count=200, side=4)
    result = RandomCrop((4, 3), padding=1, padding_mode=padding_mode)(images, rng())
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)], mode=mode)
    assert result.shape == (200, 3, 4, 3)
    assert crop_places(result, padded) == {(top, left) for top in range(3) for left in range(4)}


def test_crop_of_everything_is_the_padded_picture():
    images = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 1, 2, 2)
    zero = [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]
    assert RandomCrop(4, padding=1)(images, rng())[0, 0].tolist() == zero
    reflect = [[4, 3, 4, 3], [2, 1, 2, 1], [4, 3, 4, 3], [2, 1, 2, 1]]
    assert RandomCrop(4, padding=1, padding_mode="reflect")(images, rng())[0, 0].tolist() == reflect


def test_crop_refuses_impossible_windows():
    with pytest.raises(ValueError, match=r"no window of \(13, 13\)"):
        RandomCrop(13, padding=2)(pictures(), rng())
    with pytest.raises(ValueError, match="cannot reflect"):
        RandomCrop(8, padding=8, padding_mode="reflect")(pictures(), rng())
    for arguments in [(0,), (8, -1), ((8, 8, 8),), (8, 0, "edge")]:
        with pytest.raises(ValueError, match="RandomCrop"):
            RandomCrop(*arguments)


def test_cutout_paints_one_square():
    images = np.zeros((400, 1, 5, 5), np.uint8)
    painted = Cutout(3, fill=1)(images, rng())[:, 0]
    # The square around each of the 25 centres, cut off at the edge.
    expected = set()
    for row in range(5):
        for column in range(5):
            square = np.zeros((5, 5), np.uint8)
            square[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 1
            expected.add(square.tobytes())
    assert {picture.tobytes() for picture in painted} == expected


def test_cutout_of_even_size_reaches_further_up_and_left():
    painted = Cutout(2, fill=1)(np.zeros((200, 1, 1, 4)), rng())[:, 0, 0]
    assert set(map(tuple, painted.tolist())) == {(1, 0, 0, 0), (1, 1, 0, 0), (0, 1, 1, 0), (0, 0, 1, 1)}


def test_cutout_leaves_the_rest_and_fills_each_channel():
    images = pictures()
    result = Cutout(3, fill=(1, 2, 3))(images, rng())
    painted = result[:, 0] == 1
    np.testing.assert_array_equal(painted, result[:, 2] == 3)
    assert set(painted.sum(axis=(1, 2)).tolist()) <= {4, 6, 9}
    np.testing.assert_array_equal(result.transpose(0, 2, 3, 1)[~painted], images.transpose(0, 2, 3, 1)[~painted])


def test_cutout_in_the_mean_colour_vanishes_after_normalising():
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    everything = Cutout(100, fill=[255 * value for value in mean])
    normalized = Compose([everything, Normalize(mean, std)])(pictures(), rng())
    half_a_grey_level = 0.5 / 255 / min(std)
    assert abs(normalized).max() <= half_a_grey_level


def test_cutout_refuses_a_fill_that_does_not_fit():
    with pytest.raises(ValueError, match="2 values for images with 3 channels"):
        Cutout(3, fill=(1, 2))(pictures(), rng())
    for fill in (-1, 256, np.nan):
        with pytest.raises(ValueError, match="outside the range of uint8"):
            Cutout(3, fill=fill)(pictures(), rng())
    with pytest.raises(ValueError, match="size"):
        Cutout(-1)


def test_compose_applies_in_order_with_one_generator():
    images, generator = pictures(), rng(3)
    expected = images
    for transform in RANDOM:
        expected = transform(expected, generator)
    np.testing.assert_array_equal(Compose(RANDOM)(images, rng(3)), expected)


def test_compose_without_random_parts_needs_no_generator():
    assert Compose([Normalize((0.5,) * 3, (0.5,) * 3)])(pictures()).dtype == np.float32


def test_repr_can_be_read():
    transform = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), Cutout(8), Normalize((0.5,), (0.25,))])
    assert repr(transform) == (
        'Compose([RandomCrop((32, 32), padding=4, padding_mode="zero"), RandomHorizontalFlip(p=0.5), '
        "Cutout(8, fill=(0.0,)), Normalize(mean=(0.5,), std=(0.25,))])"
    )
