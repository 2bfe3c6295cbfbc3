"""The table of cases: every differentiable operation on small inputs that reach each of its branches.

One line is one case: the operation, what is special, the inputs, and the options. Where a call cannot be written like
that, `fn` spells it out. The points lie away from kinks and ties, where no derivative exists: `distinct` numbers have
gaps of 0.5 between them and are not near 0, or near any multiple of 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from minigrad import kernels, ops
from minigrad.gradcheck.case import case, distinct, normal, positive
from minigrad.gradcheck.numbers import NUMBERS
from minigrad.ops.conv import conv2d_relu
from minigrad.ops.norm import batch_norm_add_relu
from minigrad.rng import random_stream
from minigrad.tensor import Tensor

# ---- calls that are not one operation ------------------------------------------------------------------------------


def fixed(x: Tensor, *shape: int) -> Tensor:
    """Return positive numbers without gradient, the same ones every time, on x's device."""
    return Tensor(np.linspace(0.5, 2.0, math.prod(shape), dtype=x.dtype).reshape(shape), device=x.device)


def nchw(x: Tensor) -> Tensor:
    """Show (N, H, W, C) as (N, C, H, W): pictures that are channels-last in memory."""
    return x.permute(0, 3, 1, 2)


def batch_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, training: bool = True, eps: float = 1e-5
) -> Tensor:
    """Call `ops.batch_norm` with running statistics of its own, which it may change."""
    running = fixed(x, x.shape[1]), fixed(x, x.shape[1])
    return ops.batch_norm(x, weight, bias, *running, training, eps=eps)


def residual(x: Tensor, weight: Tensor, bias: Tensor, shortcut: Tensor, training: bool) -> Tensor:
    """Call `ops.batch_norm` with all that can follow it."""
    running = fixed(x, x.shape[1]), fixed(x, x.shape[1])
    return batch_norm_add_relu(x, weight, bias, *running, training, shortcut=shortcut, relu=True)


def weighted_cross_entropy(logits: Tensor, weight: Tensor) -> Tensor:
    """Call `ops.cross_entropy` with weights of the classes, smoothing, and a target that is ignored."""
    return ops.cross_entropy(logits, [1, 0, -1], "mean", 0.2, weight, ignore_index=-1)


def mul_all(parts: Sequence[Tensor]) -> Tensor:
    """Multiply what an operation returned several of."""
    return parts[0] * parts[1]


def seeded_dropout(x: Tensor, p: float) -> Tensor:
    """Call `ops.dropout` with the same random numbers each time."""
    with random_stream(0):
        return ops.dropout(x, p)


# ---- the cases ---------------------------------------------------------------------------------------------------

