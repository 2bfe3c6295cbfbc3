# Written by `make stubs`.
import builtins
import numpy as np
from collections.abc import Callable, Sequence
from typing import Any
from minigrad.backend import Array
from minigrad.ops.operands import Number, Operand
from minigrad.ops.order import Ordered
from minigrad.ops.reduce import Axis
from minigrad.tensor import Tensor

SYNTAX: dict[str, Callable[..., Any]]
METHODS: dict[str, Callable[..., Any]]
PROPERTIES: dict[str, property]

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
    def max(self, axis: Axis = None, keepdims: builtins.bool = False, *, keepdim: builtins.bool = False) -> Tensor:
        """Return the largest element, of all or along `axis`; arguments as `sum`.

        PyTorch's `max(dim=…)` gives indices, too, so that name is not taken: use `amax(dim=…)` and `argmax(dim=…)`. So
        `values, indices = x.max(1)` is not for here; of two rows it would take their maxima apart.

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
    def var(self, axis: Axis = None, keepdims: builtins.bool = False, correction: builtins.int = 1, *, dim: Axis = None, keepdim: builtins.bool = False, unbiased: builtins.int = 1) -> Tensor:
        """Return the variance Σ(x − x̄)²/(n − correction), of all elements or along `axis`; arguments as `sum`.

        As in PyTorch the default is the unbiased estimate; `correction=0`, or `unbiased=False`, divides by n, as NumPy
        does and as normalisation layers need.
        """
    def std(self, axis: Axis = None, keepdims: builtins.bool = False, correction: builtins.int = 1, *, dim: Axis = None, keepdim: builtins.bool = False, unbiased: builtins.int = 1) -> Tensor:
        """Return the standard deviation, the root of `var`."""
    def norm(self, p: builtins.float = 2, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the p-norm (Σ|x|ᵖ)^(1/p), of all elements or along `axis`; for p = ∞ the largest |x|.

        Its gradient where all elements are 0 is 0, as PyTorch's.

        Raises:
            ValueError: p is not positive.
        """
    def prod(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the product of all elements, or the products along `axis`.

        The first half is multiplied by the second until one is left; so the gradient, the product of all others, is right
        where an element is 0, too. Integers give their own dtype.
        """
    def cumsum(self, axis: builtins.int = ..., *, dim: builtins.int = ...) -> Tensor:
        """Return the sums of the elements up to each one, along `axis`."""
    def any(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return whether any element is not 0, of all or along `axis`: booleans. Arguments as `sum`."""
    def all(self, axis: Axis = None, keepdims: builtins.bool = False, *, dim: Axis = None, keepdim: builtins.bool = False) -> Tensor:
        """Return whether no element is 0, of all or along `axis`: booleans. Arguments as `sum`."""
    def argmax(self, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the index (int64) of the largest element along `axis`, the first one of equals; of the flat Tensor if
        None.
        """
    def argmin(self, axis: builtins.int | None = None, keepdims: builtins.bool = False, *, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """Return the index (int64) of the smallest element along `axis`, the first one of equals; of the flat Tensor if
        None.
        """
    def logsumexp(self, axis: builtins.int = -1, keepdims: builtins.bool = False, *, dim: builtins.int = -1, keepdim: builtins.bool = False) -> Tensor:
        """Return ln Σ eˣ along `axis`."""
    def reshape(self, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return the elements in row-major order in a new shape; one length may be -1.

        Raises:
            ValueError: the number of elements differs.
        """
    def view(self, *shape: builtins.int | tuple[builtins.int, ...]) -> Tensor:
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
    def expand(self, *sizes: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return `x` repeated to `sizes` without copying, as `broadcast_to`; -1 keeps an axis as it is."""
    def repeat(self, *counts: builtins.int | tuple[builtins.int, ...]) -> Tensor:
        """Return `x` repeated `counts` times along each axis, as `torch.Tensor.repeat` and `numpy.tile`.

        Raises:
            ValueError: there are fewer counts than axes, or one is negative.
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
    def gather(self, axis: builtins.int = ..., index: Tensor | Array = ..., *, dim: builtins.int = ...) -> Tensor:
        """Return y[i, j, …] = x[i, …, index[i, j, …], …], with the index in the place of `axis`; as `torch.gather`.

        Args:
            index: integers, with as many axes as x; along the others than `axis` it may be shorter than x.

        Raises:
            ValueError: `index` has another number of axes, or is longer than x along another axis.
        """
    def sort(self, axis: builtins.int = -1, descending: builtins.bool = False, *, dim: builtins.int = -1) -> Ordered:
        """Return the elements in order along `axis`, and the indices where they were: `values, indices = x.sort()`."""
    def argsort(self, axis: builtins.int = -1, descending: builtins.bool = False, *, dim: builtins.int = -1) -> Tensor:
        """Return the indices (int64) that sort `x` along `axis`, equals from first to last; nan is the largest number."""
    def topk(self, k: builtins.int, axis: builtins.int = -1, largest: builtins.bool = True, *, dim: builtins.int = -1) -> Ordered:
        """Return the k largest (or smallest) elements along `axis`, in order, and the indices where they were.

        Raises:
            ValueError: there are fewer than k elements.
        """
    def add(self, b: Operand) -> Tensor:
        """Return a + b."""
    def sub(self, b: Operand) -> Tensor:
        """Return a − b."""
    def mul(self, b: Operand) -> Tensor:
        """Return a·b."""
    def div(self, b: Operand) -> Tensor:
        """Return a/b; integers give float32."""
    def neg(self) -> Tensor:
        """Return −x."""
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
    def exp(self) -> Tensor:
        """Return eˣ."""
    def log(self) -> Tensor:
        """Return the natural logarithm."""
    def expm1(self) -> Tensor:
        """Return eˣ − 1, precise for small x."""
    def log1p(self) -> Tensor:
        """Return ln(1 + x), precise for small x."""
    def sqrt(self) -> Tensor:
        """Return the square root."""
    def rsqrt(self) -> Tensor:
        """Return 1/√x."""
    def square(self) -> Tensor:
        """Return x²."""
    def pow(self, b: Operand) -> Tensor:
        """Return a raised to the power b. For a < 0 the gradient with respect to b is nan, as the logarithm is."""
    def sin(self) -> Tensor:
        """Return the sine of x, in radians."""
    def cos(self) -> Tensor:
        """Return the cosine of x, in radians."""
    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent."""
    def sigmoid(self) -> Tensor:
        """Return the logistic function 1/(1 + e⁻ˣ)."""
    def relu(self) -> Tensor:
        """Return max(x, 0)."""
    def softmax(self, axis: builtins.int = -1, *, dim: builtins.int = -1) -> Tensor:
        """Return e^x normalised to sum 1 along `axis`."""
    def log_softmax(self, axis: builtins.int = -1, *, dim: builtins.int = -1) -> Tensor:
        """Return the logarithm of `softmax`, computed without leaving the log scale."""
    def abs(self) -> Tensor:
        """Return |x|."""
    def sign(self) -> Tensor:
        """Return −1, 0 or 1, and nan where x is nan (PyTorch: 0). Its gradient is 0."""
    def floor(self) -> Tensor:
        """Return the largest whole number that is not above x. Its gradient is 0."""
    def ceil(self) -> Tensor:
        """Return the smallest whole number that is not below x. Its gradient is 0."""
    def round(self) -> Tensor:
        """Return the nearest whole number, of two the even one. Its gradient is 0."""
    def clip(self, low: Number | None = None, high: Number | None = None, *, min: Number | None = None, max: Number | None = None) -> Tensor:
        """Return x limited to [low, high]; None leaves a side open.

        Raises:
            ValueError: both sides are None.
        """
    def clamp(self, low: Number | None = None, high: Number | None = None, *, min: Number | None = None, max: Number | None = None) -> Tensor:
        """Return x limited to [low, high]; None leaves a side open.

        Raises:
            ValueError: both sides are None.
        """
    def isnan(self) -> Tensor:
        """Return where x is nan, as booleans."""
    def isinf(self) -> Tensor:
        """Return where x is infinite, as booleans."""
    def isfinite(self) -> Tensor:
        """Return where x is neither nan nor infinite, as booleans."""
    def masked_fill(self, mask: Tensor | Array, value: Number) -> Tensor:
        """Return x with `value` where the mask (booleans) holds; the mask broadcasts to x's shape."""
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
    def astype(self, dtype: Any) -> Tensor:
        """Return `x` in another dtype; gradients flow between floating types.

        Raises:
            TypeError: the dtype is not one of real numbers of at most 64 bits, or booleans.
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
    def type_as(self, other: Tensor) -> Tensor:
        """Return `x` in the dtype of `other`, and on its device."""
    def to(self, device: str | Any = None, dtype: Any = None) -> Tensor:
        """Return `x` on `device`, in `dtype`: itself where it is that already, else a copy through which gradients flow
        back. A dtype may come alone: `x.to(np.float64)`; a Tensor stands for its device and dtype.

        Raises:
            DeviceError: there is no such device; the message says what is missing.
        """
    def cpu(self) -> Tensor:
        """Return `x` on 'cpu'; see `to`."""
    def cuda(self) -> Tensor:
        """Return `x` on 'cuda'; see `to`."""
    def clone(self) -> Tensor:
        """Return a copy of `x` in memory of its own, through which gradients flow."""
    def add_(self, other: Any) -> Tensor:
        """Do `add` in place and return the Tensor itself; not while gradients are recorded."""
    def mul_(self, other: Any) -> Tensor:
        """Do `mul` in place and return the Tensor itself; not while gradients are recorded."""
    def copy_(self, other: Any) -> Tensor:
        """Do `_second` in place and return the Tensor itself; not while gradients are recorded."""
    def zero_(self) -> Tensor:
        """Set all elements to 0, in place; as `copy_`."""
    def contiguous(self) -> Tensor:
        """Return `x`, or a copy where its elements do not lie in memory in row-major order."""
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
