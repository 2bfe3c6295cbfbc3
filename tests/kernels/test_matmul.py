"""Products in parts are the products."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels.matmul import matmul


@pytest.mark.parametrize(
    "shapes", [((7, 3), (3, 5)), ((2, 3), (3, 9)), ((1, 4), (4, 1)), ((0, 3), (3, 2)), ((3, 0), (0, 2))]
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_matrices(device, threads, rng, shapes, count):
    threads(count)
    a, b = (rng.standard_normal(shape) for shape in shapes)
    product = matmul(backend.to_device(a, device), backend.to_device(b, device))
    np.testing.assert_allclose(backend.to_numpy(product), a @ b, rtol=1e-13)


def test_transposed_and_strided_operands(threads, rng):
    threads(2)
    a, b = rng.standard_normal((6, 8))[:, ::2], rng.standard_normal((9, 4)).T
    np.testing.assert_allclose(matmul(a, b), a @ b, rtol=1e-13)
    np.testing.assert_allclose(matmul(b.T, a.T), b.T @ a.T, rtol=1e-13)


def test_stacks_of_matrices(rng):
    a, b = rng.standard_normal((3, 1, 2, 4)), rng.standard_normal((5, 4, 3))
    np.testing.assert_allclose(matmul(a, b), a @ b, rtol=1e-13)


@pytest.mark.parametrize("columns", [5, 256, 300])
@pytest.mark.parametrize("rows", [2, 70])
def test_stacks_of_as_many_matrices(threads, rng, rows, columns):
    threads(2)
    a, b, out = rng.standard_normal((3, rows, 4)), rng.standard_normal((3, 4, columns)), np.zeros((3, rows, columns))
    assert matmul(a, b, out) is out
    np.testing.assert_allclose(out, a @ b, rtol=1e-13)
