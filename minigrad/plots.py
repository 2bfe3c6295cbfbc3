"""Pictures of a training run, written as PNG files.

Every function takes NumPy arrays or plain lists, checks them, draws one figure and returns the path of its file.
Matplotlib is imported only when a picture is drawn, and only its object-oriented part: no display, no pyplot.
All pictures share one look, defined here once: ``COLORS``, ``LOOK`` and ``_figure``.

No picture relies on colour alone: markers, line styles, words and signs say the same again. The colours are those of
Okabe and Ito, "Color Universal Design" (2008), which stay apart under all common kinds of colour blindness.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PathLike = str | os.PathLike[str]

COLORS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#595959",  # not theirs; for what stands back, and still 7:1 against white
}

LOOK = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib and has the signs ✓ and ✗
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.edgecolor": COLORS["grey"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.06,
    "savefig.dpi": 150,
    "savefig.bbox": "tight",  # nothing is cut off, and no margin is wider than the next
    "savefig.pad_inches": 0.15,
}


@contextmanager
def _figure(path: PathLike, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure (inches) in the shared look; write it to ``path`` when the block ends without an error."""
    from matplotlib import style
    from matplotlib.figure import Figure

    # "default" first, so that a user's own matplotlibrc does not change the pictures.
    with style.context(["default", LOOK]):
        figure = Figure(figsize=(width, height), layout="compressed")
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")


def _percent(value: float, position: int | None = None) -> str:
    """How shares are written on axes: as few decimals as the value needs."""
    return f"{100 * value:.4g}%"


def plot_history(
    history: Sequence[Mapping[str, Any]], path: PathLike, metrics: Sequence[str] = ("loss", "accuracy")
) -> Path:
    """Draw each metric's training and validation curve over the epochs, and the learning rate below them.

    Args:
        history: one row per epoch, such as ``{"epoch": 1, "train_loss": 1.9, "val_loss": 1.7, "lr": 0.1, ...}``; a
            missing, None or non-finite value is left out and the curve goes on to the next one.
        path: the PNG file to write.
        metrics: one panel each, with the curves ``train_<metric>`` and ``val_<metric>``. Less is better where the name
            ends in "loss", more otherwise; where it ends in "accuracy", the values are shares in 0..1.

    Raises:
        ValueError: the history is empty, or no metric is named.
    """
    if not history or not metrics:
        raise ValueError(
            f"plot_history: got {len(history)} epochs and {len(metrics)} metrics, expected at least one each"
        )
    with _figure(path, 5 * len(metrics), 5.4) as figure:
        axes = figure.subplot_mosaic([list(metrics), ["lr"] * len(metrics)], height_ratios=[3, 1], sharex=True)
        for metric in metrics:
            _draw_metric(axes[metric], history, metric)
        _draw_curve(axes["lr"], history, "lr", "grey", "-", "o")
        axes["lr"].set(title="Learning rate", ylim=(0, None))
        for ax in axes.values():
            ax.set_xlabel("epoch")
            ax.tick_params(labelbottom=True)  # a shared axis would show its numbers only at the very bottom
            if not ax.lines:
                ax.text(0.5, 0.5, "not recorded", transform=ax.transAxes, ha="center", va="center")
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if len(history) == 1:
            epoch = history[0].get("epoch", 1)
            ax.set_xlim(epoch - 0.5, epoch + 0.5)
    return Path(path)


def _draw_metric(ax: Axes, history: Sequence[Mapping[str, Any]], metric: str) -> None:
    """The two curves of one metric; the best validation epoch is ringed, and named in the legend."""
    _draw_curve(ax, history, f"train_{metric}", "blue", "-", "o", label="training")
    epochs, values = _draw_curve(ax, history, f"val_{metric}", "vermillion", "--", "s", label="validation")
    share = metric.endswith("accuracy")
    if values.size:
        best = values.argmin() if metric.endswith("loss") else values.argmax()
        text = f"{values[best]:.1%}" if share else f"{values[best]:.3f}"
        ax.lines[-1].set_label(f"validation (best {text}, epoch {epochs[best]:g})")
        ax.plot(epochs[best], values[best], "o", color=COLORS["vermillion"], markersize=12, fillstyle="none")
    if ax.lines:
        ax.legend()
    ax.set_title(metric.capitalize())
    if share:
        ax.yaxis.set_major_formatter(_percent)