ELEMENTWISE = [
    case("add", "equal shapes", normal(2, 3), normal(2, 3)),
    case("add", "both broadcast", normal(3, 1), normal(2, 1, 4)),
    case("add", "0-d and matrix", normal(), normal(2, 3)),
    case("add", "number on the left", normal(3), fn=lambda x: ops.add(2, x)),
    case("add", "the same Tensor twice", normal(3), fn=lambda x: ops.add(x, x)),
    case("sub", "both broadcast", normal(3, 1), normal(2, 1, 4)),
    case("sub", "number on the right", normal(3), fn=lambda x: ops.sub(x, 1.5)),
    case("sub", "number on the left", normal(3), fn=lambda x: ops.sub(1.5, x)),
    case("mul", "both broadcast", normal(3, 1), normal(2, 1, 4)),
    case("mul", "number on the left", normal(3), fn=lambda x: ops.mul(-3, x)),
    case("mul", "the same Tensor twice", normal(3), fn=lambda x: ops.mul(x, x)),
    case("mul", "transposed with strided", normal(3, 2), normal(2, 6), fn=lambda a, b: ops.mul(a.T, b[:, ::2])),
    case("div", "both broadcast", normal(3, 1), positive(2, 1, 4)),
    case("div", "number on the right", normal(3), fn=lambda x: ops.div(x, 4)),
    case("div", "number on the left", positive(3), fn=lambda x: ops.div(2, x)),
    case("div", "the same Tensor twice", positive(3), fn=lambda x: ops.div(x * x, x)),
    case("neg", "matrix", normal(2, 3)),
    case("pow", "both broadcast", positive(3, 1), normal(1, 2)),
    case("pow", "square, also of 0 and of negatives", np.array([-1.5, 0.0, 0.5]), b=2),
    case("pow", "cube, also of 0 and of negatives", np.array([-1.5, 0.0, 0.5]), b=3),
    case("pow", "exponent 1, also of 0", np.array([-1.5, 0.0]), b=1),
    case("pow", "exponent 0, also of 0", np.array([-1.5, 0.0]), b=0),
    case("pow", "exponents -1.5 and 0.5", positive(4), fn=lambda x: ops.pow(x, -1.5) + ops.pow(x, 0.5)),
    case("pow", "Tensor exponents 0, 1 and 2", positive(3), np.array([0.0, 1.0, 2.0])),
    case("pow", "number as the base", normal(4), fn=lambda x: ops.pow(2, x)),
    case("exp", "matrix", normal(2, 3)),
    case("log", "matrix", positive(2, 3)),
    case("sqrt", "matrix", positive(2, 3)),
    case("sin", "matrix", normal(2, 3)),
    case("cos", "matrix", normal(2, 3)),
    case("absolute", "both signs", distinct(2, 3)),
    case("expm1", "matrix", normal(2, 3)),
    case("log1p", "matrix", positive(2, 3)),
    case("rsqrt", "matrix", positive(2, 3)),
    case("square", "both signs", normal(2, 3)),
    case("sign", "both signs", distinct(2, 3)),
    case("floor", "both signs", distinct(2, 3)),
    case("ceil", "both signs", distinct(2, 3)),
    case("round", "both signs", distinct(2, 3)),
    case("softplus", "both signs", normal(2, 3)),
    case("softplus", "saturated", np.array([-40.0, -5.0, 5.0, 40.0])),
    case("silu", "both signs", normal(2, 3)),
    case("leaky_relu", "both signs", distinct(2, 3), negative_slope=0.2),
    case("elu", "both signs", distinct(2, 3), alpha=1.5),
    case("relu", "both signs", distinct(2, 3)),
    case("relu", "transposed", distinct(2, 3), fn=lambda x: ops.relu(x.T)),
    case("sigmoid", "both signs", normal(2, 3)),
    case("sigmoid", "saturated", np.array([-40.0, -5.0, 5.0, 40.0])),
    case("tanh", "both signs", normal(2, 3)),
    case("dropout", "half of the elements", normal(3, 4), fn=seeded_dropout, p=0.5),
    case("dropout", "all elements", normal(3), p=1),
    case("dropout", "outside training", normal(3), p=0.5, training=False),
]

SELECTION = [
    case("clip", "both sides", distinct(2, 4), low=-1, high=1),
    case("clip", "below", distinct(5), low=-0.5),
    case("clip", "above", distinct(5), high=0.5),
    case("maximum", "both broadcast", distinct(3, 1), distinct(2, 1, 4, offset=0.1)),
    case("maximum", "number on the right", distinct(5), fn=lambda x: ops.maximum(x, 0.5)),
    case("maximum", "number on the left", distinct(5), fn=lambda x: ops.maximum(0.5, x)),
    case("minimum", "both broadcast", distinct(3, 1), distinct(2, 1, 4, offset=0.1)),
    case("minimum", "number on the right", distinct(5), fn=lambda x: ops.minimum(x, 0.5)),
    case("minimum", "number on the left", distinct(5), fn=lambda x: ops.minimum(0.5, x)),
    case("masked_fill", "mask that broadcasts", normal(3, 4), fn=lambda x: ops.masked_fill(x, fixed(x, 4) > 1, 2.0)),
    case("where", "all three broadcast", normal(3, 1), normal(4), fn=lambda a, b: ops.where(fixed(a, 3, 4) > 1, a, b)),
    case("where", "condition from the input", distinct(5), fn=lambda x: ops.where(x > 0, x * x, -x)),
    case("where", "number on the left", distinct(5), fn=lambda x: ops.where(x > 0, 2.0, x)),
    case("where", "number on the right", distinct(5), fn=lambda x: ops.where(x > 0, x, 2)),
]

