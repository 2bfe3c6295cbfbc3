"""The layers. Arguments, defaults and `state_dict` keys are PyTorch's."""

from __future__ import annotations

import math

import numpy as np

from minigrad import backend, ops
from minigrad.kernels.conv import Pair
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.ops.windows import pair
from minigrad.tensor import Parameter, Tensor


class Linear(Module):
    """y = x·wᵀ + b for x (..., in_features); weight (out_features, in_features), bias (out_features,).

    Weights and bias start uniform in ±1/√in_features.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        _positive("Linear", in_features=in_features, out_features=out_features)
        self.weight = Parameter(init.kaiming_uniform((out_features, in_features)))
        self.bias = Parameter(init.uniform((out_features,), 1 / math.sqrt(in_features))) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x·wᵀ + b."""
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"in_features={in_features}, out_features={out_features}, bias={self.bias is not None}"


class Conv2d(Module):
    """Cross-correlation of pictures (N, in_channels, H, W) with filters; see `ops.conv2d`.

    Weight (out_channels, in_channels/groups, kh, kw), uniform in ±1/√fan_in at the start, like the bias. It is
    channels-last in memory, like the data.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _positive("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide {in_channels} input and {out_channels} output channels"
            )
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.padding = pair("Conv2d", "padding", padding, 0)
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        weight = init.kaiming_uniform(shape)
        channels_last = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        self.weight = Parameter(channels_last)
        self.bias = Parameter(init.uniform((out_channels,), 1 / math.sqrt(init.fans(shape)[0]))) if bias else None

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        """Return (N, out_channels, OH, OW), and of this the ReLU if asked for."""
        options = self.stride, self.padding, self.dilation, self.groups
        return ops.conv2d(x, self.weight, self.bias, *options, relu=relu)

    def extra_repr(self) -> str:
        parts = [f"{self.weight.shape[1] * self.groups}, {self.weight.shape[0]}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        parts += [f"padding={self.padding}"] if self.padding != (0, 0) else []
        parts += [f"dilation={self.dilation}"] if self.dilation != (1, 1) else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)


class BatchNorm2d(Module):
    """Batch normalisation of pictures (N, num_features, H, W); see `ops.batch_norm`.

    Parameters weight (1 at the start) and bias (0); buffers running_mean (0), running_var (1) and num_batches_tracked.
    With `momentum=None` the running statistics are the plain average over all batches.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True) -> None:
        super().__init__()
        _positive("BatchNorm2d", num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.register_buffer("running_mean", Tensor(np.zeros(num_features, np.float32)))
        self.register_buffer("running_var", Tensor(np.ones(num_features, np.float32)))
        self.register_buffer("num_batches_tracked", Tensor(np.array(0, np.int64)))

    def forward(self, x: Tensor, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
        """Return the normalised pictures, plus `shortcut`, and of this, if asked for, the ReLU; in training also update
        the running statistics.
        """
        if x.ndim != 4:
            raise ValueError(f"BatchNorm2d: expected pictures of shape (N, C, H, W), got shape {x.shape}")
        statistics = self.running_mean, self.running_var
        options = self.training, self._momentum(), self.eps
        y = ops.batch_norm(x, self.weight, self.bias, *statistics, *options, shortcut=shortcut, relu=relu)
        if self.training and self._tracked is not None:
            with backend.use_device(self._tracked.device):
                self._tracked.data += 1
        return y

    @property
    def _tracked(self) -> Tensor | None:
        return getattr(self, "num_batches_tracked", None)

    def _momentum(self) -> float:
        """Return the share of the next batch in the running statistics."""
        if self.momentum is not None or not self.training:
            return self.momentum or 0.0
        if self._tracked is None:
            raise RuntimeError("BatchNorm2d: momentum=None averages over num_batches_tracked, which is not there")
        return 1 / (self._tracked.item() + 1)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}" + (
            ", affine=False" if self.weight is None else ""
        )


class MaxPool2d(Module):
    """The largest element of each window; see `ops.max_pool2d`."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = pair(name, "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair(name, "stride", stride, 1)
        self.padding = pair(name, "padding", padding, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW)."""
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(MaxPool2d):
    """The mean of each window; see `ops.avg_pool2d`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW)."""
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Module):
    """Means over a grid of `output_size` windows; see `ops.adaptive_avg_pool2d`."""

    def __init__(self, output_size: int | Pair) -> None:
        super().__init__()
        self.output_size = pair("AdaptiveAvgPool2d", "output_size", output_size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, *output_size)."""
        return ops.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return ops.relu(x)


class Flatten(Module):
    """Joins all axes from `start` on (default: all but the batch)."""

    def __init__(self, start: int = 1) -> None:
        super().__init__()
        self.start = start

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, rest)."""
        return ops.flatten(x, self.start)

    def extra_repr(self) -> str:
        return "" if self.start == 1 else f"start={self.start}"


class Dropout(Module):
    """Sets elements to 0 with probability `p` in training; see `ops.dropout`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a random mask in training, x itself otherwise."""
        return ops.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Identity(Module):
    """Returns its input: stands where a layer was taken out."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class CrossEntropyLoss(Module):
    """−ln softmax(logits)[target]; see `ops.cross_entropy`."""

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (N, C) for integer targets (N,)."""
        return ops.cross_entropy(logits, targets, self.reduction, self.label_smoothing)


class MSELoss(Module):
    """Mean squared difference; see `ops.mse_loss`."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.mse_loss(prediction, target, self.reduction)


class SmoothL1Loss(Module):
    """Squared for small differences, linear for large ones; see `ops.smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__()
        self.reduction, self.beta = reduction, beta

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return ops.smooth_l1_loss(prediction, target, self.beta, self.reduction)


def _positive(name: str, **sizes: int) -> None:
    for argument, value in sizes.items():
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}: {argument} must be a positive int, got {value!r}")
