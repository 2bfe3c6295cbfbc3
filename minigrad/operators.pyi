# Written by `make stubs`.
from collections.abc import Callable
from typing import Any
from minigrad.ops.operands import Number, Operand
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
    def __getitem__(self, index: Any) -> Tensor: ...
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the sum along `axis`."""
    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the arithmetic mean along `axis`; integers give float32. The mean of nothing is nan."""
    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the largest element along `axis`.

        Raises:
            ValueError: there are no elements along `axis`.
        """
    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the smallest element along `axis`.

        Raises:
            ValueError: there are no elements along `axis`.
        """
    def var(self, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
        """Return the variance Σ(x − x̄)²/(n − correction) along `axis`.

        As in PyTorch the default is the unbiased estimate; `correction=0` divides by n, as NumPy does and as normalisation
        layers need.
        """
    def argmax(self, axis: int | None = None) -> Tensor:
        """Return the index (int64) of the largest element along `axis`, the first one of equals; of the flat Tensor if
        None.
        """
    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Return the elements in row-major order in a new shape; one length may be -1.

        Raises:
            ValueError: the number of elements differs.
        """
    def permute(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Return `x` with its axes in the order `axes`.

        Raises:
            ValueError: `axes` is not a permutation of the axes.
        """
    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """Exchange two axes, `x.transpose(0, 1)` as in PyTorch; without arguments reverse all axes, and with a tuple of all
        of them, or three and more, permute them, as in NumPy.

        Raises:
            ValueError: an axis does not exist.
        """
    def broadcast_to(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Return `x` repeated to `shape` by NumPy's broadcasting rules, without copying.

        Raises:
            ValueError: the shapes do not fit.
        """
    def flatten(self, start: int = 0) -> Tensor:
        """Return `x` with the axes from `start` on joined into one."""
    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Tensor:
        """Remove axes of length 1: all of them, or those in `axis`.

        Raises:
            ValueError: an axis in `axis` does not exist or is longer than 1.
        """
    def unsqueeze(self, axis: int) -> Tensor:
        """Insert an axis of length 1 at position `axis`."""
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
    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent."""
    def sigmoid(self) -> Tensor:
        """Return the logistic function 1/(1 + e⁻ˣ)."""
    def relu(self) -> Tensor:
        """Return max(x, 0)."""
    def softmax(self, axis: int = -1) -> Tensor:
        """Return e^x normalised to sum 1 along `axis`."""
    def log_softmax(self, axis: int = -1) -> Tensor:
        """Return the logarithm of `softmax`, computed without leaving the log scale."""
    def logsumexp(self, axis: int = -1, keepdims: bool = False) -> Tensor:
        """Return ln Σ eˣ along `axis`."""
    def abs(self) -> Tensor:
        """Return |x|."""
    def clip(self, low: Number | None = None, high: Number | None = None) -> Tensor:
        """Return x limited to [low, high]; None leaves a side open.

        Raises:
            ValueError: both sides are None.
        """
    def matmul(self, b: Tensor) -> Tensor:
        """Return the matrix product with NumPy's rules: leading axes broadcast, 1-D operands are a row or a column.

        Raises:
            ValueError: an operand is 0-dimensional, or the inner lengths differ.
        """
    def astype(self, dtype: Any) -> Tensor:
        """Return `x` in another dtype; gradients flow between floating types.

        Raises:
            TypeError: the dtype is not one of real numbers or booleans.
        """
    def to(self, device: str) -> Tensor:
        """Return `x` on `device`: itself where it is there already, else a copy through which gradients flow back.

        Raises:
            DeviceError: there is no such device; the message says what is missing.
        """
    def backward(self, grad: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Compute the gradient of this Tensor with respect to every leaf it depends on, and add it to their `.grad`.

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
