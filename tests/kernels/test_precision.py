"""float16 arrays and Tensors are computed in float32."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, backend, nn, no_grad
from minigrad.kernels import conv, matmul
from minigrad.kernels.conv import Window
from minigrad.kernels.precision import accumulator, in_float32
from minigrad.nn.fusion import conv_norm
from minigrad.tensor import Parameter
from tests.kernels.test_conv import arrays

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def dtypes_inside(*args, decorate=in_float32, **options):
    """Return which dtypes a decorated function sees, and the dtype of its result."""
    seen = []

    @decorate
    def first(*args, **options):
        seen.extend(getattr(x, "dtype", x) for x in (*args, *options.values()))
        return next(x for x in (*args, *options.values()) if hasattr(x, "dtype"))

    return seen, first(*args, **options).dtype


@pytest.mark.parametrize("make", [np.asarray, Tensor], ids=["array", "Tensor"])
def test_only_float16_changes(make):
    half, single, double, whole = (make(np.ones(2, t)) for t in (np.float16, np.float32, np.float64, np.int64))
    assert dtypes_inside(half, whole, 3, None) == ([SINGLE, whole.dtype, 3, None], HALF)
    assert dtypes_inside(x=half, y=half) == ([SINGLE, SINGLE], HALF)
    assert dtypes_inside("a", half) == (["a", SINGLE], HALF)
    for x in (single, double, whole):
        assert dtypes_inside(x, half) == ([x.dtype, HALF], x.dtype)
    assert dtypes_inside(half, single) == ([HALF, SINGLE], HALF)  # the wider one decides what comes out


def test_accumulators():
    assert [accumulator(np.dtype(t)) for t in "efd"] == ["float32", "float32", "float64"]


CASES = [
    (Window((3, 3), padding=(1, 1)), (4, 16, 24, 24), 16),  # by Winograd's algorithm in float32
    (Window((3, 3), (2, 2), (1, 1)), (2, 16, 9, 9), 8),
    (Window((5, 5)), (2, 3, 12, 12), 6),
    (Window((3, 3), groups=2), (16, 4, 8, 8), 4),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].kernel}-{case[1]}")
def test_convolutions_of_float16_are_as_exact_as_float16(device, case):
    window, shape, _ = case
    for results in zip(*(all_three(arrays(case, device, t), window, shape[2:]) for t in (HALF, SINGLE)), strict=True):
        half, single = map(backend.to_numpy, results)
        assert half.dtype == HALF and single.dtype == SINGLE
        # the arguments were rounded to 11 digits, as is the result; here no sum has more than some thousand terms
        assert np.abs(half - single).max() < 2e-3 * np.abs(single).max()


def all_three(some, window, size):
    x, w, b, g = some
    return (
        conv.conv2d(x, w, b, window),
        conv.conv2d_input_grad(g, w, window, size),
        conv.conv2d_weight_grad(x, g, window),
    )


def test_many_products_of_float16_are_added_up_in_float32(device):
    """4096 + 1 = 4096 in float16, and 2·60000 is infinite."""
    ones = backend.to_device(np.ones((1, 5000), np.float16), device)
    assert backend.to_numpy(matmul.matmul(ones, ones.T)).item() == 5000
    pixels = backend.to_device(np.array([60000, 60000, -60000], np.float16).reshape(1, 1, 1, 3), device)
    kernel = backend.to_device(np.ones((1, 1, 1, 3), np.float16), device)
    assert backend.to_numpy(conv.conv2d(pixels, kernel, None, Window((1, 3)))).item() == 60000


def test_a_float16_product_is_written_where_it_is_wanted():
    a, out = np.full((2, 2), 3, np.float16), np.zeros((2, 2), np.float16)
    assert matmul.matmul(a, a, out) is out and (out == 18).all()


def test_winograd_never_sees_float16():
    window, shape, _ = CASES[0]
    with conv.recorded() as calls:
        all_three(arrays(CASES[0], dtype=np.float16), window, shape[2:])
    assert [(call.algorithm, call.a.dtype, call.b.dtype) for call in calls] == [("winograd", SINGLE, SINGLE)] * 3


def test_what_is_no_operand_has_no_say():
    half, array = np.ones(2, np.float16), np.ones(2, np.float32)
    assert dtypes_inside(half, np.float64(3)) == ([SINGLE, np.dtype(np.float64)], HALF)
    assert dtypes_inside(Tensor(half), array) == ([SINGLE, SINGLE], HALF)
    assert dtypes_inside(Tensor(half), np.float64(3), x=half) == ([SINGLE, np.dtype(np.float64), SINGLE], HALF)
    assert dtypes_inside(Tensor(half), Parameter(array)) == ([HALF, SINGLE], HALF)


def test_a_convolution_with_its_norm_may_pass_65504_in_between():
    conv, norm = nn.Conv2d(1, 1, 1, bias=False).half(), nn.BatchNorm2d(1, eps=0.0).half()
    conv.weight.data[...], norm.running_var.data[...] = 300, 10000
    with no_grad():
        y = conv_norm(conv.eval(), norm.eval(), Tensor(np.full((1, 1, 1, 1), 300, np.float16)))
    assert y.dtype == HALF and y.item() == 900
