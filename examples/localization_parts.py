"""The parts of the localization example: its pictures, its network, and how the one learns from the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from datasets import DatasetUnavailable, OxfordPets, PhotoFolder, PlacedDigits
from datasets.box_transforms import Compose, OnBatch, RandomHorizontalFlip, RandomResizedCrop
from datasets.boxes import BoxDataset
from datasets.transforms import Normalize
from examples.data_folder import check_data_folder
from examples.errors import UsageError, check_same_classes, listed
from examples.features import feature_maps
from minigrad import Tensor, nn, optim
from minigrad.data import DataLoader, Dataset, Subset, TensorDataset
from minigrad.train import Objective, Trainer
from models import Localizer, resnet18
from models.localizer import SmallBackbone, iou, localization_loss
from models.resnet import IMAGENET_MEAN, IMAGENET_STD

# As trained weights expect it; a network that starts from scratch can take any numbers.
NORMALIZE = Normalize(IMAGENET_MEAN, IMAGENET_STD)
DIGITS = {"training": 2500, "validation": 500}  # pictures
SMALLEST_WINDOW = 0.6  # of the random crops, as a share of the picture
BACKBONE_RATE = 0.3  # learning rate of a backbone that starts from trained weights, relative to that of the new heads
WEIGHT_DECAY = 0.02
EVALUATION_BATCH = 50
BEST_METRIC = "iou"  # of the validation, by which the best epoch is kept


def load_pictures(config: dict[str, Any], data_dir: Path | None, train: bool) -> BoxDataset:
    """Return the training or the validation pictures.

    Raises:
        DatasetUnavailable: the photos of cats and dogs are neither on disk nor to be had.
        UsageError: `--data folder` without a folder, the folder for data sets is mistyped, or the classes are not the
            checkpoint's.
    """
    if config["data"] == "digits":
        count = DIGITS["training" if train else "validation"]
        pictures = PlacedDigits(min(count, config["limit"] or count), config["size"], train=train)
    elif config["data"] == "folder":
        pictures = PhotoFolder(_named_folder(data_dir), train=train, size=config["size"])
    else:
        check_data_folder(data_dir)
        try:
            pictures = OxfordPets(data_dir, train, download=True, size=config["size"])
        except DatasetUnavailable as error:
            raise DatasetUnavailable(
                f"{error}\nTo go on without it, run with --data digits (nothing to download), or with --data folder "
                "--data-dir DIR (your own photos)."
            ) from None
    if config["classes"]:
        check_same_classes(pictures.classes, config["classes"])
    return pictures


def load_labelled_folder(config: dict[str, Any], data_dir: Path | None) -> PhotoFolder:
    """Return all photos of a labelled folder, whatever the network was trained on, with the checkpoint's classes.

    Raises:
        UsageError: no folder was named, or it has labels that the checkpoint does not know.
    """
    pictures = PhotoFolder(_named_folder(data_dir), size=config["size"], validation=0)
    classes = config["classes"]
    if unknown := [name for name in pictures.classes if name not in classes]:
        known = f"the checkpoint knows {listed(classes)}"
        raise UsageError(f"--data folder: {data_dir} has photos labelled {listed(unknown)}; {known}")
    pictures.labels = np.array([classes.index(name) for name in pictures.classes])[pictures.labels]
    pictures.classes = list(classes)
    return pictures


def _named_folder(data_dir: Path | None) -> Path:
    if data_dir is None:
        raise UsageError("--data folder: say which with --data-dir; its boxes.csv lists the photos")
    return data_dir


def build_model(config: dict[str, Any], weights: str = "none") -> Localizer:
    """Return the network of a configuration; the backbone starts from `weights`.

    Raises:
        DatasetUnavailable: the published weights are neither on disk nor to be had.
        UsageError: the folder for data sets, where they belong, is mistyped.
    """
    classes = len(config["classes"])
    if config["backbone"] == "small":
        return nn.fused(Localizer(SmallBackbone(), classes, config["size"]))
    if weights == "imagenet":
        check_data_folder()
    try:
        backbone = resnet18(None if weights == "none" else weights, num_classes=None)
    except DatasetUnavailable as error:
        raise DatasetUnavailable(
            f"{error}\nOr name a file of ResNet18's weights with --weights PATH, or start from random numbers: "
            "--weights none --regime finetune"
        ) from None
    backbone.fc = nn.Identity()  # the heads take its place
    return nn.fused(Localizer(backbone, classes, config["size"]))  # the same, faster


def make_datasets(
    config: dict[str, Any], model: Localizer, training: BoxDataset, validation: BoxDataset, device: str
) -> tuple[Dataset, Dataset]:
    """Return what the network learns from and is validated on: pictures, or in the regime "features" their maps.

    Maps cannot be augmented as pictures can, so there are those of the mirrored pictures, too.

    Raises:
        UsageError: there is only one picture to learn from, of which batch norm could learn nothing.
    """
    order = np.sort(np.random.default_rng(config["seed"]).permutation(len(training))[: config["limit"]])
    chosen = Subset(training, order)
    if len(chosen) < 2:
        raise UsageError(f"{len(chosen)} picture is too few to learn from, 2 are needed")
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
    crop = RandomResizedCrop(scale=(SMALLEST_WINDOW, 1.0))
    return OnBatch(crop if data == "digits" else Compose([RandomHorizontalFlip(), crop]))


def make_objective(config: dict[str, Any]) -> Objective:
    """Return what computes the combined loss and the metrics of a batch (pictures or maps, labels, boxes)."""

    def objective(model: Localizer, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        inputs, labels, true_boxes = batch
        scores, boxes = model.heads(inputs) if config["regime"] == "features" else model(inputs)
        loss, class_loss, box_loss = localization_loss(
            scores, boxes, labels, true_boxes, config["lambda_box"], config["box_loss"]
        )
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
    config: dict[str, Any],
    model: Localizer,
    training: BoxDataset,
    validation: BoxDataset,
    folder: Path | None,
    device: str,
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
    return Trainer(
        model,
        optimizer,
        make_objective(config),
        train_loader,
        val_loader,
        config["epochs"],
        folder,
        schedule,
        config,
        best=None if folder is None else BEST_METRIC,
    )
