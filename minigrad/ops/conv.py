"""Convolution in two dimensions.

With upstream gradient g, a convolution, its input gradient and its weight gradient are three views of one sum that is
linear in each of x, w and g:

    T(x, w, g) = Σ g[n,o,i,j] · w[o,c,u,v] · x[n,c, i·s+u·d−p, j·s+v·d−p]
    conv2d(x, w) = ∂T/∂g        input gradient = ∂T/∂x        weight gradient = ∂T/∂w

So each of the three is an operation whose own gradients are the other two, and derivatives of any order come for free.
"""

from __future__ import annotations

from functools import partial

from minigrad import kernels
from minigrad.backend import Array, array_module
from minigrad.function import Function
from minigrad.kernels.conv import Pair, Window
from minigrad.kernels.precision import accumulator, in_float32
from minigrad.ops.broadcasting import BroadcastTo
from minigrad.ops.joining import pad
from minigrad.ops.operands import check_dtypes, is_int
from minigrad.ops.select import Keep
from minigrad.ops.shape import Reshape
from minigrad.ops.windows import named_padding, window_for
from minigrad.tensor import Tensor

__all__ = ["conv2d"]


class Conv2d(Function):
    """y = Σ w·(a window of x) + b  ⇒  ∂L/∂w = Σ g·(its window), ∂L/∂x = Σ g·w over the windows it lies in, ∂L/∂b = Σ g.

    That is y = ∂T/∂g + b, ∂L/∂w = ∂T/∂w and ∂L/∂x = ∂T/∂x. The sums for w and b go over pictures and positions.
    """

    reads = {0: (1,), 1: (0,)}
    relu = False

    def forward(self, x: Array, w: Array, b: Array | None, window: Window) -> Array:
        self.window, self.size = window, x.shape[2:]
        return kernels.conv.conv2d(x, w, b, window, relu=self.relu, cache_weights=not any(self.needs))

    def backward(self, grad: Array) -> tuple:
        x, w, _ = self.inputs
        return (
            Conv2dInputGrad.apply(grad, w, window=self.window, size=self.size) if self.needs[0] else None,
            Conv2dWeightGrad.apply(x, grad, window=self.window) if self.needs[1] else None,
            ChannelSum.apply(grad) if self.needs[2] else None,
        )


class Conv2dReLU(Conv2d):
    """y = relu(∂T/∂g + b)  ⇒  as for the convolution, with g set to 0 where y is."""

    reads_output = True
    relu = True

    def backward(self, grad: Array) -> tuple:
        return super().backward(Keep.apply(grad, self.output))


class Conv2dInputGrad(Function):
    """y = ∂T/∂x, as a function of g and w (a transposed convolution)  ⇒  with upstream gradient h, which has
    x's shape, ∂L/∂g = ∂T/∂g and ∂L/∂w = ∂T/∂w, at x = h.
    """

    reads = {0: (1,), 1: (0,)}

    def forward(self, g: Array, w: Array, window: Window, size: Pair) -> Array:
        self.window = window
        return kernels.conv.conv2d_input_grad(g, w, window, size)

    def backward(self, grad: Array) -> tuple:
        g, w = self.inputs
        return (
            Conv2d.apply(grad, w, None, window=self.window) if self.needs[0] else None,
            Conv2dWeightGrad.apply(grad, g, window=self.window) if self.needs[1] else None,
        )


class Conv2dWeightGrad(Function):
    """y = ∂T/∂w, as a function of x and g  ⇒  with upstream gradient h, which has w's shape, ∂L/∂x = ∂T/∂x and
    ∂L/∂g = ∂T/∂g, at w = h.
    """

    reads = {0: (1,), 1: (0,)}

    def forward(self, x: Array, g: Array, window: Window) -> Array:
        self.window, self.size = window, x.shape[2:]
        return kernels.conv.conv2d_weight_grad(x, g, window)

    def backward(self, grad: Array) -> tuple:
        x, g = self.inputs
        return (
            Conv2dInputGrad.apply(g, grad, window=self.window, size=self.size) if self.needs[0] else None,
            Conv2d.apply(x, grad, None, window=self.window) if self.needs[1] else None,
        )


