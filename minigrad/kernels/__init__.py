"""Plain array code without autograd: the algorithms behind convolution, pooling, normalisation, activations, sums."""

from minigrad.kernels import (
    activation,
    conv,
    matmul,
    norm,
    parallel,
    planar,
    pool,
    precision,
    random,
    reduce,
    select,
    strips,
    winograd,
)
from minigrad.kernels.scratch import keep_freed_memory

__all__ = [
    "activation",
    "conv",
    "matmul",
    "norm",
    "parallel",
    "planar",
    "pool",
    "precision",
    "random",
    "reduce",
    "select",
    "strips",
    "winograd",
]

keep_freed_memory()
parallel.hold_blas_to_one_thread()
