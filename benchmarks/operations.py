"""Rows of single operations, forward and backward, at the shapes that they have in the networks.

An operation's input comes out of another layer, so that it lies in memory as the framework keeps such data between its
layers; and as the gradient of its output, backward gets the output itself, which lies there in the right order too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.frameworks import Framework
from benchmarks.rows import WITHOUT_PICTURES, Row, Step, classes, noise

Layer = Callable[[Any], Any]  # builds a module, or another function of one tensor, from a framework

CHAIN = 100
MATRIX = 2048


def operation_step(
    framework: Framework, layer: Layer, shape: tuple[int, ...], before: Layer | None, backward: bool
) -> Step:
    """Return one call of an operation as in training, or the way back through it.

    Args:
        framework: what to build it in.
        layer: builds the operation.
        shape: of the input; where there is another layer before, of that layer's input.
        before: builds that layer. Without one, nobody asks for the gradient of pictures.
        backward: time the way back, not the way forward.
    """
    x = framework.tensor(noise(*shape))
    if before is not None:
        x = framework.placed(before(framework))(x).detach()
    x.requires_grad = before is not None or x.ndim < 4
    operation = layer(framework)
    parameters = []
    if hasattr(operation, "parameters"):
        parameters = list(framework.placed(operation).parameters())
    slope = operation(x).detach()

    def forward() -> None:
        operation(x)

    def back() -> float:
        for tensor in (x, *parameters):
            tensor.grad = None
        y = operation(x)
        start = time.perf_counter()
        y.backward(slope)
        return time.perf_counter() - start

    return back if backward else forward


def optimizer_step(framework: Framework, name: str) -> Step:
    """Return one step of the optimizer `name` with ResNet18's parameters and gradients."""
    model = framework.placed(framework.resnet18())
    model(framework.tensor(noise(1, 3, 64, 64))).mean().backward()
    options = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(framework.optim, name)(model.parameters(), lr=1e-6, **options).step


def product_step(framework: Framework) -> Step:
    """Return one product of two large square matrices."""
    a = framework.tensor(noise(MATRIX, MATRIX))

    def step() -> None:
        a @ a

    return step


def cross_entropy(framework: Framework) -> Callable[[Any], Any]:
    """Return the cross-entropy of scores (256, 1000) with fixed targets."""
    criterion, targets = framework.nn.CrossEntropyLoss(), framework.tensor(classes(256, 1000))
    return lambda scores: criterion(scores, targets)


def chain(framework: Framework) -> Callable[[Any], Any]:
    """Return CHAIN operations in a row, on so few numbers that time goes into the engine around them."""
    factor, summand = framework.tensor(noise(32)), framework.tensor(noise(32))

    def apply(x: Any) -> Any:
        for _ in range(CHAIN // 2):
            x = x * factor + summand
        return x

    return apply


def _pair(
    name: str,
    title: str,
    layer: Layer,
    shape: tuple[int, ...],
    before: Layer | None = None,
    flops: tuple[int, int] = (0, 0),
    **more: Any,
) -> list[Row]:
    """Return the rows forward and backward; arguments as of `operation_step` and `Row`."""
    prepare = partial(operation_step, layer=layer, shape=shape, before=before)
    return [
        Row(f"{name}-forward", f"{title}, forward", partial(prepare, backward=False), flops=flops[0], **more),
        Row(f"{name}-backward", f"{title}, backward", partial(prepare, backward=True), flops=flops[1], **more),
    ]


def _conv(
    batch: int, inputs: int, outputs: int, kernel: int, size: int, stride: int = 1, padding: int | None = None
) -> list[Row]:
    """Return the rows of a convolution on pictures of size×size, padded by half the kernel unless told otherwise.

    Its flops are those of the direct algorithm. The way back has twice as many, for the gradients of input and weight;
    the first layer of a network, without the former, has as many as the way forward.
    """
    padding = kernel // 2 if padding is None else padding
    out = (size + 2 * padding - kernel) // stride + 1
    flops = 2 * batch * out**2 * outputs * inputs * kernel**2
    strided, first = f"/{stride}" if stride > 1 else "", inputs == 3
    return _pair(
        f"conv{kernel}x{kernel}{strided}-{inputs}-{outputs}",
        f"conv {kernel}×{kernel}{strided}, {inputs} → {outputs} channels, {batch}×{size}×{size}",
        lambda framework: framework.nn.Conv2d(inputs, outputs, kernel, stride, padding),
        (batch, inputs, size, size),
        None if first else _pointwise(inputs),
        (flops, flops if first else 2 * flops),
    )


def _between_layers(name: str, title: str, channels: int, size: int, layer: Layer) -> list[Row]:
    """Return the rows of a layer on 8 pictures of size×size that come out of a convolution."""
    shape = (8, channels, size, size)
    return _pair(name, f"{title}, {'×'.join(map(str, shape))}", layer, shape, _pointwise(channels))


def _pointwise(channels: int) -> Layer:
    return lambda framework: framework.nn.Conv2d(channels, channels, 1)


def _without_pictures(name: str, title: str, layer: Layer, shape: tuple[int, ...], items: int = 1) -> list[Row]:
    return _pair(name, title, layer, shape, frameworks=WITHOUT_PICTURES, items=items)


PRODUCT = Row("product", f"matrix product, {MATRIX}×{MATRIX}", product_step, WITHOUT_PICTURES, flops=2 * MATRIX**3)
ROWS = [
    PRODUCT,
    *_conv(8, 3, 64, 7, 224, stride=2),
    *_conv(8, 64, 64, 3, 56),
    *_conv(8, 128, 128, 3, 28),
    *_conv(8, 256, 256, 3, 14),
    *_conv(8, 512, 512, 3, 7),
    *_conv(8, 64, 128, 3, 56, stride=2),
    *_conv(8, 64, 128, 1, 56, stride=2),
    *_conv(64, 3, 6, 5, 32, padding=0),
    *_conv(64, 6, 16, 5, 14, padding=0),
    *_between_layers("max-pool", "max pool 3×3/2", 64, 112, lambda f: f.nn.MaxPool2d(3, 2, 1)),
    *_between_layers("avg-pool", "average pool 2×2", 64, 56, lambda f: f.nn.AvgPool2d(2)),
    *_between_layers("batch-norm", "batch norm, training", 64, 56, lambda f: f.nn.BatchNorm2d(64)),
    *_between_layers("relu", "ReLU", 64, 56, lambda f: f.nn.ReLU()),
    *_without_pictures("cross-entropy", "cross-entropy, 256×1000", cross_entropy, (256, 1000)),
    *_without_pictures("chain", f"one of {CHAIN} operations + and × on 32 numbers", chain, (32,), items=CHAIN),
    Row("sgd", "SGD with momentum, ResNet18's parameters", partial(optimizer_step, name="SGD")),
    Row("adamw", "AdamW, ResNet18's parameters", partial(optimizer_step, name="AdamW")),
]
