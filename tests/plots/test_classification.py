"""Confusion matrix and class metrics."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import plots
from minigrad.plots import classification
from tests.plots.helpers import NAMES, assert_is_picture, assert_refused

PER_CLASS = {name: {"precision": 0.5, "recall": 0.75, "f1": 0.6, "support": 4} for name in NAMES}


@pytest.mark.parametrize("matrix", [[[3, 1], [0, 0]], [[12345, 0], [1, 99999]]])
def test_confusion_matrix_is_drawn(tmp_path, matrix):
    figure = plots.plot_confusion_matrix(matrix, NAMES, tmp_path / "confusion.png")
    assert_is_picture(figure, tmp_path)


@pytest.mark.parametrize(("classes", "points"), [(2, 20), (10, 9)])
def test_numbers_of_a_confusion_matrix_grow_with_its_cells(tmp_path, figures, classes, points):
    names = [f"class {index}" for index in range(classes)]
    plots.plot_confusion_matrix(np.full((classes, classes), 123), names, tmp_path / "confusion.png")
    ax = figures[0].axes[0]
    assert {text.get_fontsize() for text in ax.texts} == {points}
    inside = ax.get_window_extent()
    assert all(text.get_window_extent().width < inside.width / classes for text in ax.texts)


@pytest.mark.parametrize(("classes", "largest", "numbered"), [(30, 100, True), (31, 1, False), (20, 10**12, False)])
def test_confusion_matrix_has_numbers_as_long_as_they_have_room(tmp_path, figures, classes, largest, numbered):
    names = [f"{index}" for index in range(classes)]
    plots.plot_confusion_matrix(np.diag([largest] * classes), names, tmp_path / "confusion.png")
    assert len(figures[0].axes[0].texts) == (classes**2 if numbered else 0)
    assert max(figures[0].get_size_inches()) < 20


def test_picture_of_many_classes_is_no_larger_and_names_as_many_as_have_room(tmp_path, figures):
    names = [f"class {index}" for index in range(400)]
    plots.plot_confusion_matrix(np.eye(400, dtype=int), names, tmp_path / "confusion.png")
    ax = figures[0].axes[0]
    assert max(figures[0].get_size_inches()) < 20
    for axis, labels in ((ax.xaxis, ax.get_xticklabels()), (ax.yaxis, ax.get_yticklabels())):
        places = axis.get_ticklocs()
        assert [label.get_text() for label in labels] == [names[int(place)] for place in places]
        assert axis.get_label_text().endswith(f"({len(places)} of 400 are named)")
    figures[0].draw_without_rendering()  # or texts would be measured as large as in the file
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))


def test_of_many_classes_the_best_and_the_worst_are_drawn_and_the_averages_are_of_all(tmp_path, figures):
    per_class = {f"{index:04}": dict.fromkeys(("precision", "recall", "f1"), index / 1999) for index in range(2000)}
    plots.plot_class_metrics(per_class, tmp_path / "classes.png")
    ax = figures[0].axes[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    worst, best = [f"{index:04}" for index in range(20)], [f"{index:04}" for index in range(1980, 2000)]
    assert labels == [*worst, "… 1,960 more …", *best]
    assert max(figures[0].get_size_inches()) < 20
    assert [text.get_text().split("macro ")[1] for text in ax.get_legend().get_texts()] == ["50.0%)"] * 3
    drawn = ax.lines[1].get_xdata()
    assert drawn[0] == 0 and np.isnan(drawn[20]) and drawn[-1] == 1


LONG = ["x" * 60, "x" * 59 + "y", "犬" * 60]


def test_long_names_are_shortened_and_leave_room_for_the_picture(tmp_path, figures, recwarn):
    plots.plot_class_metrics({name: PER_CLASS["cat"] for name in LONG}, tmp_path / "classes.png")
    plots.plot_confusion_matrix(np.eye(3, dtype=int), LONG, tmp_path / "confusion.png")
    assert not recwarn.list
    for figure in figures:
        ax = figure.axes[0]
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert len(set(labels)) == 3 and max(map(len, labels)) <= 30
        assert ax.get_window_extent().width > 0.35 * figure.get_window_extent().width


@pytest.mark.parametrize(("background", "color"), [((1, 1, 1), "black"), ((0, 0, 0.5), "white"), ((1, 1, 0), "black")])
def test_numbers_contrast_with_their_cell(background, color):
    assert classification._readable_on(background) == color


def test_class_metrics_are_drawn(tmp_path):
    assert_is_picture(plots.plot_class_metrics(PER_CLASS, tmp_path / "classes.png"), tmp_path, 800, 300)


@pytest.mark.parametrize("worst", [0.0, 0.9, 0.97, 1.0])
def test_class_metrics_have_no_ticks_below_0_or_above_100_percent(tmp_path, figures, worst):
    row = {"precision": worst, "recall": 1.0, "f1": worst}
    plots.plot_class_metrics({"cat": row}, tmp_path / "classes.png")
    labels = [label.get_text() for label in figures[0].axes[0].get_xticklabels()]
    shares = [float(label.removesuffix("%")) for label in labels]
    assert shares[0] >= 0 and shares[-1] == 100 and len(shares) > 2


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("plot_confusion_matrix", {"matrix": np.eye(3, dtype=int), "class_names": NAMES}, r"2 class names .*\(3, 3\)"),
        ("plot_confusion_matrix", {"matrix": np.ones((2, 3), int), "class_names": NAMES}, r"got \(2, 3\)"),
        ("plot_confusion_matrix", {"matrix": np.eye(2), "class_names": NAMES}, "expected counts, got float64"),
        ("plot_confusion_matrix", {"matrix": [[1, -2], [0, 1]], "class_names": NAMES}, "from -2"),
        ("plot_class_metrics", {"per_class": {}}, "at least one class"),
        ("plot_class_metrics", {"per_class": {"cat": {"precision": 1.0, "recall": 1.0}}}, "'cat' needs recall, .*f1"),
        ("plot_class_metrics", {"per_class": {"cat": dict.fromkeys(("precision", "recall", "f1"), 61)}}, "got .*61"),
    ],
)
def test_what_does_not_fit_is_rejected_in_words_and_writes_nothing(tmp_path, name, arguments, message):
    assert_refused(tmp_path, name, arguments, message)
