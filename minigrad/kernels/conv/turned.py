"""The input gradient of a convolution with stride 1: a convolution of ∂L/∂y with the kernel turned by 180°.

    ∂L/∂x[n,c,h,k] = Σ w[o,c,u,v] · g[n,o, h−u·d+p, k−v·d+p]

Read from the last tap to the first, that is what the forward pass computes, of pictures g with filters that exchanged
inputs and outputs, and with the padding d·(kernel − 1) − p: patches of O channels are copied once, where `im2col.py`
reads, adds and writes patches of C channels. Winograd's algorithm does the same with its own forward pass.

Gain over im2col's scattering (`python -m benchmarks.algorithms`), on 3×3 layers: about twice its speed with as many
filters as channels, up to a third more with three times as many, slower with four times as many.
"""

from __future__ import annotations

from minigrad.backend import Array
from minigrad.kernels.conv import im2col
from minigrad.kernels.conv.epilogue import NOTHING
from minigrad.kernels.conv.problem import Direction, Problem, Suits, Window

MOST_FILTERS = 3  # for each channel


def suits(problem: Problem, direction: Direction) -> Suits:
    """For stride 1."""
    return Suits(
        {"stride 1": problem.window.stride == (1, 1)},
        {
            f"at most {MOST_FILTERS} times as many filters as channels": problem.filters
            <= MOST_FILTERS * problem.channels
        },
    )


def input_grad(problem: Problem, g: Array, w: Array) -> Array:
    """Return ∂L/∂x (N, C, H, W) for g = ∂L/∂y."""
    return im2col.forward(*turned(problem, g, w), NOTHING)


def turned(problem: Problem, g: Array, w: Array) -> tuple[Problem, Array, Array]:
    """Return the convolution whose result is the input gradient: the problem, its pictures and its filters."""
    kernel, _, padding, dilation, groups = problem.window
    w = w.reshape(groups, -1, *w.shape[1:])[..., ::-1, ::-1].transpose(0, 2, 1, 3, 4)
    w = w.reshape(-1, problem.filters // groups, *kernel)
    reach = [d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True)]
    if min(reach) < 0:  # padding wider than the kernel: the outermost gradients belong only to the padding
        rows, columns = (slice(max(0, -r), n + min(0, r)) for r, n in zip(reach, g.shape[2:], strict=True))
        g = g[:, :, rows, columns]
    window = Window(kernel, (1, 1), (max(0, reach[0]), max(0, reach[1])), dilation, groups)
    pictures, _, channels, filters, *_ = problem
    return Problem(pictures, g.shape[2:], filters, channels, window, problem.dtype, problem.on_cpu), g, w
