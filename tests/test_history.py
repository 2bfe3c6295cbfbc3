from __future__ import annotations

import math

import pytest

from minigrad.history import best_epoch, describe, direction

ROW = {"epoch": 2, "train_loss": 0.5, "val_loss": 0.75, "lr": 0.1, "seconds": 3.21, "images_per_second": 123.4}


def test_describe_tells_epoch_losses_and_speed():
    text = "epoch 2/5  |  training: loss 0.5000  |  validation: loss 0.7500  |  3.2 s, 123 img/s"
    assert describe(ROW, epochs=5) == text
    trained_only = {name: value for name, value in ROW.items() if name != "val_loss"}
    assert describe(trained_only, epochs=5) == "epoch 2/5  |  training: loss 0.5000  |  3.2 s, 123 img/s"


def test_epoch_with_more_metrics_than_fit_takes_lines_of_100_columns():
    names = ["loss", "accuracy", "iou", "class_loss", "box_loss"]
    row = {"epoch": 30} | {f"{part}_{name}": 12.3456 for part in ("train", "val") for name in names}
    lines = describe(row | {"seconds": 1234.5, "images_per_second": 99999.0}, epochs=30).splitlines()
    assert lines[0] == "epoch 30/30  |  1234.5 s, 99999 img/s"
    assert [line.split(": ")[0].strip() for line in lines[1:]] == ["training", "validation"]
    assert max(map(len, lines)) <= 100
    many = row | {f"train_metric_number_{i}": 0.5 for i in range(20)} | {"seconds": 1.0, "images_per_second": 1.0}
    assert max(map(len, describe(many, epochs=30).splitlines())) <= 100


@pytest.mark.parametrize(("metric", "best"), [("loss", 2), ("accuracy", 1)])
def test_best_epoch_is_the_first_with_the_smallest_loss_or_the_largest_metric(metric, best):
    values = {"loss": (2.0, 1.0, 1.0, math.nan), "accuracy": (0.7, 0.5, 0.7, math.nan)}[metric]
    history = [{"epoch": epoch, f"val_{metric}": value} for epoch, value in enumerate(values, start=1)]
    assert best_epoch(history, metric)["epoch"] == best


@pytest.mark.parametrize("name", ["loss", "val_loss", "mae", "train_rmse", "top1_error", "MSE"])
def test_less_of_an_error_is_better(name):
    assert direction(name) == (name, -1) and direction((name, "max")) == (name, 1)


@pytest.mark.parametrize("metric", [("loss", "least"), ("loss",), 3])
def test_a_metric_of_another_form_is_refused(metric):
    with pytest.raises(ValueError, match="expected a metric as"):
        direction(metric)


def test_history_without_the_metric_has_no_best_epoch():
    assert best_epoch([{"epoch": 1}, {"epoch": 2, "val_iou": math.nan}], "iou") is None