REDUCTION = [
    case("sum", "everything", normal(2, 3)),
    case("sum", "0-d", normal()),
    case("sum", "axis 0", normal(2, 3), axis=0),
    case("sum", "negative axis, keepdims", normal(2, 3), axis=-1, keepdims=True),
    case("sum", "two axes of three", normal(2, 3, 2), axis=(0, -1)),
    case("mean", "everything", normal(2, 3)),
    case("mean", "two axes of three, keepdims", normal(2, 3, 2), axis=(-1, 0), keepdims=True),
    case("var", "everything", normal(2, 3)),
    case("var", "axis 1, keepdims", normal(2, 3), axis=1, keepdims=True),
    case("var", "two axes of three, biased", normal(2, 3, 2), axis=(0, 2), correction=0),
    case("max", "everything", distinct(2, 3)),
    case("max", "negative axis", distinct(2, 3), axis=-1),
    case("max", "two axes of three, keepdims", distinct(2, 3, 2), axis=(0, 2), keepdims=True),
    case("min", "everything", distinct(2, 3)),
    case("min", "negative axis", distinct(2, 3), axis=-1),
    case("min", "two axes of three, keepdims", distinct(2, 3, 2), axis=(0, 2), keepdims=True),
    case("amax", "axis 0", distinct(2, 3), axis=0),
    case("amin", "axis 0", distinct(2, 3), axis=0),
    case("std", "axis 1, keepdims", normal(2, 3), axis=1, keepdims=True),
    case("norm", "everything", normal(2, 3)),
    case("norm", "sum of magnitudes, axis 1", distinct(2, 3), p=1, axis=1),
    case("norm", "third power, keepdims", distinct(2, 3), p=3, axis=0, keepdims=True),
    case("norm", "largest magnitude", distinct(2, 3, offset=0.1), p=math.inf),
    case("prod", "everything", normal(2, 3)),
    case("prod", "with a 0, axis 1", np.array([[2.0, 0.0, 3.0], [0.0, 4.0, 0.0]]), axis=1),
    case("prod", "two axes of three, keepdims", normal(2, 2, 3), axis=(0, 2), keepdims=True),
    case("cumsum", "negative axis", normal(2, 3), axis=-1),
    case("softmax", "last axis", normal(2, 3)),
    case("softmax", "axis 0", normal(3, 2), axis=0),
    case("log_softmax", "last axis", normal(2, 3)),
    case("log_softmax", "axis 0", normal(3, 2), axis=0),
    case("logsumexp", "last axis", normal(2, 3)),
    case("logsumexp", "axis 0, keepdims", normal(3, 2), axis=0, keepdims=True),
]

SHAPE = [
    case("reshape", "with -1", normal(2, 3), fn=lambda x: ops.reshape(x, 3, -1)),
    case("reshape", "of a transposed", normal(2, 3), fn=lambda x: ops.reshape(x.T, (1, 6))),
    case("permute", "three axes, negative ones", normal(2, 3, 2), fn=lambda x: ops.permute(x, -1, 0, 1)),
    case("transpose", "all axes", normal(2, 1, 3)),
    case("transpose", "two axes", normal(2, 1, 3), fn=lambda x: ops.transpose(x, 0, -1)),
    case("broadcast_to", "new and repeated axes", normal(3, 1), fn=lambda x: ops.broadcast_to(x, 2, 3, 2)),
    case("flatten", "from axis 1", normal(2, 3, 2), start=1),
    case("flatten", "0-d", normal()),
    case("flatten", "axes 1 to 2 of four", normal(2, 1, 3, 2), start=1, end=2),
    case("t", "matrix", normal(2, 3)),
    case("expand", "with -1", normal(2, 1), fn=lambda x: ops.expand(x, 3, -1, 2)),
    case("repeat", "with a new axis", normal(2, 1), fn=lambda x: ops.repeat(x, 2, 1, 3)),
    case("flip", "all axes", normal(2, 3)),
    case("flip", "negative axis", normal(2, 3), axis=-1),
    case("roll", "two axes", normal(2, 3), shifts=(1, -1), axis=(0, 1)),
    case("roll", "the flat Tensor", normal(2, 3), shifts=2),
    case("split", "lengths", normal(2, 4), fn=lambda x: mul_all(ops.split(x, [1, 1, 2], axis=1)[::2])),
    case("chunk", "two pieces", normal(4, 2), fn=lambda x: mul_all(ops.chunk(x, 2))),
    case("squeeze", "all axes of length 1", normal(1, 3, 1)),
    case("squeeze", "negative axis", normal(1, 3, 1), axis=-1),
    case("unsqueeze", "negative axis", normal(2, 3), axis=-2),
    case("concat", "negative axis", normal(2, 1), normal(2, 3), fn=lambda a, b: ops.concat([a, b], axis=-1)),
    case("concat", "one Tensor twice", normal(2, 2), normal(1, 2), fn=lambda a, b: ops.concat([a, b, a])),
    case("stack", "axis 1", normal(2, 3), normal(2, 3), fn=lambda a, b: ops.stack([a, b], axis=1)),
    case("stack", "0-d", normal(), normal(), fn=lambda a, b: ops.stack([a, b])),
    case("pad", "uneven, with a value", normal(2, 3), width=((1, 0), (0, 2)), value=1.5),
    case("clone", "matrix", normal(2, 3)),
    case("astype", "to the dtype that it has", normal(3), dtype=np.float64),
    # The points and steps are fractions of powers of 2, which float32 holds exactly.
    case("astype", "to float32 and back", distinct(3), fn=lambda x: ops.astype(ops.astype(x, "f4"), "f8"), step=2**-8),
    case("contiguous", "transposed", normal(2, 3), fn=lambda x: ops.contiguous(x.T)),
    case("type_as", "float32 and back", distinct(3), fn=lambda x: ops.type_as(x.astype("f4"), x), step=2**-8),
    case("to", "to the CPU and back", normal(3), fn=lambda x: ops.to(ops.to(x, "cpu"), x.device)),
]

