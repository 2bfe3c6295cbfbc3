# Written by `make stubs`.
from collections.abc import Sequence
from typing import Any
from minigrad.backend import Array
from minigrad.kernels.conv import Pair
from minigrad.ops.operands import Number, Operand
from minigrad.ops.reduce import Axis
from minigrad.tensor import Tensor

__all__ = ['absolute', 'adaptive_avg_pool2d', 'add', 'argmax', 'astype', 'avg_pool2d', 'batch_norm', 'broadcast_to', 'clip', 'concat', 'conv2d', 'cos', 'cross_entropy', 'div', 'dropout', 'equal', 'exp', 'flatten', 'getitem', 'greater', 'greater_equal', 'less', 'less_equal', 'linear', 'log', 'log_softmax', 'logsumexp', 'matmul', 'max', 'max_pool2d', 'maximum', 'mean', 'min', 'minimum', 'mse_loss', 'mul', 'neg', 'not_equal', 'pad', 'permute', 'pow', 'relu', 'reshape', 'sigmoid', 'sin', 'smooth_l1_loss', 'softmax', 'sqrt', 'squeeze', 'stack', 'sub', 'sum', 'tanh', 'to', 'transpose', 'unsqueeze', 'var', 'where']

def absolute(x: Tensor) -> Tensor:
    """Return |x|."""

def adaptive_avg_pool2d(x: Tensor, output_size: int | Pair) -> Tensor:
    """Return means over a grid of `output_size` (height, width) windows that cover the picture: (N, C, OH, OW).

    Window i of OH covers the rows from ⌊i·H/OH⌋ up to ⌈(i+1)·H/OH⌉, so neighbours may overlap; columns likewise. Where
    the grid divides the picture evenly this is `avg_pool2d`; otherwise it is two products with matrices of averaging
    weights, y = P·x·Qᵀ.
    """

def add(a: Operand, b: Operand) -> Tensor:
    """Return a + b."""

def argmax(x: Tensor, axis: int | None = None) -> Tensor:
    """Return the index (int64) of the largest element along `axis`, the first one of equals; of the flat Tensor if
    None.
    """

