"""Learning curves: what was measured epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.history import direction
from minigrad.plots.look import COLORS, NUMBERS, PathLike, new_figure, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minigrad.plots.picture import Picture

TITLES = {"iou": "IoU"}  # of metrics whose name does not say how it is written


def plot_history(
    history: Sequence[Mapping[str, Any]], path: PathLike | None = None, metrics: Sequence[str] = ("loss", "accuracy")
) -> Picture:
    """Draw each metric's training and validation curve over the epochs, and the learning rate below them.

    Args:
        history: one row per epoch, such as ``{"epoch": 1, "train_loss": 1.9, "val_loss": 1.7, "lr_max": 0.1, ...}``; a
            missing, None or non-finite value is left out and the curve goes on to the next one. The learning rate is
            the largest of each epoch, ``lr_max``; where there is none, ``lr``.
        path: the PNG file to write, or None.
        metrics: one panel each, with the curves ``train_<metric>`` and ``val_<metric>``; from four on in rows of two.
            Less is better where the name ends in "loss", more otherwise; where it ends in "accuracy" or "iou", the
            values are shares in 0..1.

    Raises:
        ValueError: the history is empty, or no metric is named.
    """
    if not history or not metrics:
        raise ValueError(
            f"plot_history: got {len(history)} epochs and {len(metrics)} metrics, expected at least one each"
        )
    columns = len(metrics) if len(metrics) < 4 else 2
    rows = [list(metrics[start : start + columns]) for start in range(0, len(metrics), columns)]
    rows[-1] += ["."] * (columns - len(rows[-1]))  # Matplotlib's sign for a panel left empty
    with new_figure(path, 5 * columns, 1.8 + 3.6 * len(rows)) as figure:
        axes = figure.subplot_mosaic([*rows, ["lr"] * columns], height_ratios=[3] * len(rows) + [1], sharex=True)
        for ax in axes.values():
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(NUMBERS)
        for metric in metrics:
            _draw_metric(axes[metric], history, metric)
        _draw_learning_rate(axes["lr"], history)
        for ax in axes.values():
            ax.set_xlabel("epoch")
            ax.tick_params(labelbottom=True)  # a shared axis would show its numbers only at the very bottom
            if not ax.lines:
                ax.text(0.5, 0.5, "not recorded", transform=ax.transAxes, ha="center", va="center")
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if len(history) == 1:
            epoch = history[0].get("epoch", 1)
            ax.set_xlim(epoch - 0.5, epoch + 0.5)
    return figure


def _draw_learning_rate(ax: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    # At an epoch's end a one-cycle schedule may be as good as 0: of a single epoch that would be all there is to see.
    key, which = ("lr_max", "largest") if any("lr_max" in row for row in history) else ("lr", "last")
    _draw_curve(ax, history, key, "grey", "-", "o")
    ax.set(title="Learning rate", ylim=(0, None))
    ax.set_title(f"the {which} of each epoch", loc="right", fontsize=9, fontweight="normal")


def _draw_metric(ax: Axes, history: Sequence[Mapping[str, Any]], metric: str) -> None:
    """The two curves of one metric; the best validation epoch is ringed, and named in the legend."""
    _draw_curve(ax, history, f"train_{metric}", "blue", "-", "o", label="training")
    # Hollow and wider, so that a point of the other curve stays visible where the two coincide.
    hollow = {"fillstyle": "none", "markersize": 7.5, "label": "validation"}
    epochs, values = _draw_curve(ax, history, f"val_{metric}", "vermillion", "--", "s", **hollow)
    if values.size:
        best = (direction(metric)[1] * values).argmax()
        digits = ".3f" if abs(values[best]) < 10_000 else ".6g"
        text = f"{values[best]:.1%}" if metric.endswith("accuracy") else f"{values[best]:{digits}}"
        ax.lines[-1].set_label(f"validation (best {text}, epoch {epochs[best]:g})")
        ring = {"color": COLORS["vermillion"], "markersize": 14, "fillstyle": "none", "clip_on": False}
        ax.plot(epochs[best], values[best], "o", **ring)
    if ax.lines:  # beside the title, not over the curves
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, fontsize=9, columnspacing=1.2)
    ax.set_title(TITLES.get(metric) or metric.replace("_", " ").capitalize(), pad=24)
    if metric.endswith("accuracy"):
        ax.yaxis.set_major_formatter(percent)
    if metric.endswith(("accuracy", "iou")):
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, 0.0), min(high, 1.0))  # a margin below 0 or above 1 would be no room for values


def _draw_curve(
    ax: Axes, history: Sequence[Mapping[str, Any]], key: str, color: str, line: str, marker: str, **style: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows that have a finite value under ``key``, and return their epochs and values."""
    epochs = np.array([row.get("epoch", index) for index, row in enumerate(history, start=1)], dtype=np.float64)
    values = np.array([row.get(key) for row in history], dtype=np.float64)  # None becomes nan
    known = np.isfinite(values)
    if known.any():
        sparse = max(1, len(history) // 30)  # a marker on every epoch of a long run would hide the line
        style |= {"color": COLORS[color], "linestyle": line, "marker": marker, "markevery": sparse}
        ax.plot(epochs[known], values[known], clip_on=False, **style)
    return epochs[known], values[known]
