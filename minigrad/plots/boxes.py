"""Pictures of predicted boxes: a gallery by quality, one photo with its box, and how the quality is distributed.

A box is `(xmin, ymin, xmax, ymax)` in fractions of the picture. True boxes are drawn solid, predicted ones dashed, both
with a dark edge, so that they can be seen on any photo.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plots.look import COLORS, LOOK, NUMBERS, PathLike, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

    from minigrad.plots.picture import Picture

TRUE = {"edgecolor": COLORS["sky"], "linestyle": "-", "label": "true box"}
PREDICTED = {"edgecolor": COLORS["yellow"], "linestyle": (0, (4, 2)), "label": "predicted box"}

# The gallery's measures in inches: a picture, above each block, above each picture, between two pictures.
SIDE, HEADING, CAPTION, GAP = 1.9, 0.5, 0.6, 0.1
LETTERS = 28  # in a line of a caption
BINS = 20


def plot_box_gallery(
    images: ArrayLike,
    true_boxes: ArrayLike,
    boxes: ArrayLike,
    ious: ArrayLike,
    captions: Sequence[str],
    path: PathLike | None = None,
    count: int = 6,
) -> Picture:
    """Show the pictures whose boxes fit best, those in the middle (about the median), and those that fit worst.

    No picture is shown twice: where there are few, the blocks are shorter, and there are fewer blocks.

    Args:
        images: (N, 3, H, W), uint8.
        true_boxes, boxes: (N, 4), what is true and what was predicted.
        ious: (N,) intersection over union of each pair, in 0..1.
        captions: N texts of one line, written above the pictures; the IoU is added below.
        path: the PNG file to write, or None.
        count: the most pictures in each block.

    Raises:
        ValueError: there is no picture, lengths or shapes do not match, or an IoU is not in 0..1.
    """
    images, true_boxes, boxes, ious = map(np.asarray, (images, true_boxes, boxes, ious))
    _check_gallery(images, true_boxes, boxes, ious, captions)
    blocks = _blocks(ious, count)
    columns = max(map(len, blocks.values()))
    side = SIDE if columns > 1 else 1.7 * SIDE
    tile_height = side * images.shape[2] / images.shape[3] + CAPTION
    width, height = max(4.6, columns * (side + GAP)), len(blocks) * (HEADING + tile_height) + CAPTION
    with new_figure(path, width, height, layout="none") as figure:
        for row, (heading, chosen) in enumerate(blocks.items()):
            bottom = height - (row + 1) * (HEADING + tile_height)
            font = {"size": LOOK["figure.titlesize"], "weight": LOOK["figure.titleweight"]}
            figure.text(0, (bottom + tile_height) / height, heading, va="bottom", **font)
            for column, index in enumerate(chosen):
                place = (column * (side + GAP) / width, bottom / height, side / width, (tile_height - CAPTION) / height)
                ax = figure.add_axes(place)
                _draw_photo(ax, images[index])
                handles = [_draw_box(ax, true_boxes[index], TRUE), _draw_box(ax, boxes[index], PREDICTED)]
                lines = textwrap.wrap(captions[index], LETTERS, max_lines=2, placeholder=" …")
                caption = "\n".join([*lines, f"IoU {ious[index]:.2f}"])
                ax.set_title(caption, fontsize=9, fontweight="normal", loc="center", pad=4)
        legend = figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 0), ncols=2, borderaxespad=0)
        legend.set_in_layout(True)
    return figure


def _blocks(ious: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Heading -> indices of the best, of typical, and of the worst boxes, best first but for the last, worst first."""
    order = np.argsort(-ious, kind="stable")
    if len(order) == 1:
        return {"The only box": order}
    if len(order) == 2:
        return {"The better box": order[:1], "The worse box": order[1:]}
    columns = min(count, len(order) // 3)
    middle = (len(order) - columns) // 2
    return {
        "Best boxes": order[:columns],
        f"Typical boxes: around the median IoU, {np.median(ious):.2f}": order[middle : middle + columns],
        "Worst boxes": order[::-1][:columns],
    }


def plot_detection(
    image: ArrayLike, box: ArrayLike, caption: str, path: PathLike | None = None, aspect: float = 1.0
) -> Picture:
    """Show one photo with the box that was predicted for it.

    Args:
        image: (3, H, W), uint8.
        box: (4,).
        caption: written above the photo.
        path: the PNG file to write, or None.
        aspect: height of the photo over its width as it is to be shown, whatever the shape of `image`.

    Raises:
        ValueError: a shape does not fit, or `aspect` is not positive.
    """
    image, box = np.asarray(image), np.asarray(box)
    if image.ndim != 3 or image.shape[0] != 3 or image.size == 0 or image.dtype != np.uint8 or box.shape != (4,):
        found = f"{image.dtype} {image.shape} and {box.shape}"
        raise ValueError(f"plot_detection: expected a uint8 image (3, H, W) and a box (4,), got {found}")
    if not 0 < aspect < np.inf:
        raise ValueError(f"plot_detection: aspect must be positive, got {aspect}")
    scale = 6 / max(1.0, aspect)
    with new_figure(path, scale, scale * aspect) as figure:
        ax = figure.subplots()
        _draw_photo(ax, image, aspect)
        _draw_box(ax, box, PREDICTED, linewidth=2.5)
        ax.set_title(caption)
    return figure


def plot_iou_histogram(ious: ArrayLike, path: PathLike | None = None, baseline: float | None = None) -> Picture:
    """Draw how many boxes reach which IoU; those of 0.5 and more, which count as found, are filled.

    Args:
        ious: (N,) in 0..1.
        path: the PNG file to write, or None.
        baseline: a mean IoU to compare with, such as that of always answering the mean box; marked by a line.

    Raises:
        ValueError: there is none, or one is not in 0..1.
    """
    ious = np.asarray(ious)
    _check_ious("plot_iou_histogram", ious)
    counts, edges = np.histogram(ious, bins=BINS, range=(0, 1))
    with new_figure(path, 8, 4) as figure:
        ax = figure.subplots()
        half, found = BINS // 2, (ious >= 0.5).mean()
        gap = 0.12 / BINS  # or the bars would merge
        style = {"width": 1 / BINS - gap, "align": "edge", "edgecolor": COLORS["blue"], "linewidth": 1}
        missed = {"color": "#DCEAF4", "hatch": "///", "label": f"IoU below 0.5: {1 - found:.1%}"}
        left = edges[:-1] + gap / 2
        ax.bar(left[:half], counts[:half], **missed | style)
        ax.bar(left[half:], counts[half:], color=COLORS["blue"], label=f"0.5 and above: {found:.1%}", **style)
        ax.axvline(ious.mean(), color=COLORS["black"], label=f"mean {ious.mean():.3f}")
        if baseline is not None:
            label = f"always the mean box: {baseline:.3f}"
            ax.axvline(baseline, color=COLORS["vermillion"], linestyle=":", label=label)
        ax.set(xlim=(0, 1), xlabel="IoU of the predicted and the true box", ylabel="pictures")
        ax.set_xticks(np.linspace(0, 1, 11))
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.set_major_formatter(NUMBERS)
        ax.set_title(f"How well {len(ious):,} boxes fit", pad=46)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return figure


def _draw_photo(ax: Axes, image: np.ndarray, aspect: float | None = None) -> None:
    """Show (3, H, W) so that its coordinates run from 0 to 1, downwards as boxes count them."""
    aspect = image.shape[1] / image.shape[2] if aspect is None else aspect
    # Matplotlib's "antialiased" keeps the pixels of small pictures sharp and shrinks big ones smoothly.
    ax.imshow(image.transpose(1, 2, 0), interpolation="antialiased", extent=(0, 1, 1, 0), aspect=aspect)
    ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0))
    ax.grid(False)
    ax.spines[:].set_visible(False)


