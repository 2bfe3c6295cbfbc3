"""What a convolution is: seven loops. Far too slow to be used; all that computes one is tested against it.

With upstream gradient g, the result and the two gradients of a convolution are three views of one sum, linear in x, in
w and in g:

    T(x, w, g) = Σ g[n,o,i,j] · w[o,c,u,v] · x[n,c, i·s+u·d−p, j·s+v·d−p]
    y = ∂T/∂g        ∂L/∂x = ∂T/∂x        ∂L/∂w = ∂T/∂w
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigrad.kernels.conv.problem import Pair, Window

Index = tuple[int, int, int, int]


def terms(n: int, size: Pair, w_shape: tuple[int, ...], window: Window) -> Iterator[tuple[Index, Index, Index]]:
    """Yield the index in y (and g), in w and in x of every term of the sum; what lies in the padding is 0, and none."""
    (filters, channels, kh, kw), (oh, ow) = w_shape, window.output_size(size)
    (sh, sw), (ph, pw), (dh, dw) = window.stride, window.padding, window.dilation
    for picture in range(n):
        for o in range(filters):
            first = o // (filters // window.groups) * channels  # of the filter's group
            for i in range(oh):
                for j in range(ow):
                    for c in range(channels):
                        for u in range(kh):
                            for v in range(kw):
                                row, column = i * sh + u * dh - ph, j * sw + v * dw - pw
                                if 0 <= row < size[0] and 0 <= column < size[1]:
                                    yield (picture, o, i, j), (o, c, u, v), (picture, first + c, row, column)


def conv2d(x: np.ndarray, w: np.ndarray, window: Window) -> np.ndarray:
    """Return y (N, O, OH, OW) of x (N, C, H, W) and w (O, C/groups, kh, kw)."""
    y = np.zeros((len(x), len(w), *window.output_size(x.shape[2:])))
    for at_y, at_w, at_x in terms(len(x), x.shape[2:], w.shape, window):
        y[at_y] += w[at_w] * x[at_x]
    return y


def conv2d_input_grad(g: np.ndarray, w: np.ndarray, window: Window, size: Pair) -> np.ndarray:
    """Return ∂L/∂x (N, C, *size) of g = ∂L/∂y and w."""
    x = np.zeros((len(g), w.shape[1] * window.groups, *size))
    for at_y, at_w, at_x in terms(len(g), size, w.shape, window):
        x[at_x] += g[at_y] * w[at_w]
    return x


def conv2d_weight_grad(x: np.ndarray, g: np.ndarray, window: Window) -> np.ndarray:
    """Return ∂L/∂w (O, C/groups, kh, kw) of x and g = ∂L/∂y."""
    w = np.zeros((g.shape[1], x.shape[1] // window.groups, *window.kernel))
    for at_y, at_w, at_x in terms(len(x), x.shape[2:], w.shape, window):
        w[at_w] += g[at_y] * x[at_x]
    return w
