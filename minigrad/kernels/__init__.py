"""Plain array code without autograd: the algorithms behind convolution, pooling and normalisation."""

from minigrad.kernels import conv, matmul, norm, parallel, planar, pool, winograd

__all__ = ["conv", "matmul", "norm", "parallel", "planar", "pool", "winograd"]
