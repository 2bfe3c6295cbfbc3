"""What always stands together, computed together: convolution, batch norm, shortcut, ReLU and maximum.

A ReLU right after a convolution is done to its results while they are in the cache. So is batch norm in evaluation,
where it is a scale and a shift per channel; in training it needs all results first, and addition and ReLU are done in
its passes over them. A ReLU and the max-pooling behind it change places, since max(relu(x)) = relu(max(x)): after the
pool there is a quarter of the numbers left.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.grad_mode import is_grad_enabled
from minigrad.hooks import watching_modules
from minigrad.nn.layers import BatchNorm2d, Conv2d, MaxPool2d, ReLU
from minigrad.nn.module import Module
from minigrad.ops.conv import ConvNorm, checked_window
from minigrad.tensor import Tensor


def conv_norm(conv: Conv2d, norm: BatchNorm2d, x: Tensor, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
    """Return norm(conv(x)) + shortcut, and of this the ReLU if asked for."""
    if not (_is_plain(conv) and _is_plain(norm)):
        y = norm(conv(x))
        y = y if shortcut is None else y + shortcut
        return y.relu() if relu else y
    parameters = conv.weight, conv.bias, norm.weight, norm.bias
    recording = is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, shortcut, *parameters))
    if norm.training or recording or watching_modules() or isinstance(conv.padding, str):
        return norm(conv(x), shortcut, relu)
    window = checked_window(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)
    shape = len(x), len(conv.weight), *window.output_size(x.shape[2:])
    if shortcut is not None and shortcut.shape != shape:
        raise ValueError(f"conv_norm: shortcut has shape {shortcut.shape}, the convolution's result {shape}")
    statistics = norm.weight, norm.bias, norm.running_mean, norm.running_var
    return ConvNorm.apply(x, conv.weight, conv.bias, shortcut, *statistics, eps=norm.eps, relu=relu, window=window)


def take(modules: Sequence[Module], x: Tensor) -> tuple[int, Tensor]:
    """Apply the first of `modules`, a Conv2d, or as many as can be computed together with it; return how many, and the
    result.

    Only the layers themselves are recognised: a subclass may compute something else, and so may a layer whose `forward`
    somebody replaced, or that has hooks.
    """
    if not _is_plain(modules[0]):
        return 1, modules[0](x)
    kinds = [type(module) if _is_plain(module) else None for module in modules[:4]]
    count = 2 if kinds[1:2] == [BatchNorm2d] else 1  # what is taken so far
    relu = kinds[count : count + 1] == [ReLU]
    pool = modules[count + 1] if relu and kinds[count + 1 : count + 2] == [MaxPool2d] else None
    early_relu = relu and pool is None
    y = modules[0](x, early_relu) if count == 1 else conv_norm(modules[0], modules[1], x, relu=early_relu)
    if pool is not None:
        return count + 2, pool(y).relu()
    return count + 1 if relu else count, y


# What these layers compute, so long as nobody puts another function into the class.
FORWARD = {kind: kind.forward for kind in (Conv2d, BatchNorm2d, ReLU, MaxPool2d)}


def _is_plain(module: Module) -> bool:
    """Whether a layer is one of these, with the `forward` of its class, and nobody waits for its own output."""
    kind = type(module)
    return FORWARD.get(kind) is kind.forward and "forward" not in vars(module) and not module.hooks
