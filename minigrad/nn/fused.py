"""What always stands together, computed together: convolution, batch norm, shortcut and ReLU.

A ReLU right after a convolution is done to its results while they are in the cache. So is batch norm in evaluation,
where it is a scale and a shift per channel; in training it needs all results first, and addition and ReLU are done in
its passes over them.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.function import is_grad_enabled
from minigrad.nn.layers import BatchNorm2d, Conv2d, ReLU
from minigrad.nn.module import Module, is_observed
from minigrad.ops.conv import ConvNorm, checked_window
from minigrad.tensor import Tensor


def conv_norm(conv: Conv2d, norm: BatchNorm2d, x: Tensor, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
    """Return norm(conv(x)) + shortcut, and of this the ReLU if asked for."""
    parameters = conv.weight, conv.bias, norm.weight, norm.bias
    recording = is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, shortcut, *parameters))
    if norm.training or recording or is_observed():
        return norm(conv(x), shortcut, relu)
    window = checked_window(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)
    shape = len(x), len(conv.weight), *window.output_size(x.shape[2:])
    if shortcut is not None and shortcut.shape != shape:
        raise ValueError(f"conv_norm: shortcut has shape {shortcut.shape}, the convolution's result {shape}")
    statistics = norm.weight, norm.bias, norm.running_mean, norm.running_var
    return ConvNorm.apply(x, conv.weight, conv.bias, shortcut, *statistics, eps=norm.eps, relu=relu, window=window)


def take(modules: Sequence[Module], x: Tensor) -> tuple[int, Tensor]:
    """Apply the first of `modules`, or as many as can be computed together; return how many, and the result."""
    if type(modules[0]) is not Conv2d or is_observed():
        return 1, modules[0](x)
    kinds = tuple(type(module) for module in modules[1:3])  # exactly these: a subclass may compute something else
    if kinds[:1] == (BatchNorm2d,):
        relu = kinds[1:] == (ReLU,)
        return 2 + relu, conv_norm(*modules[:2], x, relu=relu)
    relu = kinds[:1] == (ReLU,)
    return 1 + relu, modules[0](x, relu)
