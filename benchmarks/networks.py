"""Rows of whole networks: a step of training, and inference.

Data are random but the same in every framework: float32 pictures and int64 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.frameworks import Framework
from benchmarks.rows import ALL, AND_PLAIN, WITHOUT_PICTURES, Row, Step, classes, noise

Network = Callable[[Framework], Any]  # builds a module

CLASSES = 10


def training_step(framework: Framework, network: Network, batch: int, shape: tuple[int, ...]) -> Step:
    """Return one step of training: forward, cross-entropy, backward, SGD with momentum 0.9.

    Args:
        framework: what to build it in.
        network: builds the network.
        batch: examples per step.
        shape: of one example.
    """
    inputs = framework.tensor(noise(batch, *shape))
    targets = framework.tensor(classes(batch, CLASSES))
    model, criterion = framework.placed(network(framework)), framework.nn.CrossEntropyLoss()
    optimizer = framework.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        optimizer.step()

    return step


def inference_step(framework: Framework, network: Network, batch: int, shape: tuple[int, ...]) -> Step:
    """Return one pass forward in evaluation mode, without recording; arguments as of `training_step`."""
    inputs = framework.tensor(noise(batch, *shape))
    model = framework.placed(network(framework)).eval()

    def step() -> None:
        with framework.no_grad():
            model(inputs)

    return step


def perceptron(framework: Framework) -> Any:
    """Two layers so small that time goes into the engine around the arithmetic, not into the arithmetic."""
    nn = framework.nn
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def lenet(framework: Framework) -> Any:
    """The small classic for 3x32x32 pictures (LeCun et al. 1998, with ReLU and max-pooling): 62,006 parameters."""
    nn = framework.nn
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES)),
    )


def vgg(framework: Framework) -> Any:
    """Pairs of 3x3 convolutions (Simonyan & Zisserman 2015, made small) for 3x32x32 pictures: 550,570 parameters."""
    nn, layers = framework.nn, []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, CLASSES))


def cifar_cnn(framework: Framework) -> Any:
    """`models.CifarCNN`, layer by layer: 298,666 parameters."""
    nn, layers = framework.nn, []
    for inputs, outputs, pool in ((3, 32, True), (32, 64, False), (64, 64, True), (64, 128, False), (128, 128, True)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(2048, CLASSES))


def resnet18(framework: Framework) -> Any:
    """ResNet18 with torchvision's architecture (He et al. 2016): 11,689,512 parameters, 1000 classes."""
    return framework.resnet18()


def _row(
    name: str,
    title: str,
    step: Callable[..., Step],
    network: Network,
    batch: int,
    size: int,
    threads: int | None = None,
    frameworks: tuple[str, ...] = ALL,
) -> Row:
    """Return a row of `step` for pictures of size×size, or with size 0 for examples that are 32 numbers.

    With a number of threads it is one of the rows that show how time per picture changes.
    """
    prepare = partial(step, network=network, batch=batch, shape=(3, size, size) if size else (32,))
    return Row(name, title, prepare, frameworks if size else WITHOUT_PICTURES, batch if threads else 1, threads=threads)


def _main_rows() -> list[Row]:
    rows = [_row("perceptron-4", "two-layer perceptron, training step, batch 4", training_step, perceptron, 4, 0)]
    for batch in (4, 64, 256):
        title = f"LeNet-style CNN, training step, batch {batch}"
        rows.append(_row(f"lenet-{batch}", title, training_step, lenet, batch, 32, frameworks=AND_PLAIN))
    more = {"frameworks": AND_PLAIN}
    rows.append(_row("vgg-64", "VGG-style CNN, training step, batch 64", training_step, vgg, 64, 32, **more))
    rows.append(_row("resnet18-train-8", "ResNet18, training step, batch 8", training_step, resnet18, 8, 224, **more))
    for batch in (1, 8, 32):
        title = f"ResNet18, inference, batch {batch}"
        rows.append(_row(f"resnet18-infer-{batch}", title, inference_step, resnet18, batch, 224, **more))
    return rows


def _scaling_rows() -> list[Row]:
    rows = []
    for threads in (1, 2):
        unit = "thread" if threads == 1 else "threads"
        for batch, size in ((1, 224), (4, 224), (16, 224), (4, 64), (4, 128), (4, 320)):
            name = f"scaling-resnet18-infer-{batch}-{size}-{threads}"
            title = f"ResNet18, inference, batch {batch}, {size}×{size}, {threads} {unit}"
            rows.append(_row(name, title, inference_step, resnet18, batch, size, threads))
        for batch in (16, 64, 256):
            name = f"scaling-vgg-{batch}-{threads}"
            title = f"VGG-style CNN, training step, batch {batch}, {threads} {unit}"
            rows.append(_row(name, title, training_step, vgg, batch, 32, threads))
    return rows


def _gpu_rows() -> list[Row]:
    rows = []
    for network, title, batch, size in (
        (cifar_cnn, "CifarCNN", 128, 32),
        (vgg, "VGG-style CNN", 128, 32),
        (resnet18, "ResNet18 at 224×224", 32, 224),
    ):
        for step, name in ((training_step, "train"), (inference_step, "infer")):
            full = f"{title}, {'training step' if name == 'train' else 'inference'}, batch {batch}"
            short = f"gpu-{network.__name__.replace('_', '-')}-{name}"
            rows.append(_row(short, full, step, network, batch, size, frameworks=("minigrad", "torch")))
    return rows


MAIN_ROWS = _main_rows()
GPU_ROWS = _gpu_rows()
SCALING_ROWS = _scaling_rows()
