"""The losses as modules. `reduction` is `"mean"`, `"sum"` or `"none"`."""

from __future__ import annotations

from minigrad import ops
from minigrad.backend import Array
from minigrad.nn.module import Module
from minigrad.tensor import Tensor


class Loss(Module):
    """Base of the losses: keeps the options as attributes, and the weights as buffers, so that they move with it."""

    def __init__(self, name: str, reduction: str, weights: dict[str, Tensor | Array | None], **options: float) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction, self._options = reduction, ("reduction", *options, *weights)
        for key, value in options.items():
            setattr(self, key, value)
        for key, value in weights.items():
            self.register_buffer(key, value if value is None or isinstance(value, Tensor) else Tensor(value))

    def arguments(self) -> dict:
        """What the operation is called with, beside prediction and target."""
        return {key: getattr(self, key) for key in self._options}

    def extra_repr(self) -> str:
        shown = [key for key in self._options[1:] if key not in self._buffers]
        return ", ".join(f"{key}={getattr(self, key)!r}" for key in shown)


class CrossEntropyLoss(Loss):
    """−ln softmax(logits)[target]; see `ops.cross_entropy`."""

    def __init__(
        self,
        weight: Tensor | Array | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        if isinstance(weight, str):  # the reduction stood first once
            weight, reduction = None, weight
        options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
        super().__init__("CrossEntropyLoss", reduction, {"weight": weight}, **options)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (N, C, …) for class numbers (N, …), or for probabilities (N, C, …)."""
        return ops.cross_entropy(logits, targets, self.reduction, self.label_smoothing, self.weight, self.ignore_index)


class NLLLoss(Loss):
    """−log_p[target]; see `ops.nll_loss`."""

    def __init__(self, weight: Tensor | Array | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__("NLLLoss", reduction, {"weight": weight}, ignore_index=ignore_index)

    def forward(self, log_p: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logarithms of probabilities (N, C, …) for class numbers (N, …)."""
        return ops.nll_loss(log_p, targets, **self.arguments())


class BCELoss(Loss):
    """Binary cross-entropy of probabilities; see `ops.binary_cross_entropy`. PyTorch has `weight` first."""

    def __init__(self, reduction: str = "mean", *, weight: Tensor | Array | None = None) -> None:
        super().__init__("BCELoss", reduction, {"weight": weight})

    def forward(self, p: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.binary_cross_entropy(p, target, **self.arguments())


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of scores; see `ops.binary_cross_entropy_with_logits`. PyTorch has `weight` first."""

    def __init__(
        self,
        reduction: str = "mean",
        pos_weight: Tensor | Array | None = None,
        *,
        weight: Tensor | Array | None = None,
    ) -> None:
        super().__init__("BCEWithLogitsLoss", reduction, {"weight": weight, "pos_weight": pos_weight})

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.binary_cross_entropy_with_logits(logits, target, **self.arguments())


class MSELoss(Loss):
    """Mean squared difference; see `ops.mse_loss`."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__("MSELoss", reduction, {})

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.mse_loss(prediction, target, **self.arguments())


class L1Loss(Loss):
    """Mean absolute difference; see `ops.l1_loss`."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__("L1Loss", reduction, {})

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.l1_loss(prediction, target, **self.arguments())


class SmoothL1Loss(Loss):
    """Squared for small differences, linear for large ones; see `ops.smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__("SmoothL1Loss", reduction, {}, beta=beta)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.smooth_l1_loss(prediction, target, **self.arguments())


class HuberLoss(Loss):
    """Squared for small differences, linear for large ones, with slope δ; see `ops.huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__("HuberLoss", reduction, {}, delta=delta)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.huber_loss(prediction, target, **self.arguments())
