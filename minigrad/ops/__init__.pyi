# Written by `make stubs`.
import builtins
import numpy as np
from collections.abc import Sequence
from typing import Any
from minigrad.backend import Array
from minigrad.kernels.conv import Pair
from minigrad.ops.operands import Number, Operand
from minigrad.ops.order import Ordered
from minigrad.ops.reduce import Axis
from minigrad.tensor import Tensor

__all__ = ['absolute', 'adaptive_avg_pool2d', 'add', 'all', 'amax', 'amin', 'any', 'argmax', 'argmin', 'argsort', 'astype', 'avg_pool2d', 'batch_norm', 'binary_cross_entropy', 'binary_cross_entropy_with_logits', 'bitwise_and', 'bitwise_not', 'bitwise_or', 'bitwise_xor', 'broadcast_to', 'cat', 'ceil', 'chunk', 'clip', 'clone', 'concat', 'contiguous', 'conv2d', 'cos', 'cross_entropy', 'cumsum', 'div', 'dropout', 'elu', 'equal', 'exp', 'expand', 'expm1', 'flatten', 'flip', 'floor', 'gather', 'getitem', 'greater', 'greater_equal', 'huber_loss', 'isfinite', 'isinf', 'isnan', 'l1_loss', 'leaky_relu', 'less', 'less_equal', 'linear', 'log', 'log1p', 'log_softmax', 'logsumexp', 'masked_fill', 'matmul', 'max', 'max_pool2d', 'maximum', 'mean', 'min', 'minimum', 'mse_loss', 'mul', 'neg', 'nll_loss', 'norm', 'not_equal', 'pad', 'permute', 'pow', 'prod', 'relu', 'repeat', 'reshape', 'roll', 'round', 'rsqrt', 'sigmoid', 'sign', 'silu', 'sin', 'smooth_l1_loss', 'softmax', 'softplus', 'sort', 'split', 'sqrt', 'square', 'squeeze', 'stack', 'std', 'sub', 'sum', 't', 'tanh', 'to', 'topk', 'transpose', 'type_as', 'unsqueeze', 'var', 'where']

def absolute(x: Tensor) -> Tensor:
    """Return |x|."""

def adaptive_avg_pool2d(x: Tensor, output_size: builtins.int | tuple[builtins.int | None, builtins.int | None]) -> Tensor:
    """Return means over a grid of `output_size` (height, width) windows that cover the picture: (N, C, OH, OW). None
    stands for the size of the picture.

    Window i of OH covers the rows from ⌊i·H/OH⌋ up to ⌈(i+1)·H/OH⌉, so neighbours may overlap; columns likewise. Where
    the grid divides the picture evenly this is `avg_pool2d`; otherwise it is two products with matrices of averaging
    weights, y = P·x·Qᵀ.
    """

def add(a: Operand, b: Operand) -> Tensor:
    """Return a + b."""

