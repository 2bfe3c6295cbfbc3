"""Train and measure a convolutional network on CIFAR-10, or on scikit-learn's handwritten digits.

    python -m examples.cifar10                              the real thing: downloads CIFAR-10 if it is not there
    python -m examples.cifar10 --data digits                the same on 1,797 bundled digits, no download
    python -m examples.cifar10 --model lenet                the small classic network
    python -m examples.cifar10 --resume                     go on after Ctrl-C
    python -m examples.cifar10 --checkpoint runs/cifar10/checkpoint.safetensors --eval-only

Everything that a run leaves behind is in its folder: history.csv, report.json, pictures, the checkpoint and the
command.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from datasets import CIFAR10, DatasetUnavailable, Digits
from datasets.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip
from examples import common
from examples.report import classification_report, format_report, write_report
from minigrad import Tensor, nn, ops, optim, plots
from minigrad.data import DataLoader, Dataset, Subset
from minigrad.quoting import one_line
from minigrad.train import Trainer, predict
from models import CifarCNN, LeNet

MODELS = {"cnn": CifarCNN, "lenet": LeNet}
# epochs, batch size and largest learning rate that suit each network on each data set
RECIPES = {
    ("cifar10", "cnn"): {"epochs": 8, "batch_size": 128, "lr": 0.1},
    ("cifar10", "lenet"): {"epochs": 12, "batch_size": 64, "lr": 0.02},
    ("digits", "cnn"): {"epochs": 10, "batch_size": 32, "lr": 0.01},
    ("digits", "lenet"): {"epochs": 30, "batch_size": 32, "lr": 0.02},
}
VALIDATION_SHARE = 0.1
EVALUATION_BATCH = 250


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.cifar10",
        description="Train and measure a convolutional network on CIFAR-10 or on handwritten digits.",
        epilog="Defaults for epochs, batch size and learning rate depend on data and model: "
        + "; ".join(f"{d}/{m} {r['epochs']}, {r['batch_size']}, {r['lr']}" for (d, m), r in RECIPES.items()),
    )
    parser.add_argument("--data", choices=["cifar10", "digits"], help="the pictures (default: cifar10)")
    parser.add_argument("--model", choices=list(MODELS), help="cnn has batch norm, lenet is the classic (default: cnn)")
    common.add_run_arguments(parser)
    return parser


def load_pictures(name: str, data_dir: Path | None, train: bool) -> Any:
    """Return the training or the test pictures of a data set.

    Raises:
        DatasetUnavailable: CIFAR-10 is neither on disk nor to be had.
    """
    if name == "digits":
        return Digits(train=train)
    try:
        return CIFAR10(data_dir, train=train, download=True)
    except DatasetUnavailable as error:
        raise DatasetUnavailable(
            f"{error}\nTo go on without it, run with --data digits: bundled handwritten digits."
        ) from None


def split_off_validation(labels: np.ndarray, seed: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return indices for training and, VALIDATION_SHARE of them, for validation: the same for the same seed.

    Raises:
        UsageError: there are fewer than two pictures.
    """
    order = np.random.default_rng(seed).permutation(len(labels))[:limit]
    if len(order) < 2:
        raise common.UsageError(f"{len(order)} picture is too few: one is kept for validation, so 2 are needed")
    held_out = max(1, round(len(order) * VALIDATION_SHARE))
    return order[held_out:], order[:held_out]


def augmentation(name: str, normalize: Normalize) -> Compose:
    """Return the training transform. Digits are not flipped: a mirrored digit is none."""
    if name == "digits":
        return Compose([RandomCrop(32, padding=2), normalize])
    return Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), normalize])


