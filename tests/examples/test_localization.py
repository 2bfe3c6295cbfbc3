"""The localization example, on a few small pictures."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import datasets.pets
import minigrad as mg
import models.resnet
from datasets import DatasetUnavailable
from examples import features, localization, localization_parts
from minigrad.train import read_checkpoint
from models import resnet18
from tests.datasets import fake_pets

PICTURES = localization.DRAWINGS
SMALL = ["--data", "digits", "--limit", "20", "--size", "32", "--batch-size", "8", "--epochs", "2"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's folder of data sets."""
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a small finished run; tests must not change it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert localization.main([*SMALL, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """The arguments for twenty fake photos of cats and dogs, and a backbone's weights in a file."""
    folder = tmp_path_factory.mktemp("pets")
    fake_pets.write_folder(folder, fake_pets.files())
    mg.manual_seed(7)
    save_file(resnet18(num_classes=2).state_dict(), folder / "weights.safetensors")
    weights = str(folder / "weights.safetensors")
    return ["--data-dir", str(folder), "--weights", weights, "--size", "32", "--batch-size", "8", "--epochs", "2"]


@pytest.fixture
def no_pictures(monkeypatch):
    """For tests that look at training alone: drawing takes the most time."""
    for name in ("box_gallery", "iou_histogram", "confusion_matrix", "confident_errors"):
        monkeypatch.setattr(f"minigrad.plots.plot_{name}", lambda *arguments: None)
    monkeypatch.setattr("minigrad.plots.plot_history", lambda *arguments: None)


def run(*arguments) -> None:
    assert localization.main([str(argument) for argument in arguments]) == 0


def refused(capsys, *arguments) -> str:
    """Run with arguments that must be refused; return the message."""
    try:
        status = localization.main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in captured.err and "epoch 1" not in captured.out
    return captured.err


def checkpoint_of(folder: Path) -> dict:
    return read_checkpoint(folder / "checkpoint.safetensors")


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def results(folder: Path) -> tuple:
    """Weights, optimizer, random state and history of a run, without times."""
    saved = checkpoint_of(folder)
    weights = {name: value.tobytes() for name, value in saved["model"].items()}
    moments = [entry["exp_avg"].tobytes() for entry in saved["optimizer"]["state"]]
    times = ("seconds", "images_per_second")
    history = [{name: value for name, value in row.items() if name not in times} for row in saved["history"]]
    return weights, moments, history, saved["random"], saved["step"], (folder / "report.json").read_text()


def photo(path: Path, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(fake_pets.encode(fake_pets.picture(**options)))
    return path


# ---- what a run leaves behind ----------------------------------------------------------------------------------------


def test_report_holds_the_measures_and_they_agree(trained):
    report = report_of(trained)
    assert report["samples"] == 20
    rows = report["per_class"].values()
    of_classes = sum(row["mean_iou"] * row["support"] for row in rows if row["support"])
    assert report["mean_iou"] == pytest.approx(of_classes / 20)
    assert 0 <= report["correct_and_found"] <= min(report["accuracy"], report["found"]) <= 1
    last = checkpoint_of(trained)["history"][-1]
    assert report["mean_iou"] == pytest.approx(last["val_iou"], abs=1e-5)
    assert report["accuracy"] == pytest.approx(last["val_accuracy"], abs=1e-5)
    ious = [entry["iou"] for entry in [*report["best"], *reversed(report["worst"])]]
    assert ious == sorted(ious, reverse=True)


def test_history_has_losses_accuracy_and_iou_of_each_epoch(trained):
    with open(trained / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = ("loss", "accuracy", "iou", "class_loss", "box_loss")
    names = {f"{part}_{name}" for part in ("train", "val") for name in metrics}
    assert set(rows[0]) == names | {"epoch", "lr", "lr_max", "seconds", "images_per_second"} and len(rows) == 2
    for row in rows:
        for part in ("train", "val"):
            total = float(row[f"{part}_class_loss"]) + 10 * float(row[f"{part}_box_loss"])
            assert float(row[f"{part}_loss"]) == pytest.approx(total, rel=1e-5)


def test_pictures_are_whole_png_files_and_nothing_unexpected_is_left(trained):
    for name in PICTURES:
        with Image.open(trained / f"{name}.png") as picture:
            picture.load()
            assert picture.format == "PNG" and min(picture.size) > 200, name
    others = {
        "best.safetensors",
        "checkpoint.safetensors",
        "command.txt",
        "history.csv",
        "predictions.csv",
        "report.json",
    }
    assert {path.name for path in trained.iterdir()} == others | {f"{name}.png" for name in PICTURES}
    command = shlex.split((trained / "command.txt").read_text())
    assert command[1:] == ["-m", "examples.localization", *SMALL, "--out", str(trained)]


@pytest.mark.usefixtures("no_pictures")
def test_run_tells_progress_measures_and_paths(tmp_path, capsys):
    run(*SMALL, "--out", tmp_path)
    out = capsys.readouterr().out
    for words in (
        "epoch 2/2",
        "box_loss",
        "mean IoU of the boxes",
        "always the mean box",
        "worst boxes",
        "20 pictures",
    ):
        assert words in out


def test_eval_only_measures_the_same_as_the_training_run(trained, tmp_path):
    run("--checkpoint", trained / "checkpoint.safetensors", "--eval-only", "--out", tmp_path)
    for name in ("report.json", "history.csv"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()
    assert not (tmp_path / "checkpoint.safetensors").exists()


@pytest.mark.usefixtures("no_pictures")
def test_example_runs_on_a_device(tmp_path, device):
    run(*SMALL, "--device", device, "--out", tmp_path)
    run("--checkpoint", tmp_path / "checkpoint.safetensors", "--eval-only", "--out", tmp_path / "on cpu")
    here, there = report_of(tmp_path), report_of(tmp_path / "on cpu")
    assert here["mean_iou"] == pytest.approx(there["mean_iou"], abs=0.01)


# ---- regimes and data ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_pictures")
def test_features_of_pets_are_computed_once_and_the_backbone_stays_as_it_was(tmp_path, pets, monkeypatch, capsys):
    computed = []
    compute = features._compute
    monkeypatch.setattr(features, "_compute", lambda *arguments: computed.append(arguments[-1]) or compute(*arguments))
    run(*pets, "--out", tmp_path / "first")
    assert computed == [f"features of the {part} pictures" for part in ("training", "mirrored training", "validation")]
    assert "OxfordPets(training set: 16 pictures of 3×32×32" in capsys.readouterr().out
    run(*pets, "--out", tmp_path / "second", "--lr", "0.01")
    assert len(computed) == 3
    weights = mg.load_torch(pets[3])
    for name, value in checkpoint_of(tmp_path / "second")["model"].items():
        if name.startswith("backbone."):
            np.testing.assert_array_equal(value, weights[name.removeprefix("backbone.")], err_msg=name)


@pytest.mark.usefixtures("no_pictures")
def test_report_of_the_features_regime_is_that_of_the_whole_network(tmp_path, pets):
    run(*pets, "--out", tmp_path / "run")
    last, report = checkpoint_of(tmp_path / "run")["history"][-1], report_of(tmp_path / "run")
    assert report["mean_iou"] == pytest.approx(last["val_iou"], abs=1e-4)
    run("--checkpoint", tmp_path / "run" / "checkpoint.safetensors", "--eval-only", *pets[:2])
    assert report_of(tmp_path / "run" / "evaluation") == report


@pytest.mark.parametrize(("part", "frozen"), [("last", ("conv1", "bn1", "layer1", "layer2", "layer3")), ("all", ())])
@pytest.mark.usefixtures("no_pictures")
def test_finetuning_changes_the_part_that_is_named(tmp_path, pets, part, frozen):
    run(*pets, "--regime", "finetune", "--train", part, "--out", tmp_path)
    weights = mg.load_torch(pets[3])
    for name, value in checkpoint_of(tmp_path)["model"].items():
        backbone, _, name = name.partition(".")
        if backbone == "backbone" and name.endswith(("weight", "running_mean")):
            assert np.array_equal(value, weights[name]) == name.startswith(tuple(f"{stage}." for stage in frozen)), name


def test_learning_rates_of_heads_and_backbone():
    config = {"regime": "finetune", "train": "all", "lr": 0.1, "weights": "some.pth", "backbone": "small",
              "classes": ["a", "b"], "size": 32}  # fmt: skip

    def rates(**changes):
        model = localization_parts.build_model(config | changes)
        groups = localization_parts.parameter_groups(config | changes, model)
        return [(round(group["lr"], 6), sum(p.size for p in group["params"])) for group in groups]

    model = localization_parts.build_model(config)
    heads, backbone = (sum(p.size for p in part.parameters()) for part in (model.heads, model.backbone))
    assert rates() == [(0.1, heads), (0.1 * localization_parts.BACKBONE_RATE, backbone)]
    assert rates(weights="none") == [(0.1, heads), (0.1, backbone)]
    assert rates(regime="features") == [(0.1, heads)]
    assert 0 < rates(train="last")[1][1] < backbone


def test_maps_of_mirrored_photos_come_with_mirrored_boxes_but_digits_are_not_mirrored(monkeypatch):
    monkeypatch.setattr(localization_parts, "feature_maps", lambda backbone, images, *_, **__: images)
    config = {"data": "digits", "size": 32, "limit": 6, "classes": [], "seed": 0, "regime": "features"}
    training, validation = (localization_parts.load_pictures(config, None, train=part) for part in (True, False))
    parts = {}
    for data in ("digits", "folder"):
        model = localization_parts.build_model({"classes": ["a"], "size": 32, "backbone": "small"})
        learned, held_out = localization_parts.make_datasets(
            config | {"data": data}, model, training, validation, "cpu"
        )
        parts[data] = learned.arrays
        np.testing.assert_array_equal(held_out.arrays[2], validation.boxes)
    assert len(parts["digits"][0]) == 6 and len(parts["folder"][0]) == 12
    images, labels, boxes = parts["folder"]
    np.testing.assert_array_equal(images[6:], images[:6, :, :, ::-1])
    np.testing.assert_array_equal(labels[6:], labels[:6])
    np.testing.assert_allclose(boxes[6:, [0, 2]], 1 - boxes[:6, [2, 0]], atol=1e-6)


def labelled_folder(folder, labels):
    """Photos of 60×40 pixels with a box each."""
    lines = ["file,label,xmin,ymin,xmax,ymax"]
    for number, label in enumerate(labels):
        photo(folder / f"{number}.jpg", box=(number, 8, 24 + number, 20))
        lines.append(f"{number}.jpg,{label},{number},8,{24 + number},20")
    (folder / "boxes.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def predictions_of(folder):
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("no_pictures")
def test_folder_of_photos_with_a_csv(tmp_path, pets):
    photos = labelled_folder(tmp_path / "photos", ["cat", "fish"] * 6)
    run("--data", "folder", *pets, "--data-dir", photos, "--out", tmp_path / "run")
    assert report_of(tmp_path / "run")["classes"] == ["cat", "fish"]
    assert checkpoint_of(tmp_path / "run")["config"]["classes"] == ["cat", "fish"]
    held_out = [row["file"] for row in predictions_of(tmp_path / "run")]
    run("--checkpoint", tmp_path / "run" / "best.safetensors", "--eval-only", "--data-dir", photos)
    assert [row["file"] for row in predictions_of(tmp_path / "run" / "evaluation")] == held_out and len(held_out) == 2
    run("--checkpoint", tmp_path / "run" / "best.safetensors", "--eval-only", "--data", "folder", "--data-dir", photos)
    assert len(predictions_of(tmp_path / "run" / "evaluation-2")) == 12


@pytest.mark.usefixtures("no_pictures")
def test_all_of_a_labelled_folder_is_measured_whatever_the_network_was_trained_on(trained, tmp_path, capsys):
    photos = labelled_folder(tmp_path / "photos", ["7", "3", "7", "9"])  # classes in between are missing
    arguments = ["--checkpoint", trained / "best.safetensors", "--eval-only", "--data", "folder", "--data-dir", photos]
    run(*arguments, "--out", tmp_path / "out")
    assert f"all 4 photos that {photos} has boxes for" in capsys.readouterr().out
    report, rows = report_of(tmp_path / "out"), predictions_of(tmp_path / "out")
    assert report["samples"] == 4 and report["classes"] == list("0123456789")
    assert {name: row["support"] for name, row in report["per_class"].items() if row["support"]} == {
        "3": 1,
        "7": 2,
        "9": 1,
    }
    assert [row["label"] for row in rows] == ["7", "3", "7", "9"]
    assert sum(row["label"] == row["predicted"] for row in rows) == round(4 * report["accuracy"])
    assert sum(float(row["iou"]) for row in rows) / 4 == pytest.approx(report["mean_iou"], abs=1e-4)
    for row in rows:
        edges = [float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax")]
        assert 0 <= edges[0] < edges[2] <= 60 and 0 <= edges[1] < edges[3] <= 40


def test_labelled_folder_with_classes_that_the_checkpoint_does_not_know_is_refused(trained, tmp_path, capsys):
    photos = labelled_folder(tmp_path / "photos", ["7", "猫"])
    arguments = ["--checkpoint", trained / "best.safetensors", "--eval-only", "--data", "folder"]
    message = refused(capsys, *arguments, "--data-dir", photos, "--out", tmp_path / "out")
    assert "has photos labelled '猫'; the checkpoint knows '0', '1'" in message and not (tmp_path / "out").exists()
    assert "say which with --data-dir" in refused(capsys, *arguments, "--out", tmp_path / "out")


def test_pets_that_cannot_be_had_name_the_ways_to_go_on(tmp_path, capsys, monkeypatch):
    def fetch(url, known_hash, folder):
        raise DatasetUnavailable(f"could not download {url}")

    monkeypatch.setattr(datasets.pets, "fetch", fetch)
    message = refused(capsys, "--data-dir", tmp_path, "--out", tmp_path / "run")
    assert "could not download https://thor.robots.ox.ac.uk" in message
    assert "--data digits" in message and "--data folder" in message
    assert not (tmp_path / "run").exists()


def test_weights_that_cannot_be_had_name_the_way_to_go_on(tmp_path, pets, capsys, monkeypatch):
    def fetch(url, known_hash, folder):
        raise DatasetUnavailable(f"could not download {url}")

    monkeypatch.setattr(models.resnet, "fetch", fetch)
    message = refused(capsys, *pets, "--weights", "imagenet", "--out", tmp_path / "run")
    assert "could not download https://download.pytorch.org" in message and "--weights PATH" in message


# ---- photos ----------------------------------------------------------------------------------------------------------


def test_predictions_are_drawn_for_photos_of_any_shape_and_name(trained, tmp_path, capsys):
    photos = [photo(tmp_path / "a" / "cat.jpg"), photo(tmp_path / "b" / "cat.jpg", width=30, height=80)]
    photos.append(photo(tmp_path / "tall.jpg", width=40, height=90))
    run("--checkpoint", trained / "checkpoint.safetensors", "--predict", *photos, "--out", tmp_path / "out")
    drawn = sorted((tmp_path / "out" / "predictions").iterdir())
    assert [path.name for path in drawn] == ["1-cat.png", "2-cat.png", "3-tall.png"]
    shapes = []
    for path in drawn:
        with Image.open(path) as picture:
            shapes.append(picture.size)
    assert shapes[0][0] > shapes[0][1] and shapes[1][0] < shapes[1][1]
    out = capsys.readouterr().out
    assert f"{photos[2]}: " in out and "of 40×90 pixels" in out and "%)" in out


@pytest.mark.usefixtures("no_pictures")
def test_photos_can_be_asked_about_right_after_training(tmp_path):
    run(*SMALL, "--out", tmp_path / "run", "--predict", photo(tmp_path / "cat.jpg"))
    assert (tmp_path / "run" / "predictions" / "cat.png").exists()


def test_photos_that_cannot_be_used_are_refused_before_training(trained, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    for arguments in (SMALL, ["--checkpoint", trained / "checkpoint.safetensors"]):
        out = ["--out", tmp_path / "run"]
        message = refused(capsys, *arguments, *out, "--predict", photo(tmp_path / "cat.jpg"), tmp_path / "text.jpg")
        assert f"{tmp_path / 'text.jpg'}: not a picture" in message
        assert "none.jpg is not a file" in refused(capsys, *arguments, *out, "--predict", tmp_path / "none.jpg")
        assert "is not a file" in refused(capsys, *arguments, *out, "--predict", tmp_path)
        assert not (tmp_path / "run").exists()


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs: expected a whole number above 0, got '0'"),
        (["--lambda-box", "0"], "--lambda-box: expected a number above 0, got '0'"),
        (["--box-loss", "l2"], "invalid choice: 'l2' (choose from"),
        (["--regime", "none"], "invalid choice: 'none' (choose from"),
        (["--data", "birds"], "invalid choice: 'birds' (choose from"),
        (["--predict"], "--predict: expected at least one argument"),
        (["--size", "8", "--data", "digits"], "--size 8: expected 16 to 1024 pixels"),
        (["--size", "5000"], "--size 5000: expected 16 to 1024 pixels"),
        (["--train", "last"], "with --regime features nothing of the backbone is trained"),
        (["--data", "folder"], "--data folder: say which with --data-dir"),
        (["--data", "digits", "--limit", "1"], "1 picture is too few"),
        (["--data", "digits", "--weights", "no.pth"], "--weights no.pth: no such file; expected imagenet, none or a"),
        (["--data", "digits", "--batch-size", "1"], "batch norm needs at least 2 pictures"),
        (["--eval-only"], "name it with --checkpoint FILE"),
        (["--checkpoint", "some.file"], "--checkpoint FILE goes with --eval-only or --predict"),
        (["--eval-only", "--checkpoint", "no.file", "--resume"], "not with --resume"),
        (["--eval-only", "--checkpoint", "no.file"], "--checkpoint: No such file or directory: 'no.file'"),
        (["--resume", "--out", "nowhere"], "there is no checkpoint.safetensors in nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_refused_in_words(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_option_and_the_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        localization.main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0 and "finetune 30, 32" in text and "smooth_l1" in text
    options = "data data-dir weights regime train size epochs batch-size lr lambda-box box-loss device seed out resume"
    assert all(f"--{option}" in text for option in [*options.split(), "checkpoint", "eval-only", "predict", "limit"])


def test_gpu_that_is_missing_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "needs CuPy" in refused(capsys, *SMALL, "--device", "cuda", "--out", tmp_path / "run")


def test_resuming_with_other_settings_or_over_a_run_is_refused(trained, capsys):
    message = refused(capsys, *SMALL, "--box-loss", "giou", "--resume", "--out", trained)
    assert "--box-loss giou: the checkpoint was made with smooth_l1" in message
    assert "already holds a run" in refused(capsys, *SMALL, "--out", trained)


def change_config(**changes):
    def change(path):
        checkpoint = read_checkpoint(path)
        mg.save(path, checkpoint | {"config": checkpoint["config"] | changes})

    return change


def drop_a_layer(path):
    checkpoint = read_checkpoint(path)
    del checkpoint["model"]["heads.box.7.bias"]
    mg.save(path, checkpoint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged or not a checkpoint"),
        (lambda path: mg.save(path, {"weights": np.zeros(3)}), "not the checkpoint of a training run"),
        (change_config(more=1), "written by another example"),
        (change_config(size="32"), "written by another example"),
        (change_config(backbone="vgg"), "of an unknown kind: its backbone is 'vgg'"),
        (change_config(data="../etc"), "of an unknown kind: its data is '../etc'"),
        (change_config(size=10**9), "expected 16 to 1024 pixels"),
        (change_config(size=64), "does not fit"),
        (change_config(classes=[]), "does not say what its classes are called"),
        (change_config(classes=[1, 2]), "does not say what its classes are called"),
        (change_config(classes=["cat", "dog"]), ""),
        (drop_a_layer, "missing ['heads.box.7.bias']"),
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
        localization.main([*SMALL, "--lr", "1e30", "--out", str(tmp_path)])
    assert stop.value.code == 1
    assert "error: the loss became nan at step 2. Try a smaller --lr" in capsys.readouterr().err


@pytest.mark.parametrize("regime", ["finetune", "features"])
@pytest.mark.usefixtures("no_pictures")
def test_run_resumed_after_ctrl_c_in_mid_epoch_is_bit_identical(tmp_path, monkeypatch, capsys, regime):
    arguments = [*SMALL, "--regime", regime, "--epochs", "3"]
    run(*arguments, "--out", tmp_path / "whole")

    loss, calls = localization_parts.localization_loss, []

    def interrupting(*inputs):
        calls.append(1)
        if len(calls) == 4:  # two steps and one batch of validation come before
            signal.raise_signal(signal.SIGINT)
        return loss(*inputs)

    monkeypatch.setattr(localization_parts, "localization_loss", interrupting)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        localization.main(arguments)
    assert stop.value.code == 130
    command = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert command[-3:] == ["--resume", "--out", "runs/localization-digits"]
    assert checkpoint_of(tmp_path / "runs" / "localization-digits")["step"] == 3
    run(*command[3:])
    assert results(tmp_path / "runs" / "localization-digits") == results(tmp_path / "whole")
