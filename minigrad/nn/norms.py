"""Normalisation within one example: of its last axes, or of groups of its channels. Neither looks at the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.precision import in_float32
from minigrad.nn.layers import positive
from minigrad.nn.module import Module
from minigrad.tensor import Parameter, Tensor


@in_float32
def _normalised(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """(x − mean)/√(variance + ε), both along `axes`."""
    centred = x - x.mean(axes, keepdims=True)
    return centred * ((centred * centred).mean(axes, keepdims=True) + eps) ** -0.5


class LayerNorm(Module):
    """Normalises the last axes, then scales and shifts each of their elements (Ba et al. 2016, arXiv:1607.06450).

    Parameters weight (1 at the start) and bias (0), of shape `normalized_shape`.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple(n for size in sizes for n in positive("LayerNorm", normalized_shape=size))
        self.eps = eps
        self.weight = Parameter(np.ones(self.normalized_shape, np.float32)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, np.float32)) if elementwise_affine and bias else None
        self._made_on(device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, each of its parts of `normalized_shape` normalised."""
        count = len(self.normalized_shape)
        if x.shape[-count:] != self.normalized_shape:
            raise ValueError(f"LayerNorm: expected the last axes {self.normalized_shape}, got shape {x.shape}")
        y = _normalised(x, tuple(range(-count, 0)), self.eps)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}" + ("" if self.weight is not None else ", affine=False")


class GroupNorm(Module):
    """Normalises groups of channels of (N, C, …), then scales and shifts each channel (Wu & He 2018, arXiv:1803.08494).

    Parameters weight (1 at the start) and bias (0), of shape (C,).
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        num_groups, num_channels = positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_groups} groups must divide {num_channels} channels")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(np.ones(num_channels, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, np.float32)) if affine else None
        self._made_on(device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, each example's groups of channels normalised."""
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: expected shape (N, {self.num_channels}, ...), got {x.shape}")
        groups = x.reshape(len(x), self.num_groups, -1)
        y = _normalised(groups, (2,), self.eps).reshape(x.shape)
        channels = (-1,) + (1,) * (x.ndim - 2)
        if self.weight is None or self.bias is None:
            return y
        return y * self.weight.reshape(channels) + self.bias.reshape(channels)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}" + (
            "" if self.weight is not None else ", affine=False"
        )
