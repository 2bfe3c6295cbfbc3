from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from minigrad.train import TrainingDiverged, TrainingInterrupted, read_checkpoint
from tests.training_run import (
    STEPS,
    at_step,
    become_nan,
    build,
    contents,
    crash,
    objective,
    press_ctrl_c,
    resumed,
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    build(folder).fit()
    return contents(folder)


# ---- stopping and going on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, STEPS, STEPS + 1, 2 * STEPS - 1, 2 * STEPS])
def test_run_resumed_after_ctrl_c_is_bit_identical(tmp_path, uninterrupted, step):
    with pytest.raises(TrainingInterrupted, match=f"after step {step}$"):
        build(tmp_path, at_step(step, press_ctrl_c)).fit()
    assert read_checkpoint(tmp_path / "checkpoint.safetensors")["step"] == step
    resumed(tmp_path).fit()
    assert contents(tmp_path) == uninterrupted


def randomly_validated(folder, objective=objective):
    trainer = build(folder, objective)
    trainer.val_loader.shuffle, trainer.val_loader.transform = True, trainer.train_loader.transform
    return trainer


def test_a_resumed_run_validates_as_the_uninterrupted_one_also_at_random_and_whatever_the_seed(tmp_path):
    randomly_validated(tmp_path / "whole").fit()
    stopped = randomly_validated(tmp_path, at_step(STEPS + 1, press_ctrl_c))
    with pytest.raises(TrainingInterrupted):
        stopped.fit()
    other = randomly_validated(tmp_path)
    other.val_loader.seed, other.val_loader.epoch = 77, 5
    other.resume(read_checkpoint(other.checkpoint_path))
    other.fit()
    assert contents(tmp_path) == contents(tmp_path / "whole")


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


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows sends neither")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_sigterm_and_a_terminal_that_is_closed_save_like_ctrl_c(tmp_path, uninterrupted, name):
    number = getattr(signal, name)
    with pytest.raises(TrainingInterrupted, match="after step 3$") as stop:
        build(tmp_path, at_step(3, lambda _: signal.raise_signal(number))).fit()
    assert stop.value.signal == number
    resumed(tmp_path).fit()
    assert contents(tmp_path) == uninterrupted


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows sends neither")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_that_is_ignored_from_the_start_stays_ignored(tmp_path, name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert len(build(tmp_path, at_step(3, lambda _: signal.raise_signal(number))).fit()) == 2
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_what_a_kill_left_beside_the_checkpoints_is_removed_and_nothing_else(tmp_path):
    names = [".checkpoint.0123abcd.tmp.safetensors", ".best.0123abcd.tmp.safetensors", ".other.0123abcd.tmp.png"]
    for name in names:
        (tmp_path / name).touch()

    def look(trainer):
        assert [path.name for path in tmp_path.iterdir()] == names[2:]

    build(tmp_path, at_step(1, look)).fit()


def test_signal_while_the_stream_is_writing_is_no_error(tmp_path, monkeypatch):
    def busy(*_):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stdout>'>")

    monkeypatch.setattr("sys.stdout.write", busy)
    with pytest.raises(TrainingInterrupted):
        build(tmp_path, at_step(1, press_ctrl_c)).fit()


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


def test_finished_run_goes_on_with_the_schedule_stretched(tmp_path):
    build(tmp_path, epochs=2).fit()
    trainer = resumed(tmp_path, epochs=4)
    planned = build(tmp_path / "other", epochs=4).schedule
    assert trainer.optimizer.param_groups[0]["lr"] == planned.lr_at(2 * STEPS, 0.05) > 0.01
    history = trainer.fit()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history[-1]["lr"] == planned.lr_at(4 * STEPS - 1, 0.05) < 1e-5


def test_best_epoch_is_remembered_when_a_run_goes_on(tmp_path, monkeypatch):
    measured = iter([{"loss": 1.0}, {"loss": 2.0}, {"loss": 3.0}])
    monkeypatch.setattr("minigrad.train.evaluate", lambda *_: next(measured))
    build(tmp_path, epochs=2, best="loss").fit()
    resumed(tmp_path, epochs=3, best="loss").fit()
    assert len(read_checkpoint(tmp_path / "best.safetensors")["history"]) == 1


LINEAR_LAYERS = """
import hashlib, sys, numpy as np, minigrad as mg
from minigrad import nn, ops, optim
folder, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mg.manual_seed(0)
model = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
optimizer = optim.Adam(model.parameters(), lr=1e-3)
if first:
    saved = mg.load(folder + "/state.safetensors")
    model.load_state_dict(saved["model"]), optimizer.load_state_dict(saved["optimizer"])
for step in range(first, last):
    x = mg.Tensor(np.random.default_rng(step).standard_normal((16, 1024), dtype=np.float32))
    loss = ops.cross_entropy(model(x), np.arange(16) % 10)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
mg.save(folder + "/state.safetensors", {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in model.parameters())).hexdigest())
"""


def test_linear_layers_resumed_in_another_process_are_bit_identical(tmp_path):
    def run(first, last):
        return subprocess.run(
            [sys.executable, "-c", LINEAR_LAYERS, str(tmp_path), str(first), str(last)],
            env=os.environ | {"OPENBLAS_NUM_THREADS": "2", "MINIGRAD_NUM_THREADS": "2"},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    uninterrupted = run(0, 6)
    run(0, 3)
    assert run(3, 6) == uninterrupted
