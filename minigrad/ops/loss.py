"""Losses of numbers. `reduction` is `"mean"`, `"sum"` or `"none"`, as in PyTorch; float16 is computed in float32."""

from __future__ import annotations

from minigrad.kernels.precision import in_float32
from minigrad.ops.operands import beside
from minigrad.ops.select import minimum
from minigrad.tensor import Tensor

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


@in_float32
def mse_loss(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return (pred − target)², as `torch.nn.functional.mse_loss`.

    Raises:
        ValueError: the shapes differ (nothing is broadcast, as that is usually a mistake), or `reduction` is unknown.
    """
    difference = _difference("mse_loss", pred, target)
    return reduced("mse_loss", difference * difference, reduction)


@in_float32
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
    return reduced("smooth_l1_loss", inner * inner * (0.5 / float(beta)) + (distance - inner), reduction)


@in_float32
def l1_loss(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return |pred − target|. Errors as in `mse_loss`."""
    return reduced("l1_loss", abs(_difference("l1_loss", pred, target)), reduction)


@in_float32
def huber_loss(pred: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Return ½d² where |d| < δ and δ(|d| − ½δ) elsewhere: δ times the smooth L1 loss. Errors as there."""
    return smooth_l1_loss(pred, target, delta, reduction) * float(delta)


def _difference(name: str, pred: Tensor, target: Tensor) -> Tensor:
    pred, target = of_one_shape(name, pred, target)
    return pred - target


def of_one_shape(name: str, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as Tensors, or raise ValueError: nothing is broadcast."""
    target = beside(target, pred)
    if pred.shape != target.shape:
        raise ValueError(f"{name}: pred has shape {pred.shape}, target {target.shape}")
    return pred, target


def reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    """Return the mean, the sum, or the loss itself."""
    check_reduction(name, reduction)
    return {"none": lambda: loss, "sum": loss.sum, "mean": loss.mean}[reduction]()


def check_reduction(name: str, reduction: str) -> None:
    """Raise ValueError unless `reduction` is one of the three."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
