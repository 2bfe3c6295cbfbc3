"""Gradients in memory of their own, without copying those that already have it.

What a user gets as `.grad` is clipped, scaled and kept: its memory must be nobody else's. To copy every gradient would
be right, but slow; so only those are copied that somebody else can see.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.ops.casting import Clone
from minigrad.tensor import Tensor


def owned(grads: dict[Any, Any]) -> dict[Any, Tensor]:
    """Return the gradients as Tensors whose memory is nobody else's: whoever gets them may write into them.

    Python counts how often an object is referred to, and a view refers to the array whose memory it shows. So an array
    that only `grads` refers to is nobody else's; any other is copied, and so is one that shows a number several times,
    and while the sweep is recorded all are, since nodes may have saved them. (PyTorch's AccumulateGrad does the same.)
    """
    found = {}
    for edge, count in zip(list(grads), _references(grads), strict=True):
        grad = grads.pop(edge)  # so that of two views of one array only the first is copied
        if isinstance(grad, Tensor):
            grad = Clone.apply(grad, order="K")
        elif count > ALONE or (grad.base is not None and _is_shared(grad)):
            grad = _copied(grad)
        found[edge] = grad if isinstance(grad, Tensor) else Tensor._wrap(grad)
    return found


def _copied(array: Array) -> Array:
    with backend.use_device(backend.device_of(array)):
        return array.astype(array.dtype, order="K", copy=True)


def _references(grads: dict[Any, Any]) -> list[int]:
    return [getrefcount(grad) for grad in grads.values()]


def _references_to_base(view: Array) -> int:
    return getrefcount(view.base)


# What the counts are of what only a dict refers to, or only a view: the counting itself refers to it, too.
ALONE = _references({None: np.empty(1)})[0]
BASE_ALONE = _references_to_base(np.empty(1)[:])


def _is_shared(view: Array) -> bool:
    """Whether more than one view shows memory of the same array, or one number in it stands for several elements, as in
    what `broadcast_to` returns.
    """
    if not backend.is_array(view.base) or _references_to_base(view) > BASE_ALONE:
        return True
    if not getattr(view.flags, "writeable", True):  # NumPy marks it so, also where nothing is repeated
        return True
    return any(step == 0 and n > 1 for step, n in zip(view.strides, view.shape, strict=True))