INDEX = [
    case("getitem", "int", normal(3, 2), index=-1),
    case("getitem", "slices, one of them backwards", normal(4, 3), index=(slice(1, None, 2), slice(None, None, -1))),
    case("getitem", "None and Ellipsis", normal(2, 3), index=(None, ..., 1)),
    case("getitem", "list with duplicates", normal(3, 2), index=[0, 2, 0, -1]),
    case("getitem", "two lists", normal(3, 3), index=([0, 1, 0], [2, 2, 2])),
    case("getitem", "lists around a slice", normal(2, 2, 3), index=([1, 0, 1], slice(None), [0, 2, 0])),
    case("getitem", "matrix of ints", normal(3, 2), index=[[0, 2], [2, 2]]),
    case("getitem", "int Tensor", distinct(3, 2), fn=lambda x: ops.getitem(x, x.argmax(axis=0))),
    case("getitem", "mask", distinct(2, 3), fn=lambda x: ops.getitem(x, x > 0)),
    case("getitem", "mask of an axis, and a slice", normal(3, 2), index=([True, False, True], slice(1, None))),
    case("getitem", "nothing", normal(3), index=[]),
    case("gather", "axis 1, with duplicates", normal(3, 4), axis=1, index=[[0, 3, 0], [2, 2, 2]]),
    case("gather", "axis 0 of three", normal(2, 3, 2), axis=0, index=[[[1, 0], [0, 0]]]),
    case("sort", "axis 0", distinct(3, 2), fn=lambda x: ops.sort(x, axis=0).values),
    case("topk", "two largest", distinct(2, 4), fn=lambda x: ops.topk(x, 2).values),
]

MATRIX = [
    case("matmul", "matrices", normal(2, 3), normal(3, 2)),
    case("matmul", "vectors", normal(3), normal(3)),
    case("matmul", "vector and matrix", normal(3), normal(3, 2)),
    case("matmul", "stack and vector", normal(2, 2, 3), normal(3)),
    case("matmul", "stacks that broadcast", normal(2, 1, 2, 3), normal(2, 3, 1)),
    case("matmul", "transposed", normal(3, 2), normal(2, 3), fn=lambda a, b: ops.matmul(a.T, b.T)),
    case("linear", "rows", normal(3, 2), normal(4, 2), normal(4)),
    case("linear", "one row", normal(2), normal(3, 2), normal(3)),
    case("linear", "stack of rows, no bias", normal(2, 1, 3), normal(2, 3)),
]


