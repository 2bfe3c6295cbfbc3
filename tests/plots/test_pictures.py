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


def test_confident_errors_are_the_surest_first(tmp_path, figures):
    labels, confidences = np.array([0, 0, 0, 1, 1]), np.array([0.5, 0.9, 0.99, 0.7, 0.6])
    predictions = np.array([1, 1, 0, 0, 1])
    images = np.zeros((5, 3, 8, 8), np.uint8)
    errors = images, labels, predictions, confidences
    assert_is_picture(plots.plot_confident_errors(*errors, NAMES, tmp_path / "errors.png", count=2), tmp_path)
    titles = [ax.get_title() for ax in figures[0].axes]
    assert titles == ["✗ dog (90%)\ntrue: cat", "✗ cat (70%)\ntrue: dog"]
    assert [text.get_text() for text in figures[0].texts] == [
        "✗ Confident errors: the 2 surest of 3 errors in 5 pictures"
    ]


def test_gallery_without_errors_says_so(tmp_path, figures):
    plots.plot_confident_errors(**GALLERY | {"predictions": GALLERY["labels"]}, path=tmp_path / "errors.png")
    assert [text.get_text() for text in figures[0].texts] == ["✗ Confident errors: no errors in 3 pictures"]


def test_captions_of_long_names_do_not_overlap(tmp_path, figures):
    long = GALLERY | {"class_names": ["x" * 60, "W" * 60], "images": np.zeros((3, 3, 8, 8), np.uint8)}
    plots.plot_gallery(**long, path=tmp_path / "gallery.png")
    assert figures[0].get_window_extent().width < 2000
    titles = [ax.get_title() for ax in figures[0].axes]
    assert all("…" in title and max(map(len, title.splitlines())) < 34 for title in titles)


ANSWERS = {"image": np.zeros((3, 8, 8), np.uint8), "probabilities": [0.2, 0.7, 0.1], "class_names": ["a", "b", "c"]}


def test_answers_are_bars_the_likeliest_on_top(tmp_path, figures):
    figure = plots.plot_answers(**ANSWERS, path=tmp_path / "a.png", aspect=0.5, count=2)
    assert_is_picture(figure, tmp_path, 600, 300)
    photo, bars = figures[0].axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["b", "a"]
    assert [bar.get_width() for bar in bars.patches] == [0.7, 0.2] and bars.yaxis_inverted()
    assert bars.get_title(loc="left") == "b (70%)"
    extent = photo.get_window_extent()
    assert extent.height / extent.width == pytest.approx(0.5, rel=0.02)


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
        ("plot_confident_errors", GALLERY | {"labels": [0, 1]}, "3 images need 3 labels"),
        ("plot_answers", ANSWERS | {"image": np.zeros((8, 8, 3), np.uint8)}, r"\(3, H, W\).*\(8, 8, 3\)"),
        ("plot_answers", ANSWERS | {"probabilities": [0.5, 0.5]}, r"3 class names need .*\(2,\)"),
        ("plot_answers", ANSWERS | {"probabilities": [5.0, 1, 0]}, r"in 0\.\.1"),
        ("plot_answers", ANSWERS | {"aspect": 0}, "aspect must be positive"),
        ("plot_filters", {"weights": np.ones((3, 5, 5))}, r"\(O, C, kh, kw\).*\(3, 5, 5\)"),
        ("plot_filters", {"weights": np.full((1, 3, 2, 2), np.nan)}, "12 of 12 weights are not finite"),
    ],
)
def test_what_does_not_fit_is_rejected_in_words_and_writes_nothing(tmp_path, name, arguments, message):
    assert_refused(tmp_path, name, arguments, message)
