from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, nn, ops, optim
from minigrad.callbacks import EarlyStopping
from minigrad.data import DataLoader, TensorDataset
from minigrad.train import (
    READ_EVERY,
    Means,
    Trainer,
    TrainingDiverged,
    TrainingInterrupted,
    evaluate,
    predict,
    read_checkpoint,
)
from tests import strict_cupy
from tests.training_run import PICTURES, STEPS, at_step, become_nan, build, objective, press_ctrl_c, resumed

# ---- what the loop does ----------------------------------------------------------------------------------------------


def test_history_has_a_row_of_finite_numbers_for_each_epoch(tmp_path):
    trainer = build(tmp_path)
    history = trainer.fit()
    assert [row["epoch"] for row in history] == [1, 2]
    columns = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "lr_max", "seconds"]
    assert list(history[0]) == [*columns, "images_per_second"]
    assert all(math.isfinite(value) for row in history for value in row.values())
    assert history[1]["val_loss"] == evaluate(trainer.model, objective, trainer.val_loader)["loss"]


def test_history_has_the_learning_rate_that_the_last_step_of_each_epoch_used(tmp_path):
    used = []
    trainer = build(tmp_path)
    step = trainer.optimizer.step

    def watched():
        used.append(trainer.optimizer.param_groups[0]["lr"])
        step()

    trainer.optimizer.step = watched
    history = trainer.fit()
    assert [row["lr"] for row in history] == [used[STEPS - 1], used[2 * STEPS - 1]]
    assert [row["lr_max"] for row in history] == [max(used[:STEPS]), max(used[STEPS:])]
    assert len(set(used)) == 2 * STEPS  # so that no other step's rate would do


def test_training_fits_the_training_pictures(tmp_path):
    history = build(tmp_path, epochs=10).fit()
    assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]


def test_run_on_a_device_stays_there_and_resumes(tmp_path, device):
    with pytest.raises(TrainingInterrupted):
        build(tmp_path, at_step(7, press_ctrl_c), device=device).fit()
    trainer = resumed(tmp_path, device=device)
    assert len(trainer.fit()) == 2
    whole = build(tmp_path / "whole", device=device)
    whole.fit()
    expected = whole.model.state_dict()
    for name, value in trainer.model.state_dict().items():  # dropout's masks, too, went on where they were
        np.testing.assert_array_equal(value, expected[name])
    assert {p.device.partition(":")[0] for p in trainer.model.parameters()} == {device}


def test_device_is_read_every_few_steps_and_at_the_end_of_an_epoch_only(tmp_path, device):
    reads = []  # before each step

    def watched(model, batch):
        reads.append(strict_cupy.host_reads.count)
        return objective(model, batch)

    trainer = build(tmp_path, watched, device=device, epochs=1, batch=1, max_grad_norm=5.0)
    before = strict_cupy.host_reads.count
    trainer._train_epoch()
    reads.append(strict_cupy.host_reads.count)
    after_step = {step for step in range(1, PICTURES + 1) if reads[step] > reads[step - 1]}
    assert after_step <= set(range(READ_EVERY, PICTURES + 1, READ_EVERY))
    assert reads[-1] - before <= PICTURES / READ_EVERY  # one transfer each, for all numbers together


def test_gradients_are_clipped_to_the_norm(tmp_path):
    trainer = build(tmp_path, epochs=1, max_grad_norm=1e-3)
    trainer.fit()
    norm = math.sqrt(sum(float((p.grad * p.grad).sum().item()) for p in trainer.model.parameters()))
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_means_are_weighted_by_batch_size(device):
    means = Means()
    for loss, size in ((1.0, 3), (5.0, 1)):
        means.add("here", size, Tensor(loss, device=device), {"accuracy": Tensor(loss / 10, device=device)})
    assert means.read() == pytest.approx({"loss": 2.0, "accuracy": 0.2})
    assert means.read() == pytest.approx({"loss": 2.0, "accuracy": 0.2})  # nothing is counted twice


