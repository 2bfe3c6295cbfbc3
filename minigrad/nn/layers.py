"""The layers. Arguments, defaults and `state_dict` keys are PyTorch's.

Layers with parameters take `device` and `dtype`: they are made on the CPU in float32, so that a seed gives the same
numbers everywhere, and brought there by `Module.to`.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from minigrad import backend, ops
from minigrad.kernels.conv import Pair
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.ops.norm import batch_norm_add_relu
from minigrad.ops.operands import ints, is_int
from minigrad.ops.pool import grid
from minigrad.ops.reduce import one_axis
from minigrad.ops.spellings import also
from minigrad.ops.windows import named_padding, pair
from minigrad.tensor import Parameter, Tensor


class Linear(Module):
    """y = x·wᵀ + b for x (..., in_features); weight (out_features, in_features), bias (out_features,).

    Weights and bias start uniform in ±1/√in_features.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__()
        in_features, out_features = positive("Linear", in_features=in_features, out_features=out_features)
        self.weight = Parameter(init.kaiming_uniform((out_features, in_features)))
        self.bias = Parameter(init.uniform((out_features,), 1 / math.sqrt(in_features))) if bias else None
        self._made_on(device, dtype)

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
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = positive("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
        in_channels, out_channels, groups = sizes
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide {in_channels} input and {out_channels} output channels"
            )
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        numbers, beyond = named_padding("Conv2d", padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if any(beyond) else pair("Conv2d", "padding", numbers, 0)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        weight = init.kaiming_uniform(shape)
        channels_last = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        self.weight = Parameter(channels_last)
        self.bias = Parameter(init.uniform((out_channels,), 1 / math.sqrt(init.fans(shape)[0]))) if bias else None
        self._made_on(device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, OH, OW)."""
        return ops.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        parts = [f"{self.weight.shape[1] * self.groups}, {self.weight.shape[0]}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        parts += [f"padding={self.padding}"] if self.padding != (0, 0) else []
        parts += [f"dilation={self.dilation}"] if self.dilation != (1, 1) else []
        parts += [f"groups={self.groups}"] if self.groups != 1 else []
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)


class BatchNorm(Module):
    """What batch normalisation of pictures and of rows have in common; see `ops.batch_norm`.

    Parameters weight (1 at the start) and bias (0); buffers running_mean (0), running_var (1) and num_batches_tracked.
    With `momentum=None` the running statistics are the plain average over all batches.
    """

    dimensions: ClassVar[tuple[int, ...]]  # that an input may have
    expected: ClassVar[str]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        *,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        (num_features,) = positive(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.register_buffer("running_mean", Tensor(np.zeros(num_features, np.float32)))
        self.register_buffer("running_var", Tensor(np.ones(num_features, np.float32)))
        self.register_buffer("num_batches_tracked", Tensor(np.array(0, np.int64)))
        self._made_on(device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised; in training also update the running statistics."""
        return self.normalised(x)

    def normalised(self, x: Tensor, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
        """Return what `forward` does, plus `shortcut`, then the ReLU if `relu`: see `nn/fusion.py`."""
        if x.ndim not in self.dimensions:
            raise ValueError(f"{type(self).__name__}: expected {self.expected}, got shape {x.shape}")
        statistics = self.running_mean, self.running_var
        options = self.training, self._momentum(), self.eps
        y = batch_norm_add_relu(x, self.weight, self.bias, *statistics, *options, shortcut=shortcut, relu=relu)
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
            raise RuntimeError(
                f"{type(self).__name__}: momentum=None averages over num_batches_tracked, which is not there"
            )
        return 1 / (self._tracked.item() + 1)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}" + (
            ", affine=False" if self.weight is None else ""
        )


class BatchNorm2d(BatchNorm):
    """Batch normalisation of pictures (N, num_features, H, W)."""

    dimensions = (4,)
    expected = "pictures of shape (N, C, H, W)"


