"""Pictures made of pictures: a gallery of predictions, and the filters of a convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plots.look import COLORS, LOOK, PathLike, hide_frame, new_figure, percent, room, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minigrad.plots.picture import Picture

# The gallery's measures in inches: above each block, above each picture, between two pictures.
HEADING, CAPTION, GAP = 0.5, 0.45, 0.08
LETTERS = 22  # of a class name in a caption


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

    The first ``count`` of each kind are shown, in the order given.

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
    _check_gallery("plot_gallery", images, labels, predictions, confidences, len(class_names))
    right, wrong = np.flatnonzero(labels == predictions), np.flatnonzero(labels != predictions)
    blocks = [
        Block(f"✓ Right: {len(right):,} of {len(images):,} pictures", "✓", "blue", right[:count]),
        Block(f"✗ Wrong: {len(wrong):,} of {len(images):,} pictures", "✗", "vermillion", wrong[:count]),
    ]
    return _draw_blocks(blocks, images, labels, predictions, confidences, class_names, path)


def plot_confident_errors(
    images: ArrayLike,
    labels: ArrayLike,
    predictions: ArrayLike,
    confidences: ArrayLike,
    class_names: Sequence[str],
    path: PathLike | None = None,
    count: int = 32,
) -> Picture:
    """Show the wrong predictions that the network was surest of, the surest first.

    These tell the most: wrong labels, pictures that nobody could name, and what the network has learned instead.

    Args and errors are those of :func:`plot_gallery`, but for
        count: the most pictures.
    """
    images, labels, predictions, confidences = map(np.asarray, (images, labels, predictions, confidences))
    _check_gallery("plot_confident_errors", images, labels, predictions, confidences, len(class_names))
    wrong = np.flatnonzero(labels != predictions)
    surest = wrong[np.argsort(-confidences[wrong], kind="stable")][:count]
    some = f"the {len(surest)} surest of {len(wrong):,} errors"
    title = {0: "no errors", 1: "the only error"}.get(
        len(wrong), some if len(wrong) > count else f"all {len(wrong)} errors"
    )
    block = Block(f"✗ Confident errors: {title} in {len(images):,} pictures", "✗", "vermillion", surest)
    return _draw_blocks([block], images, labels, predictions, confidences, class_names, path)


class Block(NamedTuple):
    """A part of a gallery: its heading, the sign and colour of its captions, and which pictures."""

    heading: str
    sign: str
    color: str
    indices: np.ndarray


def _draw_blocks(
    blocks: Sequence[Block],
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confidences: np.ndarray,
    class_names: Sequence[str],
    path: PathLike | None = None,
) -> Picture:
    names = [shorten(name, LETTERS) for name in class_names]
    # A tile is at least as wide as the longest caption, whose letters of 9 points take about 0.08 inches each.
    tile = max(1.5, 0.078 * (max(map(room, names)) + len("✓  (100%)")))
    columns = min(max(1, int(12 / tile)), max(1, *(len(block.indices) for block in blocks)))
    side = tile - GAP
    row_height = side * images.shape[2] / images.shape[3] + CAPTION
    heights = [HEADING + math.ceil(len(block.indices) / columns) * row_height for block in blocks]
    width, height = max(3.0, tile * columns), sum(heights)
    # Placed by hand, because a layout engine gives the blocks pictures of different sizes.
    with new_figure(path, width, height, layout="none") as figure:
        top = height
        for block_height, (heading, sign, color, indices) in zip(heights, blocks, strict=True):
            font = {"size": LOOK["figure.titlesize"], "weight": LOOK["figure.titleweight"], "color": COLORS[color]}
            figure.text(0, (top - HEADING) / height, heading, va="bottom", **font)
            for place, index in enumerate(indices):
                row, column = divmod(place, columns)
                bottom = top - HEADING - (row + 1) * row_height
                box = (column * tile / width, bottom / height, side / width, (row_height - CAPTION) / height)
                caption = f"{sign} {names[predictions[index]]} ({confidences[index]:.0%})"
                caption += f"\ntrue: {names[labels[index]]}"
                _draw_tile(figure.add_axes(box), images[index], caption, COLORS[color])
            top -= block_height
    return figure


def plot_answers(
    image: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    path: PathLike | None = None,
    aspect: float = 1.0,
    count: int = 5,
) -> Picture:
    """Show one photo and, as bars beside it, what a classifier thinks is in it.

    Args:
        image: (3, H, W), uint8.
        probabilities: (K,), in 0..1.
        class_names: the K names.
        path: the PNG file to write, or None.
        aspect: height of the photo over its width as it is to be shown, whatever the shape of `image`.
        count: the most bars; the likeliest classes.

    Raises:
        ValueError: a shape does not fit, a probability is not in 0..1, or `aspect` is not positive.
    """
    image, probabilities = np.asarray(image), np.asarray(probabilities)
    if image.ndim != 3 or image.shape[0] != 3 or image.size == 0 or image.dtype != np.uint8:
        raise ValueError(f"plot_answers: expected a uint8 image (3, H, W), got {image.dtype} {image.shape}")
    if probabilities.shape != (len(class_names),) or not ((probabilities >= 0) & (probabilities <= 1)).all():
        found = f"{probabilities.shape} {probabilities.ravel()[:5]}"
        raise ValueError(f"plot_answers: {len(class_names)} class names need as many numbers in 0..1, got {found}")
    if not 0 < aspect < np.inf:
        raise ValueError(f"plot_answers: aspect must be positive, got {aspect}")
    likeliest = np.argsort(-probabilities, kind="stable")[:count]
    height = 3.6
    with new_figure(path, height / aspect + 4.5, height) as figure:
        photo, bars = figure.subplots(1, 2, width_ratios=[height / aspect, 4.5])
        photo.imshow(image.transpose(1, 2, 0), interpolation="antialiased", extent=(0, 1, 1, 0), aspect=aspect)
        photo.set(xticks=[], yticks=[])
        hide_frame(photo)
        shares = probabilities[likeliest]
        drawn = bars.barh(
            range(len(likeliest)), shares, color=[COLORS["blue"]] + [COLORS["sky"]] * (len(likeliest) - 1)
        )
        bars.bar_label(drawn, [f"{share:.1%}" for share in shares], padding=4)
        bars.set_yticks(range(len(likeliest)), [shorten(class_names[index]) for index in likeliest])
        bars.set(xlim=(0, 1), ylim=(count - 0.4, -0.6), xticks=[0, 0.25, 0.5, 0.75, 1])
        bars.tick_params(axis="y", length=0)
        bars.xaxis.set_major_formatter(percent)
        bars.set_title(f"{shorten(class_names[likeliest[0]])} ({shares[0]:.0%})")
    return figure


def _draw_tile(ax: Axes, image: np.ndarray, caption: str, color: str) -> None:
    # Matplotlib's "antialiased" keeps the pixels of small pictures sharp and shrinks big ones smoothly.
    ax.imshow(image.transpose(1, 2, 0), interpolation="antialiased")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set(visible=True, color=color, linewidth=2.5)
    ax.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=4)


def _check_gallery(
    function: str,
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confidences: np.ndarray,
    classes: int,
) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or images.size == 0:
        raise ValueError(f"{function}: expected images of shape (N, 3, H, W) with N >= 1, got {images.shape}")
    for name, values in (("labels", labels), ("predictions", predictions), ("confidences", confidences)):
        if values.shape != images.shape[:1]:
            raise ValueError(f"{function}: {len(images)} images need {len(images)} {name}, got shape {values.shape}")
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= classes:
            found = f"{values.dtype} from {values.min()} to {values.max()}"
            raise ValueError(f"{function}: {classes} class names need {name} in 0..{classes - 1}, got {found}")
    for name, values in (("confidences", confidences), ("images (unless uint8)", images)):
        if values.dtype != np.uint8 and not (values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1):
            found = f"{values.dtype} from {values.min()} to {values.max()}"
            raise ValueError(f"{function}: {name} must be floating point in 0..1, got {found}")


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
