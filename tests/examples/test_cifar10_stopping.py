"""The main job in processes of its own that are stopped and go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.train import read_checkpoint

REPOSITORY = Path(__file__).parents[2]
# The default network: batch norm, dropout, augmentation. Five steps an epoch.
STEPS = ["--data", "digits", "--limit", "60", "--batch-size", "10", "--epochs", "3"]


def start(*arguments) -> subprocess.Popen:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "examples.cifar10", *map(str, arguments)],
        cwd=REPOSITORY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def stop_in_second_epoch(process: subprocess.Popen, number: int) -> str:
    """Send a signal when the first epoch is over; return what the process says about it."""
    for line in process.stdout:
        if line.startswith("epoch 1/3"):
            process.send_signal(number)
            break
    return process.communicate(timeout=60)[1]


def results(folder) -> tuple:
    """Weights, momentum, random state, … of a run, and its history without times."""
    saved = read_checkpoint(folder / "checkpoint.safetensors")
    arrays = {name: (value.dtype.str, value.tobytes()) for name, value in saved["model"].items()}
    momentum = [entry["momentum_buffer"].tobytes() for entry in saved["optimizer"]["state"]]
    times = ("seconds", "images_per_second")
    history = [{name: value for name, value in row.items() if name not in times} for row in saved["history"]]
    return arrays, momentum, history, saved["random"], saved["step"], (folder / "report.json").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    process = start(*STEPS, "--out", folder)
    assert process.communicate(timeout=120) and process.returncode == 0
    return results(folder)


def test_run_resumed_after_a_kill_is_bit_identical(tmp_path, uninterrupted):
    process = start(*STEPS, "--out", tmp_path)
    stop_in_second_epoch(process, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "report.json").exists()
    leftover = tmp_path / ".checkpoint.0123abcd.tmp.safetensors"  # what a kill leaves while a checkpoint is written
    leftover.touch()
    again = start(*STEPS, "--out", tmp_path, "--resume")
    assert "epoch 1/3" not in again.communicate(timeout=120)[0] and again.returncode == 0
    assert results(tmp_path) == uninterrupted and not leftover.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_resumed_by_the_command_that_ctrl_c_names_is_bit_identical(tmp_path, uninterrupted, number):
    folder = tmp_path / "a run"
    process = start(*STEPS, "--out", folder)
    message = stop_in_second_epoch(process, number)
    assert process.returncode == 128 + number and "Traceback" not in message
    assert "everything is saved. Go on with:" in message
    step = read_checkpoint(folder / "checkpoint.safetensors")["step"]
    # the signal may still meet the end of the first epoch; test_train_resume.py stops at chosen steps
    places = {5: "stopped after epoch 1;"} | {k: f"stopped in epoch 2 after step {k};" for k in range(6, 15)}
    assert places[step] in message
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    pasted = message.splitlines()[-1]
    subprocess.run(pasted, shell=True, check=True, cwd=REPOSITORY, env=environment, capture_output=True, timeout=120)
    assert results(folder) == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_run_that_is_stopped_while_it_measures_is_finished_by_the_command_it_names(tmp_path, uninterrupted, number):
    process = start(*STEPS, "--out", tmp_path)
    for line in process.stdout:
        if line.startswith("epoch 3/3"):
            while not (tmp_path / "report.json").exists():  # then it draws
                pass
            process.send_signal(number)
            break
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number and "Traceback" not in message
    assert "The training is done and saved, measures and pictures are not complete. Go on with:" in message
    assert not (tmp_path / "history.png").exists()
    subprocess.run(message.splitlines()[-1], shell=True, check=True, cwd=REPOSITORY, capture_output=True, timeout=120)
    assert results(tmp_path) == uninterrupted and (tmp_path / "history.png").exists()
