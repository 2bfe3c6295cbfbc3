"""What is in the picture, and where: train and measure a localizer, a classifier and a box regressor on one backbone.

    python -m examples.localization                         cats and dogs: downloads photos and weights if need be
    python -m examples.localization --regime finetune       the backbone learns too: slower, boxes fit much better
    python -m examples.localization --data folder --data-dir photos/       your own: boxes.csv says what is where
    python -m examples.localization --data digits           handwritten digits on clutter: no download, no weights
    python -m examples.localization --resume                go on after Ctrl-C
    python -m examples.localization --resume --epochs 60    go on after the end
    python -m examples.localization --checkpoint runs/localization-pets/best.safetensors --predict cat.jpg
    python -m examples.localization --checkpoint FILE --eval-only --data folder --data-dir photos/     measure it there

The regime "features" freezes the backbone and computes the feature maps of all pictures once; then the heads learn in
seconds. Everything that a run leaves behind is in its folder: history.csv, report.json, predictions.csv, pictures, the
checkpoints of the last and of the best epoch, and the command.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from datasets.boxes import BoxDataset
from examples import common
from examples.errors import UsageError
from examples.localization_parts import (
    EVALUATION_BATCH,
    NORMALIZE,
    build_model,
    build_trainer,
    load_labelled_folder,
    load_pictures,
)
from examples.localization_report import format_localization, localization_report, overlap, write_predictions
from examples.photos import Photo, draw_predictions, read_photos
from examples.report import write_report
from examples.run_folder import PREDICTIONS, open_run
from minigrad import Tensor, nn, ops, plots
from minigrad.data import DataLoader
from minigrad.quoting import counted, one_line, quoted
from minigrad.train import CHECKPOINT_NAME, predict
from models import Localizer
from models.localizer import BOX_LOSSES

CHOICES = {
    "data": ("pets", "folder", "digits"),
    "regime": ("features", "finetune"),
    "train": ("last", "all"),
    "box_loss": BOX_LOSSES,
    "backbone": ("resnet18", "small"),
}
# What suits each regime. Digits are learned from scratch by a small network, all else starts from trained weights.
RECIPES = {
    "features": {"epochs": 30, "batch_size": 64, "lr": 1e-3},
    "finetune": {"epochs": 30, "batch_size": 32, "lr": 1e-3},
    "digits": {"epochs": 14, "batch_size": 32, "lr": 2e-3},
}
LAMBDA_BOX = {"smooth_l1": 10.0, "giou": 2.0}
METRICS = ("accuracy", "iou", "class_loss", "box_loss")
DRAWINGS = ("boxes", "iou", "confusion_matrix", "confident_errors", "history")
LETTERS = 16  # of a class name above a photo
SIZES = (16, 1024)  # smallest and largest side of the pictures


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.localization",
        description="Train and measure a localizer: what is in the picture, and where.",
        epilog="Defaults for epochs, batch size and learning rate: "
        + "; ".join(f"{name} {r['epochs']}, {r['batch_size']}, {r['lr']}" for name, r in RECIPES.items()),
    )
    lambdas = ", ".join(f"{value:g} with {name}" for name, value in LAMBDA_BOX.items())
    add = parser.add_argument
    add("--data", choices=CHOICES["data"], help="Oxford's cats and dogs; the photos in --data-dir that its boxes.csv "
        "lists (file,label,xmin,ymin,xmax,ymax; pixels); or handwritten digits on clutter (default: pets)")  # fmt: skip
    add("--weights", metavar="imagenet|none|PATH", help="what the backbone starts from: torchvision's published "
        "weights, random numbers, or a file of PyTorch's (default: imagenet, for digits none)")  # fmt: skip
    add("--regime", choices=CHOICES["regime"], help="features: the backbone is frozen, its features are computed once "
        "and kept beside the data sets; finetune: it learns too (default: features; for digits, and with --weights "
        "none, finetune)")  # fmt: skip
    add("--train", choices=CHOICES["train"], help="what of the backbone finetune trains (default: all)")
    add("--size", type=common.positive_int, metavar="PIXELS", help="side of the pictures (default: 128, for digits 64)")
    add("--lambda-box", type=common.positive_float, metavar="WEIGHT", help="of the box loss beside the class loss "
        f"(default: {lambdas})")  # fmt: skip
    add("--box-loss", choices=BOX_LOSSES, help="smooth L1 of the coordinates, or 1 - generalized IoU "
        "(default: smooth_l1)")  # fmt: skip
    common.add_run_arguments(parser)
    return parser


def make_config(arguments: argparse.Namespace, saved: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return all settings of a run: what was given, else what the checkpoint says, else what suits the data.

    Raises:
        UsageError: settings contradict each other or the checkpoint, or are out of range.
    """
    data, box_loss = arguments.data or "pets", arguments.box_loss or "smooth_l1"
    digits = data == "digits"
    weights = arguments.weights or ("none" if digits else "imagenet")
    regime = arguments.regime or ("finetune" if digits or weights == "none" else "features")
    defaults = {
        "data": data, "weights": weights, "regime": regime, "train": "all", "size": 64 if digits else 128,
        **RECIPES["digits" if digits and regime == "finetune" else regime],
        "box_loss": box_loss, "lambda_box": LAMBDA_BOX[box_loss], "limit": None, "seed": 0,
    }  # fmt: skip
    explicit = {name: getattr(arguments, name) for name in defaults}
    if _measures_folder(arguments):
        del explicit["data"]  # whatever the checkpoint was trained on
    # The one follows from the others, and only the data tell the other.
    defaults |= {"backbone": "small" if digits and weights == "none" else "resnet18", "classes": []}
    adjustable = ("epochs",) if arguments.resume else ()
    config = common.merged_config(explicit, saved["config"] if saved else None, defaults, adjustable)
    for name, values in CHOICES.items():
        if config[name] not in values:
            raise UsageError(f"the checkpoint is of an unknown kind: its {name} is {quoted(config[name])}")
    if saved:
        common.check_class_names(config["classes"])
    if not SIZES[0] <= config["size"] <= SIZES[1]:
        raise UsageError(f"--size {config['size']}: expected {SIZES[0]} to {SIZES[1]} pixels")
    if not saved and config["weights"] not in ("imagenet", "none") and not Path(config["weights"]).is_file():
        raise UsageError(f"--weights {config['weights']}: no such file; expected imagenet, none or a file")
    if config["batch_size"] < 2:
        raise UsageError("--batch-size 1: batch norm needs at least 2 pictures")
    if config["regime"] == "features" and config["train"] == "last":
        raise UsageError("--train last: with --regime features nothing of the backbone is trained")
    common.check_extension(config["epochs"], saved if arguments.resume else None)
    return config