def _draw_curve(
    ax: Axes, history: Sequence[Mapping[str, Any]], key: str, color: str, line: str, marker: str, label: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows that have a finite value under ``key``, and return their epochs and values."""
    epochs = np.array([row.get("epoch", index) for index, row in enumerate(history, start=1)], dtype=np.float64)
    values = np.array([row.get(key) for row in history], dtype=np.float64)  # None becomes nan
    known = np.isfinite(values)
    if known.any():
        sparse = max(1, len(history) // 30)  # a marker on every epoch of a long run would hide the line
        style = {"color": COLORS[color], "linestyle": line, "marker": marker, "markevery": sparse, "label": label}
        ax.plot(epochs[known], values[known], clip_on=False, **style)
    return epochs[known], values[known]


def plot_confusion_matrix(matrix: ArrayLike, class_names: Sequence[str], path: PathLike) -> Path:
    """Draw a confusion matrix: counts as numbers, each cell coloured by its share of the row.

    The share on the diagonal is the class's recall. The colours follow the square root of the share, because the errors
    worth seeing are a few per cent of a row and would all look white on a linear scale.

    Args:
        matrix: (K, K) integer counts, rows = true class, columns = predicted class, as scikit-learn makes it.
        class_names: the K names.
        path: the PNG file to write.

    Raises:
        ValueError: the matrix is empty, not square or not of counts, or the number of names is not K.
    """
    from matplotlib.colors import PowerNorm

    matrix, size = np.asarray(matrix), len(class_names)
    if matrix.shape != (size, size) or size == 0:
        raise ValueError(f"plot_confusion_matrix: {size} class names need {size} rows and columns, got {matrix.shape}")
    if matrix.dtype.kind not in "iu" or matrix.min() < 0:
        raise ValueError(f"plot_confusion_matrix: expected counts, got {matrix.dtype} values from {matrix.min()} up")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # a class without pictures has an empty row
    cell = max(0.5, 0.2 + 0.09 * len(str(matrix.max())))  # inches
    with _figure(path, 3.2 + cell * size, 2.2 + cell * size) as figure:
        ax = figure.subplots()
        image = ax.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1))
        for (row, column), count in np.ndenumerate(matrix):
            color = _readable_on(image.cmap(image.norm(shares[row, column]))) if count else "#8A8A8A"
            weight = "bold" if row == column else "normal"
            ax.text(column, row, f"{count}", ha="center", va="center", fontsize=9, color=color, fontweight=weight)
        slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, class_names)) > 4 else {}
        ax.set_xticks(range(size), class_names, **slant)
        ax.set_yticks(range(size), class_names)
        ax.set(xlabel="predicted class", ylabel="true class")
        ax.set_title("Confusion matrix: rows = true, columns = predicted")
        _hide_frame(ax)
        bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=30, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
        bar.ax.yaxis.set_major_formatter(_percent)
        bar.set_label("share of the row (on the diagonal: recall)")
        bar.outline.set_visible(False)
    return Path(path)


def _readable_on(background: Sequence[float]) -> str:
    """Black or white, whichever has more contrast on an RGB colour in 0..1 (WCAG 2 relative luminance)."""
    channels = np.asarray(background[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"


def _hide_frame(ax: Axes) -> None:
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def plot_class_metrics(per_class: Mapping[str, Mapping[str, float]], path: PathLike) -> Path:
    """Draw recall, precision and F1 of every class, best F1 on top, and their macro averages as lines.

    Args:
        per_class: class name -> ``{"precision": ..., "recall": ..., "f1": ...}``, all in 0..1; other keys are ignored.
        path: the PNG file to write.

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
    order = values[:, -1].argsort(kind="stable")
    values, rows = values[order], np.arange(len(names))
    with _figure(path, 8, 1.8 + 0.36 * len(names)) as figure:
        ax = figure.subplots()
        ax.hlines(rows, values.min(axis=1), values.max(axis=1), color="#BDBDBD", linewidth=3)
        for column, (label, color, marker, size) in zip(values.T, styles.values(), strict=True):
            ax.axvline(column.mean(), color=COLORS[color], linestyle="--", linewidth=1.1, zorder=1)
            edge = 2 if marker == "|" else 0
            label = f"{label} (macro {column.mean():.1%})"
            ax.plot(column, rows, marker, color=COLORS[color], label=label, markersize=size, markeredgewidth=edge)
        ax.set(xlim=(values.min() - 0.04, 1.02), ylim=(-0.7, len(names) - 0.3))
        ax.set_yticks(rows, [names[index] for index in order])
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_formatter(_percent)
        ax.set_title("Recall, precision and F1 of each class (dashed: macro averages)", pad=30)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, handletextpad=0.1)
    return Path(path)


