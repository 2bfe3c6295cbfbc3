"""Winograd's algorithm against the definition of a convolution."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import conv
from minigrad.kernels.conv import Window, winograd
from minigrad.kernels.conv.epilogue import NOTHING
from minigrad.kernels.conv.problem import Overflow
from tests.kernels.test_conv import all_three, assert_specified, describe


def case(n, c, h, w, filters, padding=(1, 1)):
    return Window((3, 3), padding=padding), (n, c, h, w), filters


CASES = [
    case(2, 3, 8, 8, 4),
    case(1, 2, 5, 7, 3),
    case(2, 2, 9, 6, 2, padding=(0, 0)),
    case(1, 1, 3, 3, 1, padding=(0, 2)),
    case(3, 2, 1, 10, 2, padding=(2, 0)),
    case(1, 2, 4, 4, 2, padding=(7, 6)),
    case(0, 2, 6, 6, 3),
]
every_case = pytest.mark.parametrize("case", CASES, ids=describe)


@pytest.fixture
def always():
    """Winograd's algorithm for every 3×3 convolution, however small."""
    with kernels.using("winograd"):
        yield


@every_case
def test_as_specified(case, always):
    with conv.recorded() as calls:
        assert_specified(all_three(case), case, tolerance=1e-11)
    assert [call.algorithm for call in calls] == ["winograd"] * 3


@every_case
@pytest.mark.parametrize("threads_used", [1, 2, 3])
def test_small_blocks_and_threads_change_nothing(case, always, threads, tiny_blocks, threads_used):
    threads(threads_used)
    assert_specified(all_three(case), case, tolerance=1e-11)


def test_float32_stays_close_to_the_patch_product(rng):
    x = rng.standard_normal((4, 64, 16, 16)).astype(np.float32)
    w = (rng.standard_normal((64, 64, 3, 3)) / 24).astype(np.float32)
    window = Window((3, 3), padding=(1, 1))
    fast = conv.conv2d(x, w, None, window)
    assert fast.dtype == np.float32
    exact = conv.conv2d(x.astype(np.float64), w.astype(np.float64), None, window)
    assert np.abs(fast - exact).max() < 2e-5 * np.abs(exact).max()


@pytest.mark.parametrize("count", [1, 3])
def test_a_repeated_run_is_identical(rng, threads, count):
    threads(count)
    x = rng.standard_normal((16, 64, 12, 12)).astype(np.float32)
    w = rng.standard_normal((64, 64, 3, 3)).astype(np.float32)
    window = Window((3, 3), padding=(1, 1))
    with conv.recorded() as calls:
        first, again = (conv.conv2d(x, w, None, window) for _ in range(2))
    assert calls[0].algorithm == "winograd"
    np.testing.assert_array_equal(first, again)


