"""Sums along any axes of arrays in any layout, and how many digits they keep."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels import reduce
from tests import strict_cupy

LAYOUTS = {
    "rows": lambda x: x,
    "columns": np.asfortranarray,
    "backwards": lambda x: x[::-1],
    "with gaps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "channels last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    "repeated": lambda x: np.broadcast_to(x[:1], x.shape),
}
AXES = [axes for n in range(4) for axes in itertools.combinations(range(3), n)]


@pytest.fixture
def few_rows(monkeypatch):
    """Strips so short that every sum takes several rounds."""
    monkeypatch.setattr(reduce, "ROWS", 3)


def total(x, axes, device="cpu", **options):
    with backend.use_device(device):
        result = reduce.total(backend.to_device(x, device), axes, **options)
        return np.asarray(result) if device == "cpu" else backend.to_numpy(result)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_as_numpy(device, few_rows, layout, axes, keepdims):
    x = layout(np.random.default_rng(0).standard_normal((23, 5, 14)))
    expected = x.sum(axis=axes, keepdims=keepdims)
    result = total(x, axes, device, keepdims=keepdims)
    assert result.shape == expected.shape and result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 8, 9, 10, 27, 28])
def test_any_number_of_rows(device, few_rows, rows):
    x = np.arange(2.0 * rows).reshape(rows, 2)
    assert total(x, (0,), device).tolist() == [rows * (rows - 1), rows * rows]


def test_twenty_million_ones_are_counted():
    ones = np.ones((20_000_000, 2), np.float32)
    assert reduce.total(ones, (0,)).tolist() == [20_000_000, 20_000_000]


@pytest.mark.parametrize("shape, axes", [((3_000_000, 3), (0,)), ((100_000, 2, 20), (0, 2)), ((2, 500_000, 4), (0, 1))])
@pytest.mark.parametrize("layout", ["rows", "columns", "with gaps"])
def test_float32_keeps_its_digits_along_any_axis(shape, axes, layout):
    x = LAYOUTS[layout](np.full(shape, 0.1, np.float32))
    expected = x.sum(axis=axes, dtype=np.float64)
    np.testing.assert_allclose(reduce.total(x, axes), expected, rtol=1.5e-6)


def test_a_gpus_threads_add_short_rows(monkeypatch):
    """CuPy's threads add one number after the other; the stand-in does so with all numbers of a column."""
    strict_cupy.install(monkeypatch)
    x = np.full((2_000_000, 3), 0.1, np.float32)
    np.testing.assert_allclose(total(x, (0,), "cuda"), [0.1 * len(x)] * 3, rtol=1e-4)
    assert abs(x.sum(axis=0)[0] / (0.1 * len(x)) - 1) > 1e-3


def test_float16_is_added_up_in_float32(device):
    x = np.ones((5000, 3), np.float16)  # in float16, 2048 + 1 = 2048
    assert total(x, (0,), device).tolist() == [5000] * 3
    with np.errstate(over="ignore"):
        assert total(60_000 * x, (0, 1), device) == np.inf
    assert total(60_000 * x, (0, 1), device, scale=1 / x.size) == 60_000
    assert total(x[:100], (0,), device).dtype == total(x, (0,), device).dtype == np.float16


def test_integers_are_summed_as_by_numpy(device):
    x = np.full((300, 2), 200, np.uint8)
    assert total(x, (0,), device).tolist() == [60_000, 60_000]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_infinity_and_nan_stay_in_their_column(device, few_rows, value):
    x = np.ones((50, 3), np.float32)
    x[17, 1] = value
    np.testing.assert_array_equal(total(x, (0,), device), [50, value, 50])


def test_nothing_sums_to_zero(device):
    assert total(np.ones((0, 3)), (0,), device).tolist() == [0, 0, 0]
    assert total(np.ones((300, 0)), (0,), device).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_numbers_that_are_shown_many_times_are_read_once(device, dtype):
    """As floats of their own, they would take terabytes."""
    with backend.use_device(device):
        xp = backend.device_module(device)
        numbers = backend.to_device(np.array([[0.5], [0.25]], dtype), device)
        view = xp.broadcast_to(numbers, (2**20, 2, 2**20))
        assert reduce.total(view, (0, 1), scale=2.0**-30).shape == (2**20,)
        y = reduce.total(view, (0, 2), keepdims=True, scale=2.0**-30)
        assert (y.shape, y.dtype, y.tolist()) == ((1, 2, 1), dtype, [[[512], [256]]])
        y += 1  # memory of its own
