"""Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167, section 3)."""

from __future__ import annotations

from typing import NamedTuple

from minigrad import backend, kernels
from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.kernels.precision import accumulator
from minigrad.ops.indexing import GetItem
from minigrad.ops.operands import check_dtypes
from minigrad.ops.reduce import Sum
from minigrad.ops.select import Keep
from minigrad.ops.shape import Reshape
from minigrad.tensor import Tensor

__all__ = ["batch_norm"]

AXES = (0, 2, 3)


class Statistics(NamedTuple):
    """What a batch is normalised with: μ and 1/√(σ² + ε), both (C,), and whether they are constants, or else the
    batch's own.
    """

    mean: Array
    inv_std: Array
    fixed: bool


class BatchNorm(Function):
    """x̂ = (x − μ)·r with r = 1/√(σ² + ε), y = w·x̂ + b + s, where μ and σ² are the batch's own, and the shortcut s may
    be missing.

    With M elements per channel, G = Σ g and H = Σ g·x̂ over them (`BatchNormSums`):
        ∂L/∂b = G,   ∂L/∂w = H,   ∂L/∂s = g,   ∂L/∂x = w·r·(g − G/M − x̂·H/M)  (`BatchNormInputGrad`);
    the last two terms are what μ and σ² pass on. They are missing when μ and σ² are constants (`fixed`).
    """

    reads = {0: (0, 1), 1: (0,), 2: (0,)}  # ∂L/∂b would not need x, but both sums are computed in one pass
    relu = False

    def forward(self, x: Array, w: Array, b: Array, shortcut: Array | None, statistics: Statistics) -> Array:
        self.statistics = statistics
        scale = w * statistics.inv_std
        shift = b - statistics.mean * scale
        return kernels.norm.scale_and_shift(x, scale, shift, shortcut, self.relu)

    def backward(self, grad: Array) -> tuple:
        x, w, *_ = self.inputs
        if not any(self.needs[:3]):  # only the shortcut needs a gradient: no sums
            return None, None, None, grad
        sums = BatchNormSums.apply(grad, x, statistics=self.statistics)
        grad_x = BatchNormInputGrad.apply(grad, x, w, sums, statistics=self.statistics) if self.needs[0] else None
        return grad_x, GetItem.apply(sums, index=1), GetItem.apply(sums, index=0), grad


class BatchNormReLU(BatchNorm):
    """y = relu(w·x̂ + b + s)  ⇒  as for batch norm, with g set to 0 where y is."""

    reads_output = True
    relu = True

    def backward(self, grad: Array) -> tuple:
        return super().backward(Keep.apply(grad, self.output))


class BatchNormSums(Function):
    """y = (G, H) = (Σ g, Σ g·x̂) per channel, of shape (2, C), as a function of g and x  ⇒  with upstream gradient
    (a, b): ∂L/∂g = a + b·x̂, ∂L/∂x = b·r·(g − G/M − x̂·H/M), what batch norm's own gradient is with w = b.
    """

    reads = {0: (1,), 1: (0, 1)}
    reads_output = True

    def forward(self, g: Array, x: Array, statistics: Statistics) -> Array:
        self.statistics = statistics
        return kernels.norm.batch_norm_sums(g, x, statistics.mean, statistics.inv_std)

    def backward(self, grad: Array) -> tuple:
        (g, x), options = self.inputs, {"statistics": self.statistics}
        a, b = (GetItem.apply(grad, index=i) for i in (0, 1))
        return (
            BatchNorm.apply(x, b, a, None, **options) if self.needs[0] else None,
            BatchNormInputGrad.apply(g, x, b, self.output, **options) if self.needs[1] else None,
        )


