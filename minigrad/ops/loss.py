"""Losses. `reduction` is `"mean"`, `"sum"` or `"none"`, as in PyTorch."""

from __future__ import annotations

import math

import numpy as np

from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.grad_mode import is_grad_enabled
from minigrad.ops.activation import softmax
from minigrad.ops.operands import beside, check_dtypes
from minigrad.ops.select import minimum
from minigrad.tensor import Tensor


class CrossEntropy(Function):
    """Lₙ = −Σ_c q_c·ln p_c with p = softmax(x) and q = (1 − ε)·[c is the target] + ε/C  ⇒  ∂Lₙ/∂xₙ = p − q.

    The result is s·ΣLₙ, with s = 1/N for the mean; or, with s = None, each Lₙ.
    """

    reads = {0: (0, 1)}

    def forward(self, logits: Array, targets: Array, smoothing: float, scale: float | None) -> Array:
        xp = array_module(logits)
        n, classes = logits.shape
        self.smoothing, self.scale, self.rows = smoothing, scale, xp.arange(n)
        log_p = logits - logits.max(axis=1, keepdims=True)
        log_p -= xp.log(xp.exp(log_p).sum(axis=1, keepdims=True))
        self.log_p = log_p if self.needs[0] else None
        loss = -log_p[self.rows, targets]
        if smoothing:
            loss = (1 - smoothing) * loss - (smoothing / classes) * log_p.sum(axis=1)
        if xp is not np:  # a GPU takes any index; reading the targets back to check them would make it wait
            loss = xp.where((targets >= 0) & (targets < classes), loss, xp.nan).astype(logits.dtype)
        return loss if scale is None else loss.sum() * scale

    def backward(self, grad: Tensor) -> tuple:
        logits, targets = self.inputs
        floor = self.smoothing / logits.shape[1]
        xp = array_module(logits.data)
        if not is_grad_enabled():  # the same on bare arrays, with p at hand
            change = xp.exp(self.log_p)
            if floor:
                change -= floor
            change[self.rows, targets.data] -= 1 - self.smoothing
            change *= grad.data[:, None] if self.scale is None else grad.data * self.scale
            return Tensor._wrap(change), None
        q = xp.full(logits.shape, floor, dtype=logits.dtype)
        q[self.rows, targets.data] = 1 - self.smoothing + floor
        grad = grad.unsqueeze(1) if self.scale is None else grad * self.scale
        return (softmax(logits, axis=1) - Tensor._wrap(q)) * grad, None


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
    n, classes = logits.shape
    if n and targets.device == "cpu":
        smallest, largest = targets.data.min(), targets.data.max()
        if smallest < 0 or largest >= classes:
            raise ValueError(f"cross_entropy: targets must lie in 0..{classes - 1}, got {smallest}..{largest}")
    _check_reduction("cross_entropy", reduction)
    scale = {"none": None, "sum": 1.0, "mean": 1 / n if n else math.nan}[reduction]
    return CrossEntropy.apply(logits, targets, smoothing=float(label_smoothing), scale=scale)


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
    _check_reduction(name, reduction)
    return {"none": lambda: loss, "sum": loss.sum, "mean": loss.mean}[reduction]()


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
