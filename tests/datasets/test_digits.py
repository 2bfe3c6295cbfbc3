"""Digits: real handwriting in the form of CIFAR-10."""

from __future__ import annotations

import numpy as np
import pytest

from datasets import Digits
from datasets.digits import _enlarge
from minigrad.data import Dataset


@pytest.fixture(scope="module")
def train() -> Digits:
    return Digits()


@pytest.fixture(scope="module")
def test() -> Digits:
    return Digits(train=False)


def test_form_of_cifar10(train):
    assert isinstance(train, Dataset)
    assert train.images.shape == (1442, 3, 32, 32)
    assert train.images.dtype == np.uint8 and train.images.flags.c_contiguous
    assert train.labels.shape == (1442,) and train.labels.dtype == np.int64
    assert train.classes == list("0123456789")
    assert train.images.min() == 0 and train.images.max() == 255


def test_channels_are_equal(train):
    for channel in (1, 2):
        np.testing.assert_array_equal(train.images[:, 0], train.images[:, channel])


def test_parts_are_disjoint_and_complete(train, test):
    from sklearn.datasets import load_digits

    labels = np.concatenate([train.labels, test.labels])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(load_digits().target))
    together = {image.tobytes() for image in np.concatenate([train.images, test.images])}
    assert len(together) == 1797, "no picture is in both parts"


def test_split_is_stratified(train, test):
    share = np.bincount(test.labels) / (np.bincount(train.labels) + np.bincount(test.labels))
    assert (abs(share - 0.2) < 0.01).all()


def test_split_is_fixed(test):
    again = Digits(train=False)
    np.testing.assert_array_equal(again.images, test.images)
    assert test.labels[:10].tolist() == [5, 0, 9, 8, 7, 1, 2, 6, 3, 4]


def test_statistics_are_those_of_the_training_pictures(train, test):
    pixels = train.images / 255.0
    np.testing.assert_allclose(train.mean, pixels.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(train.std, pixels.std(axis=(0, 2, 3)))
    assert (test.mean, test.std) == (train.mean, train.std)


def test_enlarging_is_bilinear():
    ink = np.zeros((1, 8, 8))
    ink[0, 0, :2] = 8, 16
    # Pixel centres 1/8, 3/8, 5/8, 7/8 between the first two source pixels; beyond the first centre its own value.
    expected = np.rint(np.array([8, 8, 9, 11, 13, 15]) * 255 / 16)
    np.testing.assert_array_equal(_enlarge(ink)[0, 0, :6], expected)
    np.testing.assert_array_equal(_enlarge(np.full((1, 8, 8), 16.0)), 255)