def plot_gallery(
    images: ArrayLike,
    labels: ArrayLike,
    predictions: ArrayLike,
    confidences: ArrayLike,
    class_names: Sequence[str],
    path: PathLike,
    count: int = 16,
) -> Path:
    """Show some of the right and some of the wrong predictions: what was predicted, how surely, and the truth.

    The first ``count`` of each kind are shown, in the order given: whoever wants the most confident errors sorts first.

    Args:
        images: (N, 3, H, W), uint8 or floating point in 0..1 (not normalised).
        labels: (N,) true classes as integers.
        predictions: (N,) predicted classes as integers.
        confidences: (N,) probabilities of the predicted classes, in 0..1.
        class_names: the names, indexed by labels and predictions.
        path: the PNG file to write.
        count: the most pictures per block.

    Raises:
        ValueError: shapes or lengths do not match, there is no picture, or a value is out of its range.
    """
    images, labels, predictions, confidences = map(np.asarray, (images, labels, predictions, confidences))
    _check_gallery(images, labels, predictions, confidences, len(class_names))
    right, wrong = np.flatnonzero(labels == predictions), np.flatnonzero(labels != predictions)
    # A tile is at least as wide as the longest caption, whose letters of 9 points take about 0.07 inches each.
    tile = max(1.5, 0.07 * (max(map(len, class_names)) + len("✓  (100%)")))
    columns = min(max(1, int(12 / tile)), max(len(right[:count]), len(wrong[:count])))
    row_height = tile * images.shape[2] / images.shape[3] + 0.45
    heights = [math.ceil(len(found[:count]) / columns) * row_height + 0.5 for found in (right, wrong)]
    with _figure(path, max(3.0, tile * columns), sum(heights)) as figure:
        blocks = figure.subfigures(2, 1, height_ratios=heights)
        kinds = ((right, "✓", "Right", "blue"), (wrong, "✗", "Wrong", "vermillion"))
        for block, (found, sign, word, color) in zip(blocks, kinds, strict=True):
            heading = f"{sign} {word}: {len(found):,} of {len(images):,} pictures"
            block.suptitle(heading, x=0.01, ha="left", color=COLORS[color])
            for place, index in enumerate(found[:count], start=1):
                ax = block.add_subplot(math.ceil(len(found[:count]) / columns), columns, place)
                # Matplotlib's "antialiased" keeps the pixels of small pictures sharp and shrinks big ones smoothly.
                ax.imshow(images[index].transpose(1, 2, 0), interpolation="antialiased")
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
                ax.spines[:].set(visible=True, color=COLORS[color], linewidth=2.5)
                caption = f"{sign} {class_names[predictions[index]]} ({confidences[index]:.0%})"
                caption += f"\ntrue: {class_names[labels[index]]}"
                ax.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=4)
    return Path(path)


