"""Losses of probabilities: cross-entropy, of scores or of what is a logarithm or a probability already."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.backend import Array, array_module, on_cpu, quietly
from minigrad.function import Function
from minigrad.kernels.precision import in_float32
from minigrad.kernels.reduce import total
from minigrad.ops.activation import Softmax, log_softmax
from minigrad.ops.loss import check_reduction, of_one_shape, reduced
from minigrad.ops.operands import beside, check_dtypes
from minigrad.ops.order import gather
from minigrad.ops.reduce import Sum
from minigrad.ops.select import Keep, Maximum, where
from minigrad.ops.shape import Reshape, broadcast_to
from minigrad.ops.unary import softplus
from minigrad.tensor import Tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss"]

INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)


class CrossEntropy(Function):
    """Lₙ = −Σ_c q_c·ln p_c with p = softmax(x) and q = (1 − ε)·[c is the target] + ε/C  ⇒  ∂Lₙ/∂xₙ = p − q.

    With m = max x and S = Σ_c e^(x_c−m), ln p = x − m − ln S. Where the target is to be ignored, Lₙ = 0. The result is
    s·ΣLₙ, with s = 1/(number of those that are not) for the mean; or, with s = None, each Lₙ.
    """

    reads = {0: (0, 1)}

    @quietly
    def forward(
        self, logits: Array, targets: Array, smoothing: float, reduction: str, ignore_index: int | None
    ) -> Array:
        xp, (n, classes) = array_module(logits), logits.shape
        kept = None if ignore_index is None else targets != ignore_index
        scale = _scale(reduction, n if kept is None else kept.sum(), logits)
        places = xp.arange(n), targets if kept is None else xp.where(kept, targets, 0)
        shifted = logits - logits.max(axis=1, keepdims=True)
        exponentials = xp.exp(shifted)
        sums = total(exponentials, (1,), keepdims=True)
        if xp is not np:  # a GPU takes any index; reading the targets back to check them would make it wait
            known = ((targets >= 0) & (targets < classes))[:, None]
            sums = xp.where(known, sums, math.nan).astype(sums.dtype, copy=False)
        if self.needs:
            self.given = _Given(exponentials, sums, places, ignore_index, kept, smoothing, scale)
        loss = xp.log(sums[:, 0])
        if smoothing:
            loss -= (smoothing / classes) * total(shifted, (1,))
        loss -= (1 - smoothing) * shifted[places] if smoothing else shifted[places]
        if kept is not None:
            loss = xp.where(kept, loss, 0)
        return loss if scale is None else total(loss, (0,), scale=scale)

    def backward(self, grad: Array) -> tuple:
        logits, targets = self.inputs
        if self.given.scale is None:
            grad = Reshape.apply(grad, shape=(-1, 1))
        return CrossEntropyGrad.apply(logits, targets, grad, given=self.given), None


class _Given(NamedTuple):
    """What a loss has at hand for its gradient: p = exponentials/sums, the places of the targets, the target that is to
    be ignored and which rows are not (None for all), ε, and s.
    """

    exponentials: Array
    sums: Array
    places: tuple[Array, Array]
    ignore_index: int | None
    kept: Array | None
    smoothing: float
    scale: Any


class CrossEntropyGrad(Function):
    """y = g·s·(p − q), and 0 in rows to be ignored, as a function of x and of g, which is a number or (N, 1)  ⇒  with
    upstream gradient h and u = h·g·s: ∂L/∂x = p·(u − Σ_c u·p), as that of the softmax; ∂L/∂g = h·s·(p − q).
    """

    reads = {0: (0, 1, 2), 2: (0, 1)}

    def forward(self, logits: Array, targets: Array, grad: Array | float, given: _Given) -> Array:
        self.given = given
        exponentials, sums, places, _, kept, smoothing, scale = given
        change = exponentials / sums
        if smoothing:
            change -= smoothing / change.shape[1]
        change[places] -= 1 - smoothing
        change *= grad if scale is None else grad * scale
        return change if kept is None else array_module(change).where(kept[:, None], change, 0)

    def backward(self, grad: Array) -> tuple:
        (logits, targets, g), scale = self.inputs, self.given.scale
        grad_x = grad_g = None
        if self.needs[2]:
            grad_g = grad * CrossEntropyGrad.apply(logits, targets, 1.0, given=self.given)
        if self.needs[0]:
            p = Softmax.apply(logits, axis=1)
            u = grad * (g if scale is None else g * scale)
            if self.given.kept is not None:
                u = Keep.apply(u, Reshape.apply(targets != self.given.ignore_index, shape=(-1, 1)))
            grad_x = p * (u - Sum.apply(u * p, axes=(1,), keepdims=True))
        return grad_x, None, grad_g


def _scale(reduction: str, count: Any, like: Array) -> Any:
    """Return what a sum over `count` items, a number or a 0-d array, is multiplied by."""
    if reduction != "mean":
        return None if reduction == "none" else 1.0
    if array_module(like) is np or isinstance(count, int):
        return 1 / float(count) if count else math.nan
    return (1 / count).astype(like.dtype)


@in_float32
def cross_entropy(
    logits: Tensor,
    targets: Tensor | Array,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    weight: Tensor | Array | None = None,
    ignore_index: int = -100,
) -> Tensor:
    """Return −ln softmax(logits)[target], as `torch.nn.functional.cross_entropy`. Give options by name: in PyTorch the
    third argument is `weight`.

    Args:
        logits: scores, any real numbers: (N, C); with places, as in segmentation, (N, C, H, W); or (C,) alone.
        targets: class numbers, integers from 0 to C − 1, of shape (N,), (N, H, W), or one number. On a GPU they are not
            read back to be checked: the loss of a target out of range is nan there. Or probabilities of the classes,
            floating point, of the shape of the logits.
        label_smoothing: ε in [0, 1]: this share of the target's probability is spread over all classes (Szegedy et
            al. 2016, arXiv:1512.00567, section 7).
        weight: of each class, (C,): what its share of the loss is multiplied by. The mean is the weighted one.
        ignore_index: targets of this number count neither in the sum nor in the mean.

    Returns:
        One number; the shape of the class numbers with `reduction="none"`.

    Raises:
        ValueError: shapes do not fit, a target is out of range, or an option is unknown.
        TypeError: targets are neither integers nor such probabilities.
    """
    targets = beside(targets, logits)
    if logits.dtype.kind != "f":
        check_dtypes("cross_entropy", logits=logits)
    check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}")
    smoothing = float(label_smoothing)
    if targets.dtype.kind == "f" and targets.shape == logits.shape != ():
        return _soft_cross_entropy(logits, targets, reduction, smoothing, weight)
    rows, numbers, ignored = _rows("cross_entropy", logits, targets, ignore_index)
    if weight is None:
        options = {"smoothing": smoothing, "reduction": reduction, "ignore_index": ignored}
        loss = CrossEntropy.apply(rows, numbers, **options)
        return loss.reshape(targets.shape) if reduction == "none" else loss
    log_p, weight = log_softmax(rows, axis=1), _class_weights("cross_entropy", weight, rows)
    loss, shares = _picked(log_p, numbers, weight, ignored)
    if smoothing:
        all_classes = (log_p * weight).sum(axis=1) * (-smoothing / rows.shape[1])
        loss = loss * (1 - smoothing) + (
            all_classes if ignored is None else where(numbers != ignored, all_classes, 0.0)
        )
    return _weighted(loss, shares, targets.shape, reduction)


@in_float32
def nll_loss(
    log_p: Tensor,
    targets: Tensor | Array,
    reduction: str = "mean",
    weight: Tensor | Array | None = None,
    ignore_index: int = -100,
) -> Tensor:
    """Return −log_p[target], the cross-entropy of what `log_softmax` gave. Shapes, further arguments and errors as in
    `cross_entropy`. Give options by name: in PyTorch the third argument is `weight`.
    """
    targets = beside(targets, log_p)
    check_dtypes("nll_loss", log_p=log_p)
    check_reduction("nll_loss", reduction)
    rows, numbers, ignored = _rows("nll_loss", log_p, targets, ignore_index)
    loss, shares = _picked(rows, numbers, _class_weights("nll_loss", weight, rows), ignored)
    return _weighted(loss, shares, targets.shape, reduction)


def _rows(name: str, logits: Tensor, targets: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, int | None]:
    """Return scores (M, C), checked class numbers (M,), and the number to be ignored, None where there is none."""
    shape, kind = logits.shape, targets.dtype.kind
    places, classes = (shape[:1] + shape[2:], shape[1]) if len(shape) > 1 else ((), len(shape) and shape[0])
    if classes == 0 or targets.shape != places:
        raise ValueError(f"{name}: expected logits (N, C) and targets (N,), got {shape} and {targets.shape}")
    if kind not in "iu":
        raise TypeError(f"{name}: expected integer class numbers as targets, got {targets.dtype}")
    targets = targets.astype(np.int64) if kind == "u" else targets
    targets = targets if len(places) == 1 else targets.reshape(-1)
    numbers = targets.data
    ignored = _checked_targets(name, numbers, classes, ignore_index) if on_cpu(numbers) else ignore_index
    return logits if len(shape) == 2 else _classes_last(logits), targets, ignored


def _checked_targets(name: str, targets: Array, classes: int, ignore_index: int) -> int | None:
    """Return the number to be ignored, or None where there is none; raise ValueError for a target out of range."""
    if not targets.size:
        return None
    if ignore_index < 0 and targets.dtype == INT64 and np.maximum.reduce(targets.view(UINT64)) < classes:
        return None  # nearly always: seen so, a negative number is a huge one
    smallest, largest = np.minimum.reduce(targets), np.maximum.reduce(targets)
    if smallest >= 0 and largest < classes and ignore_index < 0:
        return None
    if smallest <= ignore_index <= largest:
        kept = targets[targets != ignore_index]
        ignored = None if kept.size == targets.size else ignore_index
        if not kept.size:
            return ignored
        smallest, largest = kept.min(), kept.max()
    else:
        ignored = None
    if smallest < 0 or largest >= classes:
        raise ValueError(f"{name}: targets must lie in 0..{classes - 1}, got {smallest}..{largest}")
    return ignored


def _classes_last(logits: Tensor) -> Tensor:
    """(N, C, H, …) or (C,) as rows (M, C)."""
    if logits.ndim > 2:
        logits = logits.permute(0, *range(2, logits.ndim), 1)
    return logits.reshape(math.prod(logits.shape[:-1]), logits.shape[-1])


def _class_weights(name: str, weight: Tensor | Array | None, rows: Tensor) -> Tensor | None:
    if weight is None:
        return None
    weight = beside(weight, rows)
    if weight.shape != rows.shape[1:]:
        raise ValueError(f"{name}: expected a weight for each of {rows.shape[1]} classes, got shape {weight.shape}")
    return weight.astype(rows.dtype)


def _picked(log_p: Tensor, targets: Tensor, weight: Tensor | None, ignored: int | None) -> tuple[Tensor, Tensor]:
    """Return w·(−log_p) at the targets, and w: the weight of their classes, or 1; both 0 where they are ignored."""
    kept = None if ignored is None else targets != ignored
    targets = targets if kept is None else where(kept, targets, 0)
    loss = -gather(log_p, 1, targets.unsqueeze(1)).squeeze(1)
    if not on_cpu(targets.data):  # where they were not checked: one that is out of range gives nan, and so its gradient
        loss = loss * where((targets >= 0) & (targets < log_p.shape[1]), 1.0, math.nan).astype(loss.dtype)
    shares = Tensor(1.0, device=loss.device).astype(loss.dtype).broadcast_to(loss.shape)
    if weight is not None:
        shares = weight[targets]
        loss = loss * shares
    return (loss, shares) if kept is None else (where(kept, loss, 0.0), where(kept, shares, 0.0))


def _weighted(loss: Tensor, shares: Tensor, shape: tuple[int, ...], reduction: str) -> Tensor:
    if reduction == "mean":
        count = shares.sum()
        return loss.sum() * math.nan if count.device == "cpu" and count.item() == 0 else loss.sum() / count
    return loss.reshape(shape) if reduction == "none" else loss.sum()


def _soft_cross_entropy(
    logits: Tensor, targets: Tensor, reduction: str, smoothing: float, weight: Tensor | Array | None
) -> Tensor:
    """−Σ_c w_c·q_c·ln p_c for probabilities q; the mean is over all of them, whatever their weight."""
    shape = logits.shape[:1] + logits.shape[2:] if logits.ndim > 1 else ()
    rows, q = _classes_last(logits), _classes_last(targets)
    if smoothing:
        q = q * (1 - smoothing) + smoothing / rows.shape[1]
    weights = _class_weights("cross_entropy", weight, rows)
    loss = -(log_softmax(rows, axis=1) * (q if weights is None else q * weights)).sum(axis=1)
    return reduced("cross_entropy", loss.reshape(shape), reduction)


class BinaryCrossEntropy(Function):
    """L = −(y·ln p + (1 − y)·ln(1 − p)), the logarithms not below −100  ⇒  ∂L/∂p = g·(p − y)/(p·(1 − p)), where the
    divisor is not below 10⁻¹². Both limits are PyTorch's.
    """

    reads = {0: (0, 1)}

    @quietly
    def forward(self, p: Array, y: Array) -> Array:
        xp = array_module(p)
        return -(y * xp.maximum(xp.log(p), -100) + (1 - y) * xp.maximum(xp.log1p(-p), -100))

    def backward(self, grad: Array) -> tuple:
        p, y = self.inputs
        return grad * (p - y) / Maximum.apply(p * (1 - p), 1e-12), None


@in_float32
def binary_cross_entropy(
    p: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | Array | None = None
) -> Tensor:
    """Return −(y·ln p + (1 − y)·ln(1 − p)) for probabilities p and targets y in 0..1, which get no gradient.

    Where p comes from a sigmoid, `binary_cross_entropy_with_logits` is more precise. Give options by name: in PyTorch
    the third argument is `weight`.

    Args:
        weight: what each loss is multiplied by, before the mean over their number; it broadcasts to the shape of p.

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
    """
    p, target = of_one_shape("binary_cross_entropy", p, target)
    loss = BinaryCrossEntropy.apply(p, target.detach())
    return reduced("binary_cross_entropy", _weighed(loss, weight), reduction)


@in_float32
def binary_cross_entropy_with_logits(
    logits: Tensor,
    target: Tensor,
    reduction: str = "mean",
    pos_weight: Tensor | Array | None = None,
    weight: Tensor | Array | None = None,
) -> Tensor:
    """Return −(w·y·ln p + (1 − y)·ln(1 − p)) with p = sigmoid(x), for targets y in 0..1.

    Computed as (1 − y)·x + (1 + (w − 1)·y)·ln(1 + e⁻ˣ), in which nothing overflows. Give options by name: in PyTorch
    the third argument is `weight`.

    Args:
        pos_weight: w, which broadcasts to the shape of the logits: above 1 it favours finding what is there.
        weight: as in `binary_cross_entropy`.

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
    """
    x, y = of_one_shape("binary_cross_entropy_with_logits", logits, target)
    share = 1.0 if pos_weight is None else (beside(pos_weight, x) - 1) * y + 1
    loss = (1 - y) * x + softplus(-x) * share
    return reduced("binary_cross_entropy_with_logits", _weighed(loss, weight), reduction)


def _weighed(loss: Tensor, weight: Tensor | Array | None) -> Tensor:
    return loss if weight is None else loss * broadcast_to(beside(weight, loss), loss.shape)