def _measures_folder(arguments: argparse.Namespace) -> bool:
    return arguments.eval_only and arguments.data == "folder"


def train(
    config: dict[str, Any],
    arguments: argparse.Namespace,
    folder: Path,
    saved: Mapping[str, Any] | None,
    device: str,
    argv: Sequence[str],
    photos: Sequence[Photo],
) -> None:
    """Train, or go on with a training that was stopped or has ended; measure, and answer about photos."""
    training, validation = (load_pictures(config, arguments.data_dir, train=part) for part in (True, False))
    config["classes"] = training.classes
    model = build_model(config, "none" if saved else config["weights"]).to(device)
    if saved:  # before the features are computed
        common.load_weights(model, saved, folder / CHECKPOINT_NAME)
    trainer = build_trainer(config, model, training, validation, folder, device)
    if saved:
        trainer.resume(saved)
    extended = bool(saved) and saved["config"]["epochs"] != config["epochs"]
    resume_command = common.note_command("examples.localization", argv, arguments, folder, extended)
    print(training, validation, nn.summary(model, (3, config["size"], config["size"])), sep="\n")
    if left_out := getattr(training, "without_box", []):
        print(f"left out, because they have no box: {counted(len(left_out), 'photo')}, such as {one_line(left_out[0])}")
    print(f"{common.counted(trainer.epochs, 'epoch')} on {device}, into {folder}/")
    if saved and extended:
        print(common.describe_extension(trainer, saved))

    def finish() -> None:
        measure(model, validation, folder, trainer.history, device)
        print(common.describe_best(trainer))
        answer(model, photos, config, folder, device)

    common.fit(trainer, resume_command, finish)


