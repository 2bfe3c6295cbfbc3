"""Pictures made of pictures: a gallery of predictions, and the filters of a convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plots.look import COLORS, LOOK, PathLike, hide_frame, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minigrad.plots.picture import Picture

# The gallery's measures in inches: above each block, above each picture, between two pictures.
HEADING, CAPTION, GAP = 0.5, 0.45, 0.08


def plot_gallery(
    images: ArrayLike,
    labels: ArrayLike,
    predictions: ArrayLike,
    confidences: ArrayLike,
    class_names: Sequence[str],
    path: PathLike | None = None,
    count: int = 16,
) -> Picture:
    """Show some of the right and some of the wrong predictions: what was predicted, how surely, and the truth.

    The first ``count`` of each kind are shown, in the order given: whoever wants the most confident errors sorts first.

    Args:
        images: (N, 3, H, W), uint8 or floating point in 0..1 (not normalised).
        labels: (N,) true classes as integers.
        predictions: (N,) predicted classes as integers.
        confidences: (N,) probabilities of the predicted classes, in 0..1.
        class_names: the names, indexed by labels and predictions.
        path: the PNG file to write, or None.
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
    side = tile - GAP
    row_height = side * images.shape[2] / images.shape[3] + CAPTION
    heights = [HEADING + math.ceil(len(found[:count]) / columns) * row_height for found in (right, wrong)]
    width, height = max(3.0, tile * columns), sum(heights)
    # Placed by hand, because a layout engine gives the two blocks pictures of different sizes.
    with new_figure(path, width, height, layout="none") as figure:
        top = height
        kinds = ((right, "✓", "Right", "blue"), (wrong, "✗", "Wrong", "vermillion"))
        for block_height, (found, sign, word, color) in zip(heights, kinds, strict=True):
            heading = f"{sign} {word}: {len(found):,} of {len(images):,} pictures"
            font = {"size": LOOK["figure.titlesize"], "weight": LOOK["figure.titleweight"], "color": COLORS[color]}
            figure.text(0, (top - HEADING) / height, heading, va="bottom", **font)
            for place, index in enumerate(found[:count]):
                row, column = divmod(place, columns)
                bottom = top - HEADING - (row + 1) * row_height
                box = (column * tile / width, bottom / height, side / width, (row_height - CAPTION) / height)
                caption = f"{sign} {class_names[predictions[index]]} ({confidences[index]:.0%})"
                caption += f"\ntrue: {class_names[labels[index]]}"
                _draw_tile(figure.add_axes(box), images[index], caption, COLORS[color])
            top -= block_height
    return figure


def _draw_tile(ax: Axes, image: np.ndarray, caption: str, color: str) -> None:
    # Matplotlib's "antialiased" keeps the pixels of small pictures sharp and shrinks big ones smoothly.
    ax.imshow(image.transpose(1, 2, 0), interpolation="antialiased")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set(visible=True, color=color, linewidth=2.5)
    ax.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=4)


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


def plot_filters(weights: ArrayLike, path: PathLike | None = None, limit: int = 64) -> Picture:
    """Show a convolution's filters as tiles on one common scale, symmetric about zero.

    With three input channels a filter is a colour picture: each channel is ``0.5 + w / (2 max|w|)``, so that mid-grey
    is zero and the strongest weight of the layer is full red, green or blue (or none of it). Otherwise every channel is
    a tile of its own, from blue (negative) over white (zero) to red, and each row of several channels is a filter.

    Args:
        weights: (O, C, kh, kw), PyTorch's order.
        path: the PNG file to write, or None.
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
    with new_figure(path, max(4.6, side * columns + 1), side * height / width * rows + 1.5) as figure:
        ax = figure.subplots()
        mosaic = _mosaic(tiles, columns, blank)
        image = ax.imshow(mosaic, cmap="RdBu_r", vmin=-strongest, vmax=strongest, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        hide_frame(ax)
        ax.set_title(f"{len(shown)} of {filters} filters, each {channels} × {height} × {width} weights")
        if row_is_filter:
            ax.set(xlabel="input channel", ylabel="filter")
        if colored:
            ax.set_xlabel(f"red, green and blue: mid-grey is 0, the full range ±{strongest:.2g}")
        else:
            figure.colorbar(image, ax=ax, location="bottom", label="weight", aspect=40)
    return figure


def _mosaic(tiles: np.ndarray, columns: int, blank: float) -> np.ndarray:
    """Enlarge (T, h, w) or (T, h, w, 3) tiles, put a gap round each and lay them out in rows."""
    scale = max(1, 60 // max(tiles.shape[1:3]))
    tiles = tiles.repeat(scale, axis=1).repeat(scale, axis=2)
    color = [(0, 0)] * (tiles.ndim - 3)
    tiles = np.pad(tiles, [(0, -len(tiles) % columns), (3, 3), (3, 3), *color], constant_values=blank)
    _, height, width, *channels = tiles.shape
    in_rows = tiles.reshape(-1, columns, height, width, *channels).swapaxes(1, 2)
    return in_rows.reshape(-1, columns * width, *channels)
