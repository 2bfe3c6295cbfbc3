"""Pooling: the largest or the mean element of windows that move over pictures (N, C, H, W)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import backend, kernels
from minigrad.backend import Array
from minigrad.function import Function
from minigrad.kernels.conv import Pair, Window
from minigrad.kernels.precision import in_float32
from minigrad.ops.operands import check_dtypes
from minigrad.ops.windows import pair, window_for
from minigrad.tensor import Tensor

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]


class MaxPool2d(Function):
    """y = the largest element of each window  ⇒  g goes to that element, the first one of equals.

    A nan is larger than everything: the first one of a window is y and receives g.
    """

    def forward(self, x: Array, window: Window) -> Array:
        self.window, self.size = window, x.shape[2:]
        y, self.argmax = kernels.pool.max_pool2d(x, window, with_argmax=any(self.needs))
        return y

    def backward(self, grad: Array) -> Array:
        return MaxUnpool2d.apply(grad, argmax=self.argmax, window=self.window, size=self.size)


class MaxUnpool2d(Function):
    """Zeros, with x added where each window's largest element was: linear in x  ⇒  take g from there."""

    def forward(self, x: Array, argmax: Array, window: Window, size: Pair) -> Array:
        self.argmax, self.window, self.size = argmax, window, size
        return kernels.pool.max_unpool2d(x, argmax, window, size)

    def backward(self, grad: Array) -> Array:
        return TakeAtArgmax.apply(grad, argmax=self.argmax, window=self.window)


class TakeAtArgmax(Function):
    """The elements of x where each window's largest element was: the transpose of `MaxUnpool2d`."""

    def forward(self, x: Array, argmax: Array, window: Window) -> Array:
        self.argmax, self.window, self.size = argmax, window, x.shape[2:]
        return kernels.pool.take_at_argmax(x, argmax, window)

    def backward(self, grad: Array) -> Array:
        return MaxUnpool2d.apply(grad, argmax=self.argmax, window=self.window, size=self.size)


class AvgPool2d(Function):
    """y = the mean of each window  ⇒  every element receives g/(kh·kw) from each window that it lies in."""

    def forward(self, x: Array, window: Window) -> Array:
        self.window, self.size = window, x.shape[2:]
        return kernels.pool.avg_pool2d(x, window)

    def backward(self, grad: Array) -> Array:
        return AvgPool2dBackward.apply(grad, window=self.window, size=self.size)


class AvgPool2dBackward(Function):
    """x/(kh·kw), added to every element of its window: the transpose of `AvgPool2d`."""

    def forward(self, x: Array, window: Window, size: Pair) -> Array:
        self.window = window
        return kernels.pool.avg_pool2d_backward(x, window, size)

    def backward(self, grad: Array) -> Array:
        return AvgPool2d.apply(grad, window=self.window)


def max_pool2d(x: Tensor, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> Tensor:
    """Return the largest element of each window, (N, C, OH, OW) with OH = ⌊(H + 2·padding − kh)/stride⌋ + 1.

    Args:
        kernel_size, stride, padding: ints or pairs (vertical, horizontal). `stride=None` means `kernel_size`;
            padding never wins, not even over −∞.

    A nan in a window makes y nan, as in PyTorch; its gradient goes to the window's first nan (in PyTorch, the last).

    Raises:
        ValueError: an argument is out of range, or padding exceeds half the kernel, so that a window could be all
            padding.
        TypeError: `x` is not floating point.
    """
    return MaxPool2d.apply(x, window=_pool_window("max_pool2d", x, kernel_size, stride, padding))


def avg_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window; padding counts as zeros, or with `count_include_pad=False` not at all. float16 is
    added up in float32. Arguments as `max_pool2d`. PyTorch has `ceil_mode` before `count_include_pad`.
    """
    window = _pool_window("avg_pool2d", x, kernel_size, stride, padding)
    y = AvgPool2d.apply(x, window=window)
    if count_include_pad or window.padding == (0, 0):
        return y
    ones = Tensor(np.ones((1, 1, *x.shape[2:]), x.dtype), device=x.device)
    return y / AvgPool2d.apply(ones, window=window)  # by the share of each window that is no padding


def _pool_window(
    name: str, x: Tensor, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair
) -> Window:
    check_dtypes(name, x=x)
    window = window_for(name, x, kernel_size, kernel_size if stride is None else stride, padding)
    if any(2 * p > k for p, k in zip(window.padding, window.kernel, strict=True)):
        raise ValueError(f"{name}: padding {window.padding} is more than half of the kernel {window.kernel}")
    return window


@in_float32
def adaptive_avg_pool2d(x: Tensor, output_size: int | tuple[int | None, int | None]) -> Tensor:
    """Return means over a grid of `output_size` (height, width) windows that cover the picture: (N, C, OH, OW). None
    stands for the size of the picture.

    Window i of OH covers the rows from ⌊i·H/OH⌋ up to ⌈(i+1)·H/OH⌉, so neighbours may overlap; columns likewise. Where
    the grid divides the picture evenly this is `avg_pool2d`; otherwise it is two products with matrices of averaging
    weights, y = P·x·Qᵀ.
    """
    if x.ndim != 4:
        raise ValueError(f"adaptive_avg_pool2d: expected pictures of shape (N, C, H, W), got shape {x.shape}")
    check_dtypes("adaptive_avg_pool2d", x=x)
    h, w = x.shape[2:]
    oh, ow = grid("adaptive_avg_pool2d", output_size, (h, w))
    if h == 0 or w == 0:
        raise ValueError(f"adaptive_avg_pool2d: pictures of shape {x.shape} are empty")
    if (oh, ow) == (1, 1):
        return x.mean(axis=(2, 3), keepdims=True)
    if h % oh == 0 and w % ow == 0:
        return avg_pool2d(x, (h // oh, w // ow))
    return _averaging(h, oh, x) @ x @ _averaging(w, ow, x).T


def grid(name: str, output_size: int | tuple[int | None, int | None], size: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return a checked pair of lengths, with those of `size` in the place of None."""
    if not isinstance(output_size, (tuple, list)) or None not in output_size:
        return pair(name, "output_size", output_size, 1)
    checked = pair(name, "output_size", tuple(1 if n is None else n for n in output_size), 1)
    return tuple(s if n is None else m for n, m, s in zip(output_size, checked, size, strict=True))


def _averaging(n: int, cells: int, x: Tensor) -> Tensor:
    """Return the (cells, n) matrix that averages n elements over each cell."""
    matrix = np.zeros((cells, n), dtype=x.dtype)
    for i in range(cells):
        start, stop = i * n // cells, math.ceil((i + 1) * n / cells)
        matrix[i, start:stop] = 1 / (stop - start)
    return Tensor._wrap(backend.to_device(matrix, x.device))
