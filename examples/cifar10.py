"""Train and measure a convolutional network on CIFAR-10, or on scikit-learn's handwritten digits.

    python -m examples.cifar10                              the real thing: downloads CIFAR-10 if it is not there
    python -m examples.cifar10 --data digits                the same on 1,797 bundled digits, no download
    python -m examples.cifar10 --model lenet                the small classic network
    python -m examples.cifar10 --resume                     go on after Ctrl-C
    python -m examples.cifar10 --resume --epochs 20         go on after the end
    python -m examples.cifar10 --checkpoint runs/cifar10/best.safetensors --eval-only
    python -m examples.cifar10 --checkpoint runs/cifar10/best.safetensors --predict frog.jpg

Everything that a run leaves behind is in its folder: history.csv, report.json, pictures, the checkpoints of the last
and of the best epoch, and the command. Photos of digits must be light on dark, as the bundled ones are.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from datasets import CIFAR10, DatasetUnavailable, Digits, cifar10
from datasets.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip
from examples import common
from examples.data_folder import check_data_folder
from examples.errors import UsageError, check_same_classes
from examples.photos import Photo, draw_answers, read_photos
from examples.report import classification_report, format_report, write_report
from examples.run_folder import PREDICTIONS, open_run
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
BEST_METRIC = "accuracy"  # of the validation, by which the best epoch is kept
SIZE = 32  # pixels: the side of all pictures
DRAWINGS = ("confusion_matrix", "class_metrics", "predictions", "confident_errors", "filters", "history")


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
        UsageError: the folder for data sets is mistyped.
    """
    if name == "digits":
        return Digits(train=train)
    check_data_folder(data_dir)
    try:
        return CIFAR10(data_dir, train=train, download=True)
    except DatasetUnavailable as error:
        raise DatasetUnavailable(
            f"{error}\nTo go on without it, run with --data digits: bundled handwritten digits."
        ) from None


def normalization(name: str) -> Normalize:
    """Return what the pictures of a data set are normalized by, also where the data set is not on disk."""
    if name == "cifar10":
        return Normalize(cifar10.MEAN, cifar10.STD)
    digits = Digits(train=True)
    return Normalize(digits.mean, digits.std)


