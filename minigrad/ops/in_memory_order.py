"""Element by element, in the order in which the elements lie in memory.

NumPy writes the result of `a + b` in the memory order of its operands; CuPy always in row-major order. What
convolution, normalisation and pooling return has its channels last in memory: on a GPU the next addition or activation
would turn it around, slowly, and the next convolution would turn it back. So there the operands are turned first, which
moves nothing, until their memory is in row-major order; and the result is turned back, which moves nothing either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.backend import Array, inverse, memory_order
from minigrad.function import Function
from minigrad.tensor import Tensor


class Elementwise(Function):
    """A `Function` in which an element of the output depends only on the elements of the inputs at the same place,
    after broadcasting; and a gradient's element on that of the output's gradient, in the same way.
    """

    def forward_on_gpu(self, arrays: Sequence[Any], options: dict[str, Any]) -> Array:
        """Return `forward(*arrays, **options)`, in the memory order of the largest of the arrays."""
        shaped = [x for x in arrays if hasattr(x, "shape")]
        if all([x.flags.c_contiguous for x in shaped]):
            return self.forward(*arrays, **options)
        ndim = max([x.ndim for x in shaped])
        arrays = [x.reshape((1,) * (ndim - x.ndim) + x.shape) if hasattr(x, "shape") else x for x in arrays]
        whole = max([x for x in arrays if hasattr(x, "shape")], key=lambda x: (x.size, not x.flags.c_contiguous))
        axes = memory_order(whole)
        turned = [x.transpose(axes) if hasattr(x, "shape") else x for x in arrays]
        return self.forward(*turned, **options).transpose(inverse(axes))

    def backward_on_gpu(self, grad: Any) -> Any:
        """Return `backward(grad)`, in the memory order of `grad`, an array, if all that was saved has its shape."""
        saved, output = self._saved, self._output
        tensors = [x[0] for x in saved if type(x) is tuple]
        if isinstance(grad, Tensor) or grad.flags.c_contiguous or any(x.shape != grad.shape for x in tensors):
            return self.backward(grad)
        axes = memory_order(grad)
        try:
            self._saved = [(_seen(x[0], axes), x[1]) if type(x) is tuple else x for x in saved]
            self._output = output and (output[0].transpose(axes), *output[1:])
            found = self.backward(grad.transpose(axes))
        finally:
            self._saved, self._output = saved, output
        found = found if isinstance(found, tuple) else (found,)
        return tuple([None if g is None else g.transpose(inverse(axes)) for g in found])


def _seen(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return a saved Tensor with its axes permuted; whoever changes the one has changed the other."""
    seen = Tensor._wrap(tensor._array.transpose(axes))
    seen._version = tensor._version
    return seen
