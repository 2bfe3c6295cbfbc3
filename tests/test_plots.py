from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigrad import plots

HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.3, "val_loss": 1.8, "val_accuracy": 0.35, "lr": 0.1},
    {"epoch": 2, "train_loss": 1.5, "train_accuracy": 0.5, "val_loss": None, "val_accuracy": float("nan"), "lr": 0.05},
    {"epoch": 3, "train_loss": 1.2, "train_accuracy": 0.6, "val_loss": 1.4, "val_accuracy": 0.55},
]
NAMES = ["cat", "dog"]
PER_CLASS = {name: {"precision": 0.5, "recall": 0.75, "f1": 0.6, "support": 4} for name in NAMES}
GALLERY = {
    "images": np.zeros((3, 3, 8, 8), dtype=np.uint8),
    "labels": np.array([0, 1, 0]),
    "predictions": np.array([0, 0, 0]),
    "confidences": np.array([0.9, 0.6, 0.7]),
    "class_names": NAMES,
}


def assert_is_picture(path, folder, width=300, height=100):
    """The one file in the folder is a PNG of at least this many pixels that shows more than one colour."""
    assert os.listdir(folder) == [path.name]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width >= width and picture.height >= height
        assert picture.convert("L").getextrema()[0] < 128


@pytest.mark.parametrize("rows", [HISTORY, HISTORY[:1], HISTORY * 40, [{"train_loss": 1.0}]])
def test_history_is_drawn_for_any_length_and_with_missing_values(tmp_path, rows):
    path = plots.plot_history(rows, tmp_path / "history.png")
    assert_is_picture(path, tmp_path, 1000, 500)


def test_history_leaves_missing_values_out_and_names_the_best_epoch():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    plots._draw_metric(ax, HISTORY, "accuracy")
    training, validation, _ = ax.lines
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert validation.get_xdata().tolist() == [1, 3]
    assert validation.get_label() == "validation (best 55.0%, epoch 3)"


@pytest.mark.parametrize("matrix", [[[3, 1], [0, 0]], [[12345, 0], [1, 99999]]])
def test_confusion_matrix_is_drawn(tmp_path, matrix):
    path = plots.plot_confusion_matrix(matrix, NAMES, tmp_path / "confusion.png")
    assert_is_picture(path, tmp_path)


@pytest.mark.parametrize(("background", "color"), [((1, 1, 1), "black"), ((0, 0, 0.5), "white"), ((1, 1, 0), "black")])
def test_numbers_contrast_with_their_cell(background, color):
    assert plots._readable_on(background) == color


def test_class_metrics_are_drawn(tmp_path):
    assert_is_picture(plots.plot_class_metrics(PER_CLASS, tmp_path / "classes.png"), tmp_path, 800, 300)


@pytest.mark.parametrize("predictions", [[0, 0, 0], [0, 1, 0], [1, 0, 1]])
def test_gallery_is_drawn_also_with_an_empty_block(tmp_path, predictions):
    path = plots.plot_gallery(**GALLERY | {"predictions": predictions}, path=tmp_path / "gallery.png")
    assert_is_picture(path, tmp_path, 300, 300)


def test_gallery_draws_bytes_and_fractions_alike(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    pictures = []
    for name, values in (("bytes", images), ("fractions", images / 255)):
        path = plots.plot_gallery(**GALLERY | {"images": values}, path=tmp_path / name)
        pictures.append(np.asarray(Image.open(path).convert("RGB"), dtype=int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize("shape", [(6, 3, 5, 5), (9, 1, 3, 3), (4, 6, 3, 5), (2, 3, 1, 1)])
def test_filters_are_drawn_for_any_number_of_channels(tmp_path, shape):
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert_is_picture(plots.plot_filters(weights, tmp_path / "filters.png"), tmp_path)


def test_filters_that_are_all_zero_are_drawn(tmp_path):
    assert_is_picture(plots.plot_filters(np.zeros((2, 3, 3, 3)), tmp_path / "filters.png"), tmp_path)


def test_mosaic_lays_tiles_out_row_by_row():
    tiles = np.arange(3.0).reshape(3, 1, 1) * np.ones((3, 60, 60))
    mosaic = plots._mosaic(tiles, columns=2, blank=-1.0)
    assert mosaic.shape == (2 * 66, 2 * 66)
    assert [mosaic[33, 33], mosaic[33, 99], mosaic[99, 33], mosaic[99, 99]] == [0, 1, 2, -1]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("plot_history", {"history": []}, "got 0 epochs"),
        ("plot_confusion_matrix", {"matrix": np.eye(3, dtype=int), "class_names": NAMES}, r"2 class names .*\(3, 3\)"),
        ("plot_confusion_matrix", {"matrix": np.ones((2, 3), int), "class_names": NAMES}, r"got \(2, 3\)"),
        ("plot_confusion_matrix", {"matrix": np.eye(2), "class_names": NAMES}, "expected counts, got float64"),
        ("plot_confusion_matrix", {"matrix": [[1, -2], [0, 1]], "class_names": NAMES}, "from -2"),
        ("plot_class_metrics", {"per_class": {}}, "at least one class"),
        ("plot_class_metrics", {"per_class": {"cat": {"precision": 1.0, "recall": 1.0}}}, "'cat' needs recall, .*f1"),
        ("plot_class_metrics", {"per_class": {"cat": dict.fromkeys(("precision", "recall", "f1"), 61)}}, "got .*61"),
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
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        getattr(plots, name)(**arguments, path=tmp_path / "picture.png")
    assert os.listdir(tmp_path) == []


def test_failure_while_writing_keeps_the_old_picture(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    path = plots.plot_history(HISTORY, tmp_path / "history.png")
    before = path.read_bytes()

    def fail(self, file, **kwargs):
        file.write_bytes(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.plot_history(HISTORY, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["history.png"]


def test_a_users_own_matplotlib_settings_neither_change_the_picture_nor_are_changed(tmp_path):
    import matplotlib

    expected = plots.plot_history(HISTORY, tmp_path / "a.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "black"}):
        assert plots.plot_history(HISTORY, tmp_path / "b.png").read_bytes() == expected
        assert matplotlib.rcParams["font.size"] == 30


def output_of(code, *arguments):
    """What a fresh interpreter prints when it runs ``code``."""
    command = [sys.executable, "-c", code, *arguments]
    root = Path(__file__).parents[1]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_importing_plots_imports_neither_matplotlib_nor_scikit_learn():
    modules = output_of("import sys, minigrad.plots, examples.report; print(*sys.modules)").split()
    assert "minigrad.plots" in modules and not {"matplotlib", "sklearn"} & set(modules)


def test_drawing_needs_no_pyplot(tmp_path):
    code = "import sys, minigrad.plots as p; p.plot_history([{'train_loss': 1}], sys.argv[1]); print(*sys.modules)"
    modules = output_of(code, str(tmp_path / "history.png")).split()
    assert "matplotlib.figure" in modules and "matplotlib.pyplot" not in modules
