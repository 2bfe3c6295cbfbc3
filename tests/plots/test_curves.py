"""Learning curves."""

from __future__ import annotations

import pytest

from minigrad import plots
from minigrad.plots import curves
from tests.plots.helpers import HISTORY, assert_is_picture, assert_refused


@pytest.mark.parametrize("rows", [HISTORY, HISTORY[:1], HISTORY * 40, [{"train_loss": 1.0}]])
def test_history_is_drawn_for_any_length_and_with_missing_values(tmp_path, rows):
    figure = plots.plot_history(rows, tmp_path / "history.png")
    assert_is_picture(figure, tmp_path, 1000, 500)


def test_history_leaves_missing_values_out_and_names_the_best_epoch():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    curves._draw_metric(ax, HISTORY, "accuracy")
    training, validation, _ = ax.lines
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert validation.get_xdata().tolist() == [1, 3]
    assert validation.get_label() == "validation (best 55.0%, epoch 3)"


@pytest.mark.parametrize(("count", "panels"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (3, 2))])
def test_many_metrics_go_in_rows_of_two(tmp_path, count, panels):
    metrics = ["class_loss", "iou", "c", "d", "e"][:count]
    history = [{"epoch": epoch, "lr": 1.0} | dict.fromkeys((f"val_{m}" for m in metrics), 0.5) for epoch in (1, 2)]
    figure = plots.plot_history(history, tmp_path / "history.png", metrics)
    *drawn, lr = figure.axes
    assert [ax.get_title(loc="left") for ax in drawn][:2] == ["Class loss", "IoU"][:count]
    assert len(drawn) == count and lr.get_title(loc="left") == "Learning rate"
    places = [ax.get_position() for ax in drawn]
    assert len({round(p.y0, 2) for p in places}) == panels[0] and len({round(p.x0, 2) for p in places}) == panels[1]


@pytest.mark.parametrize("options", [{"history": []}, {"history": HISTORY, "metrics": []}])
def test_nothing_to_draw_is_refused(tmp_path, options):
    found = f"got {len(options['history'])} epochs and {len(options.get('metrics', 'xx'))} metrics"
    assert_refused(tmp_path, "plot_history", options, found)


def one_epoch(**changes):
    row = {"epoch": 1, "train_loss": 2.3, "val_loss": 2.3, "train_accuracy": 0.0, "val_accuracy": 0.0}
    return [row | {"lr": 4e-8, "lr_max": 0.1} | changes]


def test_rate_of_a_single_epoch_is_the_largest_and_not_the_vanishing_last(figures, tmp_path):
    plots.plot_history(one_epoch(), tmp_path / "a.png")
    lr = figures[0].axes[-1]
    assert lr.lines[0].get_ydata().tolist() == [0.1] and lr.get_title(loc="right") == "the largest of each epoch"


def test_small_rates_are_written_without_a_factor_above_the_axis(figures, tmp_path):
    history = one_epoch()
    del history[0]["lr_max"]
    plots.plot_history(history, tmp_path / "a.png")
    lr = figures[0].axes[-1]
    assert lr.lines[0].get_ydata().tolist() == [4e-8] and lr.yaxis.get_offset_text().get_text() == ""
    assert "4e-08" in [label.get_text().replace("\N{MINUS SIGN}", "-") for label in lr.get_yticklabels()]


@pytest.mark.parametrize("loss", [1e-9, 3e7, 1e30])
def test_losses_are_written_without_a_factor_over_the_legend(figures, tmp_path, loss):
    history = [{"epoch": 10**6 + i, "train_loss": loss * (i + 1), "val_loss": loss * (i + 2), "lr": 1} for i in (0, 1)]
    plots.plot_history(history, tmp_path / "a.png", ["loss"])
    ax = figures[0].axes[0]
    assert [axis.get_offset_text().get_text() for axis in (ax.xaxis, ax.yaxis)] == ["", ""]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(labels)) == len(labels) and max(map(len, labels)) <= 10
    assert ax.get_legend().get_window_extent().x1 <= figures[0].get_window_extent().x1


@pytest.mark.parametrize("metric", ["accuracy", "iou"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_axes_of_shares_stay_within_0_and_1(figures, tmp_path, metric, value):
    history = one_epoch(**{f"train_{metric}": value, f"val_{metric}": value})
    plots.plot_history(history, tmp_path / "a.png", [metric])
    low, high = figures[0].axes[0].get_ylim()
    assert 0 <= low < high <= 1


def test_points_that_coincide_are_both_seen(figures, tmp_path):
    plots.plot_history(one_epoch(), tmp_path / "a.png")
    training, validation, best = figures[0].axes[0].lines
    assert training.get_fillstyle() == "full" and {validation.get_fillstyle(), best.get_fillstyle()} == {"none"}
    assert training.get_markersize() < validation.get_markersize() < best.get_markersize()


@pytest.mark.parametrize("metrics", [["loss", "accuracy"], ["accuracy", "iou", "class_loss", "box_loss"]])
def test_legends_lie_over_no_curve(figures, tmp_path, metrics):
    row = {f"{part}_{metric}": 0.99 for part in ("train", "val") for metric in metrics}
    plots.plot_history([{"epoch": 100 + i, "lr": 0.1} | row for i in range(30)], tmp_path / "a.png", metrics)
    *panels, _ = figures[0].axes
    boxes = [ax.get_legend().get_window_extent() for ax in panels]
    for ax, box in zip(panels, boxes, strict=True):
        assert box.y0 >= ax.get_window_extent().y1 - 1  # above the axes
        assert not any(box.overlaps(other) for other in boxes if other is not box)