class BatchNormInputGrad(Function):
    """y = w·r·(g − G/M − x̂·H/M), as a function of g, x, w and the sums (G, H)  ⇒  with upstream gradient h:

        ∂L/∂g = w·r·h        ∂L/∂w = Σ h·y/w        ∂L/∂(G, H) = −w·r/M·(Σ h, Σ h·x̂)
        ∂L/∂x = −r·(x̂·Σ h·y/M + H/M·D(h)), where D(h) = w·r·(h − Σ h/M − x̂·Σ h·x̂/M):

    y depends on x by r, with ∂r/∂x = −r²·x̂/M, and by x̂, whose gradient is that of batch norm. With constant
    statistics y = w·r·g.
    """

    reads = {0: (1, 2), 1: (0, 1, 2, 3), 2: (0, 1, 3), 3: (1, 2)}
    reads_output = True

    def forward(self, g: Array, x: Array, w: Array | float, sums: Array, statistics: Statistics) -> Array:
        self.statistics = statistics
        mean, r, fixed = statistics
        if fixed:
            return kernels.norm.scale_and_shift(g, w * r, None)
        means = sums / (x.size // x.shape[1])
        return kernels.norm.batch_norm_input_grad(g, x, w, mean, r, *means)

    def backward(self, grad: Array) -> tuple:
        (g, x, w, sums), options = self.inputs, {"statistics": self.statistics}
        grad_g = grad_x = grad_w = grad_sums = None
        r = InvStd.apply(x, **options)
        if self.needs[0]:
            grad_g = grad * _per_channel(w * r)
        if self.needs[2]:
            grad_w = Sum.apply(grad * BatchNormInputGrad.apply(g, x, 1.0, sums, **options), axes=AXES, keepdims=False)
        if not self.statistics.fixed and (self.needs[1] or self.needs[3]):
            share = 1 / (grad.size // grad.shape[1])
            sums_h = BatchNormSums.apply(grad, x, **options)
            if self.needs[1]:
                normal = BatchNorm.apply(x, 1.0, 0.0, None, **options)
                slopes = Sum.apply(grad * self.output, axes=AXES, keepdims=False, scale=share)
                through_normal = BatchNormInputGrad.apply(grad, x, w, sums_h, **options)
                mean_gx = GetItem.apply(sums, index=1) * share
                grad_x = (normal * _per_channel(slopes) + through_normal * _per_channel(mean_gx)) * _per_channel(-r)
            grad_sums = sums_h * (w * r * -share)
        return grad_g, grad_x, grad_w, grad_sums


class InvStd(Function):
    """y = r = 1/√(σ² + ε) of each channel, (C,), as a function of x  ⇒  ∂L/∂x = −g·r²·x̂/M; 0 if it is a constant."""

    reads = {0: (0,)}
    reads_output = True

    def forward(self, x: Array, statistics: Statistics) -> Array:
        self.statistics = statistics
        return statistics.inv_std

    def backward(self, grad: Array) -> Array | None:
        if self.statistics.fixed:
            return None
        (x,), r = self.inputs, self.output
        share = 1 / (x.size // x.shape[1])
        normal = BatchNorm.apply(x, 1.0, 0.0, None, statistics=self.statistics)
        return normal * _per_channel(grad * r * r * -share)


def _per_channel(values: Array) -> Array:
    return Reshape.apply(values, shape=(1, -1, 1, 1))


def batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it, as `torch.nn.functional.batch_norm`;
    but in PyTorch the running statistics stand before weight and bias. float16 is computed in float32; only the result
    and the running statistics are rounded.

    Args:
        x: (N, C, ...).
        weight, bias: scale and shift (C,), or None for 1 and 0.
        running_mean, running_var: (C,). In training they are updated in place, new = (1 − momentum)·old +
            momentum·batch, with the batch's *unbiased* variance; otherwise they are used instead of the batch's. None:
            not tracked.
        training: whether to use the batch's own (biased) statistics.
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: shapes do not fit; statistics are missing; or training with one value per channel.
        TypeError: dtypes differ.
        DeviceError: devices differ.
    """
    return batch_norm_add_relu(x, weight, bias, running_mean, running_var, training, momentum, eps)


def batch_norm_add_relu(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
    shortcut: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """Return `batch_norm`, plus `shortcut` (of x's shape) if there is one, then the ReLU if `relu`: in the same passes
    over the data. Arguments and errors: as there.
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expected an input of shape (N, C, ...), got shape {x.shape}")
    tensors = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    for name, tensor in tensors.items():
        if tensor is not None and tensor.shape != (x.shape[1],):
            raise ValueError(f"batch_norm: {name} has shape {tensor.shape}, input {x.shape} has {x.shape[1]} channels")
        if tensor is not None and tensor.device != x.device:
            raise backend.DeviceError(f"batch_norm: {name} is on {tensor.device}, the input on {x.device}")
    if shortcut is not None and shortcut.shape != x.shape:
        raise ValueError(f"batch_norm: shortcut has shape {shortcut.shape}, the input {x.shape}")
    check_dtypes("batch_norm", x=x, **tensors, shortcut=shortcut)
    xp = array_module(x.data)
    count = x.size // max(1, x.shape[1])
    if training and count == 1:
        raise ValueError(f"batch_norm: training needs at least two values per channel, input {x.shape} has one")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: evaluation (training=False) needs running_mean and running_var")
    dtype = accumulator(x.dtype)
    pictures, added, weight, bias = (
        None if t is None else t.astype(dtype)
        for t in (_as_pictures(x), None if shortcut is None else _as_pictures(shortcut), weight, bias)
    )
    with backend.use_device(x.device):
        zeros, ones = (fill(x.shape[1], dtype=dtype) for fill in (xp.zeros, xp.ones))
        weight = Tensor._wrap(ones) if weight is None else weight
        bias = Tensor._wrap(zeros) if bias is None else bias
        if not training:
            mean, variance = running_mean.data.astype(dtype), running_var.data.astype(dtype)
        elif count:
            mean, variance = kernels.norm.moments(pictures.data)
            _update(running_mean, mean, momentum)
            _update(running_var, variance * (count / (count - 1)), momentum)
        else:
            mean, variance = zeros, ones  # an empty batch has no statistics, and needs none
        fixed = not (training and count)
        statistics = Statistics(mean, 1 / xp.sqrt(variance + float(eps)), fixed)
        operation = BatchNormReLU if relu else BatchNorm
        y = operation.apply(pictures, weight, bias, added, statistics=statistics).astype(x.dtype)
    return y if x.ndim == 4 else y.reshape(x.shape)


def _as_pictures(x: Tensor) -> Tensor:
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], -1 if x.size else 0, 1)


def _update(running: Tensor | None, batch: Array, momentum: float) -> None:
    if running is not None:
        running.data[...] = running.data.astype(batch.dtype) * (1 - momentum) + momentum * batch
        running._bump_version()
