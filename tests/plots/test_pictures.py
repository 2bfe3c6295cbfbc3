"""The gallery of predictions and the filters."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from minigrad import plots
from minigrad.plots import pictures
from tests.plots.helpers import NAMES, assert_is_picture, assert_refused

GALLERY = {
    "images": np.zeros((3, 3, 8, 8), dtype=np.uint8),
    "labels": np.array([0, 1, 0]),
    "predictions": np.array([0, 0, 0]),
    "confidences": np.array([0.9, 0.6, 0.7]),
    "class_names": NAMES,
}


@pytest.mark.parametrize("predictions", [[0, 0, 0], [0, 1, 0], [1, 0, 1]])
def test_gallery_is_drawn_also_with_an_empty_block(tmp_path, predictions):
    figure = plots.plot_gallery(**GALLERY | {"predictions": predictions}, path=tmp_path / "gallery.png")
    assert_is_picture(figure, tmp_path, 300, 300)


def test_gallery_draws_bytes_and_fractions_alike(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    pictures = []
    for name, values in (("bytes", images), ("fractions", images / 255)):
        figure = plots.plot_gallery(**GALLERY | {"images": values}, path=tmp_path / name)
        pictures.append(np.asarray(Image.open(figure.path).convert("RGB"), dtype=int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize(("wrong", "shape"), [(1, (8, 8)), (5, (6, 12)), (19, (12, 6))])
def test_all_pictures_of_the_gallery_have_the_same_size(tmp_path, figures, wrong, shape):
    labels, predictions = np.zeros(20, int), np.arange(20) < wrong
    images = np.zeros((20, 3, *shape), np.uint8)
    plots.plot_gallery(images, labels, predictions.astype(int), np.ones(20), NAMES, tmp_path / "gallery.png")
    boxes = [ax.get_window_extent() for ax in figures[0].axes]
    assert len(boxes) == min(wrong, 16) + min(20 - wrong, 16)
    assert np.ptp([box.width for box in boxes]) < 1e-6 and np.ptp([box.height for box in boxes]) < 1e-6
    assert boxes[0].height / boxes[0].width == pytest.approx(shape[0] / shape[1])
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("shape", [(6, 3, 5, 5), (9, 1, 3, 3), (4, 6, 3, 5), (2, 3, 1, 1)])
def test_filters_are_drawn_for_any_number_of_channels(tmp_path, shape):
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert_is_picture(plots.plot_filters(weights, tmp_path / "filters.png"), tmp_path)


def test_filters_that_are_all_zero_are_drawn(tmp_path):
    assert_is_picture(plots.plot_filters(np.zeros((2, 3, 3, 3)), tmp_path / "filters.png"), tmp_path)


def test_mosaic_lays_tiles_out_row_by_row():
    tiles = np.arange(3.0).reshape(3, 1, 1) * np.ones((3, 60, 60))
    mosaic = pictures._mosaic(tiles, columns=2, blank=-1.0)
    assert mosaic.shape == (2 * 66, 2 * 66)
    assert [mosaic[33, 33], mosaic[33, 99], mosaic[99, 33], mosaic[99, 99]] == [0, 1, 2, -1]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("plot_gallery", GALLERY | {"images": np.zeros((3, 8, 8, 3), np.uint8)}, r"\(N, 3, H, W\).*\(3, 8, 8, 3\)"),
        ("plot_gallery", GALLERY | {"images": np.zeros((0, 3, 8, 8), np.uint8)}, "N >= 1"),
        (
            "plot_gallery",
            GALLERY | {"images": np.full((3, 3, 8, 8), -1.5)},
            r"images .* in 0\.\.1, got float64 from -1\.5",
        ),
        ("plot_gallery", GALLERY | {"labels": [0, 1]}, r"3 images need 3 labels, got shape \(2,\)"),
        ("plot_gallery", GALLERY | {"confidences": [0.5]}, "3 images need 3 confidences"),
        ("plot_gallery", GALLERY | {"confidences": [50.0, 60.0, 70.0]}, r"confidences .* in 0\.\.1"),
        (
            "plot_gallery",
            GALLERY | {"class_names": ["cat"]},
            r"1 class names need labels in 0\.\.0, got int64 from 0 to 1",
        ),
        ("plot_gallery", GALLERY | {"predictions": [0, 1, 2]}, r"2 class names need predictions in 0\.\.1"),
        ("plot_filters", {"weights": np.ones((3, 5, 5))}, r"\(O, C, kh, kw\).*\(3, 5, 5\)"),
        ("plot_filters", {"weights": np.full((1, 3, 2, 2), np.nan)}, "12 of 12 weights are not finite"),
    ],
)
def test_what_does_not_fit_is_rejected_in_words_and_writes_nothing(tmp_path, name, arguments, message):
    assert_refused(tmp_path, name, arguments, message)