def test_means_keep_no_graph():
    means, weight = Means(), Tensor(2.0, requires_grad=True)
    means.add("here", 1, weight * weight, {})
    assert means._unread[0][2]["loss"].node is None


@pytest.mark.parametrize("training", [True, False])
def test_evaluate_measures_in_evaluation_mode_and_restores_the_mode(tmp_path, training):
    trainer = build(tmp_path)
    model = trainer.model.train(training)
    first = evaluate(model, objective, trainer.val_loader)
    assert model.training == training
    assert evaluate(model, objective, trainer.val_loader) == first  # no dropout, no moving statistics


def test_loaders_without_batches_are_refused(tmp_path):
    trainer = build(tmp_path)
    nothing = DataLoader(np.zeros((0, 2), np.float32))
    with pytest.raises(ValueError, match="evaluate: expected at least one batch"):
        evaluate(trainer.model, objective, nothing)
    for loaders in ((nothing, None), (trainer.train_loader, nothing)):
        with pytest.raises(ValueError, match="Trainer: expected at least one batch, (train|val)_loader has none"):
            Trainer(trainer.model, trainer.optimizer, objective, *loaders)


def test_predict_returns_outputs_and_labels_in_order(tmp_path, device):
    trainer = build(tmp_path, device=device)
    outputs, (labels,) = predict(trainer.model, trainer.val_loader)
    np.testing.assert_array_equal(labels, trainer.val_loader.dataset.arrays[1])
    single = DataLoader(trainer.val_loader.dataset, 1, transform=trainer.val_loader.transform, device=device)
    trainer.model.eval()
    one_by_one = np.concatenate([trainer.model(images).detach().numpy() for images, _ in single])
    np.testing.assert_allclose(outputs, one_by_one, rtol=1e-4, atol=1e-5)
    assert isinstance(outputs, np.ndarray) and outputs.shape == (10, 3)