CONVOLUTION = [
    case("conv2d", "3x3, padding 1", normal(2, 2, 3, 4), normal(2, 2, 3, 3), normal(2), padding=1),
    *[
        case(
            "conv2d",
            f"by {name}",
            normal(2, 2, 5, 4),
            normal(2, 2, 3, 3),
            normal(2),
            choice=partial(kernels.using, name),
            padding=1,
        )
        for name in kernels.conv.ALGORITHMS
    ],
    case("conv2d", "16 pictures, 5 channels", normal(16, 5, 2, 2), normal(1, 5, 1, 2), normal(1), padding=(0, 1)),
    case("conv2d", "ReLU", normal(2, 2, 3, 3), normal(2, 2, 3, 3), normal(2), fn=conv2d_relu, padding=1),
    case("conv2d", "1x1, no bias", normal(2, 3, 2, 2), normal(2, 3, 1, 1)),
    case("conv2d", "even kernel", normal(1, 1, 4, 3), normal(2, 1, 2, 2), normal(2), padding=1),
    case("conv2d", "many filters", normal(1, 1, 4, 4), normal(3, 1, 3, 3), normal(3), padding=1),
    case("conv2d", "few filters, strided", normal(1, 2, 5, 5), normal(1, 2, 3, 3), stride=2, padding=1),
    case("conv2d", "stride wider than the kernel", normal(1, 2, 6, 5), normal(2, 2, 2, 1), stride=3),
    case("conv2d", "padding wider than the kernel", normal(1, 1, 2, 3), normal(1, 1, 1, 2), padding=(2, 3)),
    case("conv2d", "the same, strided", normal(1, 1, 2, 3), normal(1, 1, 1, 2), padding=(2, 3), stride=2),
    case("conv2d", "the same, in groups", normal(1, 2, 2, 2), normal(2, 1, 2, 1), padding=(3, 1), groups=2),
    case("conv2d", "16 channels", normal(1, 16, 2, 3), normal(2, 16, 1, 2)),
    case("conv2d", "16 channels, strided", normal(1, 16, 3, 2), normal(2, 16, 2, 1), stride=(1, 2)),
    case("conv2d", "wide picture", normal(1, 1, 2, 18), normal(2, 1, 2, 2), padding=1),
    case("conv2d", "dilated", normal(1, 1, 5, 5), normal(2, 1, 2, 3), dilation=2),
    case("conv2d", "pairs", normal(1, 1, 5, 6), normal(1, 1, 2, 3), stride=(2, 1), padding=(0, 1), dilation=(1, 2)),
    case("conv2d", "two groups", normal(1, 4, 3, 3), normal(4, 2, 2, 2), normal(4), padding=1, groups=2),
    case("conv2d", "two groups, strided", normal(1, 4, 4, 3), normal(2, 2, 2, 2), groups=2, stride=2),
    case("conv2d", "depthwise, two filters each", normal(1, 2, 3, 3), normal(4, 1, 2, 2), normal(4), groups=2),
    case("conv2d", "channels-last", normal(1, 3, 3, 2), normal(2, 2, 2, 2), fn=lambda x, w: ops.conv2d(nchw(x), w)),
    case("conv2d", "input alone", normal(1, 1, 3, 3), fn=lambda x: ops.conv2d(x, fixed(x, 1, 1, 2, 2))),
    case("conv2d", "weight alone", normal(1, 1, 2, 2), fn=lambda w: ops.conv2d(fixed(w, 1, 1, 3, 3), w)),
    case("conv2d", "bias alone", normal(2), fn=lambda b: ops.conv2d(fixed(b, 1, 1, 3, 3), fixed(b, 2, 1, 2, 2), b)),
]

POOLING = [
    case("max_pool2d", "2", distinct(1, 2, 4, 4), kernel_size=2),
    case("max_pool2d", "overlapping, padded, odd size", distinct(1, 1, 5, 5), kernel_size=3, stride=2, padding=1),
    case("max_pool2d", "pairs", distinct(1, 2, 3, 5), kernel_size=(2, 3), stride=(1, 2), padding=(1, 0)),
    case("max_pool2d", "stride wider than the kernel", distinct(1, 1, 5, 4), kernel_size=1, stride=3),
    case("max_pool2d", "channels-last", distinct(1, 3, 2, 2), fn=lambda x: ops.max_pool2d(nchw(x), 2, 1)),
    case("avg_pool2d", "2", normal(1, 2, 4, 4), kernel_size=2),
    case("avg_pool2d", "overlapping, padded, odd size", normal(1, 1, 5, 5), kernel_size=3, stride=2, padding=1),
    case("avg_pool2d", "pairs", normal(1, 2, 3, 5), kernel_size=(2, 3), stride=(1, 2), padding=(1, 0)),
    case("avg_pool2d", "stride wider than the kernel", normal(1, 1, 5, 4), kernel_size=1, stride=3),
    case("avg_pool2d", "channels-last", normal(1, 3, 2, 2), fn=lambda x: ops.avg_pool2d(nchw(x), 2, 1)),
    case("adaptive_avg_pool2d", "1", normal(2, 2, 3, 2), output_size=1),
    case("adaptive_avg_pool2d", "grid that divides the picture", normal(1, 2, 4, 3), output_size=(2, 3)),
    case("adaptive_avg_pool2d", "grid that does not", normal(1, 2, 5, 3), output_size=(3, 2)),
    case("adaptive_avg_pool2d", "grid finer than the picture", normal(1, 1, 2, 3), output_size=(3, 4)),
]