def astype(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in another dtype; gradients flow between floating types.

    Raises:
        TypeError: the dtype is not one of real numbers or booleans.
    """

def avg_pool2d(x: Tensor, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> Tensor:
    """Return the mean of each window; padding counts as zeros, as PyTorch's `count_include_pad=True`. Arguments as
    `max_pool2d`.
    """

def batch_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, training: bool, momentum: float = 0.1, eps: float = 1e-05, *, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it, as `torch.nn.functional.batch_norm`.

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

def broadcast_to(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """Return `x` repeated to `shape` by NumPy's broadcasting rules, without copying.

    Raises:
        ValueError: the shapes do not fit.
    """

def clip(x: Tensor, low: Number | None = None, high: Number | None = None) -> Tensor:
    """Return x limited to [low, high]; None leaves a side open.

    Raises:
        ValueError: both sides are None.
    """

def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join Tensors along an existing axis.

    Raises:
        ValueError: there are none, or their shapes differ elsewhere than along `axis`.
    """

def conv2d(x: Tensor, w: Tensor, b: Tensor | None = None, stride: int | Pair = 1, padding: int | Pair = 0, dilation: int | Pair = 1, groups: int = 1, *, relu: bool = False) -> Tensor:
    """Return the cross-correlation of pictures with a bank of filters, as `torch.nn.functional.conv2d`.

    Args:
        x: (N, C, H, W).
        w: (O, C/groups, kh, kw).
        b: (O,), or None.
        stride, padding, dilation: an int or a pair (vertical, horizontal); padding is zeros.
        groups: channels and filters are divided into this many independent convolutions.
        relu: whether negative results become 0, while they are at hand.

    Returns:
        (N, O, OH, OW) with OH = ⌊(H + 2·padding − dilation·(kh − 1) − 1)/stride⌋ + 1, OW likewise; channels-last in
        memory.

    Raises:
        ValueError: shapes or arguments do not fit.
        TypeError: x, w and b differ in dtype.
    """

def cos(x: Tensor) -> Tensor:
    """Return the cosine of x, in radians."""

def cross_entropy(logits: Tensor, targets: Tensor | Array, reduction: str = 'mean', label_smoothing: float = 0.0) -> Tensor:
    """Return −ln softmax(logits)[target], as `torch.nn.functional.cross_entropy`.

    Args:
        logits: scores (N, C), any real numbers.
        targets: class numbers (N,), integers from 0 to C − 1. On a GPU they are not read back to be checked: the
            loss of a target out of range is nan there.
        label_smoothing: ε in [0, 1]: this share of the target's probability is spread over all classes (Szegedy et
            al. 2016, arXiv:1512.00567, section 7).

    Returns:
        One number; (N,) with `reduction="none"`.

    Raises:
        ValueError: shapes do not fit, a target is out of range, or an option is unknown.
        TypeError: targets are not integers.
    """

def div(a: Operand, b: Operand) -> Tensor:
    """Return a/b; integers give float32."""

def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each element to 0 with probability `p` and multiply the rest by 1/(1 − p), so that the expectation stays.

    The mask comes from the seeded generator of x's device. Outside training `x` is returned as it is.

    Raises:
        ValueError: `p` is not in [0, 1].
        TypeError: `x` is not floating point.
    """

def equal(a: Operand, b: Operand) -> Tensor:
    """Return a = b, elementwise, as booleans."""

def exp(x: Tensor) -> Tensor:
    """Return eˣ."""

def flatten(x: Tensor, start: int = 0) -> Tensor:
    """Return `x` with the axes from `start` on joined into one."""

def getitem(x: Tensor, index: Any) -> Tensor:
    """Return `x[index]`: ints, slices, None, Ellipsis, integer arrays and boolean masks, as in NumPy.

    Raises:
        IndexError: the index does not fit the shape.
        DeviceError: an index Tensor lies on another device.
    """

def greater(a: Operand, b: Operand) -> Tensor:
    """Return a > b, elementwise, as booleans."""

def greater_equal(a: Operand, b: Operand) -> Tensor:
    """Return a ≥ b, elementwise, as booleans."""

def less(a: Operand, b: Operand) -> Tensor:
    """Return a < b, elementwise, as booleans."""

def less_equal(a: Operand, b: Operand) -> Tensor:
    """Return a ≤ b, elementwise, as booleans."""

def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Return x·wᵀ + b.

    Args:
        x: (..., in).
        w: (out, in).
        b: (out,), or None.

    Returns:
        (..., out).

    Raises:
        ValueError: the shapes do not fit.
        TypeError: x, w and b differ in dtype.
    """

def log(x: Tensor) -> Tensor:
    """Return the natural logarithm."""

def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the logarithm of `softmax`, computed without leaving the log scale."""

def logsumexp(x: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    """Return ln Σ eˣ along `axis`."""

def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product with NumPy's rules: leading axes broadcast, 1-D operands are a row or a column.

    Raises:
        ValueError: an operand is 0-dimensional, or the inner lengths differ.
    """

def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the largest element along `axis`.

    Raises:
        ValueError: there are no elements along `axis`.
    """

def max_pool2d(x: Tensor, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> Tensor:
    """Return the largest element of each window, (N, C, OH, OW) with OH = ⌊(H + 2·padding − kh)/stride⌋ + 1.

    Args:
        kernel_size, stride, padding: ints or pairs (vertical, horizontal). `stride=None` means `kernel_size`;
            padding never wins.

    Raises:
        ValueError: an argument is out of range, or padding exceeds half the kernel, so that a window could be all
            padding.
        TypeError: `x` is not floating point.
    """

def maximum(a: Operand, b: Operand) -> Tensor:
    """Return the larger of a and b, elementwise."""

def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the arithmetic mean along `axis`; integers give float32. The mean of nothing is nan."""

def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the smallest element along `axis`.

    Raises:
        ValueError: there are no elements along `axis`.
    """

def minimum(a: Operand, b: Operand) -> Tensor:
    """Return the smaller of a and b, elementwise."""

def mse_loss(pred: Tensor, target: Tensor, reduction: str = 'mean') -> Tensor:
    """Return (pred − target)², as `torch.nn.functional.mse_loss`.

    Raises:
        ValueError: the shapes differ (nothing is broadcast, as that is usually a mistake), or `reduction` is unknown.
    """

def mul(a: Operand, b: Operand) -> Tensor:
    """Return a·b."""

def neg(x: Tensor) -> Tensor:
    """Return −x."""

def not_equal(a: Operand, b: Operand) -> Tensor:
    """Return a ≠ b, elementwise, as booleans."""

def pad(x: Tensor, width: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Add a border of `value`.

    Args:
        width: (before, after) for each axis, in NumPy's order.

    Raises:
        ValueError: `width` does not have one non-negative pair for each axis.
    """

def permute(x: Tensor, *axes: int | tuple[int, ...]) -> Tensor:
    """Return `x` with its axes in the order `axes`.

    Raises:
        ValueError: `axes` is not a permutation of the axes.
    """

def pow(a: Operand, b: Operand) -> Tensor:
    """Return a raised to the power b. For a < 0 the gradient with respect to b is nan, as the logarithm is."""

def relu(x: Tensor) -> Tensor:
    """Return max(x, 0)."""

def reshape(x: Tensor, *shape: int | tuple[int, ...]) -> Tensor:
    """Return the elements in row-major order in a new shape; one length may be -1.

    Raises:
        ValueError: the number of elements differs.
    """

def sigmoid(x: Tensor) -> Tensor:
    """Return the logistic function 1/(1 + e⁻ˣ)."""

def sin(x: Tensor) -> Tensor:
    """Return the sine of x, in radians."""

def smooth_l1_loss(pred: Tensor, target: Tensor, beta: float = 1.0, reduction: str = 'mean') -> Tensor:
    """Return ½d²/β where |d| < β and |d| − ½β elsewhere, d = pred − target (Girshick 2015, arXiv:1504.08083, eq. 3).

    With m = min(|d|, β) both are ½m²/β + (|d| − m), in which nothing overflows. `reduction` comes last here; in
    PyTorch it comes before β.

    Raises:
        ValueError: the shapes differ, β is not positive, or `reduction` is unknown.
    """

def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return e^x normalised to sum 1 along `axis`."""

def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""

def squeeze(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Remove axes of length 1: all of them, or those in `axis`.

    Raises:
        ValueError: an axis in `axis` does not exist or is longer than 1.
    """

def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Raises:
        ValueError: there are none, or their shapes differ.
    """

def sub(a: Operand, b: Operand) -> Tensor:
    """Return a − b."""

def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum along `axis`."""

def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""

def to(x: Tensor, device: str) -> Tensor:
    """Return `x` on `device`: itself where it is there already, else a copy through which gradients flow back.

    Raises:
        DeviceError: there is no such device; the message says what is missing.
    """

def transpose(x: Tensor, *axes: int | tuple[int, ...]) -> Tensor:
    """Exchange two axes, `x.transpose(0, 1)` as in PyTorch; without arguments reverse all axes, and with a tuple of all
    of them, or three and more, permute them, as in NumPy.

    Raises:
        ValueError: an axis does not exist.
    """

def unsqueeze(x: Tensor, axis: int) -> Tensor:
    """Insert an axis of length 1 at position `axis`."""

def var(x: Tensor, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
    """Return the variance Σ(x − x̄)²/(n − correction) along `axis`.

    As in PyTorch the default is the unbiased estimate; `correction=0` divides by n, as NumPy does and as normalisation
    layers need.
    """

def where(condition: Tensor | Array, a: Operand, b: Operand) -> Tensor:
    """Return a where `condition` (booleans) holds, and b elsewhere; all three broadcast.

    Raises:
        TypeError: `condition` is not boolean.
    """
