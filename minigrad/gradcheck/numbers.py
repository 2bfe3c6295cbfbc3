"""Cases of 0-d Tensors, single numbers. NumPy computes a scalar of them, which is no array: every operation that takes
them has to make do with that, in its masks and its gradients, too.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad import ops
from minigrad.gradcheck.case import case

ONE, TWO = np.array(0.7), np.array(1.3)  # away from all kinks, and from each other

OF_ONE = [
    "absolute", "amax", "amin", "broadcast_to", "ceil", "clone", "contiguous", "cos", "elu", "exp", "expm1",
    "expand", "flip", "floor", "leaky_relu", "log", "log1p", "max", "mean", "min", "neg", "norm", "permute",
    "prod", "relu", "repeat", "reshape", "round", "rsqrt", "sigmoid", "sign", "silu", "sin", "softplus", "sqrt",
    "square", "squeeze", "t", "tanh", "transpose",
]  # fmt: skip
OF_TWO = [
    "add", "div", "huber_loss", "l1_loss", "maximum", "minimum", "mse_loss", "mul", "pow", "smooth_l1_loss",
    "sub", "binary_cross_entropy_with_logits",
]  # fmt: skip

NUMBERS = [
    *[case(name, "0-d", ONE) for name in OF_ONE],
    *[case(name, "two 0-d", ONE, TWO) for name in OF_TWO],
    *[case(name, "0-d and vector", ONE, np.array([0.5, 1.5])) for name in ("mul", "div", "pow", "maximum", "minimum")],
    case("maximum", "0-d and number", ONE, fn=lambda x: ops.maximum(x, 0.5)),
    case("minimum", "number and 0-d", ONE, fn=lambda x: ops.minimum(0.5, x)),
    case("pow", "number and 0-d", ONE, fn=lambda x: ops.pow(2, x)),
    case("clip", "0-d", ONE, low=-1, high=1),
    case("clip", "0-d, above", ONE, high=0.5),
    case("where", "all three 0-d", ONE, TWO, fn=lambda a, b: ops.where(a < b, a * b, b)),
    case("where", "Python's condition", ONE, fn=lambda x: ops.where(True, x, 2.0)),
    case("masked_fill", "0-d", ONE, fn=lambda x: ops.masked_fill(x, x > 1, 2.0)),
    case("dropout", "0-d", ONE, p=1),
    case("binary_cross_entropy", "0-d", ONE, fn=lambda p: ops.binary_cross_entropy(p, 0.4)),
    case("var", "0-d, biased", ONE, correction=0),
    case("std", "of one number in a vector of two", ONE, fn=lambda x: ops.std(ops.stack([x, x * x]))),
    case("norm", "0-d, third power", ONE, p=3),
    case("norm", "0-d, largest magnitude", ONE, p=math.inf),
    case("sum", "0-d, keepdims", ONE, keepdims=True),
    case("reshape", "0-d to matrix", ONE, fn=lambda x: ops.reshape(x, 1, -1)),
    case("broadcast_to", "0-d to matrix", ONE, fn=lambda x: ops.broadcast_to(x, 2, 3)),
    case("repeat", "0-d to matrix", ONE, fn=lambda x: ops.repeat(x, 2, 3)),
    case("roll", "0-d", ONE, shifts=1),
    case("unsqueeze", "0-d", ONE, axis=0),
    case("pad", "0-d", ONE, width=()),
    case("getitem", "0-d, no index", ONE, index=()),
    case("getitem", "0-d, None", ONE, index=None),
    case("getitem", "0-d, mask", ONE, fn=lambda x: ops.getitem(x, x > 0)),
    case("to", "0-d, to the CPU and back", ONE, fn=lambda x: ops.to(ops.to(x, "cpu"), x.device)),
]