def answer(model: Localizer, photos: Sequence[Photo], config: dict[str, Any], folder: Path, device: str) -> None:
    """Say and draw what is in photos and where, if there are any."""
    if photos:
        draw_predictions(model, photos, NORMALIZE, config["classes"], folder / PREDICTIONS, device)


def measure(model: Localizer, pictures: BoxDataset, folder: Path, history: list[dict[str, float]], device: str) -> None:
    """Measure a model on labelled pictures; write the report and drawings to `folder`, and print the report."""
    loader = DataLoader(pictures, EVALUATION_BATCH, transform=NORMALIZE, num_workers=1, device=device)
    (scores, boxes), (targets, true_boxes) = predict(model, loader)
    probabilities = ops.softmax(Tensor(scores), axis=1).numpy()
    names, ious = pictures.classes, overlap(true_boxes, boxes)
    report = localization_report(targets, probabilities, true_boxes, boxes, names, pictures.names)
    written = write_report(folder, report, history)
    written.append(write_predictions(folder / "predictions.csv", pictures, probabilities, boxes, ious))
    print("\n" + format_localization(report))

    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    captions = [
        f"{'✓' if answer == target else f'✗ {plots.shorten(names[target], LETTERS)} taken for'} "
        f"{plots.shorten(names[answer], LETTERS)} ({confidence:.0%})"
        for target, answer, confidence in zip(targets, predictions, confidences, strict=True)
    ]
    drawn = {name: folder / f"{name}.png" for name in DRAWINGS[: None if history else -1]}
    plots.plot_box_gallery(pictures.images, true_boxes, boxes, ious, captions, drawn["boxes"])
    plots.plot_iou_histogram(ious, drawn["iou"], report["baselines"]["mean_iou"])
    plots.plot_confusion_matrix(np.array(report["confusion_matrix"]), names, drawn["confusion_matrix"])
    answers = targets, predictions, confidences
    plots.plot_confident_errors(pictures.images, *answers, names, drawn["confident_errors"])
    if history:
        plots.plot_history(history, drawn["history"], METRICS)
    print("\nwritten:", *written, *drawn.values(), sep="\n  ")


def run(argv: Sequence[str]) -> None:
    """Parse the arguments and do what they ask for."""
    arguments = build_parser().parse_args(argv)
    common.check_arguments(arguments)
    with open_run(arguments, Path("runs") / f"localization-{arguments.data or 'pets'}") as (folder, saved):
        _run(arguments, folder, saved, argv)


def _run(arguments: argparse.Namespace, folder: Path, saved: Mapping[str, Any] | None, argv: Sequence[str]) -> None:
    config = make_config(arguments, saved)
    device = common.choose_device(arguments.device)
    photos = read_photos(arguments.predict, config["size"])
    mg.manual_seed(config["seed"])

    if not arguments.checkpoint or saved is None:
        train(config, arguments, folder, saved, device, argv, photos)
        return
    model = build_model(config).to(device)
    common.load_weights(model, saved, arguments.checkpoint)
    if _measures_folder(arguments):
        pictures = load_labelled_folder(config, arguments.data_dir)
        print(f"all {common.counted(len(pictures), 'photo')} that {arguments.data_dir} has boxes for")
        if config["data"] == "folder":
            print("if the network learned from this folder, it has seen most of them; "
                  "without --data folder only those held out are measured")  # fmt: skip
        measure(model, pictures, folder, saved["history"], device)
    elif arguments.eval_only:
        measure(model, load_pictures(config, arguments.data_dir, train=False), folder, saved["history"], device)
    answer(model, photos, config, folder, device)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return common.guarded(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
