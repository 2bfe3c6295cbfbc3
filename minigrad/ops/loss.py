"""Losses. `reduction` is `"mean"`, `"sum"` or `"none"`, as in PyTorch."""

from __future__ import annotations

import numpy as np

from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.ops.activation import softmax
from minigrad.ops.operands import beside, check_dtypes
from minigrad.ops.select import minimum
from minigrad.tensor import Tensor


class CrossEntropy(Function):
    """Lₙ = −Σ_c q_c·ln p_c with p = softmax(x) and q = (1 − ε)·[c is the target] + ε/C  ⇒  ∂L/∂x = g·(p − q)."""

    reads = {0: (0, 1)}

    def forward(self, logits: Array, targets: Array, label_smoothing: float) -> Array:
        xp = array_module(logits)
        n, classes = logits.shape
        log_p = logits - logits.max(axis=1, keepdims=True)
        log_p -= xp.log(xp.exp(log_p).sum(axis=1, keepdims=True))
        self.rows, self.smoothing = xp.arange(n), label_smoothing
        loss = -log_p[self.rows, targets]
        if label_smoothing:
            loss = (1 - label_smoothing) * loss - (label_smoothing / classes) * log_p.sum(axis=1)
        if xp is not np:  # a GPU takes any index; reading the targets back to check them would make it wait
            loss = xp.where((targets >= 0) & (targets < classes), loss, xp.nan).astype(logits.dtype)
        return loss

    def backward(self, grad: Tensor) -> Tensor:
        logits, targets = self.inputs
        xp = array_module(logits.data)
        wanted = xp.full(logits.shape, self.smoothing / logits.shape[1], dtype=logits.dtype)
        wanted[self.rows, targets.data] += 1 - self.smoothing
        return (softmax(logits, axis=1) - Tensor._wrap(wanted)) * grad.unsqueeze(1), None


def cross_entropy(
    logits: Tensor, targets: Tensor | Array, reduction: str = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Return −ln softmax(logits)[target], as `torch.nn.functional.cross_entropy`.

    Args:
        logits: scores (N, C), any real numbers.
        targets: class numbers (N,), integers from 0 to C − 1. On a GPU they are not read back to be checked: the
            loss of a target out of range is nan there.
        label_smoothing: ε in [0, 1]: this share of the target's probability is spread over all classes (Szegedy et
            al. 2016, arXiv:1512.00567, section 7).

    Returns:
        One number; (N,) with `reduction="none"`.

    Raises:
        ValueError: shapes do not fit, a target is out of range, or an option is unknown.
        TypeError: targets are not integers.
    """
    targets = beside(targets, logits)
    if logits.ndim != 2 or logits.shape[1] == 0 or targets.shape != logits.shape[:1]:
        raise ValueError(
            f"cross_entropy: expected logits (N, C) and targets (N,), got {logits.shape} and {targets.shape}"
        )
    if targets.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: expected integer class numbers as targets, got {targets.dtype}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}")
    check_dtypes("cross_entropy", logits=logits)
    if (
        targets.device == "cpu"
        and targets.size
        and not (targets.data.min() >= 0 and targets.data.max() < logits.shape[1])
    ):
        found = f"{targets.data.min()}..{targets.data.max()}"
        raise ValueError(f"cross_entropy: targets must lie in 0..{logits.shape[1] - 1}, got {found}")
    loss = CrossEntropy.apply(logits, targets, label_smoothing=float(label_smoothing))
    return _reduced("cross_entropy", loss, reduction)


def mse_loss(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return (pred − target)², as `torch.nn.functional.mse_loss`.

    Raises:
        ValueError: the shapes differ (nothing is broadcast, as that is usually a mistake), or `reduction` is unknown.
    """
    difference = _difference("mse_loss", pred, target)
    return _reduced("mse_loss", difference * difference, reduction)


def smooth_l1_loss(pred: Tensor, target: Tensor, beta: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return ½d²/β where |d| < β and |d| − ½β elsewhere, d = pred − target (Girshick 2015, arXiv:1504.08083, eq. 3).

    With m = min(|d|, β) both are ½m²/β + (|d| − m), in which nothing overflows. `reduction` comes last here; in
    PyTorch it comes before β.

    Raises:
        ValueError: the shapes differ, β is not positive, or `reduction` is unknown.
    """
    if not beta > 0:
        raise ValueError(f"smooth_l1_loss: beta must be positive, got {beta}")
    distance = abs(_difference("smooth_l1_loss", pred, target))
    inner = minimum(distance, float(beta))
    return _reduced("smooth_l1_loss", inner * inner * (0.5 / float(beta)) + (distance - inner), reduction)


def _difference(name: str, pred: Tensor, target: Tensor) -> Tensor:
    target = beside(target, pred)
    if pred.shape != target.shape:
        raise ValueError(f"{name}: pred has shape {pred.shape}, target {target.shape}")
    return pred - target


def _reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    return loss.mean() if reduction == "mean" else loss.sum()
