"""Plain array code without autograd: the algorithms behind convolution, pooling and normalisation."""

from minigrad.kernels import conv, matmul, norm, parallel, planar, pool, winograd
from minigrad.kernels.scratch import keep_freed_memory

__all__ = ["conv", "matmul", "norm", "parallel", "planar", "pool", "winograd"]

keep_freed_memory()
