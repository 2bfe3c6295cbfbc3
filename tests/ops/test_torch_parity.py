"""Every operation gives PyTorch's numbers, forwards and backwards, in float32 and on awkward shapes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, ops
from tests.ops.test_spellings import LINES

torch = pytest.importorskip("torch")
F = torch.nn.functional


def close(ours, theirs, slack=2e-6):
    """Same shape, dtype, nan and infinities; a relative error below 2e-4, or below `slack` of the largest number."""
    ours, theirs = ours.numpy(), theirs.detach().numpy()
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    finite = np.abs(theirs[np.isfinite(theirs)])
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=slack * finite.max(initial=0))


def compare(ours, theirs, *arrays):
    """Compare results, and gradients for the same upstream gradient; integers and booleans get none."""
    arrays = [np.asarray(a, np.float32) if np.asarray(a).dtype.kind == "f" else np.asarray(a) for a in arrays]
    mine = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    other = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    y, z = ours(*mine), theirs(*other)
    close(y, z)
    if not z.requires_grad:
        assert not y.requires_grad
        return
    upstream = np.random.default_rng(1).standard_normal(z.shape).astype(np.float32)
    leaves = [x for x in mine if x.requires_grad]
    expected = torch.autograd.grad(z, [x for x in other if x.requires_grad], torch.tensor(upstream))
    for gradient, reference in zip(mg.grad(y, leaves, Tensor(upstream)), expected, strict=True):
        close(gradient, reference)


def normal(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


def positive(*shape):
    return np.random.default_rng(len(shape)).uniform(0.3, 3, shape)


def ties(*shape):
    return np.random.default_rng(len(shape)).integers(-2, 3, shape).astype(np.float32)


SHAPES = [(), (1,), (7,), (0,), (5, 1, 3), (2, 3, 5, 7), (0, 3)]
BROADCASTS = [((), (3,)), ((7, 1), (5,)), ((2, 1, 3), (4, 1)), ((1, 1), (2, 3, 4)), ((0, 3), (3,)), ((1,), (0, 2))]

UNARY = {
    "neg": (ops.neg, torch.neg, normal),
    "absolute": (ops.absolute, torch.abs, ties),
    "exp": (ops.exp, torch.exp, normal),
    "log": (ops.log, torch.log, positive),
    "sqrt": (ops.sqrt, torch.sqrt, positive),
    "sin": (ops.sin, torch.sin, normal),
    "cos": (ops.cos, torch.cos, normal),
    "tanh": (ops.tanh, torch.tanh, normal),
    "sigmoid": (ops.sigmoid, torch.sigmoid, lambda *shape: 10 * normal(*shape)),
    "relu": (ops.relu, torch.relu, ties),
    "expm1": (ops.expm1, torch.expm1, normal),
    "log1p": (ops.log1p, torch.log1p, positive),
    "rsqrt": (ops.rsqrt, torch.rsqrt, positive),
    "square": (ops.square, torch.square, normal),
    "sign": (ops.sign, torch.sign, ties),
    "floor": (ops.floor, torch.floor, normal),
    "ceil": (ops.ceil, torch.ceil, normal),
    "round": (ops.round, torch.round, lambda *shape: ties(*shape) / 2),
    "softplus": (ops.softplus, F.softplus, lambda *shape: 5 * normal(*shape)),
    "silu": (ops.silu, F.silu, lambda *shape: 5 * normal(*shape)),
    "leaky_relu": (ops.leaky_relu, F.leaky_relu, ties),
    "elu": (ops.elu, F.elu, normal),
    "clip": (lambda x: ops.clip(x, -1, 1.5), lambda x: torch.clamp(x, -1, 1.5), ties),
}
BINARY = {
    "add": (ops.add, torch.add, normal),
    "sub": (ops.sub, torch.sub, normal),
    "mul": (ops.mul, torch.mul, normal),
    "div": (ops.div, torch.div, positive),
    "pow": (ops.pow, torch.pow, positive),
    "maximum": (ops.maximum, torch.maximum, ties),
    "minimum": (ops.minimum, torch.minimum, ties),
    "equal": (ops.equal, torch.eq, ties),
    "not_equal": (ops.not_equal, torch.ne, ties),
    "less": (ops.less, torch.lt, ties),
    "less_equal": (ops.less_equal, torch.le, ties),
    "greater": (ops.greater, torch.gt, ties),
    "greater_equal": (ops.greater_equal, torch.ge, ties),
}
MASK = [True, False, True, False, False]

# operation, ours, PyTorch's, inputs
TABLE = [
    ("sum", lambda x: x.sum(), lambda x: x.sum(), normal(7, 5, 3)),
    ("sum", lambda x: x.sum((0, -1), True), lambda x: x.sum((0, -1), True), normal(7, 5, 3)),
    ("mean", lambda x: x.mean(1), lambda x: x.mean(1), normal(7, 5, 3)),
    ("mean", lambda x: x.mean(0), lambda x: x.mean(0), normal(0, 3)),
    ("var", lambda x: x.var(), lambda x: x.var(), normal(7, 5) + 50),
    ("var", lambda x: x.var((0, 2), True), lambda x: x.var((0, 2), keepdim=True), normal(7, 5, 3)),
    ("var", lambda x: x.var(1, correction=0), lambda x: x.var(1, correction=0), normal(7, 5, 3)),
    ("var", lambda x: x.var(1, correction=0), lambda x: x.var(1, correction=0), normal(7, 1, 3)),
    ("max", lambda x: x.max(), lambda x: x.max(), ties(7, 5)),
    ("max", lambda x: x.max(1), lambda x: x.amax(1), ties(7, 5, 3)),
    ("max", lambda x: x.max((0, 2), True), lambda x: x.amax((0, 2), True), ties(7, 5, 3)),
    ("max", lambda x: x.max(1), lambda x: x.amax(1), ties(0, 3)),
    ("min", lambda x: x.min(), lambda x: x.min(), ties(7, 5)),
    ("min", lambda x: x.min((-1, 0)), lambda x: x.amin((-1, 0)), ties(7, 5, 3)),
    ("argmax", lambda x: x.argmax(1), lambda x: x.argmax(1), normal(7, 5, 3)),
    ("argmax", lambda x: x.argmax(), lambda x: x.argmax(), normal(7, 5, 3)),
    ("softmax", lambda x: ops.softmax(x, 1), lambda x: torch.softmax(x, 1), 5 * normal(7, 5, 3)),
    ("log_softmax", lambda x: ops.log_softmax(x, 0), lambda x: torch.log_softmax(x, 0), 5 * normal(7, 5, 3)),
    ("logsumexp", lambda x: ops.logsumexp(x, -1), lambda x: torch.logsumexp(x, -1), 5 * normal(7, 5, 3)),
    ("logsumexp", lambda x: ops.logsumexp(x, 0, True), lambda x: torch.logsumexp(x, 0, True), normal(7, 5)),
    ("reshape", lambda x: x.reshape(3, -1), lambda x: x.reshape(3, -1), normal(2, 3, 5)),
    ("flatten", lambda x: x.flatten(1), lambda x: x.flatten(1), normal(2, 3, 5)),
    ("permute", lambda x: x.permute(2, 0, -2), lambda x: x.permute(2, 0, -2), normal(2, 3, 5)),
    ("transpose", lambda x: x.transpose(0, -1), lambda x: x.transpose(0, -1), normal(2, 3, 5)),
    ("broadcast_to", lambda x: x.broadcast_to(4, 3, 5), lambda x: x.broadcast_to(4, 3, 5), normal(3, 1)),
    ("squeeze", lambda x: x.squeeze(), lambda x: x.squeeze(), normal(1, 3, 1)),
    ("unsqueeze", lambda x: x.unsqueeze(-2), lambda x: x.unsqueeze(-2), normal(2, 3)),
    (
        "concat",
        lambda *x: ops.concat(x, 1),
        lambda *x: torch.cat(x, 1),
        normal(2, 3, 1),
        normal(2, 0, 1),
        normal(2, 2, 1),
    ),
    ("stack", lambda *x: ops.stack(x, -1), lambda *x: torch.stack(x, -1), normal(2, 3), normal(2, 3)),
    ("pad", lambda x: ops.pad(x, [(1, 2), (0, 3)], 0.5), lambda x: F.pad(x, (0, 3, 1, 2), value=0.5), normal(2, 3)),
    ("astype", lambda x: x.astype("f8").astype("f4"), lambda x: x.double().float(), normal(3)),
    ("astype", lambda x: x.astype(np.int64), lambda x: x.long(), 5 * normal(7)),
    ("to", lambda x: x.to("cpu"), lambda x: x.to("cpu"), normal(3)),
    ("where", ops.where, torch.where, np.array([[True], [False]]), normal(3), normal(2, 3)),
    ("where", lambda x: ops.where(x > 0, x, 2.0), lambda x: torch.where(x > 0, x, 2.0), normal(7)),
    ("getitem", lambda x: x[-1, ..., 1:], lambda x: x[-1, ..., 1:], normal(5, 3, 4)),
    ("getitem", lambda x: x[None, ::2, 1], lambda x: x[None, ::2, 1], normal(5, 3, 4)),
    ("getitem", lambda x: x[[4, 0, 4, -1]], lambda x: x[[4, 0, 4, -1]], normal(5, 3)),
    ("getitem", lambda x: x[[0, 4, 0], :, [1, 1, 1]], lambda x: x[[0, 4, 0], :, [1, 1, 1]], normal(5, 3, 4)),
    ("getitem", lambda x: x[:, [[0, 2], [2, 2]]], lambda x: x[:, [[0, 2], [2, 2]]], normal(5, 3)),
    ("getitem", lambda x: x[MASK, 1:], lambda x: x[torch.tensor(MASK), 1:], normal(5, 3)),
    ("getitem", lambda x: x[x > 0], lambda x: x[x > 0], normal(5, 3)),
    ("linear", ops.linear, F.linear, normal(7, 5), normal(3, 5), normal(3)),
    ("linear", ops.linear, F.linear, normal(2, 7, 5), normal(1, 5)),
    ("linear", ops.linear, F.linear, normal(5), normal(3, 5), normal(3)),
    ("linear", ops.linear, F.linear, normal(0, 5), normal(3, 5), normal(3)),
    ("mse_loss", ops.mse_loss, F.mse_loss, normal(7, 5), normal(7, 5) + 1),
    ("mse_loss", lambda *x: ops.mse_loss(*x, "sum"), lambda *x: F.mse_loss(*x, reduction="sum"), normal(7), ties(7)),
    ("dropout", lambda x: ops.dropout(x, 0.5, False), lambda x: F.dropout(x, 0.5, False), normal(7)),
    ("dropout", lambda x: ops.dropout(x, 1.0), lambda x: F.dropout(x, 1.0), normal(7)),
]
ELSEWHERE = {"matmul", "conv2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "batch_norm", "cross_entropy",
             "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "l1_loss", "huber_loss",
             "smooth_l1_loss"}  # fmt: skip


def test_every_operation_is_compared():
    in_lines = {name for line in LINES for name in line.__code__.co_names}
    compared = {*UNARY, *BINARY, *(row[0] for row in TABLE), *in_lines, *ELSEWHERE}
    assert {getattr(ops, name).__name__ for name in ops.__all__} - {
        "bitwise_and",
        "bitwise_not",
        "bitwise_or",
        "bitwise_xor",
    } <= compared


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_variable(name, shape):
    ours, theirs, numbers = UNARY[name]
    compare(ours, theirs, numbers(*shape))


@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_variables(name, shapes):
    ours, theirs, numbers = BINARY[name]
    compare(ours, theirs, numbers(*shapes[0]), numbers(*shapes[1]))


@pytest.mark.parametrize("row", TABLE, ids=[f"{row[0]}-{i}" for i, row in enumerate(TABLE)])
def test_operation(row):
    compare(*row[1:])


@pytest.mark.parametrize(
    "a, b",
    [
        ((7, 5), (5, 3)),
        ((5,), (5,)),
        ((5,), (5, 3)),
        ((7, 5), (5,)),
        ((2, 7, 5), (5, 3)),
        ((2, 1, 7, 5), (3, 5, 1)),
        ((5,), (2, 5, 3)),
        ((2, 7, 5), (5,)),
        ((0, 5), (5, 3)),
        ((7, 0), (0, 3)),
        ((130, 257), (257, 65)),
    ],
)
def test_matmul(a, b):
    compare(ops.matmul, torch.matmul, normal(*a), normal(*b))


# ---- pictures ----------------------------------------------------------------------------------------------------

KERNELS = [1, 2, 3, (2, 3), (1, 5), 5]
STRIDES = [1, 2, (1, 3)]
PADDINGS = [0, 1, (3, 2)]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("dilation", [1, 2, (1, 2)])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_conv2d(kernel, dilation, groups):
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    x, w, b = normal(2, 4, 11, 10), normal(8, 4 // groups, kh, kw), normal(8)
    for stride, padding in itertools.product(STRIDES, PADDINGS):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        compare(lambda *t, o=options: ops.conv2d(*t, **o), lambda *t, o=options: F.conv2d(*t, **o), x, w, b)


@pytest.mark.parametrize(
    "x, w, options",
    [
        ((3, 1, 28, 28), (6, 1, 5, 5), {}),
        ((2, 3, 33, 31), (17, 3, 3, 3), {"padding": 1}),
        ((2, 24, 17, 19), (40, 24, 3, 3), {"padding": 1}),
        ((4, 32, 16, 16), (32, 32, 3, 3), {"padding": 1}),
        ((1, 64, 9, 7), (64, 64, 3, 3), {}),
        ((1, 3, 64, 65), (8, 3, 7, 7), {"stride": 2, "padding": 3}),
        ((2, 32, 14, 14), (64, 32, 1, 1), {"stride": 2}),
        ((2, 48, 9, 9), (48, 1, 3, 3), {"padding": 1, "groups": 48}),
        ((1, 2, 1, 9), (3, 2, 1, 3), {"stride": 5}),
        ((1, 2, 3, 2), (3, 2, 1, 1), {"padding": 4, "stride": 3}),
    ],
)
def test_conv2d_as_networks_have_it(x, w, options):
    compare(lambda *t: ops.conv2d(*t, **options), lambda *t: F.conv2d(*t, **options), normal(*x), normal(*w))


POOLS = [
    (2, None, 0),
    (3, 2, 1),
    (3, 1, 1),
    ((2, 3), (1, 2), (1, 0)),
    (2, 3, 0),
    (1, 2, 0),
    (5, 1, 2),
    ((7, 9), None, 0),
]


@pytest.mark.parametrize("kernel, stride, padding", POOLS)
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pools(name, kernel, stride, padding):
    ours, theirs = getattr(ops, name), getattr(F, name)
    for x in (normal(2, 3, 7, 9), ties(2, 3, 7, 9)):
        compare(lambda x: ours(x, kernel, stride, padding), lambda x: theirs(x, kernel, stride, padding), x)


@pytest.mark.parametrize("size", [1, 2, (3, 5), (7, 9), (1, 9), (10, 4), (6, 7)])
def test_adaptive_avg_pool2d(size):
    compare(lambda x: ops.adaptive_avg_pool2d(x, size), lambda x: F.adaptive_avg_pool2d(x, size), normal(2, 3, 7, 9))


def test_adaptive_avg_pool2d_where_the_grid_divides_the_picture():
    compare(lambda x: ops.adaptive_avg_pool2d(x, 3), lambda x: F.adaptive_avg_pool2d(x, 3), normal(2, 3, 6, 9))


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 7), (2, 3, 5, 7), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape, training, affine):
    arrays = [normal(*shape) * 3 + 5, *([normal(3) + 1, normal(3)] if affine else [])]
    running = [normal(3), positive(3)]
    mine, other = [Tensor(r.astype("f4")) for r in running], [torch.tensor(r, dtype=torch.float32) for r in running]
    compare(
        lambda x, w=None, b=None: ops.batch_norm(x, w, b, *mine, training, 0.3, 1e-3),
        lambda x, w=None, b=None: F.batch_norm(x, *other, w, b, training, 0.3, 1e-3),
        *arrays,
    )
    for ours, theirs in zip(mine, other, strict=True):
        close(ours, theirs)


# ---- losses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.15])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("scale", [1, 1e4])
@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (3, 1000)])
def test_cross_entropy(shape, scale, reduction, smoothing):
    targets = np.random.default_rng(2).integers(0, shape[1], shape[0])
    options = {"reduction": reduction, "label_smoothing": smoothing}
    compare(
        lambda x, t: ops.cross_entropy(x, t, **options),
        lambda x, t: F.cross_entropy(x, t, **options),
        scale * normal(*shape),
        targets,
    )


@pytest.mark.parametrize("beta", [1.0, 0.25, 3.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_smooth_l1_loss(reduction, beta):
    options = {"reduction": reduction, "beta": beta}
    for target in (normal(5, 4), ties(5, 4)):
        compare(
            lambda *x: ops.smooth_l1_loss(*x, **options),
            lambda *x: F.smooth_l1_loss(*x, **options),
            2 * ties(5, 4),
            target,
        )


REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


@REDUCTIONS
@pytest.mark.parametrize("smoothing", [0.0, 0.15])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(7, 5), (2, 5, 3), (2, 5, 3, 4), (5,)])
@pytest.mark.parametrize("ignored", [-100, 2, None])
def test_cross_entropy_with_all_options(shape, weighted, smoothing, reduction, ignored):
    places = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    targets = np.asarray(np.random.default_rng(2).integers(0, 5, places))
    if ignored is not None and targets.ndim:
        targets[(0,) * targets.ndim] = ignored
    options = {"reduction": reduction, "label_smoothing": smoothing}
    options |= {} if ignored is None else {"ignore_index": ignored}
    weight = positive(5).astype("f4") if weighted else None
    compare(
        lambda x, t: ops.cross_entropy(x, t, weight=weight, **options),
        lambda x, t: F.cross_entropy(x, t, weight=None if weight is None else torch.tensor(weight), **options),
        3 * normal(*shape),
        targets,
    )


@REDUCTIONS
@pytest.mark.parametrize("weight", [None, [1.0, 0.5, 2.0, 0.0, 3.0]])
@pytest.mark.parametrize("shape", [(7, 5), (2, 5, 3, 4), (5,)])
def test_cross_entropy_of_probabilities(shape, weight, reduction):
    options = {"reduction": reduction, "label_smoothing": 0.1}
    compare(
        lambda x, q: ops.cross_entropy(x, q, weight=weight, **options),
        lambda x, q: F.cross_entropy(x, q, weight=None if weight is None else torch.tensor(weight), **options),
        normal(*shape),
        positive(*shape),
    )


@REDUCTIONS
def test_nll_loss(reduction):
    compare(
        lambda x, t: ops.nll_loss(x, t, reduction, [1.0, 2.0, 0.5], ignore_index=1),
        lambda x, t: F.nll_loss(x, t, torch.tensor([1.0, 2.0, 0.5]), reduction=reduction, ignore_index=1),
        normal(4, 3),
        np.array([0, 1, 2, 2]),
    )


def test_a_mean_over_nothing_is_nan():
    for options in ({}, {"weight": [1.0, 2.0, 3.0]}):
        assert np.isnan(ops.cross_entropy(Tensor(normal(2, 3)), [-100, -100], **options).item())


Y = np.array([[0.0, 1.0, 0.3]] * 4, np.float32)


@REDUCTIONS
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("logits", [normal(4, 3), np.array([[-200.0, 200.0, 0.0]] * 4)])
def test_binary_cross_entropy_with_logits(logits, weight, reduction):
    options = {"reduction": reduction, "pos_weight": None if weight is None else torch.tensor(weight)}
    compare(
        lambda x: ops.binary_cross_entropy_with_logits(x, Y, reduction, weight),
        lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor(Y), **options),
        logits,
    )


@REDUCTIONS
@pytest.mark.parametrize("p", [positive(4, 3) / 4, np.array([[0, 1, 0.5]] * 4), np.array([[1, 0, 0.5]] * 4)])
def test_binary_cross_entropy(p, reduction):
    compare(
        lambda x: ops.binary_cross_entropy(x, Y, reduction),
        lambda x: F.binary_cross_entropy(x, torch.tensor(Y), reduction=reduction),
        p,
    )


@REDUCTIONS
@pytest.mark.parametrize("delta", [1.0, 0.25])
def test_l1_and_huber_loss(reduction, delta):
    compare(
        lambda *x: ops.l1_loss(*x, reduction), lambda *x: F.l1_loss(*x, reduction=reduction), ties(5, 4), normal(5, 4)
    )
    options = {"reduction": reduction, "delta": delta}
    compare(lambda *x: ops.huber_loss(*x, **options), lambda *x: F.huber_loss(*x, **options), ties(5, 4), normal(5, 4))
