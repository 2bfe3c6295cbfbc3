"""Boxes on pictures, and how well they fit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from minigrad import plots
from tests.plots.helpers import assert_is_picture, assert_refused

COUNT = 7
GALLERY = {
    "images": np.full((COUNT, 3, 8, 12), 200, dtype=np.uint8),
    "true_boxes": np.tile([0.1, 0.2, 0.5, 0.6], (COUNT, 1)),
    "boxes": np.tile([0.0, 0.0, 1.0, 1.0], (COUNT, 1)),
    "ious": np.array([0.3, 0.9, 0.0, 1.0, 0.5, 0.6, 0.4]),
    "captions": [f"picture {index}" for index in range(COUNT)],
}
DETECTION = {"image": np.zeros((3, 8, 8), np.uint8), "box": [0.1, 0.2, 0.5, 0.6], "caption": "cat (97%)"}


def captions(figure) -> list[list[str]]:
    """The first lines of the captions, block by block from the top."""
    rows = {}
    for ax in figure.axes:
        rows.setdefault(round(ax.get_position().y0, 3), []).append(ax.get_title().splitlines()[0])
    return [rows[height] for height in sorted(rows, reverse=True)]


def test_gallery_shows_best_typical_and_worst(tmp_path, figures):
    figure = plots.plot_box_gallery(**GALLERY, path=tmp_path / "boxes.png", count=2)
    assert_is_picture(figure, tmp_path, 600, 600)
    (figure,) = figures
    best, typical, worst = captions(figure)
    assert best == ["picture 3", "picture 1"]
    assert set(typical) <= {"picture 4", "picture 5", "picture 6"} and len(typical) == 2
    assert worst == ["picture 2", "picture 0"]
    assert figure.axes[0].get_title() == "picture 3\nIoU 1.00"
    assert "Typical boxes: around the median IoU, 0.50" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("pictures", [1, 2, 3, 5, 7])
def test_no_picture_is_shown_twice(tmp_path, figures, pictures):
    few = {name: values[:pictures] for name, values in GALLERY.items()}
    plots.plot_box_gallery(**few, path=tmp_path / "boxes.png")
    shown = [caption for block in captions(figures[0]) for caption in block]
    assert len(set(shown)) == len(shown) == {1: 1, 2: 2, 3: 3, 5: 3, 7: 6}[pictures]
    ious = dict(zip(few["captions"], few["ious"], strict=True))
    assert ious[shown[0]] == few["ious"].max()
    assert few["ious"].min() in [ious[caption] for caption in captions(figures[0])[-1]]


@pytest.mark.parametrize("count", [1, 2])
def test_gallery_of_few_pictures(tmp_path, count):
    few = {name: values[:count] for name, values in GALLERY.items()}
    assert_is_picture(plots.plot_box_gallery(**few, path=tmp_path / "boxes.png"), tmp_path, 500, 500)


def test_boxes_are_drawn_where_they_are_and_differ_in_more_than_colour(tmp_path, figures):
    plots.plot_box_gallery(**GALLERY, path=tmp_path / "boxes.png")
    true, predicted = figures[0].axes[0].patches
    assert true.get_bbox().extents == pytest.approx([0.1, 0.2, 0.5, 0.6])
    assert predicted.get_bbox().extents == pytest.approx([0, 0, 1, 1])
    assert true.get_linestyle() == "-" != predicted.get_linestyle()
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels == ["true box", "predicted box"]


def test_pictures_keep_their_shape(tmp_path, figures):
    plots.plot_box_gallery(**GALLERY, path=tmp_path / "boxes.png")
    for ax in figures[0].axes:
        extent = ax.get_window_extent()
        assert extent.height / extent.width == pytest.approx(8 / 12, rel=0.02)


@pytest.mark.parametrize("aspect", [1.0, 0.4, 2.5])
def test_detection_is_shown_in_the_photos_own_shape(tmp_path, figures, aspect):
    figure = plots.plot_detection(**DETECTION, path=tmp_path / "cat.png", aspect=aspect)
    assert_is_picture(figure, tmp_path, 100, 100)
    (ax,) = figures[0].axes
    extent = ax.get_window_extent()
    assert extent.height / extent.width == pytest.approx(aspect, rel=0.02)
    assert ax.get_title(loc="left") == "cat (97%)"
    assert ax.patches[0].get_bbox().extents == pytest.approx(DETECTION["box"])


def test_upper_left_corner_of_the_photo_is_the_origin_of_boxes(tmp_path):
    image = np.full((3, 100, 100), 128, np.uint8)
    image[:, :50, :50] = 0
    figure = plots.plot_detection(image, [0.6, 0.6, 0.9, 0.9], "", tmp_path / "x.png")
    pixels = np.asarray(Image.open(figure.path).convert("L"), dtype=int)
    height, width = pixels.shape
    assert pixels[height // 4, width // 4] < 20 and abs(pixels[height // 4, 3 * width // 4] - 128) < 20


def test_histogram_counts_every_box_once_and_splits_at_a_half(tmp_path, figures):
    figure = plots.plot_iou_histogram([0.0, 0.49, 0.5, 0.51, 1.0], tmp_path / "iou.png", baseline=0.36)
    assert_is_picture(figure, tmp_path, 800, 400)
    (ax,) = figures[0].axes
    below, above = ax.containers
    assert sum(bar.get_height() for bar in below) == 2 and sum(bar.get_height() for bar in above) == 3
    assert all(bar.get_x() + bar.get_width() <= 0.5 + 1e-9 for bar in below) and below[0].get_hatch()
    text = " ".join(label.get_text() for label in ax.get_legend().get_texts())
    assert "mean 0.500" in text and "always the mean box: 0.360" in text and "0.5 and above: 60.0%" in text


def test_bars_of_the_histogram_stand_apart_and_a_half_has_a_tick(tmp_path, figures):
    plots.plot_iou_histogram([0.1, 0.5, 0.9], tmp_path / "iou.png")
    (ax,) = figures[0].axes
    bars = sorted((bar for part in ax.containers for bar in part), key=lambda bar: bar.get_x())
    gaps = [after.get_x() - bar.get_x() - bar.get_width() for bar, after in zip(bars, bars[1:], strict=False)]
    assert min(gaps) > 0.003 and all(bar.get_x() >= 0 and bar.get_x() + bar.get_width() <= 1 for bar in bars)
    assert 0.5 in ax.get_xticks().round(9)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("plot_box_gallery", GALLERY | {"images": np.zeros((COUNT, 3, 8, 8))}, "uint8 images .* float64"),
        ("plot_box_gallery", GALLERY | {"images": np.zeros((0, 3, 8, 8), np.uint8)}, "N >= 1"),
        ("plot_box_gallery", GALLERY | {"boxes": np.zeros((COUNT, 5))}, r"7 images need boxes \(7, 4\), got \(7, 5\)"),
        ("plot_box_gallery", GALLERY | {"true_boxes": np.zeros((3, 4))}, r"need true_boxes \(7, 4\)"),
        ("plot_box_gallery", GALLERY | {"captions": ["one"]}, "as many ious and captions, got 7 and 1"),
        ("plot_box_gallery", GALLERY | {"ious": np.full(COUNT, 1.5)}, r"all in 0\.\.1"),
        ("plot_detection", DETECTION | {"image": np.zeros((8, 8, 3), np.uint8)}, r"\(3, H, W\).*\(8, 8, 3\)"),
        ("plot_detection", DETECTION | {"box": [0, 1]}, r"box \(4,\).*\(2,\)"),
        ("plot_detection", DETECTION | {"aspect": 0.0}, "aspect must be positive"),
        ("plot_iou_histogram", {"ious": []}, "at least one IoU"),
        ("plot_iou_histogram", {"ious": [0.5, np.nan]}, r"all in 0\.\.1"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, name, arguments, message):
    assert_refused(tmp_path, name, arguments, message)


def test_any_text_may_be_a_caption(tmp_path, recwarn):
    captions = [r"✗ $\foo$ taken for 5$ note", "✗ golden retriever taken for labrador (52%) " * 4]
    images, boxes = np.zeros((2, 3, 8, 8), np.uint8), np.array([[0.1, 0.1, 0.5, 0.5]] * 2)
    figure = plots.plot_box_gallery(images, boxes, boxes, np.array([1.0, 0.5]), captions, tmp_path / "boxes.png")
    assert figure.path.is_file() and not recwarn.list