def test_transforms_are_exact_on_a_single_tile(always):
    """A 6×6 tile with one filter: the sixteen outputs are the sixteen dot products."""
    tile, taps = np.arange(36.0).reshape(6, 6), np.arange(9.0).reshape(3, 3)
    y = conv.conv2d(tile[None, None], taps[None, None], None, Window((3, 3)))
    expected = [[(tile[i : i + 3, j : j + 3] * taps).sum() for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(y[0, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("points", [winograd.POINTS, (0, 1, -1, 2, -2), (0, 1, -1, 3, 0.5)], ids=str)
def test_the_matrices_filter_at_any_points(points):
    """F(4, 3) in one dimension: four outputs of a 3-tap filter on six inputs, with six multiplications."""
    transforms = winograd.matrices(points)
    inputs, taps = np.array([3.0, -1, 4, 1, -5, 9]), np.array([2.0, 7, -1])
    outputs = transforms["A"] @ ((transforms["G"] @ taps) * (transforms["B"] @ inputs))
    np.testing.assert_allclose(outputs, [inputs[i : i + 3] @ taps for i in range(4)], rtol=1e-12)


def test_the_textbooks_points_give_the_textbooks_matrices():
    """Lavin & Gray 2015, section 4.3, up to the sign of a row of Bᵀ and of the same row of G."""
    transforms = winograd.matrices((0, 1, -1, 2, -2))
    assert transforms["A"].tolist() == [
        [1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]
    ]  # fmt: skip
    assert abs(transforms["B"]).tolist() == [
        [4, 0, 5, 0, 1, 0], [0, 4, 4, 1, 1, 0], [0, 4, 4, 1, 1, 0], [0, 2, 1, 2, 1, 0], [0, 2, 1, 2, 1, 0],
        [0, 4, 0, 5, 0, 1],
    ]  # fmt: skip


def spoiled(case, value, where):
    """Put `value` into x, w or g; return each result of Winograd's algorithm, and from patches."""
    window, shape, _ = case
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    w = rng.standard_normal((shape[1], shape[1], 3, 3)).astype(np.float32)
    g = rng.standard_normal(x.shape).astype(np.float32)
    {"x": x, "w": w, "g": g}[where][(1, 3, 1, 2) if where == "w" else (1, 3, 9, 10)] = value
    fast = threes(x, w, g, window)
    with kernels.using("im2col"):
        y, _, grad_w = threes(x, w, g, window)
    with kernels.using("turned"):  # a tap that meets the padding is infinity times 0 there, too
        grad_x = conv.conv2d_input_grad(g, w, window, x.shape[2:])
    return zip(("y", "input gradient", "weight gradient"), fast, (y, grad_x, grad_w), strict=True)


def threes(x, w, g, window):
    return (
        conv.conv2d(x, w, None, window),
        conv.conv2d_input_grad(g, w, window, x.shape[2:]),
        conv.conv2d_weight_grad(x, g, window),
    )


HUGE = case(2, 16, 32, 32, 16)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -1e30, 1e22])
@pytest.mark.parametrize("where", ["x", "w", "g"])
@pytest.mark.parametrize("threads_used", [1, 2])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the results by the definition
def test_what_is_infinite_nan_or_huge_spoils_no_more_than_by_the_definition(value, where, threads, threads_used):
    threads(threads_used)
    for name, fast, direct in spoiled(HUGE, value, where):
        np.testing.assert_allclose(fast, direct, rtol=1e-4, atol=1e-3, err_msg=name)


def test_an_infinite_pixel_is_seen_by_nine_outputs_of_each_filter():
    x, w = np.zeros((1, 16, 28, 28), np.float32), np.ones((16, 16, 3, 3), np.float32)
    x[0, 5, 13, 14] = np.inf
    y = conv.conv2d(x, w, None, Window((3, 3), padding=(1, 1)))
    assert (y[:, :, 12:15, 13:16] == np.inf).all() and np.count_nonzero(y) == 9 * 16


@pytest.mark.parametrize("position", [(0, 0), (0, 27), (27, 27), (12, 15), (13, 14), (15, 12)])
def test_the_corners_of_the_tiles_see_every_pixel(position):
    x, w = np.zeros((1, 16, 28, 28), np.float32), np.ones((16, 16, 3, 3), np.float32)
    x[(0, 7, *position)] = 1e25  # no overflow on the way
    problem = conv.Problem(1, (28, 28), 16, 16, Window((3, 3), padding=(1, 1)), x.dtype)
    with pytest.raises(Overflow):
        winograd.forward(problem, x, w, NOTHING)


def test_what_comes_after_the_convolution_is_done_once(rng):
    """Some blocks may be finished when the next one shows that another algorithm is needed."""
    x = rng.standard_normal((2, 16, 28, 28)).astype(np.float32)
    x[1, 0, 20, 20] = np.inf
    w, b = rng.standard_normal((16, 16, 3, 3)).astype(np.float32), np.ones(16, np.float32)
    window, shortcut = Window((3, 3), padding=(1, 1)), np.ones((2, 16, 28, 28), np.float32)
    finishing = {"scale": 2 * b, "shortcut": shortcut, "relu": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "BLOCK_BYTES", 64)
        result = conv.conv2d(x, w, b, window, **finishing)
    with kernels.using("im2col"):
        np.testing.assert_array_equal(result, conv.conv2d(x, w, b, window, **finishing))


def test_a_pixel_of_a_million_costs_digits_in_its_tiles_only(rng):
    x = rng.standard_normal((1, 16, 28, 28)).astype(np.float32)
    w = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    window = Window((3, 3), padding=(1, 1))
    expected = conv.conv2d(x, w, None, window)
    x[0, 0, 13, 13] = 1e6
    changed = (conv.conv2d(x, w, None, window) != expected).any(axis=(0, 1))
    rows, columns = changed.nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 15, 12, 15)
