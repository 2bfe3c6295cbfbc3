"""Plain array code without autograd: the algorithms behind convolution, pooling, normalisation, activations, sums.

In which order to read them, and what they cost, is in the README of this folder.
"""

from minigrad.kernels import activation, conv, layout, matmul, norm, pool, precision, random, reduce, select, work
from minigrad.kernels.conv import using
from minigrad.kernels.explain import explain
from minigrad.kernels.threads import hold_blas_to_one_thread
from minigrad.kernels.work import keep_freed_memory

__all__ = [
    "activation",
    "conv",
    "explain",
    "layout",
    "matmul",
    "norm",
    "pool",
    "precision",
    "random",
    "reduce",
    "select",
    "using",
    "work",
]

keep_freed_memory()
hold_blas_to_one_thread()
