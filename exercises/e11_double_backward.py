"""11. Differentiating a gradient.

The Hessian H of a function of n numbers holds all n² second derivatives: for a network, far too many. But its product
with one vector v needs only two sweeps, because H·v is the gradient of (∇f · v), with v held constant (Pearlmutter
1994, "Fast exact multiplication by the Hessian").

`mg.grad(y, x, create_graph=True)` returns a list with one gradient, which can be differentiated again.

Section 14 of docs/backprop.md has an example. Afterwards read `gradgradcheck` in minigrad/gradcheck/__init__.py.
"""

from __future__ import annotations

from collections.abc import Callable

from minigrad import Tensor


def hessian_vector_product(f: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """Return H·v, where H is the Hessian of f at x; f returns one number, x (n,) requires a gradient, v is (n,)."""
    raise NotImplementedError