def _check_gallery(
    images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, confidences: np.ndarray, classes: int
) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or images.size == 0:
        raise ValueError(f"plot_gallery: expected images of shape (N, 3, H, W) with N >= 1, got {images.shape}")
    for name, values in (("labels", labels), ("predictions", predictions), ("confidences", confidences)):
        if values.shape != images.shape[:1]:
            raise ValueError(f"plot_gallery: {len(images)} images need {len(images)} {name}, got shape {values.shape}")
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= classes:
            found = f"{values.dtype} from {values.min()} to {values.max()}"
            raise ValueError(f"plot_gallery: {classes} class names need {name} in 0..{classes - 1}, got {found}")
    for name, values in (("confidences", confidences), ("images (unless uint8)", images)):
        if values.dtype != np.uint8 and not (values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1):
            found = f"{values.dtype} from {values.min()} to {values.max()}"
            raise ValueError(f"plot_gallery: {name} must be floating point in 0..1, got {found}")


def plot_filters(weights: ArrayLike, path: PathLike, limit: int = 64) -> Path:
    """Show a convolution's filters as tiles on one common scale, symmetric about zero.

    With three input channels a filter is a colour picture: each channel is ``0.5 + w / (2 max|w|)``, so that mid-grey
    is zero and the strongest weight of the layer is full red, green or blue (or none of it). Otherwise every channel is
    a tile of its own, from blue (negative) over white (zero) to red, and each row of several channels is a filter.

    Args:
        weights: (O, C, kh, kw), PyTorch's order.
        path: the PNG file to write.
        limit: show no more than the first so many filters and input channels.

    Raises:
        ValueError: the shape is not that of a convolution's weight, or a weight is not finite.
    """
    weights = np.asarray(weights)
    if weights.ndim != 4 or weights.size == 0:
        raise ValueError(f"plot_filters: expected weights of shape (O, C, kh, kw), none of them 0, got {weights.shape}")
    if bad := np.count_nonzero(~np.isfinite(weights)):
        raise ValueError(f"plot_filters: {bad} of {weights.size} weights are not finite")
    filters, channels, height, width = weights.shape
    strongest = float(np.abs(weights).max()) or 1.0
    shown = weights[:limit]
    colored, row_is_filter = channels == 3, channels not in (1, 3)
    if colored:
        tiles, blank = 0.5 + shown.transpose(0, 2, 3, 1) / (2 * strongest), 1.0
    else:
        tiles, blank = shown[:, :limit].reshape(-1, height, width), np.nan
    columns = min(limit, channels) if row_is_filter else min(8, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    side = 0.3 if row_is_filter else 0.8  # inches
    with _figure(path, max(4.6, side * columns + 1), side * height / width * rows + 1.5) as figure:
        ax = figure.subplots()
        mosaic = _mosaic(tiles, columns, blank)
        image = ax.imshow(mosaic, cmap="RdBu_r", vmin=-strongest, vmax=strongest, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        _hide_frame(ax)
        ax.set_title(f"{len(shown)} of {filters} filters, each {channels} × {height} × {width} weights")
        if row_is_filter:
            ax.set(xlabel="input channel", ylabel="filter")
        if colored:
            ax.set_xlabel(f"red, green and blue: mid-grey is 0, the full range ±{strongest:.2g}")
        else:
            figure.colorbar(image, ax=ax, location="bottom", label="weight", aspect=40)
    return Path(path)


def _mosaic(tiles: np.ndarray, columns: int, blank: float) -> np.ndarray:
    """Enlarge (T, h, w) or (T, h, w, 3) tiles, put a gap round each and lay them out in rows."""
    scale = max(1, 60 // max(tiles.shape[1:3]))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    color = [(0, 0)] * (tiles.ndim - 3)
    tiles = np.pad(tiles, [(0, -len(tiles) % columns), (3, 3), (3, 3), *color], constant_values=blank)
    _, height, width, *channels = tiles.shape
    in_rows = tiles.reshape(-1, columns, height, width, *channels).swapaxes(1, 2)
    return in_rows.reshape(-1, columns * width, *channels)
