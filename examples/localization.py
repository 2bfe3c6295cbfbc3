"""What is in the picture, and where: train and measure a localizer, a classifier and a box regressor on one backbone.

    python -m examples.localization                         cats and dogs: downloads photos and weights if need be
    python -m examples.localization --regime finetune       the backbone learns too: slower, boxes fit much better
    python -m examples.localization --data folder --data-dir photos/       your own: boxes.csv says what is where
    python -m examples.localization --data digits           handwritten digits on clutter: no download, no weights
    python -m examples.localization --resume                go on after Ctrl-C
    python -m examples.localization --checkpoint runs/localization-pets/checkpoint.safetensors --predict cat.jpg

The regime "features" freezes the backbone and computes the feature maps of all pictures once; then the heads learn in
seconds. Everything that a run leaves behind is in its folder: history.csv, report.json, pictures, the checkpoint and
the command.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from datasets import DatasetUnavailable, OxfordPets, PhotoFolder, PlacedDigits
from datasets.box_transforms import Compose, OnBatch, RandomHorizontalFlip, RandomResizedCrop
from datasets.boxes import BoxDataset
from datasets.transforms import Normalize
from examples import common
from examples.features import feature_maps
from examples.localization_report import format_localization, localization_report, overlap
from examples.photos import draw_predictions, read_photos
from examples.report import write_report
from minigrad import Tensor, nn, ops, optim, plots
from minigrad.data import DataLoader, Dataset, Subset, TensorDataset
from minigrad.train import Objective, Trainer, predict
from models import Localizer, resnet18
from models.localizer import BOX_LOSSES, SmallBackbone, iou, localization_loss
from models.resnet import IMAGENET_MEAN, IMAGENET_STD

CHOICES = {
    "data": ("pets", "folder", "digits"),
    "regime": ("features", "finetune"),
    "train": ("last", "all"),
    "box_loss": BOX_LOSSES,
    "backbone": ("resnet18", "small"),
}
# What suits each regime; digits are learned from scratch, all else starts from trained weights.
RECIPES = {
    "features": {"epochs": 30, "batch_size": 64, "lr": 1e-3},
    "finetune": {"epochs": 30, "batch_size": 32, "lr": 1e-3},
    "digits": {"epochs": 20, "batch_size": 32, "lr": 2e-3},
}
LAMBDA_BOX = {"smooth_l1": 10.0, "giou": 2.0}
BACKBONE_RATE = 0.3  # learning rate of a backbone that starts from trained weights, relative to that of the new heads
WEIGHT_DECAY = 0.02
SIZES = (16, 1024)
DIGITS = {"training": 4000, "validation": 1000}
EVALUATION_BATCH = 50
NORMALIZE = Normalize(
    IMAGENET_MEAN, IMAGENET_STD
)  # as trained weights expect it; what starts from scratch can take any


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.localization",
        description="Train and measure a localizer: what is in the picture, and where.",
        epilog="Defaults for epochs, batch size and learning rate: "
        + "; ".join(f"{name} {r['epochs']}, {r['batch_size']}, {r['lr']}" for name, r in RECIPES.items()),
    )
    add = parser.add_argument
    add("--data", choices=CHOICES["data"], help="Oxford's cats and dogs; the photos in --data-dir that its boxes.csv "
        "lists; or handwritten digits on clutter (default: pets)")  # fmt: skip
    add("--weights", metavar="imagenet|none|PATH", help="what the backbone starts from: torchvision's published "
        "weights, random numbers, or a file of PyTorch's (default: imagenet, for digits none)")  # fmt: skip
    add("--regime", choices=CHOICES["regime"], help="features: the backbone is frozen, its features are computed once; "
        "finetune: it learns too (default: features, for digits finetune)")  # fmt: skip
    add("--train", choices=CHOICES["train"], help="what of the backbone finetune trains (default: all)")
    add("--size", type=common.positive_int, metavar="PIXELS", help="side of the pictures (default: 128, for digits 64)")
    add("--lambda-box", type=common.positive_float, metavar="λ", help="weight of the box loss beside the class loss "
        "(default: " + ", ".join(f"{value:g} with {name}" for name, value in LAMBDA_BOX.items()) + ")")  # fmt: skip
    add("--box-loss", choices=BOX_LOSSES, help="smooth L1 of the coordinates, or 1 − generalized IoU "
        "(default: smooth_l1)")  # fmt: skip
    add("--predict", type=Path, nargs="+", metavar="IMAGE", help="photos to draw the answers on, with --checkpoint or "
        "after training")  # fmt: skip
    common.add_run_arguments(parser)
    return parser


def make_config(arguments: argparse.Namespace, saved: dict[str, Any] | None) -> dict[str, Any]:
    """Return all settings of a run: what was given, else what the checkpoint says, else what suits the data.

    Raises:
        UsageError: settings contradict each other or the checkpoint, or are out of range.
    """
    data = arguments.data or "pets"
    digits = data == "digits"
    weights = arguments.weights or ("none" if digits else "imagenet")
    regime = arguments.regime or ("finetune" if digits else "features")
    box_loss = arguments.box_loss or "smooth_l1"
    defaults = {
        "data": data, "weights": weights, "regime": regime, "train": "all", "size": 64 if digits else 128,
        **RECIPES["digits" if digits and regime == "finetune" else regime],
        "box_loss": box_loss, "lambda_box": LAMBDA_BOX[box_loss], "limit": None, "seed": 0,
    }  # fmt: skip
    explicit = {name: getattr(arguments, name) for name in defaults}
    # What follows from the others, and what only the data tell.
    defaults |= {"backbone": "small" if digits and weights == "none" else "resnet18", "classes": []}
    config = common.merged_config(explicit, saved["config"] if saved else None, defaults)
    for name, values in CHOICES.items():
        if config[name] not in values:
            raise common.UsageError(f"the checkpoint has the unknown {name} {config[name]!r}")
    if not SIZES[0] <= config["size"] <= SIZES[1]:
        raise common.UsageError(f"--size {config['size']}: expected {SIZES[0]} to {SIZES[1]} pixels")
    if config["regime"] == "features" and config["train"] == "last":
        raise common.UsageError("--train last: with --regime features nothing of the backbone is trained")
    if saved and not (config["classes"] and all(isinstance(name, str) for name in config["classes"])):
        raise common.UsageError("the checkpoint does not say what its classes are called")
    return config


def load_pictures(config: dict[str, Any], data_dir: Path | None, train: bool) -> BoxDataset:
    """Return the training or the validation pictures.

    Raises:
        DatasetUnavailable: the photos of cats and dogs are neither on disk nor to be had.
        UsageError: `--data folder` without a folder, or with other classes than the checkpoint's.
    """
    if config["data"] == "digits":
        count = DIGITS["training" if train else "validation"]
        pictures = PlacedDigits(min(count, config["limit"] or count), config["size"], train=train)
    elif config["data"] == "folder":
        if data_dir is None:
            raise common.UsageError("--data folder: say which with --data-dir; its boxes.csv lists the photos")
        pictures = PhotoFolder(data_dir, train=train, size=config["size"])
    else:
        try:
            pictures = OxfordPets(data_dir, train, download=True, size=config["size"])
        except DatasetUnavailable as error:
            raise DatasetUnavailable(
                f"{error}\nTo go on without it, run with --data digits (nothing to download), or with --data folder "
                "--data-dir DIR (your own photos)."
            ) from None
    if config["classes"] and pictures.classes != config["classes"]:
        found = f"the data have the classes {pictures.classes}, the checkpoint has {config['classes']}"
        raise common.UsageError(f"--data-dir: {found}")
    return pictures


def build_model(config: dict[str, Any], weights: str = "none") -> Localizer:
    """Return the network of a configuration; the backbone starts from `weights`.

    Raises:
        DatasetUnavailable: the published weights are neither on disk nor to be had.
    """
    classes = len(config["classes"])
    if config["backbone"] == "small":
        return Localizer(SmallBackbone(), classes, config["size"])
    try:
        backbone = resnet18(None if weights == "none" else weights, num_classes=classes)
    except DatasetUnavailable as error:
        raise DatasetUnavailable(
            f"{error}\nOr give a file of ResNet18's weights that you have: --weights PATH"
        ) from None
    backbone.fc = nn.Identity()  # the heads take its place
    return Localizer(backbone, classes, config["size"])


def make_datasets(
    config: dict[str, Any], model: Localizer, training: BoxDataset, validation: BoxDataset, device: str
) -> tuple[Dataset, Dataset]:
    """Return what the network learns from and is validated on: pictures, or in the regime "features" their maps.

    Maps cannot be augmented like pictures; so there are those of the mirrored pictures, too.
    """
    order = np.random.default_rng(config["seed"]).permutation(len(training))[: config["limit"]]
    chosen = Subset(training, order)
    if config["regime"] == "finetune":
        return chosen, validation

    def maps(images: np.ndarray, title: str) -> np.ndarray:
        return feature_maps(model.backbone, images, NORMALIZE, device, title=f"features of the {title}")

    images, labels, boxes = chosen.batch(np.arange(len(chosen)))
    parts = [(maps(images, "training pictures"), labels, boxes)]
    if config["data"] != "digits":  # a mirrored digit is none
        mirrored, moved = RandomHorizontalFlip(p=1)(images, boxes, np.random.default_rng(0))
        parts.append((maps(mirrored, "mirrored training pictures"), labels, moved))
    entries = (np.concatenate(entry) for entry in zip(*parts, strict=True))
    held_out = (maps(validation.images, "validation pictures"), validation.labels, validation.boxes)
    return TensorDataset(*entries), TensorDataset(*held_out)


def augmentation(data: str) -> OnBatch:
    """Return the training transform. Digits are not flipped."""
    crop = RandomResizedCrop(scale=(0.6, 1.0))
    return OnBatch(crop if data == "digits" else Compose([RandomHorizontalFlip(), crop]))


def make_objective(config: dict[str, Any]) -> Objective:
    """Return the function that computes the combined loss and the metrics of a batch (pictures or maps, labels, boxes)."""

    def objective(model: Localizer, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        inputs, labels, true_boxes = batch
        scores, boxes = model.heads(inputs) if config["regime"] == "features" else model(inputs)
        weighting = (config["lambda_box"], config["box_loss"])
        loss, class_loss, box_loss = localization_loss(scores, boxes, labels, true_boxes, *weighting)
        hits = (scores.detach().argmax(axis=1) == labels).astype(np.float32)
        metrics = {"accuracy": hits.mean(), "iou": iou(boxes.detach(), true_boxes).mean()}
        return loss, metrics | {"class_loss": class_loss, "box_loss": box_loss}

    return objective


def parameter_groups(config: dict[str, Any], model: Localizer) -> list[dict[str, Any]]:
    """Return what learns, with its largest learning rate: the heads, and what of the backbone is not frozen."""
    if config["regime"] == "features" or config["train"] == "last":
        model.freeze_backbone(but_last_stage=config["regime"] == "finetune")
    rate = config["lr"] * (1.0 if config["weights"] == "none" else BACKBONE_RATE)
    groups = [
        {"params": list(model.heads.parameters()), "lr": config["lr"]},
        {"params": [p for p in model.backbone.parameters() if p.requires_grad], "lr": rate},
    ]
    return [group for group in groups if group["params"]]


def build_trainer(
    config: dict[str, Any], model: Localizer, training: BoxDataset, validation: BoxDataset, folder: Path, device: str
) -> Trainer:
    """Put together optimizer, schedule and loaders for a configuration."""
    groups = parameter_groups(config, model)
    to_learn, to_validate = make_datasets(config, model, training, validation, device)
    pictures = config["regime"] == "finetune"
    options = {"transform": NORMALIZE if pictures else None, "num_workers": 1, "device": device}
    train_loader = DataLoader(
        to_learn,
        config["batch_size"],
        shuffle=True,
        drop_last=len(to_learn) >= config["batch_size"],
        batch_transform=augmentation(config["data"]) if pictures else None,
        seed=config["seed"],
        **options,
    )
    val_loader = DataLoader(to_validate, EVALUATION_BATCH, **options)
    optimizer = optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    rates = [group["lr"] for group in groups]
    schedule = optim.OneCycleLR(optimizer, rates, total_steps=config["epochs"] * len(train_loader))
    objective = make_objective(config)
    return Trainer(model, optimizer, objective, train_loader, val_loader, config["epochs"], folder, schedule, config)


def measure(
    model: Localizer, validation: BoxDataset, folder: Path, history: list[dict[str, float]], device: str
) -> None:
    """Measure a model on the validation pictures; print the report and write it and the pictures to `folder`."""
    loader = DataLoader(validation, EVALUATION_BATCH, transform=NORMALIZE, num_workers=1, device=device)
    (scores, boxes), (targets, true_boxes) = predict(model, loader)
    probabilities = ops.softmax(Tensor(scores), axis=1).numpy()
    names = validation.classes
    report = localization_report(targets, probabilities, true_boxes, boxes, names, validation.names)
    print("\n" + format_localization(report))

    ious = overlap(true_boxes, boxes)
    captions = []
    for target, row in zip(targets, probabilities, strict=True):
        answer = row.argmax()
        truth = "✓" if answer == target else f"✗ {names[target]} taken for"
        captions.append(f"{truth} {names[answer]} ({row[answer]:.0%})")
    written = write_report(folder, report, history)
    matrix = np.array(report["confusion_matrix"])
    written += [
        plots.plot_box_gallery(validation.images, true_boxes, boxes, ious, captions, folder / "boxes.png"),
        plots.plot_iou_histogram(ious, folder / "iou.png", report["baselines"]["mean_iou"]),
        plots.plot_confusion_matrix(matrix, names, folder / "confusion_matrix.png"),
    ]
    if history:
        metrics = ("accuracy", "iou", "class_loss", "box_loss")
        written.append(plots.plot_history(history, folder / "history.png", metrics))
    print("\nwritten:", *written, sep="\n  ")


def run(argv: Sequence[str]) -> None:
    """Parse the arguments and do what they ask for."""
    arguments = build_parser().parse_args(argv)
    if arguments.eval_only and not arguments.checkpoint:
        raise common.UsageError("--eval-only measures a checkpoint: name it with --checkpoint FILE")
    if arguments.checkpoint and (arguments.resume or not (arguments.eval_only or arguments.predict)):
        raise common.UsageError("--checkpoint FILE goes with --eval-only or --predict, and not with --resume")
    folder, saved = common.open_run(arguments, Path("runs") / f"localization-{arguments.data or 'pets'}")
    config = make_config(arguments, saved)
    device = common.choose_device(arguments.device)
    photos = read_photos(arguments.predict or [], config["size"])
    mg.manual_seed(config["seed"])

    if arguments.checkpoint:
        model = build_model(config).to(device)
        common.load_weights(model, saved, arguments.checkpoint)
    if arguments.eval_only:
        measure(model, load_pictures(config, arguments.data_dir, train=False), folder, saved["history"], device)
    if not arguments.checkpoint:
        model = train(config, arguments, folder, saved, device, argv)
    if photos:
        draw_predictions(model, photos, NORMALIZE, config["classes"], folder / "predictions", device)


def train(
    config: dict[str, Any],
    arguments: argparse.Namespace,
    folder: Path,
    saved: dict[str, Any] | None,
    device: str,
    argv: Sequence[str],
) -> Localizer:
    """Train, or go on with a training that was stopped, and measure; returns the model."""
    training, validation = (load_pictures(config, arguments.data_dir, train=part) for part in (True, False))
    config["classes"] = training.classes
    model = build_model(config, "none" if saved else config["weights"]).to(device)
    if saved:
        common.load_weights(model, saved, folder / "checkpoint.safetensors")
    trainer = build_trainer(config, model, training, validation, folder, device)
    if saved:
        trainer.resume(saved)
    resume_command = common.note_command("examples.localization", argv, arguments, folder)
    print(training, validation, nn.summary(model, (3, config["size"], config["size"])), sep="\n")
    print(f"{trainer.epochs} epochs on {device}, into {folder}/")
    common.fit(trainer, resume_command)
    measure(model, validation, folder, trainer.history, device)
    return model


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return common.guarded(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