class BatchNorm1d(BatchNorm):
    """Batch normalisation of rows (N, num_features), or of sequences (N, num_features, L)."""

    dimensions = (2, 3)
    expected = "shape (N, C) or (N, C, L)"


class Pool2d(Module):
    """What pooling layers have in common: windows of `kernel_size`, `stride` apart, over pictures with `padding`."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = pair(name, "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair(name, "stride", stride, 1)
        self.padding = pair(name, "padding", padding, 0)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(Pool2d):
    """The largest element of each window; see `ops.max_pool2d`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW)."""
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(Pool2d):
    """The mean of each window; see `ops.avg_pool2d`. PyTorch has `ceil_mode` before `count_include_pad`."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW)."""
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.count_include_pad)


class AdaptiveAvgPool2d(Module):
    """Means over a grid of `output_size` windows; see `ops.adaptive_avg_pool2d`."""

    def __init__(self, output_size: int | tuple[int | None, int | None]) -> None:
        super().__init__()
        self.output_size = grid("AdaptiveAvgPool2d", output_size, (None, None))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, *output_size)."""
        return ops.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class ReLU(Module):
    """max(x, 0). `inplace` is taken for PyTorch's sake and changes nothing: results are the same, and so is the memory,
    as what is not needed is freed.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return ops.relu(x)


class Flatten(Module):
    """Joins the axes from `start_dim` to `end_dim` (default: all but the batch)."""

    @also(start="start_dim")
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start, self.end = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, rest)."""
        return ops.flatten(x, self.start, self.end)

    def extra_repr(self) -> str:
        parts = [f"start_dim={self.start}"] if self.start != 1 else []
        return ", ".join(parts + ([f"end_dim={self.end}"] if self.end != -1 else []))


class Unflatten(Module):
    """Splits an axis into several."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with axis `dim` of the shape `unflattened_size`."""
        at = one_axis("Unflatten", x, self.dim)
        return x.reshape(x.shape[:at] + self.unflattened_size + x.shape[at + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class DropoutLayer(Module):
    """What dropout of elements and of channels have in common. `inplace` changes nothing, see `ReLU`."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must lie in [0, 1], got {p}")
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(DropoutLayer):
    """Sets elements to 0 with probability `p` in training; see `ops.dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a random mask in training, x itself otherwise."""
        return ops.dropout(x, self.p, self.training)


class Dropout2d(DropoutLayer):
    """Sets whole channels of (N, C, …) to 0 with probability `p` in training (Tompson et al. 2015, arXiv:1411.4280)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x with some channels 0 and the others multiplied by 1/(1 − p) in training, x itself otherwise."""
        if x.ndim < 2:
            raise ValueError(f"Dropout2d: expected shape (N, C, ...), got {x.shape}")
        ones = np.ones(x.shape[:2] + (1,) * (x.ndim - 2), x.dtype)
        return x * ops.dropout(Tensor(ones, device=x.device), self.p) if self.training and self.p else x


class ZeroPad2d(Module):
    """A border of zeros around pictures: one width, or (left, right, top, bottom)."""

    def __init__(self, padding: int | tuple[int, int, int, int]) -> None:
        super().__init__()
        self.padding = ints("ZeroPad2d", "padding", (padding,) * 4 if is_int(padding) else padding)
        if len(self.padding) != 4:
            raise ValueError(f"ZeroPad2d: expected (left, right, top, bottom), got {padding}")

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, top + H + bottom, left + W + right)."""
        left, right, top, bottom = self.padding
        return ops.pad(x, ((0, 0),) * (x.ndim - 2) + ((top, bottom), (left, right)))

    def extra_repr(self) -> str:
        return str(self.padding)


class Identity(Module):
    """Returns its input: stands where a layer was taken out."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


def positive(name: str, **sizes: Any) -> tuple[int, ...]:
    """Return sizes as Python's ints, or raise ValueError unless all are positive ints, of whatever kind."""
    for argument, value in sizes.items():
        if not is_int(value) or value < 1:
            raise ValueError(f"{name}: {argument} must be a positive int, got {value!r}")
    return tuple(map(int, sizes.values()))
