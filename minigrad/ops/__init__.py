"""Every differentiable operation. One file per kind; in it each `Function` stands beside the function that users
call.
"""

from minigrad.ops.activation import log_softmax, logsumexp, relu, sigmoid, softmax, tanh
from minigrad.ops.arrange import chunk, expand, flip, repeat, roll, split
from minigrad.ops.casting import astype, clone, contiguous, to, type_as
from minigrad.ops.conv import conv2d
from minigrad.ops.cross_entropy import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    nll_loss,
)
from minigrad.ops.dropout import dropout
from minigrad.ops.elementwise import absolute, add, cos, div, exp, log, mul, neg, pow, sin, sqrt, sub
from minigrad.ops.indexing import getitem
from minigrad.ops.joining import concat, pad, stack
from minigrad.ops.joining import concat as cat
from minigrad.ops.loss import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from minigrad.ops.matmul import linear, matmul
from minigrad.ops.norm import batch_norm
from minigrad.ops.order import argsort, gather, sort, topk
from minigrad.ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from minigrad.ops.reduce import all, amax, amin, any, argmax, argmin, max, mean, min, sum, var
from minigrad.ops.scan import cumsum, norm, prod, std
from minigrad.ops.select import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    clip,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    maximum,
    minimum,
    not_equal,
    where,
)
from minigrad.ops.shape import broadcast_to, flatten, permute, reshape, squeeze, t, transpose, unsqueeze
from minigrad.ops.unary import (
    ceil,
    elu,
    expm1,
    floor,
    isfinite,
    isinf,
    isnan,
    leaky_relu,
    log1p,
    masked_fill,
    round,
    rsqrt,
    sign,
    silu,
    softplus,
    square,
)

__all__ = [name for name in dir() if not name.startswith("_") and callable(globals()[name])]


def __dir__() -> list[str]:
    return __all__