NORMALISATION = [
    case("batch_norm", "training", normal(2, 2, 2, 2), normal(2), normal(2), fn=batch_norm, training=True),
    case("batch_norm", "training, rows", normal(4, 2), normal(2), normal(2), fn=batch_norm, training=True),
    case("batch_norm", "training, no weight", normal(2, 2, 3), fn=batch_norm, training=True),
    case("batch_norm", "training, large eps", normal(3, 2), fn=batch_norm, training=True, eps=0.5),
    case("batch_norm", "training, weight alone", normal(2), fn=lambda w: batch_norm(fixed(w, 3, 2), w, None, True)),
    case("batch_norm", "training, bias alone", normal(2), fn=lambda b: batch_norm(fixed(b, 3, 2), None, b, True)),
    case("batch_norm", "channels-last", normal(2, 2, 1, 2), fn=lambda x: batch_norm(nchw(x), training=True)),
    case(
        "batch_norm",
        "training, shortcut, ReLU",
        normal(2, 2, 2, 2),
        normal(2),
        normal(2),
        normal(2, 2, 2, 2),
        fn=residual,
        training=True,
    ),
    case(
        "batch_norm",
        "evaluation, shortcut, ReLU",
        normal(3, 2),
        normal(2),
        normal(2),
        normal(3, 2),
        fn=residual,
        training=False,
    ),
    case("batch_norm", "evaluation", normal(2, 2, 1, 2), normal(2), normal(2), fn=batch_norm, training=False),
    case("batch_norm", "evaluation, one row, no weight", normal(1, 2), fn=batch_norm, training=False),
]

LOSS = [
    case("cross_entropy", "mean", normal(3, 4), targets=[0, 3, 0]),
    case("cross_entropy", "sum, smoothed", normal(2, 3), targets=[1, 1], reduction="sum", label_smoothing=0.2),
    case("cross_entropy", "each, smoothed", normal(2, 3), targets=[2, 0], reduction="none", label_smoothing=0.1),
    case("cross_entropy", "one ignored", normal(3, 4), targets=[0, -100, 3], label_smoothing=0.1),
    case("cross_entropy", "each, one ignored", normal(3, 4), targets=[1, 0, 3], ignore_index=1, reduction="none"),
    case("cross_entropy", "weights of classes", normal(3, 2), positive(2), fn=weighted_cross_entropy),
    case("cross_entropy", "probabilities", normal(2, 3), positive(2, 3)),
    case("cross_entropy", "places", normal(2, 3, 2), targets=[[0, 2], [1, 1]]),
    case("cross_entropy", "one example", normal(3), targets=2),
    case("nll_loss", "one ignored", normal(3, 2), targets=[1, -100, 0]),
    case("binary_cross_entropy", "mean", positive(3) / 3, fn=lambda p: ops.binary_cross_entropy(p, fixed(p, 3) / 3)),
    case("binary_cross_entropy_with_logits", "weighted", normal(2, 3), positive(2, 3), pos_weight=[1.0, 2.0, 3.0]),
    case("l1_loss", "mean", distinct(4), distinct(4, offset=0.1)),
    case("huber_loss", "both sides of delta", distinct(2, 4), distinct(2, 4, offset=0.1), delta=0.8),
    case("mse_loss", "mean", normal(2, 3), normal(2, 3)),
    case("mse_loss", "sum", normal(3), normal(3), reduction="sum"),
    case("mse_loss", "each, target without gradient", normal(3), fn=lambda x: ops.mse_loss(x, fixed(x, 3), "none")),
    case("smooth_l1_loss", "mean, both sides of beta", distinct(2, 4), distinct(2, 4, offset=0.1)),
    case("smooth_l1_loss", "sum, small beta", distinct(4), distinct(4, offset=0.1), reduction="sum", beta=0.3),
    case("smooth_l1_loss", "each", distinct(4), distinct(4, offset=0.1), reduction="none", beta=2.0),
]

ARRAYS = ELEMENTWISE + SELECTION + REDUCTION + SHAPE + INDEX + MATRIX + CONVOLUTION + POOLING + NORMALISATION + LOSS
CASES = ARRAYS + NUMBERS
