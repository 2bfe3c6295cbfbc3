"""Arguments that convolution and pooling share: ints or pairs, turned into a checked `Window`."""

from __future__ import annotations

from typing import Any

from minigrad.kernels.conv import Pair, Window
from minigrad.ops.operands import is_int
from minigrad.tensor import Tensor


def pair(name: str, argument: str, value: Any, smallest: int) -> Pair:
    """Return an int or a pair of ints as a pair (vertical, horizontal).

    Raises:
        ValueError: it is neither, or smaller than `smallest`.
    """
    if type(value) is int and value >= smallest:
        return value, value
    both = value if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all([is_int(v) for v in both]) or min(both) < smallest:
        raise ValueError(f"{name}: {argument} must be an int >= {smallest} or a pair of them, got {value!r}")
    return int(both[0]), int(both[1])


def named_padding(name: str, padding: Any, kernel: Pair, stride: Any, dilation: Any) -> tuple[Any, Pair]:
    """Return padding in numbers, and how many more rows and columns are to be added at the bottom and on the right.

    "valid" is none. "same" keeps the size of the picture: dilation·(k − 1) in all, an odd one at the end, as PyTorch.

    Raises:
        ValueError: `padding` is another text, or "same" with a stride.
    """
    if not isinstance(padding, str):
        return padding, (0, 0)
    if padding not in ("same", "valid"):
        raise ValueError(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    if padding == "valid":
        return 0, (0, 0)
    if pair(name, "stride", stride, 1) != (1, 1):
        raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}")
    height, width = (d * (k - 1) for k, d in zip(kernel, pair(name, "dilation", dilation, 1), strict=True))
    return (height // 2, width // 2), (height % 2, width % 2)


def window_for(
    name: str, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any = 1, groups: int = 1
) -> Window:
    """Return the checked `Window` of an operation on pictures x (N, C, H, W).

    Raises:
        ValueError: x is not 4-dimensional, an argument is out of range, or the kernel is larger than the padded
            picture.
    """
    if x.ndim != 4:
        raise ValueError(f"{name}: expected pictures of shape (N, C, H, W), got shape {x.shape}")
    window = Window(
        pair(name, "kernel_size", kernel, 1),
        pair(name, "stride", stride, 1),
        pair(name, "padding", padding, 0),
        pair(name, "dilation", dilation, 1),
        groups,
    )
    if min(window.output_size(x.shape[2:])) < 1:
        raise ValueError(
            f"{name}: pictures of {x.shape[2]}x{x.shape[3]} with padding {window.padding} are smaller than "
            f"the kernel {window.kernel} with dilation {window.dilation}"
        )
    return window
