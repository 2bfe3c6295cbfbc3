"""What the tests of operations share: short ways to make inputs and to get gradients, and slow, obvious references."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import Tensor


def leaf(values, device="cpu", dtype=np.float32):
    """A Tensor that wants a gradient."""
    return Tensor(np.asarray(values, dtype), requires_grad=True, device=device)


def random_leaf(device, *shape, dtype=np.float32):
    return leaf(np.random.default_rng(len(shape)).standard_normal(shape), device, dtype)


def grid(device, *shape):
    """0, 1, 2, … in the given shape."""
    return leaf(np.arange(np.prod(shape)).reshape(shape), device)


def gradients(output, *inputs):
    """∂(Σ output)/∂input as NumPy arrays."""
    return [g.numpy() for g in mg.grad(output.sum(), inputs)]


def show(tensor):
    """Values as nested lists, rounded."""
    return np.round(tensor.numpy().astype(np.float64), 5).tolist()


def windows(size, kernel, stride, padding, dilation=1):
    """For each output position along one axis, the input positions under the kernel (None where there is padding)."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    positions = [[i * stride + u * dilation - padding for u in range(kernel)] for i in range(count)]
    return [[p if 0 <= p < size else None for p in row] for row in positions]


def naive_pool2d(x, reduce, kernel, stride, padding, filling):
    """`reduce` of each window, with `filling` in the place of padding."""
    rows = windows(x.shape[2], kernel[0], stride[0], padding[0])
    columns = windows(x.shape[3], kernel[1], stride[1], padding[1])
    y = np.zeros((*x.shape[:2], len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            cells = [
                x[:, :, r, c] if r is not None and c is not None else np.full(x.shape[:2], filling)
                for r in row
                for c in column
            ]
            y[:, :, i, j] = reduce(cells, axis=0)
    return y
