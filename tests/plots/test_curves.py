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