class ChannelSum(Function):
    """y[c] = Σ x[n,c,i,j]  ⇒  ∂L/∂x = g, repeated for every picture and position."""

    def forward(self, x: Array) -> Array:
        return kernels.reduce.total(x.transpose(0, 2, 3, 1), (0, 1, 2))  # as it lies in memory

    def backward(self, grad: Array) -> Array:
        return BroadcastTo.apply(Reshape.apply(grad, shape=(1, -1, 1, 1)), shape=self.edges[0].shape)


class ConvNorm(Function):
    """y = relu(batch_norm(conv2d(x, w, b)) + shortcut) with fixed statistics, for evaluation only: nothing is kept for
    a gradient. With r = 1/√(σ² + ε), batch norm multiplies by scale·r and adds shift − μ·scale·r.
    """

    differentiable = False

    @in_float32
    def forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        shortcut: Array | None,
        scale: Array | None,
        shift: Array | None,
        mean: Array,
        variance: Array,
        eps: float,
        relu: bool,
        window: Window,
    ) -> Array:
        r = 1 / array_module(x).sqrt(variance.astype(accumulator(x.dtype)) + eps)
        scale = r if scale is None else scale * r
        total = -mean * scale if b is None else (b - mean) * scale
        total = total if shift is None else total + shift
        return kernels.conv.conv2d(x, w, total, window, scale=scale, shortcut=shortcut, relu=relu, cache_weights=True)


def conv2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return the cross-correlation of pictures with a bank of filters, as `torch.nn.functional.conv2d`.

    Args:
        x: (N, C, H, W).
        w: (O, C/groups, kh, kw).
        b: (O,), or None.
        stride, padding, dilation: an int or a pair (vertical, horizontal); padding is zeros. "same" is the padding that
            keeps the size of the picture, "valid" is none.
        groups: channels and filters are divided into this many independent convolutions.

    Returns:
        (N, O, OH, OW) with OH = ⌊(H + 2·padding − dilation·(kh − 1) − 1)/stride⌋ + 1, OW likewise; channels-last in
        memory.

    Raises:
        ValueError: shapes or arguments do not fit.
        TypeError: x, w and b differ in dtype.
    """
    return _convolved(Conv2d, x, w, b, stride, padding, dilation, groups)


def _convolved(
    operation: type[Conv2d],
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str) and x.ndim == w.ndim == 4:
        padding, (below, right) = named_padding("conv2d", padding, w.shape[2:], stride, dilation)
        x = pad(x, ((0, 0), (0, 0), (0, below), (0, right))) if below or right else x
    window = checked_window(x, w, b, stride, padding, dilation, groups)
    return operation.apply(x, w, b, window=window)


conv2d_relu = partial(_convolved, Conv2dReLU)  # negative results become 0 while they are at hand; else as `conv2d`


def checked_window(
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    stride: int | Pair,
    padding: int | Pair,
    dilation: int | Pair,
    groups: int,
) -> Window:
    """Return how the kernel moves. Arguments and errors: see `conv2d`."""
    if w.ndim != 4:
        raise ValueError(f"conv2d: expected a weight of shape (O, C/groups, kh, kw), got shape {w.shape}")
    if not is_int(groups) or groups < 1 or w.shape[0] % groups:
        raise ValueError(
            f"conv2d: groups={groups!r} must be a positive int that divides the {w.shape[0]} output channels"
        )
    window = window_for("conv2d", x, w.shape[2:], stride, padding, dilation, int(groups))
    if x.shape[1] != w.shape[1] * groups:
        raise ValueError(
            f"conv2d: input has {x.shape[1]} channels but weight {w.shape} takes {w.shape[1] * groups} "
            f"(groups={groups})"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"conv2d: bias of shape {b.shape} does not fit weight {w.shape}")
    check_dtypes("conv2d", x=x, w=w, b=b)
    return window
