"""Dropout (Srivastava et al. 2014, JMLR 15:1929-1958)."""

from __future__ import annotations

from minigrad import backend, kernels, rng
from minigrad.ops.select import Keep
from minigrad.tensor import Tensor

__all__ = ["dropout"]


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each element to 0 with probability `p` and multiply the rest by 1/(1 − p), so that the expectation stays.

    The mask is a hash of the seed, of how many were drawn before, and of an element's index: it does not depend on the
    device, and `mg.random_stream` gives it a key. Outside training `x` is returned as it is.

    Raises:
        ValueError: `p` is not in [0, 1].
        TypeError: `x` is not floating point.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must lie in [0, 1], got {p}")
    if x.dtype.kind != "f":
        raise TypeError(f"dropout: expected a floating point Tensor, got {x.dtype}")
    if not training or p == 0:
        return x
    with backend.use_device(x.device):
        kept = kernels.random.mask(x.shape, 1 - float(p), rng.next_key(), x.device)
    kept = Keep.apply(x, Tensor._wrap(kept))
    return kept * (1 / (1 - float(p))) if p < 1 else kept
