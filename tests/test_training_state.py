"""What a training run saves can be read again; what nobody saved is refused by whoever reads it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.io.checkpoints import CheckpointError
from minigrad.train import TrainingDiverged, TrainingInterrupted, read_checkpoint
from tests.training_run import BATCH, STEPS, at_step, build, crash, objective, press_ctrl_c, resumed


def test_checkpoint_of_another_model_is_refused(tmp_path):
    build(tmp_path).fit()
    with pytest.raises(CheckpointError, match=r"does not fit this run: .*conv\.weight is \(4, 3, 3, 3\)"):
        resumed(tmp_path, width=5)


@pytest.mark.parametrize("options", [{"batch": 10}, {"epochs": 1}])
def test_checkpoint_of_other_steps_or_more_epochs_is_refused(tmp_path, options):
    build(tmp_path).fit()
    with pytest.raises(CheckpointError, match="does not fit this run"):
        resumed(tmp_path, **options)


@pytest.mark.parametrize("name", ["model", "optimizer", "schedule", "random", "loader", "epoch"])
def test_checkpoint_with_an_empty_part_is_refused(tmp_path, name):
    build(tmp_path, epochs=1).fit()
    checkpoint = read_checkpoint(tmp_path / "checkpoint.safetensors")
    with pytest.raises(CheckpointError, match="does not fit this run"):
        build(tmp_path, epochs=1).resume(checkpoint | {name: {}})


ROW = {
    "epoch": 1, "train_loss": 0.5, "val_loss": 0.5, "lr": 0.1, "lr_max": 0.1, "seconds": 1.0, "images_per_second": 9.0
}  # fmt: skip
EPOCH = {"totals": {}, "count": 0, "seconds": 0.0, "lr": 0.1, "lr_max": 0.1}
ARRAY = np.zeros(3)
WRONG = {
    "count that is text": {"epoch": EPOCH | {"count": "x"}},
    "totals that are a list": {"epoch": EPOCH | {"totals": [1]}},
    "totals of text": {"epoch": EPOCH | {"totals": {"loss": "x"}, "count": 8}},
    "totals of nothing": {"epoch": EPOCH | {"totals": {"loss": 1.0}}},
    "pictures without totals": {"epoch": EPOCH | {"count": 8}},
    "totals without a loss": {"epoch": EPOCH | {"totals": {"accuracy": 1.0}, "count": 8}},
    "loss in totals that is nan": {"epoch": EPOCH | {"totals": {"loss": math.nan}, "count": 8}},
    "metric that is an escape sequence": {"epoch": EPOCH | {"totals": {"loss": 1.0, "\x1b]0;x\x07": 1.0}, "count": 8}},
    "column that is an escape sequence": {"history": [ROW | {"train_\x1b]0;x\x07": 1.0}]},
    "seconds that are nan": {"epoch": EPOCH | {"seconds": math.nan}},
    "history of numbers": {"history": [1]}, "history of lists": {"history": [[]]}, "empty row": {"history": [{}]},
    "text in a row": {"history": [ROW | {"val_loss": "x"}]}, "array in a row": {"history": [ROW | {"lr": ARRAY}]},
    "another epoch": {"history": [ROW | {"epoch": 7}]}, "loss that is nan": {"history": [ROW | {"val_loss": math.nan}]},
    "huge number in a row": {"history": [ROW | {"val_accuracy": 2**2000}]},
    "groups that are arrays": {"optimizer": {"param_groups": [ARRAY], "state": []}},
    "groups that are numbers": {"optimizer": {"param_groups": 3, "state": []}},
    "options that are dictionaries": {"optimizer": {"param_groups": [{"lr": {}}], "state": []}},
    "state that is text": {"optimizer": {"param_groups": [], "state": ["x"]}},
    "no state": {"optimizer": {"param_groups": []}},
    "weights that are numbers": {"model": {"conv.weight": 3}},
    "negative step": {"step": -1}, "step that is true": {"step": True}, "huge step": {"step": 2**60},
    "settings that are numbers": {"config": [1]}, "schedule that is a number": {"schedule": 3},
    "loader of text": {"loader": {"seed": "x", "epoch": 0}}, "random numbers from nowhere": {"random": 5},
}  # fmt: skip


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_sound_files_of_wrong_content_are_refused_by_whoever_reads_them(tmp_path, change):
    build(tmp_path, epochs=1).fit()
    path = tmp_path / "checkpoint.safetensors"
    mg.save(path, read_checkpoint(path) | change)
    with pytest.raises(CheckpointError, match=f"{path}: .*not the checkpoint of a training run") as error:
        read_checkpoint(path)
    assert str(error.value).isprintable() and len(str(error.value)) < 700


def strange_metrics(model, batch):
    loss, _ = objective(model, batch)
    return loss, {"auc": math.nan, "ratio": math.inf, "Größe": np.float32(1), "": 2**60}


class Wandering(optim.LambdaLR):
    """A schedule with more to remember."""

    def state_dict(self):
        return super().state_dict() | {"place": [1, None, "x"]}


def change_history(trainer, row):
    trainer.history[-1] |= {"note": "x", "val_f1": np.float32(0.5), "box": [1, None]}


CONFIG = {
    "seed": 1753000000000000000, "clip": math.inf, "alpha": math.nan, "augment": {"flip": True}, "sizes": [[1, 2], [3]],
    "some": [None, 3, True], "mean": ARRAY, "small": np.float32(0.1),
}  # fmt: skip
SAVED = {
    "settings of all kinds": {"config": CONFIG}, "metrics that are no numbers": {"objective": strange_metrics},
    "rows that a callback changed": {"callbacks": [change_history]}, "no validation": {"val_loader": None},
    "another schedule": {"schedule": Wandering}, "infinite option": {"eps": math.inf},
    "option of NumPy's": {"momentum": np.float64(0.5)}, "rate below 0": {"momentum": 0.5, "lr": -0.1},
}  # fmt: skip


@pytest.mark.parametrize("step", [2, STEPS, STEPS + 3])
@pytest.mark.parametrize("options", SAVED.values(), ids=SAVED)
def test_every_saved_state_reads_back(tmp_path, options, step):
    def started():
        given = {name: value for name, value in options.items() if name in ("config", "callbacks")}
        trainer = build(tmp_path, at_step(step, press_ctrl_c, options.get("objective", objective)), **given)
        trainer.val_loader = options.get("val_loader", trainer.val_loader)
        if "schedule" in options:
            trainer.schedule = options["schedule"](trainer.optimizer, lambda t: 1.0)
        if "momentum" in options:
            trainer.schedule = None
            changed = {"nesterov": False, "momentum": options["momentum"], "lr": options.get("lr", 0.05)}
            trainer.optimizer.param_groups[0].update(changed)
        if "eps" in options:
            trainer.schedule, trainer.optimizer = None, optim.Adam(trainer.model.parameters(), eps=options["eps"])
        return trainer

    with pytest.raises(TrainingInterrupted):
        started().fit()
    saved = read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert saved["step"] == step and saved["config"].keys() == options.get("config", {}).keys()


def test_run_goes_on_with_other_metrics_and_its_checkpoint_reads_back(tmp_path):
    build(tmp_path, epochs=1).fit()
    trainer = build(tmp_path, lambda model, batch: objective(model, batch)[0], epochs=2)
    trainer.resume(read_checkpoint(trainer.checkpoint_path))
    trainer.fit()
    assert "val_accuracy" not in read_checkpoint(trainer.checkpoint_path)["history"][1]


def test_checkpoint_saved_by_hand_in_mid_epoch_holds_the_steps_so_far(tmp_path):
    trainer = build(tmp_path, at_step(3, lambda _: trainer.save_checkpoint()))
    next(iter(trainer.train_loader))  # looked at by somebody else
    trainer.fit()
    assert trainer.step == 2 * STEPS
    trainer = build(tmp_path, at_step(3, lambda _: (trainer.save_checkpoint(), crash(_))))
    with pytest.raises(OSError, match="power cut"):
        trainer.fit()
    saved = read_checkpoint(trainer.checkpoint_path)
    assert (saved["step"], saved["epoch"]["count"], saved["loader"]["epoch"]) == (2, 2 * BATCH, 1)
    build(tmp_path).resume(saved)


def test_what_cannot_be_saved_is_refused_before_the_work(tmp_path):
    with pytest.raises(TypeError, match="the entry 'config/device' is of type set"):
        build(tmp_path, config={"device": {"cpu"}})
    trainer = build(tmp_path, lambda model, batch: (objective(model, batch)[0], {"\x1b[2J": 1.0}))
    with pytest.raises(ValueError, match=r"expected printable text as the name of a metric, got '\\x1b\[2J'"):
        trainer.fit()
    assert trainer.step == 0


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    trainer = build(tmp_path, epochs=1)
    trainer.fit()
    trainer.history[0]["val_accuracy"] = "high"
    with pytest.raises(ValueError, match="history is not as a training run saves it"):
        trainer.save_checkpoint()
    read_checkpoint(trainer.checkpoint_path)


def test_losses_whose_sum_is_infinite_end_the_run(tmp_path):
    def huge(model, batch):
        return objective(model, batch)[0].astype(np.float64) * 0.0 + 1e308, {}

    with pytest.raises(TrainingDiverged, match="step 1"):
        build(tmp_path, huge, epochs=1).fit()


INCONSISTENT = {
    "nothing measured": {"epoch": EPOCH}, "schedule behind": {"schedule/step_count": 0},
    "schedule ahead": {"schedule/step_count": 5}, "rates that are text": {"schedule/base_lrs": "x"},
    "another epoch of the loader": {"loader/epoch": 0},
    "option that is a list": {"optimizer/param_groups/0/nesterov": [1]},
    "option that is nan": {"optimizer/param_groups/0/lr": math.nan}, "no steps": {"step": 0},
}  # fmt: skip


@pytest.mark.parametrize("change", INCONSISTENT.values(), ids=INCONSISTENT)
def test_state_whose_parts_contradict_each_other_is_refused_before_the_work(tmp_path, change):
    with pytest.raises(TrainingInterrupted):
        build(tmp_path, at_step(3, press_ctrl_c)).fit()
    saved = read_checkpoint(tmp_path / "checkpoint.safetensors")
    build(tmp_path).resume(saved)
    (path, value) = next(iter(change.items()))
    *parents, name = path.split("/")
    place = saved
    for parent in parents:
        place = place[int(parent) if isinstance(place, list) else parent]
    place[name] = value
    with pytest.raises(CheckpointError, match="does not fit this run"):
        build(tmp_path).resume(saved)


def test_schedule_that_was_stepped_before_the_run_goes_on(tmp_path):
    def started():
        trainer = build(tmp_path, at_step(3, press_ctrl_c))
        trainer.schedule = optim.OneCycleLR(trainer.optimizer, 0.05, total_steps=2 * STEPS + 1)
        trainer.schedule.step()
        return trainer

    with pytest.raises(TrainingInterrupted):
        started().fit()
    trainer = started()
    trainer.resume(read_checkpoint(trainer.checkpoint_path))
    trainer.objective = objective
    assert len(trainer.fit()) == 2 and trainer.schedule.step_count == 2 * STEPS + 1


def test_metrics_that_are_nan_do_not_cost_the_checkpoint(tmp_path):
    trainer = build(tmp_path, epochs=1)
    trainer.fit()
    trainer.history[0]["val_accuracy"] = math.nan
    trainer.save_checkpoint()
    assert math.isnan(read_checkpoint(trainer.checkpoint_path)["history"][0]["val_accuracy"])


@pytest.mark.parametrize("change", [{"step": "7"}, {"config": [1]}, {"history": None}, {"more": 1}])
def test_file_that_is_no_checkpoint_of_a_run_is_refused(tmp_path, change):
    build(tmp_path, epochs=1).fit()
    path = tmp_path / "checkpoint.safetensors"
    mg.save(path, read_checkpoint(path) | change)
    with pytest.raises(CheckpointError, match=f"{path}: .*not the checkpoint of a training run"):
        read_checkpoint(path)


def test_damaged_checkpoint_is_refused(tmp_path):
    build(tmp_path, epochs=1).fit()
    path = tmp_path / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum"):
        read_checkpoint(path)