def split_off_validation(labels: np.ndarray, seed: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return indices for training and, VALIDATION_SHARE of them, for validation: the same for the same seed.

    Raises:
        UsageError: there are fewer than two pictures.
    """
    order = np.random.default_rng(seed).permutation(len(labels))[:limit]
    if len(order) < 2:
        raise UsageError(f"{len(order)} picture is too few: one is kept for validation, so 2 are needed")
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


def build_trainer(config: dict[str, Any], pictures: Any, folder: Path | None, device: str) -> Trainer:
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
    model = build_model(config["model"], len(pictures.classes)).to(device)
    optimizer = optim.SGD(list(model.parameters()), config["lr"], momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = optim.OneCycleLR(optimizer, config["lr"], total_steps=config["epochs"] * len(train_loader))
    val_loader = evaluation_loader(Subset(pictures, validation), normalize, device)
    epochs = config["epochs"]
    return Trainer(
        model,
        optimizer,
        objective,
        train_loader,
        val_loader,
        epochs,
        folder,
        schedule,
        config,
        best=None if folder is None else BEST_METRIC,
    )


def build_model(name: str, classes: int) -> nn.Module:
    """Return a new network."""
    return nn.fused(MODELS[name](num_classes=classes))  # the same, a little faster: try it without


def evaluation_loader(dataset: Dataset, normalize: Normalize, device: str) -> DataLoader:
    """Return a loader that shows pictures as they are, in order."""
    return DataLoader(dataset, EVALUATION_BATCH, transform=normalize, num_workers=1, device=device)


def measure(model: nn.Module, test: Any, folder: Path, history: list[dict[str, float]], device: str) -> None:
    """Measure a model on the test pictures; write the report and drawings to `folder`, and print the report."""
    logits, (targets,) = predict(model, evaluation_loader(test, Normalize(test.mean, test.std), device))
    probabilities = ops.softmax(Tensor(logits), axis=1).numpy()
    report = classification_report(targets, probabilities, test.classes)
    written = write_report(folder, report, history)
    print("\n" + format_report(report))
    answers = targets, probabilities.argmax(axis=1), probabilities.max(axis=1)
    drawn = {name: folder / f"{name}.png" for name in DRAWINGS[: None if history else -1]}
    plots.plot_confusion_matrix(np.array(report["confusion_matrix"]), test.classes, drawn["confusion_matrix"])
    plots.plot_class_metrics(report["per_class"], drawn["class_metrics"])
    plots.plot_gallery(test.images, *answers, test.classes, drawn["predictions"])
    plots.plot_confident_errors(test.images, *answers, test.classes, drawn["confident_errors"])
    plots.plot_filters(next(iter(model.state_dict().values())), drawn["filters"])
    if history:
        plots.plot_history(history, drawn["history"])
    print("\nwritten:", *written, *drawn.values(), sep="\n  ")


def make_config(arguments: argparse.Namespace, saved: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return all settings of a run: what was given, else what the checkpoint says, else what suits data and model.

    Raises:
        UsageError: a setting contradicts the checkpoint, or the checkpoint is not one of this example.
    """
    explicit = {
        name: getattr(arguments, name) for name in ("data", "model", "epochs", "batch_size", "lr", "limit", "seed")
    }
    recipe = RECIPES[arguments.data or "cifar10", arguments.model or "cnn"]
    # The data tell the classes; a checkpoint says them where there are no data.
    defaults = {"data": "cifar10", "model": "cnn", **recipe, "limit": None, "seed": 0, "classes": []}
    adjustable = ("epochs",) if arguments.resume else ()
    config = common.merged_config(explicit, saved["config"] if saved else None, defaults, adjustable)
    if (config["data"], config["model"]) not in RECIPES:
        unknown = one_line(f"{config['model']} on {config['data']}")
        raise UsageError(f"the checkpoint is of an unknown model, {unknown}")
    if saved:
        common.check_class_names(config["classes"])
    common.check_extension(config["epochs"], saved if arguments.resume else None)
    return config


def load_test(config: dict[str, Any], data_dir: Path | None) -> Any:
    """Return the test pictures.

    Raises:
        UsageError: their classes are not the checkpoint's.
    """
    test = load_pictures(config["data"], data_dir, train=False)
    check_same_classes(test.classes, config["classes"])
    return test


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
    pictures = load_pictures(config["data"], arguments.data_dir, train=True)
    config["classes"] = config["classes"] or pictures.classes
    test = load_test(config, arguments.data_dir)
    trainer = build_trainer(config, pictures, folder, device)
    if saved:
        trainer.resume(saved)
    extended = bool(saved) and saved["config"]["epochs"] != config["epochs"]
    resume_command = common.note_command("examples.cifar10", argv, arguments, folder, extended)
    print(pictures, test, nn.summary(trainer.model, (3, SIZE, SIZE)), sep="\n")
    print(f"{common.counted(trainer.epochs, 'epoch')} on {device}, into {folder}/")
    if saved and extended:
        print(common.describe_extension(trainer, saved))

    def finish() -> None:
        measure(trainer.model, test, folder, trainer.history, device)
        print(common.describe_best(trainer))
        answer(trainer.model, photos, config, folder, device)

    common.fit(trainer, resume_command, finish)


def answer(model: nn.Module, photos: Sequence[Photo], config: dict[str, Any], folder: Path, device: str) -> None:
    """Say and draw what is in photos, if there are any."""
    if photos:
        normalize = normalization(config["data"])
        draw_answers(model, photos, normalize, config["classes"], folder / PREDICTIONS, device)


def run(argv: Sequence[str]) -> None:
    """Parse the arguments and do what they ask for."""
    arguments = build_parser().parse_args(argv)
    common.check_arguments(arguments)
    with open_run(arguments, Path("runs") / (arguments.data or "cifar10")) as (folder, saved):
        config = make_config(arguments, saved)
        device = common.choose_device(arguments.device)
        photos = read_photos(arguments.predict, SIZE)
        if not arguments.checkpoint or saved is None:
            train(config, arguments, folder, saved, device, argv, photos)
            return
        model = build_model(config["model"], len(config["classes"])).to(device)
        common.load_weights(model, saved, arguments.checkpoint)
        if arguments.eval_only:
            measure(model, load_test(config, arguments.data_dir), folder, saved["history"], device)
        answer(model, photos, config, folder, device)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return common.guarded(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
