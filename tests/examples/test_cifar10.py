from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import datasets.cifar10
import minigrad as mg
from datasets import DatasetUnavailable
from examples import cifar10
from minigrad.train import read_checkpoint
from tests.datasets import fake_cifar10

PICTURES = cifar10.DRAWINGS
SMALL = ["--data", "digits", "--model", "lenet", "--limit", "60", "--epochs", "2", "--batch-size", "16"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a small finished run; tests must not change it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert cifar10.main([*SMALL, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def no_pictures(monkeypatch):
    """For tests that look at training alone: drawing takes the most time."""
    for name in ("confusion_matrix", "class_metrics", "gallery", "confident_errors", "filters", "history"):
        monkeypatch.setattr(f"minigrad.plots.plot_{name}", lambda *arguments: None)


def refused(capsys, *arguments) -> str:
    """Run with arguments that must be refused; return the message."""
    try:
        status = cifar10.main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in captured.err and "epoch 1" not in captured.out
    return captured.err


# ---- what a run leaves behind ----------------------------------------------------------------------------------------


def test_report_agrees_with_its_confusion_matrix(trained):
    report = json.loads((trained / "report.json").read_text())
    matrix = np.array(report["confusion_matrix"])
    assert matrix.sum() == report["samples"] == 355
    assert report["accuracy"] == pytest.approx(np.trace(matrix) / 355)
    for index, name in enumerate(report["classes"]):
        row = report["per_class"][name]
        right, called = matrix[index, index], matrix[:, index].sum()
        assert row["support"] == matrix[index].sum()
        assert row["recall"] == pytest.approx(right / row["support"])
        assert row["precision"] == pytest.approx(right / called if called else 0)
        assert row["f1"] == pytest.approx(2 * right / (row["support"] + called))
    for key in ("precision", "recall", "f1"):
        assert report["macro"][key] == pytest.approx(np.mean([row[key] for row in report["per_class"].values()]))


def test_history_has_a_line_for_each_epoch(trained):
    with open(trained / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    saved = read_checkpoint(trained / "checkpoint.safetensors")["history"]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == saved


def test_pictures_are_whole_png_files(trained):
    for name in PICTURES:
        with Image.open(trained / f"{name}.png") as picture:
            picture.load()
            assert picture.format == "PNG" and min(picture.size) > 200, name


def test_command_is_kept_and_nothing_unexpected_is_left(trained):
    command = shlex.split((trained / "command.txt").read_text())
    assert command[1:] == ["-m", "examples.cifar10", *SMALL, "--out", str(trained)]
    names = {
        "best.safetensors",
        "checkpoint.safetensors",
        "command.txt",
        "history.csv",
        "report.json",
        *(f"{name}.png" for name in PICTURES),
    }
    assert {path.name for path in trained.iterdir()} == names


@pytest.mark.usefixtures("no_pictures")
def test_run_tells_progress_metrics_and_paths(tmp_path, capsys):
    assert cifar10.main([*SMALL, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for words in (
        "epoch 2/2",
        "validation: loss",
        "img/s",
        "precision",
        "Macro-F1",
        "62,006",
        f"{tmp_path}/history.png",
    ):
        assert words in out
    accuracy = json.loads((tmp_path / "report.json").read_text())["accuracy"]
    assert f"{accuracy:.1%} of the 355 pictures" in out


def test_eval_only_measures_the_same_as_the_training_run(trained, tmp_path):
    checkpoint = trained / "checkpoint.safetensors"
    before = checkpoint.read_bytes()
    assert cifar10.main(["--checkpoint", str(checkpoint), "--eval-only", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.json").read_bytes() == (trained / "report.json").read_bytes()
    assert (tmp_path / "history.csv").read_bytes() == (trained / "history.csv").read_bytes()
    assert checkpoint.read_bytes() == before and not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.usefixtures("no_pictures")
def test_resuming_a_finished_run_only_measures_again(tmp_path, capsys):
    arguments = [*SMALL, "--out", str(tmp_path)]
    assert cifar10.main(arguments) == 0
    report, checkpoint = ((tmp_path / name).read_bytes() for name in ("report.json", "checkpoint.safetensors"))
    (tmp_path / "report.json").unlink()
    capsys.readouterr()
    for _ in range(2):
        assert cifar10.main([*arguments, "--resume"]) == 0
        assert "epoch 1" not in capsys.readouterr().out
        assert (tmp_path / "report.json").read_bytes() == report
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == checkpoint


@pytest.mark.usefixtures("no_pictures")
def test_finished_run_goes_on_and_says_what_becomes_of_the_schedule(tmp_path, capsys):
    arguments = [*SMALL, "--out", str(tmp_path)]
    assert cifar10.main(arguments) == 0
    capsys.readouterr()
    assert cifar10.main([*arguments, "--resume", "--epochs", "4"]) == 0
    told = capsys.readouterr().out.splitlines()
    (line,) = (index for index, text in enumerate(told) if text.startswith("planned for 2 epochs, now for 4"))
    assert told[line].endswith("the one-cycle schedule is stretched over all of them.")
    assert told[line + 1].startswith("Its learning rate goes on at 0.0") and told[line + 2].startswith("epoch 3/4")
    saved = read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert len(saved["history"]) == 4 and saved["config"]["epochs"] == 4
    assert cifar10.main(["--resume", "--out", str(tmp_path)]) == 0  # nothing is left to do
    commands = (tmp_path / "command.txt").read_text(encoding="utf-8").splitlines()
    assert len(commands) == 2 and commands[1].endswith("--resume --epochs 4")


def test_best_epoch_is_kept_named_and_can_be_measured(trained, tmp_path, capsys):
    assert cifar10.main(["--checkpoint", str(trained / "best.safetensors"), "--eval-only", "--out", str(tmp_path)]) == 0
    best = read_checkpoint(trained / "best.safetensors")["history"]
    accuracies = [row["val_accuracy"] for row in read_checkpoint(trained / "checkpoint.safetensors")["history"]]
    assert best[-1]["val_accuracy"] == max(accuracies)


@pytest.mark.usefixtures("no_pictures")
def test_main_job_runs_on_a_device(tmp_path, device):
    assert cifar10.main([*SMALL, "--device", device, "--out", str(tmp_path)]) == 0
    checkpoint = tmp_path / "checkpoint.safetensors"
    assert cifar10.main(["--checkpoint", str(checkpoint), "--eval-only", "--out", str(tmp_path / "on cpu")]) == 0
    here, there = (json.loads((folder / "report.json").read_text()) for folder in (tmp_path, tmp_path / "on cpu"))
    assert here["accuracy"] == pytest.approx(there["accuracy"], abs=0.01)


# ---- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", list(cifar10.MODELS))
@pytest.mark.usefixtures("no_pictures")
def test_cifar10_is_read_from_data_dir(tmp_path, capsys, model):
    fake_cifar10.write_folder(tmp_path, fake_cifar10.files())
    arguments = ["--data-dir", tmp_path, "--model", model, "--epochs", 1, "--batch-size", 5, "--out", tmp_path / "run"]
    assert cifar10.main([str(argument) for argument in arguments]) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["classes"] == fake_cifar10.CLASSES and report["samples"] == 4
    assert "CIFAR10(training set: 20 pictures" in capsys.readouterr().out


def test_cifar10_that_cannot_be_had_names_the_way_to_go_on(tmp_path, capsys, monkeypatch):
    def fetch(url, known_hash, folder):
        raise DatasetUnavailable(f"could not download {url}")

    monkeypatch.setattr(datasets.cifar10, "fetch", fetch)
    message = refused(capsys, "--data-dir", tmp_path, "--out", tmp_path / "run")
    assert "could not download https://www.cs.toronto.edu" in message and "--data digits" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("limit", [2, 5])
@pytest.mark.parametrize("model", list(cifar10.MODELS))
@pytest.mark.usefixtures("no_pictures")
def test_handful_of_pictures_smaller_than_a_batch_is_enough(tmp_path, model, limit):
    arguments = ["--data", "digits", "--model", model, "--epochs", "1", "--out", str(tmp_path)]
    assert cifar10.main([*arguments, "--limit", str(limit)]) == 0
    assert read_checkpoint(tmp_path / "checkpoint.safetensors")["step"] == 1


def test_validation_pictures_are_held_out_and_the_same_for_a_seed():
    labels = np.zeros(50, np.int64)
    training, validation = cifar10.split_off_validation(labels, seed=1, limit=None)
    assert sorted([*training, *validation]) == list(range(50)) and len(validation) == 5
    np.testing.assert_array_equal(cifar10.split_off_validation(labels, seed=1, limit=None)[1], validation)
    assert cifar10.split_off_validation(labels, seed=2, limit=None)[1].tolist() != validation.tolist()
    assert sum(map(len, cifar10.split_off_validation(labels, seed=1, limit=20))) == 20


def test_digits_are_not_mirrored():
    images = np.zeros((64, 3, 32, 32), np.uint8)
    images[..., :8] = 255  # ink on the left
    normalize = cifar10.Normalize([0.0] * 3, [1.0] * 3)
    right = {
        name: cifar10.augmentation(name, normalize)(images, np.random.default_rng(0))[..., 24:].max()
        for name in ("digits", "cifar10")
    }
    assert right["digits"] == 0 and right["cifar10"] == 1


# ---- photos ----------------------------------------------------------------------------------------------------------


def photos(folder, *sizes):
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return list(map(str, paths))


def test_photos_are_answered_from_a_checkpoint_without_the_data(trained, tmp_path, capsys):
    arguments = ["--checkpoint", str(trained / "best.safetensors"), "--predict", *photos(tmp_path, (40, 90), (8, 8))]
    assert cifar10.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    for number in range(2):
        assert (tmp_path / "out" / "predictions" / f"{number}.png").exists()
        (line,) = (text for text in out.splitlines() if text.startswith(str(tmp_path / f"{number}.png")))
        shares = [int(part.split("%")[0]) for part in line.split("(")[1:]]
        assert len(shares) == 3 and shares == sorted(shares, reverse=True)


@pytest.mark.usefixtures("no_pictures")
def test_photos_can_be_asked_about_right_after_training(tmp_path):
    arguments = [*SMALL, "--epochs", "1", "--out", str(tmp_path / "run"), "--predict", *photos(tmp_path, (9, 9))]
    assert cifar10.main(arguments) == 0
    assert (tmp_path / "run" / "predictions" / "0.png").exists()


def test_photo_that_cannot_be_used_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    message = refused(capsys, *SMALL, "--out", tmp_path / "run", "--predict", tmp_path / "text.jpg")
    assert f"{tmp_path / 'text.jpg'}: not a picture" in message and not (tmp_path / "run").exists()


def test_normalization_is_known_without_the_data():
    digits = cifar10.Digits(train=False)
    assert repr(cifar10.normalization("digits")) == repr(cifar10.Normalize(digits.mean, digits.std))
    assert repr(cifar10.normalization("cifar10")) == repr(
        cifar10.Normalize(datasets.cifar10.MEAN, datasets.cifar10.STD)
    )


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs: expected a whole number above 0, got '0'"),
        (["--batch-size", "-3"], "--batch-size: expected a whole number above 0, got '-3'"),
        (["--lr", "nan"], "--lr: expected a number above 0, got 'nan'"),
        (["--lr", "1e400"], "--lr: expected a number above 0, got '1e400'"),
        (["--model", "resnet"], "invalid choice: 'resnet' (choose from"),
        (["--data", "mnist"], "invalid choice: 'mnist' (choose from"),
        (["--eval-only"], "name it with --checkpoint FILE"),
        (["--checkpoint", "some.file"], "--checkpoint FILE goes with --eval-only or --predict"),
        (["--predict"], "--predict: expected at least one argument"),
        (["--data-dir", "mistyped/data"], "neither it nor mistyped is there"),
        (["--eval-only", "--checkpoint", "no.file", "--resume"], "not with --resume"),
        (["--eval-only", "--checkpoint", "no.file"], "--checkpoint: No such file or directory: 'no.file'"),
        (["--resume", "--out", "nowhere"], "there is no checkpoint.safetensors in nowhere"),
        (["--data", "digits", "--limit", "1"], "1 picture is too few"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_refused_in_words(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option_and_the_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        cifar10.main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0 and "cifar10/cnn" in text
    options = "data data-dir model epochs batch-size lr device seed out resume checkpoint eval-only limit predict"
    assert all(f"--{option}" in text for option in options.split())


def test_gpu_that_is_missing_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    message = refused(capsys, *SMALL, "--device", "cuda", "--out", tmp_path / "run")
    assert "needs CuPy" in message and "cupy-cuda13x" in message


def test_resuming_with_other_settings_is_refused(trained, capsys):
    message = refused(capsys, *SMALL, "--lr", 5, "--resume", "--out", trained)
    assert "--lr 5.0: the checkpoint was made with 0.02" in message
    message = refused(capsys, *SMALL, "--epochs", 1, "--resume", "--out", trained)
    assert "--epochs 1: the run in --out has done 2 epochs already" in message


def test_folder_that_holds_a_run_is_refused(trained, capsys):
    assert "already holds a run" in refused(capsys, *SMALL, "--out", trained)


def test_folder_that_cannot_be_written_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refused(capsys, *SMALL, "--out", tmp_path / "file" / "run")
    if os.geteuid():  # to the superuser nothing is read-only
        tmp_path.chmod(0o500)
        assert "Permission denied" in refused(capsys, *SMALL, "--out", tmp_path / "run")


def damage(path):
    path.write_bytes(path.read_bytes()[:-9])


def make_foreign(path):
    mg.save(path, {"weights": np.zeros(3)})


def change_config(**changes):
    def change(path):
        checkpoint = read_checkpoint(path)
        mg.save(path, checkpoint | {"config": checkpoint["config"] | changes})

    return change


def drop_a_layer(path):
    checkpoint = read_checkpoint(path)
    del checkpoint["model"]["fc3.bias"]
    mg.save(path, checkpoint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (damage, "is damaged or not a checkpoint"),
        (lambda path: path.write_text("not at all"), "is damaged or not a checkpoint"),
        (make_foreign, "not the checkpoint of a training run"),
        (change_config(lambda_box=10.0), "written by another example"),
        (change_config(epochs="2"), "written by another example"),
        (change_config(model="resnet18"), "unknown model, resnet18 on digits"),
        (change_config(data="../etc"), "unknown model, lenet on ../etc"),
        (change_config(model="cnn"), "does not fit"),
        (change_config(classes=[]), "does not say what its classes are called"),
        (change_config(classes=["a", 2]), "does not say what its classes are called"),
        (change_config(classes=["cat", "dog"]), ""),
        (drop_a_layer, "missing ['fc3.bias']"),
    ],
)
@pytest.mark.parametrize("resume", [True, False])
def test_checkpoint_that_does_not_fit_is_refused(trained, tmp_path, capsys, change, words, resume):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes((trained / "checkpoint.safetensors").read_bytes())
    change(path)
    where = ["--resume", "--out", tmp_path] if resume else ["--eval-only", "--checkpoint", path]
    assert words in refused(capsys, *where)
    assert list(tmp_path.iterdir()) == [path]


# ---- stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the overflow that is wanted here
def test_nan_loss_stops_with_the_step_and_advice(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cifar10.main([*SMALL, "--lr", "1e30", "--out", str(tmp_path)])
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert "error: the loss became nan at step 2. Try a smaller --lr" in message
    assert not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.usefixtures("no_pictures")
def test_ctrl_c_in_a_default_folder_names_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "runs" / "digits").mkdir(parents=True)
    (tmp_path / "runs" / "digits" / "checkpoint.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    objective = cifar10.objective

    def interrupting(model, batch):
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(cifar10, "objective", objective)
        return objective(model, batch)

    monkeypatch.setattr(cifar10, "objective", interrupting)
    with pytest.raises(SystemExit) as stop:
        cifar10.main(SMALL)
    assert stop.value.code == 130
    command = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert command[-3:] == ["--resume", "--out", "runs/digits-2"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("DataLoader")]
    assert cifar10.main(command[3:]) == 0
    assert len(read_checkpoint(Path("runs/digits-2/checkpoint.safetensors"))["history"]) == 2
