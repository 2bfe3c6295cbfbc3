from __future__ import annotations

import math
import signal
import threading
from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from datasets.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip
from minigrad import Tensor, nn, ops, optim
from minigrad.data import DataLoader, TensorDataset
from minigrad.serialize import CheckpointError
from minigrad.train import (
    READ_EVERY,
    Means,
    Trainer,
    TrainingDiverged,
    TrainingInterrupted,
    describe,
    evaluate,
    predict,
    read_checkpoint,
)
from tests import strict_cupy

PICTURES, BATCH = 40, 8
STEPS = PICTURES // BATCH  # of an epoch


class Net(nn.Module):
    """Everything with a memory of its own: running statistics, dropout's random numbers, momentum (in the optimizer)."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(width * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = ops.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.head(self.dropout(x.flatten(1)))


def objective(model, batch):
    images, labels = batch
    logits = model(images)
    hits = (logits.detach().argmax(axis=1) == labels).astype(np.float32)
    return ops.cross_entropy(logits, labels), {"accuracy": hits.mean()}


def build(folder, objective=objective, device="cpu", epochs=2, batch=BATCH, width=4, **options) -> Trainer:
    mg.manual_seed(3)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, PICTURES + 10)
    pictures = rng.integers(0, 100, (PICTURES + 10, 3, 8, 8), dtype=np.uint8)
    pictures += (70 * labels).astype(np.uint8).reshape(-1, 1, 1, 1)  # brighter from class to class
    normalize = Normalize([0.5] * 3, [0.25] * 3)
    augment = Compose([RandomCrop(8, padding=1), RandomHorizontalFlip(), normalize])
    training = TensorDataset(pictures[:PICTURES], labels[:PICTURES])
    train_loader = DataLoader(training, batch, shuffle=True, transform=augment, seed=5, num_workers=1, device=device)
    validation = TensorDataset(pictures[PICTURES:], labels[PICTURES:])
    val_loader = DataLoader(validation, 4, transform=normalize, device=device)
    model = Net(width).to(device)
    optimizer = optim.SGD(list(model.parameters()), 0.05, momentum=0.9, nesterov=True)
    schedule = optim.OneCycleLR(optimizer, 0.05, total_steps=epochs * len(train_loader))
    return Trainer(model, optimizer, objective, train_loader, val_loader, epochs, folder, schedule, **options)


def at_step(step, action, when_training=True):
    """The objective, which calls `action(loss)` at one step (or validation batch), counted from 1."""
    calls = Counter()

    def wrapped(model, batch):
        loss, metrics = objective(model, batch)
        calls[model.training] += 1
        if model.training == when_training and calls[when_training] == step:
            loss = action(loss) or loss
        return loss, metrics

    return wrapped


def press_ctrl_c(_loss=None):
    signal.raise_signal(signal.SIGINT)


def become_nan(loss):
    return loss * math.nan


def crash(_loss):
    raise OSError("power cut")


def contents(folder):
    """A checkpoint as `path -> bytes or value`, without the times."""
    flat = {}

    def walk(path, node):
        if isinstance(node, dict):
            for name, value in node.items():
                walk(f"{path}/{name}", value)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                walk(f"{path}/{index}", value)
        elif isinstance(node, np.ndarray):
            flat[path] = (node.dtype, node.shape, node.tobytes())
        elif not path.endswith(("/seconds", "/images_per_second")):
            flat[path] = node

    walk("", read_checkpoint(folder / "checkpoint.safetensors"))
    return flat


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    build(folder).fit()
    return contents(folder)


def resumed(folder, **options) -> Trainer:
    trainer = build(folder, **options)
    trainer.resume(read_checkpoint(trainer.checkpoint_path))
    return trainer


# ---- stopping and going on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, STEPS, STEPS + 1, 2 * STEPS - 1, 2 * STEPS])
def test_run_resumed_after_ctrl_c_is_bit_identical(tmp_path, uninterrupted, step):
    with pytest.raises(TrainingInterrupted, match=f"after step {step}$"):
        build(tmp_path, at_step(step, press_ctrl_c)).fit()
    assert read_checkpoint(tmp_path / "checkpoint.safetensors")["step"] == step
    resumed(tmp_path).fit()
    assert contents(tmp_path) == uninterrupted


def test_run_resumed_several_times_is_bit_identical(tmp_path, uninterrupted):
    with pytest.raises(TrainingInterrupted):
        build(tmp_path, at_step(2, press_ctrl_c)).fit()
    for _ in range(3):
        with pytest.raises(TrainingInterrupted):
            resumed(tmp_path, objective=at_step(2, press_ctrl_c)).fit()
    resumed(tmp_path).fit()
    assert contents(tmp_path) == uninterrupted


@pytest.mark.parametrize("step", [STEPS + 1, STEPS + 3, 2 * STEPS])
def test_run_resumed_after_a_crash_repeats_from_the_last_epoch_bit_identically(tmp_path, uninterrupted, step):
    with pytest.raises(OSError, match="power cut"):
        build(tmp_path, at_step(step, crash)).fit()
    assert read_checkpoint(tmp_path / "checkpoint.safetensors")["step"] == STEPS
    resumed(tmp_path).fit()
    assert contents(tmp_path) == uninterrupted


@pytest.mark.parametrize(("batch", "epoch"), [(1, 1), (6, 2)])
def test_ctrl_c_in_validation_finishes_the_epoch_and_stops(tmp_path, uninterrupted, batch, epoch):
    trainer = build(tmp_path, at_step(batch, press_ctrl_c, when_training=False))
    with pytest.raises(TrainingInterrupted, match=f"after epoch {epoch}$"):
        trainer.fit()
    assert trainer.step == epoch * STEPS
    resumed(tmp_path).fit()
    assert contents(tmp_path) == uninterrupted


def test_second_ctrl_c_stops_at_once_and_saves_nothing(tmp_path):
    def press_twice(_loss):
        press_ctrl_c()
        press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, at_step(2, press_twice)).fit()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("action", "error"), [(press_ctrl_c, TrainingInterrupted), (become_nan, TrainingDiverged), (crash, OSError)]
)
def test_worker_threads_end_and_ctrl_c_is_restored_however_the_run_ends(tmp_path, action, error):
    handler, threads = signal.getsignal(signal.SIGINT), set(threading.enumerate())
    with pytest.raises(error) as held:  # and with the exception the frames of the loop
        build(tmp_path, at_step(2, action)).fit()
    assert held.value.__traceback__ is not None and signal.getsignal(signal.SIGINT) is handler
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not [name for name in left if name.startswith("DataLoader")]


def test_resuming_a_finished_run_trains_no_further(tmp_path, uninterrupted):
    build(tmp_path).fit()
    trainer = resumed(tmp_path, objective=at_step(1, crash))
    assert len(trainer.fit()) == 2
    assert contents(tmp_path) == uninterrupted


def test_run_repeats_bit_for_bit_and_differs_with_another_seed(tmp_path, uninterrupted):
    build(tmp_path / "again").fit()
    assert contents(tmp_path / "again") == uninterrupted
    other = build(tmp_path / "other")
    other.train_loader.seed = 6
    other.fit()
    assert contents(tmp_path / "other")["/model/conv.weight"] != uninterrupted["/model/conv.weight"]


def test_model_left_in_evaluation_mode_is_trained_in_training_mode(tmp_path, uninterrupted):
    trainer = build(tmp_path)
    trainer.model.eval()
    trainer.fit()
    assert contents(tmp_path) == uninterrupted


def test_fit_works_outside_the_main_thread(tmp_path, uninterrupted):
    thread = threading.Thread(target=build(tmp_path).fit)
    thread.start()
    thread.join()
    assert contents(tmp_path) == uninterrupted


# ---- a loss that is no number ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [STEPS + 1, STEPS + 3, 2 * STEPS])
def test_nan_stops_the_run_with_the_step_and_keeps_the_last_checkpoint(tmp_path, step):
    with pytest.raises(TrainingDiverged, match=f"the loss became nan at step {step}$"):
        build(tmp_path, at_step(step, become_nan)).fit()
    saved = read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert saved["step"] == STEPS
    assert all(np.isfinite(array).all() for array in saved["model"].values())


def test_nan_in_validation_is_named_as_such(tmp_path):
    with pytest.raises(TrainingDiverged, match="nan at validation batch 2$"):
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
    with pytest.raises(TrainingDiverged, match="the loss became inf at step 1$"):
        build(tmp_path, at_step(1, lambda loss: loss + math.inf)).fit()


# ---- checkpoints that do not fit -------------------------------------------------------------------------------------


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


# ---- what the loop does ----------------------------------------------------------------------------------------------


def test_history_has_a_row_of_finite_numbers_for_each_epoch(tmp_path):
    trainer = build(tmp_path)
    history = trainer.fit()
    assert [row["epoch"] for row in history] == [1, 2]
    columns = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    assert list(history[0]) == [*columns, "images_per_second"]
    assert all(math.isfinite(value) for row in history for value in row.values())
    assert history[1]["val_loss"] == evaluate(trainer.model, objective, trainer.val_loader)["loss"]


def test_training_fits_the_training_pictures(tmp_path):
    history = build(tmp_path, epochs=10).fit()
    assert history[-1]["train_loss"] < 0.7 * history[0]["train_loss"]


def test_run_on_a_device_stays_there_and_resumes(tmp_path, device):
    with pytest.raises(TrainingInterrupted):
        build(tmp_path, at_step(7, press_ctrl_c), device=device).fit()
    trainer = resumed(tmp_path, device=device)
    assert len(trainer.fit()) == 2
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
        means.add("here", size, {"loss": Tensor(loss, device=device), "accuracy": Tensor(loss / 10, device=device)})
    assert means.read() == pytest.approx({"loss": 2.0, "accuracy": 0.2})
    assert means.read() == pytest.approx({"loss": 2.0, "accuracy": 0.2})  # nothing is counted twice


def test_means_keep_no_graph():
    means, weight = Means(), Tensor(2.0, requires_grad=True)
    means.add("here", 1, {"loss": weight * weight})
    assert means._unread[0][2]["loss"].node is None


@pytest.mark.parametrize("training", [True, False])
def test_evaluate_measures_in_evaluation_mode_and_restores_the_mode(tmp_path, training):
    trainer = build(tmp_path)
    model = trainer.model.train(training)
    first = evaluate(model, objective, trainer.val_loader)
    assert model.training == training
    assert evaluate(model, objective, trainer.val_loader) == first  # no dropout, no moving statistics


def test_predict_returns_outputs_and_labels_in_order(tmp_path, device):
    trainer = build(tmp_path, device=device)
    outputs, (labels,) = predict(trainer.model, trainer.val_loader)
    np.testing.assert_array_equal(labels, trainer.val_loader.dataset.arrays[1])
    single = DataLoader(trainer.val_loader.dataset, 1, transform=trainer.val_loader.transform, device=device)
    trainer.model.eval()
    one_by_one = np.concatenate([trainer.model(images).detach().numpy() for images, _ in single])
    np.testing.assert_allclose(outputs, one_by_one, rtol=1e-4, atol=1e-5)
    assert isinstance(outputs, np.ndarray) and outputs.shape == (10, 3)


def test_describe_tells_epoch_losses_and_speed():
    row = {"epoch": 2, "train_loss": 0.5, "train_accuracy": 0.8, "val_loss": 0.75, "lr": 0.1}
    text = describe(row | {"seconds": 3.21, "images_per_second": 123.4}, epochs=5)
    assert text == "epoch 2/5  |  training: loss 0.5000, accuracy 0.8000  |  validation: loss 0.7500  |  3.2 s, 123 img/s"