def all(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return whether no element is 0, of all or along `axis`: booleans. Arguments as `sum`."""

def amax(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the largest element, of all or along `axis`: `max` under the name that PyTorch has for it."""

def amin(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the smallest element, of all or along `axis`: `min` under the name that PyTorch has for it."""

def any(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return whether any element is not 0, of all or along `axis`: booleans. Arguments as `sum`."""

def argmax(x: Tensor, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the index (int64) of the largest element along `axis`, the first one of equals; of the flat Tensor if
    None.
    """

def argmin(x: Tensor, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the index (int64) of the smallest element along `axis`, the first one of equals; of the flat Tensor if
    None.
    """

def argsort(x: Tensor, axis: builtins.int = -1, descending: builtins.bool = False, *, dim: builtins.int = -1) -> Tensor:
    """Return the indices (int64) that sort `x` along `axis`, equals from first to last; nan is the largest number."""

def astype(x: Tensor, dtype: Any) -> Tensor:
    """Return `x` in another dtype; gradients flow between floating types.

    Raises:
        TypeError: the dtype is not one of real numbers of at most 64 bits, or booleans.
    """

def avg_pool2d(x: Tensor, kernel_size: builtins.int | Pair, stride: builtins.int | Pair | None = None, padding: builtins.int | Pair = 0, count_include_pad: builtins.bool = True) -> Tensor:
    """Return the mean of each window; padding counts as zeros, or with `count_include_pad=False` not at all. float16 is
    added up in float32. Arguments as `max_pool2d`. PyTorch has `ceil_mode` before `count_include_pad`.
    """

def batch_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, training: builtins.bool, momentum: builtins.float = 0.1, eps: builtins.float = 1e-05) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it, as `torch.nn.functional.batch_norm`;
    but in PyTorch the running statistics stand before weight and bias. float16 is computed in float32; only the result
    and the running statistics are rounded.

    Args:
        x: (N, C, ...).
        weight, bias: scale and shift (C,), or None for 1 and 0.
        running_mean, running_var: (C,). In training they are updated in place, new = (1 − momentum)·old +
            momentum·batch, with the batch's *unbiased* variance; otherwise they are used instead of the batch's. None:
            not tracked.
        training: whether to use the batch's own (biased) statistics.
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: shapes do not fit; statistics are missing; or training with one value per channel.
        TypeError: dtypes differ.
        DeviceError: devices differ.
    """

def binary_cross_entropy(p: Tensor, target: Tensor, reduction: str = 'mean', weight: Tensor | Array | None = None) -> Tensor:
    """Return −(y·ln p + (1 − y)·ln(1 − p)) for probabilities p and targets y in 0..1, which get no gradient.

    Where p comes from a sigmoid, `binary_cross_entropy_with_logits` is more precise. Give options by name: in PyTorch
    the third argument is `weight`.

    Args:
        weight: what each loss is multiplied by, before the mean over their number; it broadcasts to the shape of p.

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
    """

def binary_cross_entropy_with_logits(logits: Tensor, target: Tensor, reduction: str = 'mean', pos_weight: Tensor | Array | None = None, weight: Tensor | Array | None = None) -> Tensor:
    """Return −(w·y·ln p + (1 − y)·ln(1 − p)) with p = sigmoid(x), for targets y in 0..1.

    Computed as (1 − y)·x + (1 + (w − 1)·y)·ln(1 + e⁻ˣ), in which nothing overflows. Give options by name: in PyTorch
    the third argument is `weight`.

    Args:
        pos_weight: w, which broadcasts to the shape of the logits: above 1 it favours finding what is there.
        weight: as in `binary_cross_entropy`.

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
    """

def bitwise_and(a: Tensor, b: Tensor | builtins.int) -> Tensor:
    """Return a and b, elementwise: of booleans, or of the bits of integers."""

def bitwise_not(x: Tensor) -> Tensor:
    """Return not x, elementwise: of booleans, or of the bits of integers."""

def bitwise_or(a: Tensor, b: Tensor | builtins.int) -> Tensor:
    """Return a or b, elementwise: of booleans, or of the bits of integers."""

def bitwise_xor(a: Tensor, b: Tensor | builtins.int) -> Tensor:
    """Return a exclusive or b, elementwise: of booleans, or of the bits of integers."""

def broadcast_to(x: Tensor, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
    """Return `x` repeated to `shape` by NumPy's broadcasting rules, without copying.

    Raises:
        ValueError: the shapes do not fit.
    """

def cat(tensors: Sequence[Tensor], axis: builtins.int = 0, *, dim: builtins.int = 0) -> Tensor:
    """Join Tensors along an existing axis.

    Raises:
        ValueError: there are none, or their shapes differ elsewhere than along `axis`.
    """

def ceil(x: Tensor) -> Tensor:
    """Return the smallest whole number that is not below x. Its gradient is 0."""

def chunk(x: Tensor, chunks: builtins.int, axis: builtins.int = 0, *, dim: builtins.int = 0) -> tuple[Tensor, ...]:
    """Return `x` cut along `axis` into at most `chunks` pieces of one length, the last of which may be shorter."""

def clip(x: Tensor, low: Number | None = None, high: Number | None = None, *, min: Number | None = None, max: Number | None = None) -> Tensor:
    """Return x limited to [low, high]; None leaves a side open.

    Raises:
        ValueError: both sides are None.
    """

def clone(x: Tensor) -> Tensor:
    """Return a copy of `x` in memory of its own, through which gradients flow."""

def concat(tensors: Sequence[Tensor], axis: builtins.int = 0, *, dim: builtins.int = 0) -> Tensor:
    """Join Tensors along an existing axis.

    Raises:
        ValueError: there are none, or their shapes differ elsewhere than along `axis`.
    """

def contiguous(x: Tensor) -> Tensor:
    """Return `x`, or a copy where its elements do not lie in memory in row-major order."""

def conv2d(x: Tensor, w: Tensor, b: Tensor | None = None, stride: builtins.int | Pair = 1, padding: builtins.int | Pair | str = 0, dilation: builtins.int | Pair = 1, groups: builtins.int = 1) -> Tensor:
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

def cos(x: Tensor) -> Tensor:
    """Return the cosine of x, in radians."""

def cross_entropy(logits: Tensor, targets: Tensor | Array, reduction: str = 'mean', label_smoothing: builtins.float = 0.0, weight: Tensor | Array | None = None, ignore_index: builtins.int = -100) -> Tensor:
    """Return −ln softmax(logits)[target], as `torch.nn.functional.cross_entropy`. Give options by name: in PyTorch the
    third argument is `weight`.

    Args:
        logits: scores, any real numbers: (N, C); with places, as in segmentation, (N, C, H, W); or (C,) alone.
        targets: class numbers, integers from 0 to C − 1, of shape (N,), (N, H, W), or one number. On a GPU they are not
            read back to be checked: the loss of a target out of range is nan there. Or probabilities of the classes,
            floating point, of the shape of the logits.
        label_smoothing: ε in [0, 1]: this share of the target's probability is spread over all classes (Szegedy et
            al. 2016, arXiv:1512.00567, section 7).
        weight: of each class, (C,): what its share of the loss is multiplied by. The mean is the weighted one.
        ignore_index: targets of this number count neither in the sum nor in the mean.

    Returns:
        One number; the shape of the class numbers with `reduction="none"`.

    Raises:
        ValueError: shapes do not fit, a target is out of range, or an option is unknown.
        TypeError: targets are neither integers nor such probabilities.
    """

def cumsum(x: Tensor, axis: builtins.int = ..., *, dim: builtins.int = ...) -> Tensor:
    """Return the sums of the elements up to each one, along `axis`."""

def div(a: Operand, b: Operand) -> Tensor:
    """Return a/b; integers give float32."""

def dropout(x: Tensor, p: builtins.float = 0.5, training: builtins.bool = True) -> Tensor:
    """Set each element to 0 with probability `p` and multiply the rest by 1/(1 − p), so that the expectation stays.

    The mask is a hash of the seed, of how many were drawn before, and of an element's index: it does not depend on the
    device, and `mg.random_stream` gives it a key. Outside training `x` is returned as it is.

    Raises:
        ValueError: `p` is not in [0, 1].
        TypeError: `x` is not floating point.
    """

def elu(x: Tensor, alpha: builtins.float = 1.0) -> Tensor:
    """Return x where it is positive, and α(eˣ − 1) elsewhere (Clevert et al. 2015, arXiv:1511.07289)."""

def equal(a: Operand, b: Operand) -> Tensor:
    """Return a = b, elementwise, as booleans. PyTorch's `equal` gives one answer for all: here `(a == b).all()`."""

def exp(x: Tensor) -> Tensor:
    """Return eˣ."""

def expand(x: Tensor, *sizes: builtins.int | tuple[builtins.int, ...]) -> Tensor:
    """Return `x` repeated to `sizes` without copying, as `broadcast_to`; -1 keeps an axis as it is."""

def expm1(x: Tensor) -> Tensor:
    """Return eˣ − 1, precise for small x."""

def flatten(x: Tensor, start: builtins.int = 0, end: builtins.int = -1, *, start_dim: builtins.int = 0, end_dim: builtins.int = -1) -> Tensor:
    """Return `x` with the axes from `start` to `end`, both included, joined into one.

    Raises:
        ValueError: these are no axes, or `end` comes before `start`.
    """

def flip(x: Tensor, axis: Axis = None, *, dims: Axis = None, dim: Axis = None) -> Tensor:
    """Return `x` backwards along one axis, several, or all."""

def floor(x: Tensor) -> Tensor:
    """Return the largest whole number that is not above x. Its gradient is 0."""

def gather(x: Tensor, axis: builtins.int = ..., index: Tensor | Array = ..., *, dim: builtins.int = ...) -> Tensor:
    """Return y[i, j, …] = x[i, …, index[i, j, …], …], with the index in the place of `axis`; as `torch.gather`.

    Args:
        index: integers, with as many axes as x; along the others than `axis` it may be shorter than x.

    Raises:
        ValueError: `index` has another number of axes, or is longer than x along another axis.
    """

def getitem(x: Tensor, index: Any) -> Tensor:
    """Return `x[index]`: ints, slices, None, Ellipsis, integer arrays and boolean masks, as in NumPy.

    On a GPU the program would have to wait to see the values of an index Tensor. Integers in it are therefore not
    checked: what is out of range counts on from the other end. A boolean mask is waited for, as how many of its
    elements are true decides the result's shape; `where` and `masked_fill` need not wait.

    Raises:
        IndexError: the index does not fit the shape.
        DeviceError: an index Tensor lies on another device.
    """

def greater(a: Operand, b: Operand) -> Tensor:
    """Return a > b, elementwise, as booleans."""

def greater_equal(a: Operand, b: Operand) -> Tensor:
    """Return a ≥ b, elementwise, as booleans."""

def huber_loss(pred: Tensor, target: Tensor, reduction: str = 'mean', delta: builtins.float = 1.0) -> Tensor:
    """Return ½d² where |d| < δ and δ(|d| − ½δ) elsewhere: δ times the smooth L1 loss. Errors as there."""

def isfinite(x: Tensor) -> Tensor:
    """Return where x is neither nan nor infinite, as booleans."""

def isinf(x: Tensor) -> Tensor:
    """Return where x is infinite, as booleans."""

def isnan(x: Tensor) -> Tensor:
    """Return where x is nan, as booleans."""

def l1_loss(pred: Tensor, target: Tensor, reduction: str = 'mean') -> Tensor:
    """Return |pred − target|. Errors as in `mse_loss`."""

def leaky_relu(x: Tensor, negative_slope: builtins.float = 0.01) -> Tensor:
    """Return x where it is positive, and `negative_slope`·x elsewhere."""

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

def log1p(x: Tensor) -> Tensor:
    """Return ln(1 + x), precise for small x."""

def log_softmax(x: Tensor, axis: builtins.int = -1, *, dim: builtins.int = -1) -> Tensor:
    """Return the logarithm of `softmax`, computed without leaving the log scale."""

def logsumexp(x: Tensor, axis: builtins.int = -1, keepdims: builtins.bool = False, *, dim: builtins.int = -1, keepdim: builtins.bool = False) -> Tensor:
    """Return ln Σ eˣ along `axis`."""

def masked_fill(x: Tensor, mask: Tensor | Array, value: Number) -> Tensor:
    """Return x with `value` where the mask (booleans) holds; the mask broadcasts to x's shape."""

def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product with NumPy's rules: leading axes broadcast, 1-D operands are a row or a column.

    Raises:
        ValueError: an operand is 0-dimensional, or the inner lengths differ.
    """

def max(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, keepdim: builtins.bool = False) -> Tensor:
    """Return the largest element, of all or along `axis`; arguments as `sum`.

    PyTorch's `max(dim=…)` returns indices, too, so `dim=` is refused here: use `amax(dim=…)` and `argmax(dim=…)`. Do
    not write `values, indices = x.max(1)`: of a matrix with two rows it unpacks the two maxima.

    Raises:
        ValueError: there are no elements along `axis`.
    """

def max_pool2d(x: Tensor, kernel_size: builtins.int | Pair, stride: builtins.int | Pair | None = None, padding: builtins.int | Pair = 0) -> Tensor:
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

def maximum(a: Operand, b: Operand) -> Tensor:
    """Return the larger of a and b, elementwise."""

def mean(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the arithmetic mean, of all elements or along `axis`; arguments as `sum`. Integers give float32. The
    mean of nothing is nan.
    """

def min(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, keepdim: builtins.bool = False) -> Tensor:
    """Return the smallest element, of all or along `axis`; see `max`.

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

def nll_loss(log_p: Tensor, targets: Tensor | Array, reduction: str = 'mean', weight: Tensor | Array | None = None, ignore_index: builtins.int = -100) -> Tensor:
    """Return −log_p[target], the cross-entropy of what `log_softmax` gave. Shapes, further arguments and errors as in
    `cross_entropy`. Give options by name: in PyTorch the third argument is `weight`.
    """

def norm(x: Tensor, p: builtins.float = 2, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the p-norm (Σ|x|ᵖ)^(1/p), of all elements or along `axis`; for p = ∞ the largest |x|.

    Its gradient where all elements are 0 is 0, as PyTorch's.

    Raises:
        ValueError: p is not positive.
    """

def not_equal(a: Operand, b: Operand) -> Tensor:
    """Return a ≠ b, elementwise, as booleans."""

def pad(x: Tensor, width: Sequence[tuple[builtins.int, builtins.int]], value: builtins.float = 0.0) -> Tensor:
    """Add a border of `value`.

    Args:
        width: (before, after) for each axis, in NumPy's order. Not as in PyTorch, where plain numbers begin with the
            last axis: its `(1, 1)` for a matrix is `[(0, 0), (1, 1)]` here.

    Raises:
        TypeError: `width` is not made of pairs of ints.
        ValueError: `width` does not have one non-negative pair for each axis.
    """

def permute(x: Tensor, *axes: builtins.int | tuple[builtins.int, ...], dims: tuple[builtins.int, ...] | None = None) -> Tensor:
    """Return `x` with its axes in the order `axes`, or `dims`.

    Raises:
        ValueError: `axes` is not a permutation of the axes.
    """

def pow(a: Operand, b: Operand) -> Tensor:
    """Return a raised to the power b. For a < 0 the gradient with respect to b is nan, as the logarithm is."""

def prod(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the product of all elements, or the products along `axis`.

    The first half is multiplied by the second until one is left; so the gradient, the product of all others, is right
    where an element is 0, too. Integers give their own dtype.
    """

def relu(x: Tensor) -> Tensor:
    """Return max(x, 0)."""

def repeat(x: Tensor, *counts: builtins.int | tuple[builtins.int, ...]) -> Tensor:
    """Return `x` repeated `counts` times along each axis, as `torch.Tensor.repeat` and `numpy.tile`.

    Raises:
        ValueError: there are fewer counts than axes, or one is negative.
    """

def reshape(x: Tensor, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
    """Return the elements in row-major order in a new shape; one length may be -1.

    Raises:
        ValueError: the number of elements differs.
    """

def roll(x: Tensor, shifts: builtins.int | tuple[builtins.int, ...], axis: builtins.int | tuple[builtins.int, ...] | None = None, *, dims: builtins.int | tuple[builtins.int, ...] | None = None, dim: builtins.int | tuple[builtins.int, ...] | None = None) -> Tensor:
    """Return `x` moved by `shifts` along `axis`, or as a flat Tensor; what leaves at the end comes in at the start.

    Raises:
        ValueError: there are not as many shifts as axes.
    """

def round(x: Tensor) -> Tensor:
    """Return the nearest whole number, of two the even one. Its gradient is 0."""

def rsqrt(x: Tensor) -> Tensor:
    """Return 1/√x."""

def sigmoid(x: Tensor) -> Tensor:
    """Return the logistic function 1/(1 + e⁻ˣ)."""

def sign(x: Tensor) -> Tensor:
    """Return −1, 0 or 1, and nan where x is nan (PyTorch: 0). Its gradient is 0."""

def silu(x: Tensor) -> Tensor:
    """Return x·sigmoid(x) (Elfwing et al. 2017, arXiv:1702.03118)."""

def sin(x: Tensor) -> Tensor:
    """Return the sine of x, in radians."""

def smooth_l1_loss(pred: Tensor, target: Tensor, beta: builtins.float = 1.0, reduction: str = 'mean') -> Tensor:
    """Return ½d²/β where |d| < β and |d| − ½β elsewhere, d = pred − target (Girshick 2015, arXiv:1504.08083, eq. 3).

    With m = min(|d|, β) both are ½m²/β + (|d| − m), in which nothing overflows. `reduction` comes last here; in
    PyTorch it comes before β.

    Raises:
        ValueError: the shapes differ, β is not positive, or `reduction` is unknown.
    """

def softmax(x: Tensor, axis: builtins.int = -1, *, dim: builtins.int = -1) -> Tensor:
    """Return e^x normalised to sum 1 along `axis`."""

def softplus(x: Tensor) -> Tensor:
    """Return ln(1 + eˣ), a smooth max(x, 0)."""

def sort(x: Tensor, axis: builtins.int = -1, descending: builtins.bool = False, *, dim: builtins.int = -1) -> Ordered:
    """Return the elements in order along `axis`, and the indices where they were: `values, indices = x.sort()`."""

def split(x: Tensor, sizes: builtins.int | Sequence[builtins.int] = ..., axis: builtins.int = 0, *, dim: builtins.int = 0, split_size: builtins.int | Sequence[builtins.int] = ...) -> tuple[Tensor, ...]:
    """Return `x` cut along `axis` into pieces of the given lengths, or all of one length and a shorter last one.

    Raises:
        ValueError: the lengths do not add up, or one is negative; or the one length for all is not positive.
    """

def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""

def square(x: Tensor) -> Tensor:
    """Return x²."""

def squeeze(x: Tensor, axis: builtins.int | tuple[builtins.int, ...] | None = None, *, dim: builtins.int | tuple[builtins.int, ...] | None = None) -> Tensor:
    """Remove axes of length 1: all of them, or those in `axis`, where PyTorch passes over those that are longer.

    Raises:
        ValueError: an axis in `axis` does not exist or is longer than 1.
    """

def stack(tensors: Sequence[Tensor], axis: builtins.int = 0, *, dim: builtins.int = 0) -> Tensor:
    """Join Tensors of one shape along a new axis.

    Raises:
        ValueError: there are none, or their shapes differ.
    """

def std(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, correction: builtins.int = 1, *, dim: Axis = None, keepdim: builtins.bool = False, unbiased: builtins.int = 1) -> Tensor:
    """Return the standard deviation, the root of `var`."""

def sub(a: Operand, b: Operand) -> Tensor:
    """Return a − b."""

def sum(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
    """Return the sum of all elements, or the sums along `axis`, float16 being added up in float32.

    Args:
        axis: an int, a tuple of ints, or None for all axes; PyTorch's name `dim` will do, too.
        keepdims: whether the reduced axes stay, with length 1, so that the result broadcasts against x; or `keepdim`.

    Raises:
        ValueError: x has no such axis.
    """

def t(x: Tensor) -> Tensor:
    """Return the transpose of a matrix; vectors and numbers stay as they are.

    Raises:
        ValueError: x has more than two axes.
    """

def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""

def to(x: Tensor, device: str | Any = None, dtype: Any = None) -> Tensor:
    """Return `x` on `device`, in `dtype`: itself where it is that already, else a copy through which gradients flow
    back. A dtype may come alone: `x.to(np.float64)`; a Tensor stands for its device and dtype.

    Raises:
        DeviceError: there is no such device; the message says what is missing.
    """

def topk(x: Tensor, k: builtins.int, axis: builtins.int = -1, largest: builtins.bool = True, *, dim: builtins.int = -1) -> Ordered:
    """Return the k largest (or smallest) elements along `axis`, in order, and the indices where they were.

    Raises:
        ValueError: there are fewer than k elements.
    """

def transpose(x: Tensor, *axes: builtins.int | tuple[builtins.int, ...], dim0: builtins.int | None = None, dim1: builtins.int | None = None) -> Tensor:
    """Exchange two axes, `x.transpose(0, 1)` or `x.transpose(dim0=0, dim1=1)` as in PyTorch; without arguments reverse
    all axes, and with a tuple of all of them, or three and more, permute them, as in NumPy.

    Raises:
        ValueError: an axis does not exist.
    """

def type_as(x: Tensor, other: Tensor) -> Tensor:
    """Return `x` in the dtype of `other`, and on its device."""

def unsqueeze(x: Tensor, axis: builtins.int = ..., *, dim: builtins.int = ...) -> Tensor:
    """Insert an axis of length 1 at position `axis`."""

def var(x: Tensor, axis: Axis = None, keepdims: builtins.bool = False, correction: builtins.int = 1, *, dim: Axis = None, keepdim: builtins.bool = False, unbiased: builtins.int = 1) -> Tensor:
    """Return the variance Σ(x − x̄)²/(n − correction), of all elements or along `axis`; arguments as `sum`.

    As in PyTorch the default is the unbiased estimate; `correction=0`, or `unbiased=False`, divides by n, as NumPy
    does and as normalisation layers need.
    """

def where(condition: Tensor | Array | builtins.bool, a: Operand, b: Operand) -> Tensor:
    """Return a where `condition` (booleans) holds, and b elsewhere; all three broadcast. A condition that is a list or
    a single boolean comes to the device of a and b.

    Raises:
        TypeError: `condition` is not boolean.
    """

class Operators:
    """What the table of operators.py adds to a Tensor."""

    def __add__(self, b: Operand) -> Tensor: ...
    def __radd__(self, other: Any) -> Tensor: ...
    def __sub__(self, b: Operand) -> Tensor: ...
    def __rsub__(self, other: Any) -> Tensor: ...
    def __mul__(self, b: Operand) -> Tensor: ...
    def __rmul__(self, other: Any) -> Tensor: ...
    def __truediv__(self, b: Operand) -> Tensor: ...
    def __rtruediv__(self, other: Any) -> Tensor: ...
    def __pow__(self, b: Operand) -> Tensor: ...
    def __rpow__(self, other: Any) -> Tensor: ...
    def __matmul__(self, b: Tensor) -> Tensor: ...
    def __rmatmul__(self, other: Any) -> Tensor: ...
    def __neg__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __lt__(self, b: Operand) -> Tensor: ...
    def __le__(self, b: Operand) -> Tensor: ...
    def __gt__(self, b: Operand) -> Tensor: ...
    def __ge__(self, b: Operand) -> Tensor: ...
    def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __and__(self, b: Tensor | builtins.int) -> Tensor: ...
    def __rand__(self, other: Any) -> Tensor: ...
    def __or__(self, b: Tensor | builtins.int) -> Tensor: ...
    def __ror__(self, other: Any) -> Tensor: ...
    def __xor__(self, b: Tensor | builtins.int) -> Tensor: ...
    def __rxor__(self, other: Any) -> Tensor: ...
    def __invert__(self) -> Tensor: ...
    def __getitem__(self, index: Any) -> Tensor: ...
    def __iadd__(self, other: Any) -> Tensor: ...
    def __isub__(self, other: Any) -> Tensor: ...
    def __imul__(self, other: Any) -> Tensor: ...
    def __itruediv__(self, other: Any) -> Tensor: ...
    def __ipow__(self, other: Any) -> Tensor: ...
    def __imatmul__(self, other: Any) -> Tensor: ...
    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Tensor: ...
    def relu(self) -> Tensor:
        """Return max(x, 0)."""
    def sigmoid(self) -> Tensor:
        """Return the logistic function 1/(1 + e⁻ˣ)."""
    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent."""
    def softmax(self, axis: builtins.int = -1, *, dim: builtins.int = -1) -> Tensor:
        """Return e^x normalised to sum 1 along `axis`."""
    def log_softmax(self, axis: builtins.int = -1, *, dim: builtins.int = -1) -> Tensor:
        """Return the logarithm of `softmax`, computed without leaving the log scale."""
    def logsumexp(self, axis: builtins.int = -1, keepdims: builtins.bool = False, *, dim: builtins.int = -1, keepdim: builtins.bool = False) -> Tensor:
        """Return ln Σ eˣ along `axis`."""
    def expand(self, *sizes: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return `x` repeated to `sizes` without copying, as `broadcast_to`; -1 keeps an axis as it is."""
    def repeat(self, *counts: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return `x` repeated `counts` times along each axis, as `torch.Tensor.repeat` and `numpy.tile`.

        Raises:
            ValueError: there are fewer counts than axes, or one is negative.
        """
    def flip(self, axis: Axis = None, *, dims: Axis = None, dim: Axis = None) -> Tensor:
        """Return `x` backwards along one axis, several, or all."""
    def roll(self, shifts: builtins.int | tuple[builtins.int, ...], axis: builtins.int | tuple[builtins.int, ...] | None = None, *, dims: builtins.int | tuple[builtins.int, ...] | None = None, dim: builtins.int | tuple[builtins.int, ...] | None = None) -> Tensor:
        """Return `x` moved by `shifts` along `axis`, or as a flat Tensor; what leaves at the end comes in at the start.

        Raises:
            ValueError: there are not as many shifts as axes.
        """
    def split(self, sizes: builtins.int | Sequence[builtins.int] = ..., axis: builtins.int = 0, *, dim: builtins.int = 0, split_size: builtins.int | Sequence[builtins.int] = ...) -> tuple[Tensor, ...]:
        """Return `x` cut along `axis` into pieces of the given lengths, or all of one length and a shorter last one.

        Raises:
            ValueError: the lengths do not add up, or one is negative; or the one length for all is not positive.
        """
    def chunk(self, chunks: builtins.int, axis: builtins.int = 0, *, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """Return `x` cut along `axis` into at most `chunks` pieces of one length, the last of which may be shorter."""
    def clone(self) -> Tensor:
        """Return a copy of `x` in memory of its own, through which gradients flow."""
    def contiguous(self) -> Tensor:
        """Return `x`, or a copy where its elements do not lie in memory in row-major order."""
    def astype(self, dtype: Any) -> Tensor:
        """Return `x` in another dtype; gradients flow between floating types.

        Raises:
            TypeError: the dtype is not one of real numbers of at most 64 bits, or booleans.
        """
    def to(self, device: str | Any = None, dtype: Any = None) -> Tensor:
        """Return `x` on `device`, in `dtype`: itself where it is that already, else a copy through which gradients flow
        back. A dtype may come alone: `x.to(np.float64)`; a Tensor stands for its device and dtype.

        Raises:
            DeviceError: there is no such device; the message says what is missing.
        """
    def type_as(self, other: Tensor) -> Tensor:
        """Return `x` in the dtype of `other`, and on its device."""
    def neg(self) -> Tensor:
        """Return −x."""
    def exp(self) -> Tensor:
        """Return eˣ."""
    def log(self) -> Tensor:
        """Return the natural logarithm."""
    def sqrt(self) -> Tensor:
        """Return the square root."""
    def sin(self) -> Tensor:
        """Return the sine of x, in radians."""
    def cos(self) -> Tensor:
        """Return the cosine of x, in radians."""
    def absolute(self) -> Tensor:
        """Return |x|."""
    def argsort(self, axis: builtins.int = -1, descending: builtins.bool = False, *, dim: builtins.int = -1) -> Tensor:
        """Return the indices (int64) that sort `x` along `axis`, equals from first to last; nan is the largest number."""
    def sort(self, axis: builtins.int = -1, descending: builtins.bool = False, *, dim: builtins.int = -1) -> Ordered:
        """Return the elements in order along `axis`, and the indices where they were: `values, indices = x.sort()`."""
    def topk(self, k: builtins.int, axis: builtins.int = -1, largest: builtins.bool = True, *, dim: builtins.int = -1) -> Ordered:
        """Return the k largest (or smallest) elements along `axis`, in order, and the indices where they were.

        Raises:
            ValueError: there are fewer than k elements.
        """
    def gather(self, axis: builtins.int = ..., index: Tensor | Array = ..., *, dim: builtins.int = ...) -> Tensor:
        """Return y[i, j, …] = x[i, …, index[i, j, …], …], with the index in the place of `axis`; as `torch.gather`.

        Args:
            index: integers, with as many axes as x; along the others than `axis` it may be shorter than x.

        Raises:
            ValueError: `index` has another number of axes, or is longer than x along another axis.
        """
    def sum(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the sum of all elements, or the sums along `axis`, float16 being added up in float32.

        Args:
            axis: an int, a tuple of ints, or None for all axes; PyTorch's name `dim` will do, too.
            keepdims: whether the reduced axes stay, with length 1, so that the result broadcasts against x; or `keepdim`.

        Raises:
            ValueError: x has no such axis.
        """
    def mean(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the arithmetic mean, of all elements or along `axis`; arguments as `sum`. Integers give float32. The
        mean of nothing is nan.
        """
    def var(self, axis: Axis = None, keepdims: builtins.bool = False, correction: builtins.int = 1, *, dim: Axis = None, keepdim: builtins.bool = False, unbiased: builtins.int = 1) -> Tensor:
        """Return the variance Σ(x − x̄)²/(n − correction), of all elements or along `axis`; arguments as `sum`.

        As in PyTorch the default is the unbiased estimate; `correction=0`, or `unbiased=False`, divides by n, as NumPy
        does and as normalisation layers need.
        """
    def max(self, axis: Axis = None, keepdims: builtins.bool = False, *, keepdim: builtins.bool = False) -> Tensor:
        """Return the largest element, of all or along `axis`; arguments as `sum`.

        PyTorch's `max(dim=…)` returns indices, too, so `dim=` is refused here: use `amax(dim=…)` and `argmax(dim=…)`. Do
        not write `values, indices = x.max(1)`: of a matrix with two rows it unpacks the two maxima.

        Raises:
            ValueError: there are no elements along `axis`.
        """
    def min(self, axis: Axis = None, keepdims: builtins.bool = False, *, keepdim: builtins.bool = False) -> Tensor:
        """Return the smallest element, of all or along `axis`; see `max`.

        Raises:
            ValueError: there are no elements along `axis`.
        """
    def amax(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the largest element, of all or along `axis`: `max` under the name that PyTorch has for it."""
    def amin(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the smallest element, of all or along `axis`: `min` under the name that PyTorch has for it."""
    def argmax(self, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the index (int64) of the largest element along `axis`, the first one of equals; of the flat Tensor if
        None.
        """
    def argmin(self, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the index (int64) of the smallest element along `axis`, the first one of equals; of the flat Tensor if
        None.
        """
    def any(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return whether any element is not 0, of all or along `axis`: booleans. Arguments as `sum`."""
    def all(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return whether no element is 0, of all or along `axis`: booleans. Arguments as `sum`."""
    def cumsum(self, axis: builtins.int = ..., *, dim: builtins.int = ...) -> Tensor:
        """Return the sums of the elements up to each one, along `axis`."""
    def prod(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the product of all elements, or the products along `axis`.

        The first half is multiplied by the second until one is left; so the gradient, the product of all others, is right
        where an element is 0, too. Integers give their own dtype.
        """
    def std(self, axis: Axis = None, keepdims: builtins.bool = False, correction: builtins.int = 1, *, dim: Axis = None, keepdim: builtins.bool = False, unbiased: builtins.int = 1) -> Tensor:
        """Return the standard deviation, the root of `var`."""
    def norm(self, p: builtins.float = 2, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the p-norm (Σ|x|ᵖ)^(1/p), of all elements or along `axis`; for p = ∞ the largest |x|.

        Its gradient where all elements are 0 is 0, as PyTorch's.

        Raises:
            ValueError: p is not positive.
        """
    def clip(self, low: Number | None = None, high: Number | None = None, *, min: Number | None = None, max: Number | None = None) -> Tensor:
        """Return x limited to [low, high]; None leaves a side open.

        Raises:
            ValueError: both sides are None.
        """
    def bitwise_not(self) -> Tensor:
        """Return not x, elementwise: of booleans, or of the bits of integers."""
    def reshape(self, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return the elements in row-major order in a new shape; one length may be -1.

        Raises:
            ValueError: the number of elements differs.
        """
    def permute(self, *axes: builtins.int | tuple[builtins.int, ...], dims: tuple[builtins.int, ...] | None = None) -> Tensor:
        """Return `x` with its axes in the order `axes`, or `dims`.

        Raises:
            ValueError: `axes` is not a permutation of the axes.
        """
    def transpose(self, *axes: builtins.int | tuple[builtins.int, ...], dim0: builtins.int | None = None, dim1: builtins.int | None = None) -> Tensor:
        """Exchange two axes, `x.transpose(0, 1)` or `x.transpose(dim0=0, dim1=1)` as in PyTorch; without arguments reverse
        all axes, and with a tuple of all of them, or three and more, permute them, as in NumPy.

        Raises:
            ValueError: an axis does not exist.
        """
    def t(self) -> Tensor:
        """Return the transpose of a matrix; vectors and numbers stay as they are.

        Raises:
            ValueError: x has more than two axes.
        """
    def broadcast_to(self, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return `x` repeated to `shape` by NumPy's broadcasting rules, without copying.

        Raises:
            ValueError: the shapes do not fit.
        """
    def flatten(self, start: builtins.int = 0, end: builtins.int = -1, *, start_dim: builtins.int = 0, end_dim: builtins.int = -1) -> Tensor:
        """Return `x` with the axes from `start` to `end`, both included, joined into one.

        Raises:
            ValueError: these are no axes, or `end` comes before `start`.
        """
    def squeeze(self, axis: builtins.int | tuple[builtins.int, ...] | None = None, *, dim: builtins.int | tuple[builtins.int, ...] | None = None) -> Tensor:
        """Remove axes of length 1: all of them, or those in `axis`, where PyTorch passes over those that are longer.

        Raises:
            ValueError: an axis in `axis` does not exist or is longer than 1.
        """
    def unsqueeze(self, axis: builtins.int = ..., *, dim: builtins.int = ...) -> Tensor:
        """Insert an axis of length 1 at position `axis`."""
    def sign(self) -> Tensor:
        """Return −1, 0 or 1, and nan where x is nan (PyTorch: 0). Its gradient is 0."""
    def floor(self) -> Tensor:
        """Return the largest whole number that is not above x. Its gradient is 0."""
    def ceil(self) -> Tensor:
        """Return the smallest whole number that is not below x. Its gradient is 0."""
    def round(self) -> Tensor:
        """Return the nearest whole number, of two the even one. Its gradient is 0."""
    def isnan(self) -> Tensor:
        """Return where x is nan, as booleans."""
    def isinf(self) -> Tensor:
        """Return where x is infinite, as booleans."""
    def isfinite(self) -> Tensor:
        """Return where x is neither nan nor infinite, as booleans."""
    def square(self) -> Tensor:
        """Return x²."""
    def rsqrt(self) -> Tensor:
        """Return 1/√x."""
    def expm1(self) -> Tensor:
        """Return eˣ − 1, precise for small x."""
    def log1p(self) -> Tensor:
        """Return ln(1 + x), precise for small x."""
    def masked_fill(self, mask: Tensor | Array, value: Number) -> Tensor:
        """Return x with `value` where the mask (booleans) holds; the mask broadcasts to x's shape."""
    def softplus(self) -> Tensor:
        """Return ln(1 + eˣ), a smooth max(x, 0)."""
    def silu(self) -> Tensor:
        """Return x·sigmoid(x) (Elfwing et al. 2017, arXiv:1702.03118)."""
    def leaky_relu(self, negative_slope: builtins.float = 0.01) -> Tensor:
        """Return x where it is positive, and `negative_slope`·x elsewhere."""
    def elu(self, alpha: builtins.float = 1.0) -> Tensor:
        """Return x where it is positive, and α(eˣ − 1) elsewhere (Clevert et al. 2015, arXiv:1511.07289)."""
    def add(self, b: Operand) -> Tensor:
        """Return a + b."""
    def sub(self, b: Operand) -> Tensor:
        """Return a − b."""
    def mul(self, b: Operand) -> Tensor:
        """Return a·b."""
    def div(self, b: Operand) -> Tensor:
        """Return a/b; integers give float32."""
    def pow(self, b: Operand) -> Tensor:
        """Return a raised to the power b. For a < 0 the gradient with respect to b is nan, as the logarithm is."""
    def eq(self, b: Operand) -> Tensor:
        """Return a = b, elementwise, as booleans. PyTorch's `equal` gives one answer for all: here `(a == b).all()`."""
    def ne(self, b: Operand) -> Tensor:
        """Return a ≠ b, elementwise, as booleans."""
    def lt(self, b: Operand) -> Tensor:
        """Return a < b, elementwise, as booleans."""
    def le(self, b: Operand) -> Tensor:
        """Return a ≤ b, elementwise, as booleans."""
    def gt(self, b: Operand) -> Tensor:
        """Return a > b, elementwise, as booleans."""
    def ge(self, b: Operand) -> Tensor:
        """Return a ≥ b, elementwise, as booleans."""
    def maximum(self, b: Operand) -> Tensor:
        """Return the larger of a and b, elementwise."""
    def minimum(self, b: Operand) -> Tensor:
        """Return the smaller of a and b, elementwise."""
    def matmul(self, b: Tensor) -> Tensor:
        """Return the matrix product with NumPy's rules: leading axes broadcast, 1-D operands are a row or a column.

        Raises:
            ValueError: an operand is 0-dimensional, or the inner lengths differ.
        """
    def mm(self, b: Tensor) -> Tensor:
        """Return the matrix product with NumPy's rules: leading axes broadcast, 1-D operands are a row or a column.

        Raises:
            ValueError: an operand is 0-dimensional, or the inner lengths differ.
        """
    def abs(self) -> Tensor:
        """Return |x|."""
    def clamp(self, low: Number | None = None, high: Number | None = None, *, min: Number | None = None, max: Number | None = None) -> Tensor:
        """Return x limited to [low, high]; None leaves a side open.

        Raises:
            ValueError: both sides are None.
        """
    def view(self, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return the elements in row-major order in a new shape; one length may be -1.

        Raises:
            ValueError: the number of elements differs.
        """
    def float(self) -> Tensor:
        """Return `x` as float32; see `astype`."""
    def double(self) -> Tensor:
        """Return `x` as float64; see `astype`."""
    def half(self) -> Tensor:
        """Return `x` as float16; see `astype`."""
    def long(self) -> Tensor:
        """Return `x` as int64; see `astype`."""
    def int(self) -> Tensor:
        """Return `x` as int32; see `astype`."""
    def bool(self) -> Tensor:
        """Return `x` as bool; see `astype`."""
    def cpu(self) -> Tensor:
        """Return `x` on 'cpu'; see `to`."""
    def cuda(self) -> Tensor:
        """Return `x` on 'cuda'; see `to`."""
    def add_(self, other: Any) -> Tensor:
        """Do `add` in place and return the Tensor itself; not while gradients are recorded."""
    def mul_(self, other: Any) -> Tensor:
        """Do `mul` in place and return the Tensor itself; not while gradients are recorded."""
    def copy_(self, other: Any) -> Tensor:
        """Do `_second` in place and return the Tensor itself; not while gradients are recorded."""
    def zero_(self) -> Tensor:
        """Set all elements to 0, in place; as `copy_`."""
    def backward(self, grad: Any = None, retain_graph: builtins.bool = False, create_graph: builtins.bool = False) -> None:
        """Compute the gradient of this Tensor with respect to every leaf it depends on, and add it to their `.grad`.

        Several threads may run backward at once, on graphs of their own that share leaves: every gradient is added.

        Args:
            grad: ∂L/∂self, of this Tensor's shape; may be left out for a single number (then it is 1).
            retain_graph: keep what the operations saved, so that backward can run again.
            create_graph: record the sweep itself, so that gradients can be differentiated again; implies
                `retain_graph`.

        Raises:
            RuntimeError: there is no graph, or it was released by an earlier backward, or a saved array was changed
                since.
            ValueError: `grad` is missing or has another shape.
        """
    @property
    def T(self) -> Tensor:
        """All axes in reverse order: the transpose of a matrix."""