def test_predict_returns_each_of_several_outputs(tmp_path, device):
    class Pair(nn.Module):
        def forward(self, x):
            return x.mean(axis=(1, 2, 3)), x[:, :2, 0, 0]

    loader = build(tmp_path, device=device).val_loader
    outputs, (labels,) = predict(Pair(), loader)
    assert isinstance(outputs, tuple) and [x.shape for x in outputs] == [(10,), (10, 2)] and labels.shape == (10,)
    images = np.concatenate([images.numpy() for images, _ in loader])
    np.testing.assert_allclose(outputs[0], images.mean(axis=(1, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(outputs[1], images[:, :2, 0, 0])


@pytest.mark.parametrize("training", [True, False])
def test_predict_refuses_a_loader_without_batches_and_restores_the_mode(training):
    model = nn.Linear(3, 2).train(training)
    for loader in (DataLoader(TensorDataset(np.zeros((0, 3), np.float32))),
                   DataLoader(TensorDataset(np.zeros((2, 3), np.float32)), batch_size=4, drop_last=True)):  # fmt: skip
        with pytest.raises(ValueError, match="predict: expected a loader with at least one batch"):
            predict(model, loader)
    assert model.training is training


# ---- the best epoch --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 2), ("loss", 3), ("val_loss", 3), (("accuracy", "min"), 1)])
def test_best_epoch_is_kept_beside_the_last(tmp_path, monkeypatch, metric, best):
    measured = iter([(3.0, 0.5), (2.0, 0.7), (1.0, 0.7), (4.0, math.nan)])
    monkeypatch.setattr(
        "minigrad.train.evaluate", lambda *_: dict(zip(("loss", "accuracy"), next(measured), strict=True))
    )
    trainer = build(tmp_path, epochs=4, best=metric)
    trainer.fit()
    assert len(read_checkpoint(trainer.best_path)["history"]) == best
    assert len(read_checkpoint(trainer.checkpoint_path)["history"]) == 4


def test_best_metric_that_is_not_measured_is_named(tmp_path):
    with pytest.raises(KeyError, match="best='iou', but the validation measured loss, accuracy"):
        build(tmp_path, best="iou").fit()


# ---- what a run can do without ---------------------------------------------------------------------------------------


def line_through(points=12, **options):
    """A trainer that fits y = 3x on plain arrays."""
    x = np.linspace(-1, 1, points, dtype=np.float32).reshape(-1, 1)
    model = nn.Linear(1, 1)
    options = {"objective": lambda model, batch: ops.mse_loss(model(batch[0]), batch[1]), "epochs": 3} | options
    return Trainer(model, optim.SGD(model.parameters(), 0.3), train_loader=DataLoader((x, 3 * x), 4, seed=0), **options)


def test_a_run_needs_no_validation_no_metrics_and_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    history = line_through().fit()
    assert list(history[0]) == ["epoch", "train_loss", "lr", "lr_max", "seconds", "images_per_second"]
    assert history[2]["train_loss"] < history[0]["train_loss"]
    assert list(tmp_path.iterdir()) == []
    assert "validation" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.array(0.5), 1 / 2, Tensor(0.5), Tensor([0.5])])
def test_metrics_may_be_any_kind_of_number(value):
    trainer = line_through(objective=lambda model, batch: (ops.mse_loss(model(batch[0]), batch[1]), {"share": value}))
    assert trainer.fit()[0]["train_share"] == 0.5


def test_metrics_on_a_device_may_be_floats(tmp_path, device):
    def measured(model, batch):
        loss, _ = objective(model, batch)
        return loss, {"accuracy": 0.25}

    assert build(tmp_path, measured, device=device).fit()[0]["val_accuracy"] == 0.25


@pytest.mark.parametrize(
    ("result", "error"),
    [(Tensor([1.0, 2.0]), r"one number as loss.*\(2,\)"), (3.0, "a Tensor.*float"), (None, "NoneType")],
)
def test_an_objective_that_returns_no_loss_is_named(result, error):
    with pytest.raises((TypeError, ValueError), match=f"objective: expected .*{error}"):
        line_through(objective=lambda model, batch: result).fit()


@pytest.mark.parametrize(
    ("metrics", "error"),
    [({"share": "x"}, "one number as share, got 'x'"), ({"share": None}, "one number as share, got None"),
     ({"share": np.ones(2)}, r"one number as share, got array"), (0.5, "the metrics as a dict of numbers, got float")],
)  # fmt: skip
def test_a_metric_that_is_no_number_is_named(metrics, error):
    with pytest.raises(TypeError, match=f"objective: expected {error}"):
        line_through(objective=lambda model, batch: (ops.mse_loss(model(batch[0]), batch[1]), metrics)).fit()


def test_what_a_trainer_cannot_use_is_refused_at_once(tmp_path):
    x = np.zeros((3, 1), np.float32)
    model = nn.Linear(1, 1)
    wanted = {"train_loader": DataLoader((x, x)), "optimizer": optim.SGD(model.parameters(), 0.1)}
    (tmp_path / "file").touch()
    for error, message, options in (
        (TypeError, "expected a DataLoader as train_loader, got tuple", {"train_loader": (x, x)}),
        (TypeError, "expected a DataLoader as val_loader, got ndarray", {"val_loader": x}),
        (
            ValueError,
            "3 items in batches of 4, loader.drop_last=True",
            {"val_loader": DataLoader(x, 4, drop_last=True)},
        ),
        (TypeError, r"callbacks as a list of functions", {"callbacks": EarlyStopping()}),
        (TypeError, r"callbacks as a list of functions", {"callbacks": [3]}),
        (ValueError, "best='loss' needs a folder", {"best": "loss"}),
        (ValueError, "best='loss' needs a val_loader", {"best": "loss", "folder": tmp_path}),
        (NotADirectoryError, "file is a file", {"folder": tmp_path / "file"}),
        (NotADirectoryError, "file is a file", {"folder": tmp_path / "file" / "runs"}),
    ):
        with pytest.raises(error, match=f"Trainer: .*{message}"):
            Trainer(model, objective=objective, **wanted | options)


def test_without_a_folder_ctrl_c_stops_all_the_same(capsys):
    def pressed(model, batch):
        press_ctrl_c()
        return ops.mse_loss(model(batch[0]), batch[1])

    with pytest.raises(TrainingInterrupted):
        line_through(objective=pressed).fit()


# ---- callbacks -------------------------------------------------------------------------------------------------------


def test_a_callback_sees_every_epoch_and_can_stop(tmp_path):
    seen = []

    def watch(trainer, row):
        seen.append((row["epoch"], read_checkpoint(trainer.checkpoint_path)["step"]))
        if row["epoch"] == 2:
            trainer.stop("two are enough")

    assert len(line_through(epochs=5, folder=tmp_path, callbacks=[watch]).fit()) == 2
    assert seen == [(1, 3), (2, 6)]


def test_a_callback_may_stop_without_a_reason(capsys):
    assert len(line_through(epochs=5, callbacks=[lambda trainer, row: trainer.stop()]).fit()) == 1
    assert capsys.readouterr().out.endswith("stopped after epoch 1\n")


def test_a_callback_cannot_change_the_row_that_was_saved():
    def watch(trainer, row):
        row["test"] = 1.0

    with pytest.raises(TypeError, match="does not support item assignment"):
        line_through(callbacks=[watch]).fit()


@pytest.mark.parametrize(
    ("metric", "values", "epochs"),
    [("val_loss", [3, 2, 2, 2, 1], 4), ("val_loss", [3, 2, 2, 1, 1], 5), ("accuracy", [1, 2, 1, 1, 3], 4),
     ("val_mae", [3, 2, 1, 1, 1], 5), ("mae", [3, 2, 1, 1, 1], 5), (("miles", "min"), [3, 2, 1, 1, 1], 5),
     ("val_loss", [math.nan, 1, 1, 1], 4)],
)  # fmt: skip
def test_early_stopping_waits_for_a_better_value(metric, values, epochs):
    trainer, stop = line_through(), EarlyStopping(metric, patience=2)
    for value in values:
        if trainer._stopped:
            break
        name = metric if isinstance(metric, str) else metric[0]
        trainer.history.append({f"val_{name.removeprefix('val_')}": value})
        stop(trainer, trainer.history[-1])
    assert len(trainer.history) == epochs


def test_early_stopping_ends_a_run():
    assert len(line_through(epochs=50, callbacks=[EarlyStopping("train_loss", 2, min_delta=1e9)]).fit()) == 3


def test_early_stopping_names_what_there_is():
    with pytest.raises(KeyError, match="no 'val_loss', but epoch, train_loss"):
        line_through(callbacks=[EarlyStopping("val_loss")]).fit()
    with pytest.raises(ValueError, match="patience >= 1"):
        EarlyStopping(patience=0)


# ---- a loss that is no number ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [STEPS + 1, STEPS + 3, 2 * STEPS])
def test_nan_stops_the_run_with_the_step_and_keeps_the_last_checkpoint(tmp_path, step):
    with pytest.raises(TrainingDiverged, match=f"the loss became nan at step {step}$"):
        build(tmp_path, at_step(step, become_nan)).fit()
    saved = read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert saved["step"] == STEPS
    assert all(np.isfinite(array).all() for array in saved["model"].values())


def test_nan_in_validation_is_named_as_such(tmp_path):
    with pytest.raises(TrainingDiverged, match=r"nan at validation batch 2$"):
        build(tmp_path, at_step(2, become_nan, when_training=False)).fit()
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_ctrl_c_at_a_nan_does_not_save_it(tmp_path):
    def both(loss):
        press_ctrl_c()
        return loss * math.nan

    with pytest.raises(TrainingDiverged):
        build(tmp_path, at_step(STEPS + 2, both)).fit()
    assert read_checkpoint(tmp_path / "checkpoint.safetensors")["step"] == STEPS


def test_infinite_loss_stops_the_run(tmp_path):
    with pytest.raises(TrainingDiverged, match=r"the loss became inf at step 1$"):
        build(tmp_path, at_step(1, lambda loss: loss + math.inf)).fit()