def _draw_box(ax: Axes, box: np.ndarray, style: dict, linewidth: float = 2.0) -> Rectangle:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    xmin, ymin, xmax, ymax = box
    # Not clipped, or half of a line along the picture's border would be missing.
    style = style | {"fill": False, "linewidth": linewidth, "clip_on": False}
    rectangle = Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, **style)
    # Under a dashed line, too, the dark edge is solid, and fills the gaps.
    edge = Stroke(linewidth=linewidth + 1.6, foreground="black", dashes={"dash_offset": 0, "dash_list": None})
    rectangle.set_path_effects([edge, Normal()])
    return ax.add_patch(rectangle)


def _check_gallery(
    images: np.ndarray, true_boxes: np.ndarray, boxes: np.ndarray, ious: np.ndarray, captions: Sequence[str]
) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or images.size == 0 or images.dtype != np.uint8:
        found = f"{images.dtype} {images.shape}"
        raise ValueError(f"plot_box_gallery: expected uint8 images of shape (N, 3, H, W) with N >= 1, got {found}")
    for name, values in (("true_boxes", true_boxes), ("boxes", boxes)):
        if values.shape != (len(images), 4):
            needed = f"{len(images)} images need {name} {(len(images), 4)}"
            raise ValueError(f"plot_box_gallery: {needed}, got {values.shape}")
    if not len(ious) == len(captions) == len(images):
        found = f"{len(ious)} and {len(captions)}"
        raise ValueError(f"plot_box_gallery: {len(images)} images need as many ious and captions, got {found}")
    _check_ious("plot_box_gallery", ious)


def _check_ious(name: str, ious: np.ndarray) -> None:
    if ious.ndim != 1 or ious.size == 0 or not ((ious >= 0) & (ious <= 1)).all():
        raise ValueError(f"{name}: expected at least one IoU, all in 0..1, got {ious.shape} {ious.ravel()[:5]}")
