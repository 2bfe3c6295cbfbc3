"""What a classifier confuses, and how well it knows each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plots.look import COLORS, PathLike, hide_frame, new_figure, percent, room, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from minigrad.plots.picture import Picture

SIDE = 15.0  # inches: the longest side of a matrix, 30 classes with their numbers
ROOM = 0.18  # inches that the name of a class needs beside the next
ROWS = 40  # classes whose metrics are drawn


def plot_confusion_matrix(matrix: ArrayLike, class_names: Sequence[str], path: PathLike | None = None) -> Picture:
    """Draw a confusion matrix: counts as numbers, each cell coloured by its share of the row.

    The share on the diagonal is the class's recall. The colours follow the square root of the share, because the errors
    worth seeing are a few per cent of a row and would all look white on a linear scale. Of more classes than have room
    for their numbers, about 30, only the colours are drawn, and of more than 80 not every class is named.

    Args:
        matrix: (K, K) integer counts, rows = true class, columns = predicted class, as scikit-learn makes it.
        class_names: the K names.
        path: the PNG file to write, or None.

    Raises:
        ValueError: the matrix is empty, not square or not of counts, or the number of names is not K.
    """
    from matplotlib.colors import PowerNorm

    matrix, size = np.asarray(matrix), len(class_names)
    if matrix.shape != (size, size) or size == 0:
        raise ValueError(f"plot_confusion_matrix: {size} class names need {size} rows and columns, got {matrix.shape}")
    if matrix.dtype.kind not in "iu" or matrix.min() < 0:
        raise ValueError(f"plot_confusion_matrix: expected counts, got {matrix.dtype} values from {matrix.min()} up")
    class_names = [shorten(name) for name in class_names]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # a class without pictures has an empty row
    # Inches; the cells of few classes are large, or the labels around them would find no room. Numbers grow with them.
    needed = max(0.5, 0.2 + 0.09 * len(str(matrix.max())))  # at 9 points
    cell = min(max(needed, 3.6 / size), SIDE / size)
    step = math.ceil(ROOM / cell)
    with new_figure(path, 3.2 + cell * size, 2.2 + cell * size) as figure:
        ax = figure.subplots()
        image = ax.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
        if cell >= needed:
            _write_counts(ax, image, matrix, font=min(9 * cell / needed, 20))
        named = class_names[::step]
        slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(room, named)) > 4 else {}
        ax.set_xticks(range(0, size, step), named, **slant)
        ax.set_yticks(range(0, size, step), named)
        some = "" if step == 1 else f" ({len(named)} of {size:,} are named)"
        ax.set(xlabel=f"predicted class{some}", ylabel=f"true class{some}")
        ax.set_title("Confusion matrix: rows = true, columns = predicted")
        hide_frame(ax)
        bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=30, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
        bar.ax.yaxis.set_major_formatter(percent)
        bar.set_label("share of the row (on the diagonal: recall)")
        bar.outline.set_visible(False)
    return figure


def _write_counts(ax: Axes, image: AxesImage, matrix: np.ndarray, font: float) -> None:
    colors = image.cmap(image.norm(image.get_array()))
    for (row, column), count in np.ndenumerate(matrix):
        color = _readable_on(colors[row, column]) if count else "#8A8A8A"
        weight = "bold" if row == column else "normal"
        ax.text(column, row, f"{count}", ha="center", va="center", fontsize=font, color=color, fontweight=weight)


def _readable_on(background: Sequence[float]) -> str:
    """Black or white, whichever has more contrast on an RGB colour in 0..1 (WCAG 2 relative luminance)."""
    channels = np.asarray(background[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"


def plot_class_metrics(per_class: Mapping[str, Mapping[str, float]], path: PathLike | None = None) -> Picture:
    """Draw recall, precision and F1 of every class, best F1 on top, and their macro averages as lines.

    Of more than `ROWS` classes the best and the worst are drawn; the averages are those of all.

    Args:
        per_class: class name -> ``{"precision": ..., "recall": ..., "f1": ...}``, all in 0..1; other keys are ignored.
        path: the PNG file to write, or None.

    Raises:
        ValueError: there is no class, or a class lacks one of the metrics or has it outside 0..1.
    """
    if not per_class:
        raise ValueError("plot_class_metrics: expected at least one class, got none")
    # F1 lies between the other two; a bar, a triangle and a wider disc stay visible even where all three coincide.
    styles = {
        "recall": ("Recall", "orange", "o", 10),
        "precision": ("Precision", "blue", "^", 7),
        "f1": ("F1", "black", "|", 16),
    }
    names = list(per_class)
    values = np.array([[per_class[name].get(key) for key in styles] for name in names], dtype=np.float64)  # None -> nan
    for name, row in zip(names, values, strict=True):
        if not ((row >= 0) & (row <= 1)).all():
            raise ValueError(f"plot_class_metrics: {name!r} needs {', '.join(styles)} in 0..1, got {per_class[name]}")
    means, order = values.mean(axis=0), values[:, -1].argsort(kind="stable")
    labels = [shorten(names[index]) for index in order]
    if left_out := max(0, len(names) - ROWS):  # a row of its own stands for them
        gap = slice(ROWS // 2, ROWS // 2 + left_out)
        values = np.insert(np.delete(values[order], gap, axis=0), ROWS // 2, np.nan, axis=0)
        labels[gap] = [f"… {left_out:,} more …"]
    else:
        values = values[order]
    rows = np.arange(len(labels))
    with new_figure(path, 8, 1.8 + 0.36 * len(rows)) as figure:
        ax = figure.subplots()
        ax.hlines(rows, values.min(axis=1), values.max(axis=1), color="#BDBDBD", linewidth=3)
        for mean, column, (label, color, marker, size) in zip(means, values.T, styles.values(), strict=True):
            ax.axvline(mean, color=COLORS[color], linestyle="--", linewidth=1.1, zorder=1)
            edge = 2 if marker == "|" else 0
            label = f"{label} (macro {mean:.1%})"
            ax.plot(column, rows, marker, color=COLORS[color], label=label, markersize=size, markeredgewidth=edge)
        left, right = np.nanmin(values) - 0.04, 1.02  # room for the markers, which is no room for values
        ax.set(xlim=(left, right), ylim=(-0.7, len(rows) - 0.3))
        ax.set_xticks([tick for tick in ax.get_xticks() if max(left, 0) <= tick < 1.001])
        ax.set_yticks(rows, labels)
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_formatter(percent)
        ax.set_title("Recall, precision and F1 of each class (dashed: macro averages)", pad=30)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, handletextpad=0.1)
    return figure
