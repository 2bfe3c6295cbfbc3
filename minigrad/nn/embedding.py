"""Vectors by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.nn import init
from minigrad.nn.layers import positive
from minigrad.nn.module import Module
from minigrad.tensor import Parameter, Tensor


class Embedding(Module):
    """One learned vector for each number from 0 to `num_embeddings` − 1; weight (num_embeddings, embedding_dim), normal
    with deviation 1 at the start.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, device: str | None = None, dtype: Any = None) -> None:
        super().__init__()
        shape = positive("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.weight = Parameter(init.normal(shape, 1.0))
        self._made_on(device, dtype)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the vectors of integers (…), as (…, embedding_dim).

        Raises:
            TypeError: the numbers are no integers.
            IndexError: one is out of range.
        """
        numbers = numbers if isinstance(numbers, Tensor) else Tensor(np.asarray(numbers), device=self.weight.device)
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"Embedding: expected integers, got {numbers.dtype}")
        return self.weight[numbers]

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))
