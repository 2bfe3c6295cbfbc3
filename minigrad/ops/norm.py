"""Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167, section 3)."""

from __future__ import annotations

import math

from minigrad import backend, kernels
from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.grad_mode import is_grad_enabled
from minigrad.kernels.precision import accumulator
from minigrad.ops.operands import check_dtypes
from minigrad.ops.select import Keep
from minigrad.tensor import Tensor

AXES = (0, 2, 3)


class BatchNorm(Function):
    """x̂ = (x − μ)·r with r = 1/√(σ² + ε), y = w·x̂ + b, where μ and σ² are the batch's own.

    With M elements per channel, G = Σ g and H = Σ g·x̂ over them:
        ∂L/∂b = G,   ∂L/∂w = H,   ∂L/∂x = w·r·(g − G/M − x̂·H/M);
    the last two terms are what μ and σ² pass on. They are missing when μ and σ² are constants (`fixed`).

    A shortcut s and a ReLU may follow, y = relu(w·x̂ + b + s): then g is first set to 0 where y is, and is ∂L/∂s.
    """

    reads = {0: (0, 1), 1: (0,), 2: (0,)}  # for ∂L/∂b alone x is not needed, but its sums are made together

    def forward(
        self,
        x: Array,
        w: Array,
        b: Array,
        shortcut: Array | None,
        mean: Array,
        variance: Array,
        fixed: bool,
        eps: float,
        relu: bool,
    ) -> Array:
        self.mean, self.fixed, self.eps, self.reads_output = mean, fixed, eps, relu
        self.inverse_deviation = 1 / array_module(x).sqrt(variance + eps)
        scale = w * self.inverse_deviation
        return kernels.norm.scale_and_shift(x, scale, b - mean * scale, shortcut, relu)

    def backward(self, grad: Tensor) -> tuple:
        x, w, *_ = self.inputs
        y = self.output.data if self.reads_output else None
        if is_grad_enabled() or not any(self.needs[:3]):  # the shortcut alone has no use for the sums
            grad = grad if y is None else Keep.apply(grad, mask=y)
            return *(self._differentiable_backward(grad, x, w) if any(self.needs[:3]) else (None,) * 3), grad
        mean, r = self.mean, self.inverse_deviation
        sum_g, sum_gx, g = kernels.norm.batch_norm_sums(grad.data, x.data, mean, r, y)
        grad_x = None
        if self.needs[0] and self.fixed:
            grad_x = Tensor._wrap(kernels.norm.scale_and_shift(g, w.data * r, None))
        elif self.needs[0]:
            count = x.size // x.shape[1]
            means = sum_g / count, sum_gx / count
            grad_x = Tensor._wrap(kernels.norm.batch_norm_input_grad(g, x.data, w.data, mean, r, *means))
        return grad_x, Tensor._wrap(sum_gx), Tensor._wrap(sum_g), Tensor._wrap(g)

    def _differentiable_backward(self, grad: Tensor, x: Tensor, w: Tensor) -> tuple:
        """The same formulas in Tensor operations, with μ and r as functions of x: for derivatives of the gradient."""
        if self.fixed:
            mean, r = (Tensor._wrap(v.reshape(1, -1, 1, 1)) for v in (self.mean, self.inverse_deviation))
            count = math.inf
        else:
            mean = x.mean(AXES, keepdims=True)
            r = (x.var(AXES, keepdims=True, correction=0) + self.eps) ** -0.5
            count = x.size // x.shape[1]
        normal = (x - mean) * r
        sum_g, sum_gx = grad.sum(AXES, keepdims=True), (grad * normal).sum(AXES, keepdims=True)
        grad_x = None
        if self.needs[0]:
            grad_x = w.reshape(1, -1, 1, 1) * r * (grad - sum_g * (1 / count) - normal * sum_gx * (1 / count))
        return grad_x, sum_gx.flatten(), sum_g.flatten()


def batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    shortcut: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it, as `torch.nn.functional.batch_norm`;
    but in PyTorch the running statistics stand before weight and bias. float16 is computed in float32; only the result
    and the running statistics are rounded.

    The addition and the ReLU that often follow can be done in the same passes over the data.

    Args:
        x: (N, C, ...).
        weight, bias: scale and shift (C,), or None for 1 and 0.
        running_mean, running_var: (C,). In training they are updated in place, new = (1 − momentum)·old +
            momentum·batch, with the batch's *unbiased* variance; otherwise they are used instead of the batch's. None:
            not tracked.
        training: whether to use the batch's own (biased) statistics.
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.
        shortcut: of the shape of x, added to the result.
        relu: whether negative results become 0 in the end.

    Raises:
        ValueError: shapes do not fit; statistics are missing; or training with one value per channel.
        TypeError: dtypes differ.
        DeviceError: devices differ.
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
        y = BatchNorm.apply(
            pictures, weight, bias, added, mean=mean, variance=variance, fixed=fixed, eps=float(eps), relu=relu
        ).astype(x.dtype)
    return y if x.ndim == 4 else y.reshape(x.shape)


def _as_pictures(x: Tensor) -> Tensor:
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], -1 if x.size else 0, 1)


def _update(running: Tensor | None, batch: Array, momentum: float) -> None:
    if running is not None:
        running.data[...] = running.data.astype(batch.dtype) * (1 - momentum) + momentum * batch
        running._bump_version()