def objective(model: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return cross-entropy and accuracy of a batch (pictures, labels)."""
    images, labels = batch
    logits = model(images)
    hits = (logits.detach().argmax(axis=1) == labels).astype(np.float32)
    return ops.cross_entropy(logits, labels), {"accuracy": hits.mean()}


def build_trainer(config: dict[str, Any], pictures: Any, folder: Path, device: str) -> Trainer:
    """Put together model, optimizer, schedule and loaders for a configuration."""
    mg.manual_seed(config["seed"])
    normalize = Normalize(pictures.mean, pictures.std)
    training, validation = split_off_validation(pictures.labels, config["seed"], config["limit"])
    train_loader = DataLoader(
        Subset(pictures, training),
        config["batch_size"],
        shuffle=True,
        drop_last=len(training) >= config["batch_size"],
        transform=augmentation(config["data"], normalize),
        seed=config["seed"],
        num_workers=1,
        device=device,
    )
    model = MODELS[config["model"]](num_classes=len(pictures.classes)).to(device)
    optimizer = optim.SGD(list(model.parameters()), config["lr"], momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = optim.OneCycleLR(optimizer, config["lr"], total_steps=config["epochs"] * len(train_loader))
    val_loader = evaluation_loader(Subset(pictures, validation), normalize, device)
    return Trainer(model, optimizer, objective, train_loader, val_loader, config["epochs"], folder, schedule, config)


def evaluation_loader(dataset: Dataset, normalize: Normalize, device: str) -> DataLoader:
    """Return a loader that shows pictures as they are, in order."""
    return DataLoader(dataset, EVALUATION_BATCH, transform=normalize, num_workers=1, device=device)


def measure(model: nn.Module, test: Any, folder: Path, history: list[dict[str, float]], device: str) -> None:
    """Measure a model on the test pictures; print the report and write it and the pictures to `folder`."""
    logits, (targets,) = predict(model, evaluation_loader(test, Normalize(test.mean, test.std), device))
    probabilities = ops.softmax(Tensor(logits), axis=1).numpy()
    report = classification_report(targets, probabilities, test.classes)
    print("\n" + format_report(report))
    written = write_report(folder, report, history)
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    written += [
        plots.plot_confusion_matrix(
            np.array(report["confusion_matrix"]), test.classes, folder / "confusion_matrix.png"
        ),
        plots.plot_class_metrics(report["per_class"], folder / "class_metrics.png"),
        plots.plot_gallery(test.images, targets, predictions, confidences, test.classes, folder / "predictions.png"),
        plots.plot_filters(next(iter(model.state_dict().values())), folder / "filters.png"),
    ]
    if history:
        written.append(plots.plot_history(history, folder / "history.png"))
    print("\nwritten:", *written, sep="\n  ")


def run(argv: Sequence[str]) -> None:
    """Parse the arguments and do what they ask for."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.eval_only != (arguments.checkpoint is not None) or (arguments.eval_only and arguments.resume):
        raise common.UsageError("--eval-only and --checkpoint FILE go together, and not with --resume")
    folder, saved = common.open_run(arguments, Path("runs") / (arguments.data or "cifar10"))
    explicit = {
        name: getattr(arguments, name) for name in ("data", "model", "epochs", "batch_size", "lr", "limit", "seed")
    }
    recipe = RECIPES[arguments.data or "cifar10", arguments.model or "cnn"]
    defaults = {"data": "cifar10", "model": "cnn", **recipe, "limit": None, "seed": 0}
    config = common.merged_config(explicit, saved["config"] if saved else None, defaults)
    if (config["data"], config["model"]) not in RECIPES:
        unknown = one_line(f"{config['model']} on {config['data']}")
        raise common.UsageError(f"the checkpoint is of an unknown model, {unknown}")
    device = common.choose_device(arguments.device)

    if arguments.eval_only:
        test = load_pictures(config["data"], arguments.data_dir, train=False)
        model = MODELS[config["model"]](num_classes=len(test.classes)).to(device)
        common.load_weights(model, saved, arguments.checkpoint)
        measure(model, test, folder, saved["history"], device)
        return
    pictures = load_pictures(config["data"], arguments.data_dir, train=True)
    test = load_pictures(config["data"], arguments.data_dir, train=False)
    trainer = build_trainer(config, pictures, folder, device)
    if saved:
        trainer.resume(saved)
    resume_command = common.note_command("examples.cifar10", argv, arguments, folder)
    print(pictures, test, nn.summary(trainer.model, (3, 32, 32)), sep="\n")
    print(f"{common.counted(trainer.epochs, 'epoch')} on {device}, into {folder}/")
    common.fit(trainer, resume_command)
    measure(trainer.model, test, folder, trainer.history, device)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return common.guarded(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
