"""The reference convolution and its gradients against the seven loops of the specification, in every blocking and
threading; and the table that chooses an algorithm.
"""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from minigrad import backend, kernels
from minigrad.kernels import conv
from minigrad.kernels.conv import ALGORITHMS, DIRECTIONS, Problem, Window, im2col, specification, winograd
from minigrad.kernels.conv.problem import Overflow

# ---- cases -------------------------------------------------------------------------------------------------------

CASES = [
    # window, (batch, channels, height, width), filters
    *[
        (Window(kernel, stride, padding, dilation, groups), (3, 4, 7, 6), 6)
        for kernel, stride, padding, dilation, groups in itertools.product(
            [(1, 1), (3, 2)], [(1, 1), (2, 3)], [(0, 0), (2, 1)], [(1, 1), (2, 3)], [1, 2]
        )
    ],
    (Window((3, 3), padding=(1, 1)), (2, 3, 5, 5), 4),
    (Window((5, 5)), (2, 3, 5, 5), 4),  # one position
    (Window((1, 1), padding=(2, 3)), (2, 3, 3, 2), 4),  # all of the border is padding
    (Window((2, 1), padding=(3, 0)), (2, 3, 3, 2), 4),
    (Window((3, 3), stride=(4, 4)), (2, 2, 8, 9), 3),  # rows and columns that no window sees
    (Window((1, 1), stride=(3, 3)), (2, 2, 6, 8), 3),
    (Window((2, 2), groups=4), (2, 4, 4, 4), 4),  # depthwise
    (Window((2, 2), groups=4), (2, 4, 4, 4), 12),
    (Window((1, 7), padding=(0, 3)), (1, 1, 4, 9), 1),
    (Window((3, 3), padding=(1, 1)), (0, 2, 4, 4), 3),  # nothing
]


def describe(case):
    window, shape, filters = case
    parts = [f"{name}{value}" for name, value in window._asdict().items() if value not in ((1, 1), (0, 0), 1)]
    return f"{shape}x{filters} {' '.join(parts)}".replace(" ", "").replace("(", "").replace(")", "")


every_case = pytest.mark.parametrize("case", CASES, ids=describe)


def arrays(case, device="cpu", dtype=np.float64):
    window, shape, filters = case
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    w = rng.standard_normal((filters, shape[1] // window.groups, *window.kernel))
    b = rng.standard_normal(filters)
    g = rng.standard_normal((shape[0], filters, *window.output_size(shape[2:])))
    return [backend.to_device(a.astype(dtype), device) for a in (x, w, b, g)]


def all_three(case, device="cpu", dtype=np.float64):
    window, shape, _ = case
    x, w, b, g = arrays(case, device, dtype)
    results = (
        conv.conv2d(x, w, b, window),
        conv.conv2d_input_grad(g, w, window, shape[2:]),
        conv.conv2d_weight_grad(x, g, window),
    )
    return [backend.to_numpy(result) for result in results]


def specified(case):
    """Return y, ∂L/∂x and ∂L/∂w by the specification."""
    (window, shape, _), (x, w, b, g) = case, arrays(case)
    return (
        specification.conv2d(x, w, window) + b.reshape(-1, 1, 1),
        specification.conv2d_input_grad(g, w, window, shape[2:]),
        specification.conv2d_weight_grad(x, g, window),
    )


def assert_specified(results, case, tolerance=1e-12):
    for name, result, wanted in zip(("y", "input gradient", "weight gradient"), results, specified(case), strict=True):
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=tolerance, atol=tolerance * 10, err_msg=name)


# ---- tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def reference():
    """The reference, also where another algorithm would be taken."""
    with kernels.using("im2col"):
        yield


def test_a_convolution_by_hand():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    w = np.array([[[[1.0, 10.0]]]])
    y = conv.conv2d(x, w, np.array([0.5]), Window((1, 2)))
    np.testing.assert_array_equal(y, [[[[10.5, 21.5], [43.5, 54.5]]]])


@every_case
def test_as_specified(device, case):
    assert_specified(all_three(case, device), case)


@every_case
def test_in_float32(case):
    results = all_three(case, dtype=np.float32)
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
    assert_specified(results, case, 1e-5)


@every_case
def test_blocks_smaller_than_a_picture_change_nothing(case, tiny_blocks):
    assert_specified(all_three(case), case)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_blocks_of_any_height(monkeypatch, rows):
    case = CASES[-1][0], (3, 2, 5, 4), 3
    row_bytes = 4 * 9 * 2 * 8
    monkeypatch.setattr(im2col, "BLOCK_BYTES", rows * row_bytes + 1)
    assert_specified(all_three(case), case)


@every_case
def test_any_number_of_threads_gives_the_same(case, threads, tiny_blocks):
    reference = None
    for n in (1, 2, 3):
        threads(n)
        results, again = all_three(case, dtype=np.float32), all_three(case, dtype=np.float32)
        for result, repeated in zip(results, again, strict=True):
            np.testing.assert_array_equal(result, repeated)  # run to run: bit for bit
        reference = reference or results
        for result, expected in zip(results, reference, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@every_case
def test_inputs_are_left_alone_whatever_their_layout(case):
    window, shape, _ = case
    reference, inputs = all_three(case), arrays(case)
    for x, w, b, g in (
        [a.copy() for a in inputs],
        [np.asfortranarray(a) for a in inputs],
        [a[::-1][::-1] for a in inputs],
    ):
        for array in (x, w, b, g):
            array.setflags(write=False)
        results = (
            conv.conv2d(x, w, b, window),
            conv.conv2d_input_grad(g, w, window, shape[2:]),
            conv.conv2d_weight_grad(x, g, window),
        )
        for result, expected in zip(results, reference, strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)
            assert not any(np.shares_memory(result, array) for array in (x, w, b, g))


@every_case
def test_results_are_channels_last_in_memory(case):
    window, shape, _ = case
    x, w, b, g = arrays(case)
    assert conv.conv2d(x, w, b, window).transpose(0, 2, 3, 1).flags.c_contiguous
    assert conv.conv2d_weight_grad(x, g, window).transpose(0, 2, 3, 1).flags.c_contiguous
    gradient = conv.conv2d_input_grad(g, w, window, shape[2:])
    if not any(window.padding):  # with padding it is the inner part of a larger array
        assert gradient.transpose(0, 2, 3, 1).flags.c_contiguous
    assert gradient.strides[1] == gradient.itemsize or gradient.shape[1] == 1 or gradient.size == 0


@pytest.mark.parametrize(
    "size, window, expected",
    [
        ((32, 32), Window((5, 5)), (28, 28)),
        ((32, 32), Window((3, 3), padding=(1, 1)), (32, 32)),
        ((224, 224), Window((7, 7), (2, 2), (3, 3)), (112, 112)),
        ((7, 8), Window((3, 2), (2, 3), (0, 1), (2, 1)), (2, 3)),
        ((2, 2), Window((3, 3)), (0, 0)),
    ],
)
def test_output_size(size, window, expected):
    assert window.output_size(size) == expected


# ---- the table ---------------------------------------------------------------------------------------------------


def problem(n=64, size=(32, 32), channels=3, filters=32, window=None, **more):
    return Problem(n, size, channels, filters, window or Window((3, 3), padding=(1, 1)), np.dtype("f4"), **more)


TWICE = Window((3, 3), (2, 2), (1, 1))


@pytest.mark.parametrize(
    "problem, forward, input_grad, weight_grad",
    [
        (problem(), "planar", "strips", "planar"),
        (problem(channels=64), "winograd", "winograd", "winograd"),
        (problem(channels=15, filters=46), "im2col", "im2col", "im2col"),
        (problem(channels=15, filters=45), "im2col", "turned", "im2col"),
        (problem(channels=64, window=TWICE), "im2col", "im2col", "im2col"),
        (problem(n=3, channels=8, filters=8), "planar", "turned", "planar"),
        (problem(n=1, size=(7, 7), channels=512, filters=512), "im2col", "turned", "im2col"),
        (problem(n=3, size=(8, 8), channels=64, cache_weights=True), "winograd", "turned", "im2col"),
        (problem(size=(2, 2), channels=512, filters=512), "im2col", "turned", "im2col"),
        (problem(n=0, channels=64), "im2col", "turned", "im2col"),
        (problem(channels=4, filters=8, window=Window((5, 5), groups=2)), "im2col", "turned", "im2col"),
        (problem(window=Window((5, 5), dilation=(2, 1))), "im2col", "im2col", "im2col"),
        (problem(window=Window((1, 3), padding=(1, 1))), "planar", "strips", "planar"),
        (problem(channels=64, on_cpu=False), "im2col", "turned", "im2col"),
    ],
)
def test_the_first_that_suits_is_taken(problem, forward, input_grad, weight_grad):
    assert [conv.choice(problem, direction)[0] for direction in DIRECTIONS] == [forward, input_grad, weight_grad]


def test_what_is_forced_is_taken_wherever_it_can_compute():
    assert conv.choice(problem(channels=2), "forward", "winograd")[0] == "winograd"
    assert conv.choice(problem(channels=64, window=TWICE), "forward", "winograd")[0] == "im2col"
    assert conv.choice(problem(channels=64), "input_grad", "planar")[0] == "winograd"


def test_using_holds_for_its_block_and_its_thread():
    x, w, window = np.ones((1, 3, 8, 8), np.float32), np.ones((2, 3, 3, 3), np.float32), Window((3, 3))

    def taken():
        with conv.recorded() as calls:
            conv.conv2d(x, w, None, window)
        return calls[0].algorithm

    elsewhere = []
    with kernels.using("winograd"):
        with kernels.using("turned"):
            assert taken() == "planar"  # it serves another direction
        thread = threading.Thread(target=lambda: elsewhere.append(taken()))
        thread.start()
        thread.join()
        assert taken() == "winograd"
    assert elsewhere == ["planar"] and taken() == "im2col"  # as the fixture has it
    with (
        pytest.raises(ValueError, match="using: expected one of winograd, .*, im2col, got 'fft'"),
        kernels.using("fft"),
    ):
        pass


def test_what_overflows_is_computed_by_the_next_algorithm(monkeypatch):
    def overflow(*_):
        raise Overflow

    monkeypatch.setattr(winograd, "forward", overflow)
    with kernels.using("winograd"), conv.recorded() as calls:
        y = conv.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), None, Window((3, 3)))
    assert [call.algorithm for call in calls] == ["planar"] and (y == 9).all()


def test_the_costs_of_a_problem():
    case = problem(n=2, size=(5, 4), channels=4, filters=6, window=Window((3, 2), (2, 1), groups=2))
    assert (case.out, case.shape, case.taps) == ((2, 3), (2, 2, 3, 6), 12)
    assert case.multiply_adds == 2 * 2 * 3 * 6 * 12
    assert case.nbytes == 4 * (2 * 5 * 4 * 4 + 6 * 12 + 2 * 2 * 3 * 6)


# ---- all algorithms ----------------------------------------------------------------------------------------------


def random_problems(count, **fixed):
    """Odd sizes, single rows, empty batches, strides, dilations, groups."""
    rng = np.random.default_rng(1)
    found = []
    while len(found) < count:
        groups = int(rng.integers(1, 3)) if rng.random() < 0.3 else 1
        pairs = {
            name: tuple(map(int, rng.integers(low, high, 2) if rng.random() < 0.5 else (low, low)))
            for name, low, high in (("stride", 1, 4), ("padding", 0, 4), ("dilation", 1, 3))
        }
        kernel = tuple(map(int, rng.integers(1, 5, 2)))
        window = Window(**{"kernel": kernel, **pairs, "groups": groups, **fixed})
        size = tuple(map(int, rng.integers(1, 14, 2)))
        n, channels, filters = (int(rng.integers(low, 6)) for low in (0, 1, 1))
        if min(window.output_size(size)) > 0:
            shape = n, channels * window.groups, *size
            found.append(Problem(n, size, shape[1], filters * window.groups, window, np.dtype("f8")))
    return found


PROBLEMS = [
    *random_problems(40),
    *random_problems(20, stride=(1, 1), dilation=(1, 1), groups=1),
    *random_problems(20, kernel=(3, 3), stride=(1, 1), dilation=(1, 1), groups=1),
    *random_problems(20, kernel=(1, 1), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1),
]


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-11), (np.float32, 1e-4), (np.float16, 5e-3)])
def test_every_algorithm_gives_what_the_reference_gives(name, direction, dtype, tolerance, threads):
    if not hasattr(ALGORITHMS[name], direction):
        pytest.skip(f"{name} has no {direction}")
    threads(2)
    computed = 0
    for number, problem in enumerate(PROBLEMS):
        if not ALGORITHMS[name].suits(problem, direction).possible:
            continue
        rng, window = np.random.default_rng(number), problem.window
        x, w, g = (
            rng.standard_normal(shape).astype(dtype)
            for shape in (
                (problem.pictures, problem.channels, *problem.size),
                (problem.filters, problem.channels // window.groups, *window.kernel),
                (problem.pictures, problem.filters, *problem.out),
            )
        )
        compute = {
            "forward": lambda x=x, w=w, window=window: conv.conv2d(x, w, None, window),
            "input_grad": lambda g=g, w=w, window=window, size=problem.size: conv.conv2d_input_grad(g, w, window, size),
            "weight_grad": lambda x=x, g=g, window=window: conv.conv2d_weight_grad(x, g, window),
        }[direction]
        expected = compute()
        with kernels.using(name), conv.recorded() as calls:
            result, again = compute(), compute()
        assert {call.algorithm for call in calls} == {name}
        assert result.dtype == dtype and result.shape == expected.shape
        np.testing.assert_array_equal(result, again)
        size = abs(expected).max(initial=1)
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * size, err_msg=str(problem))
        computed += 1
    assert computed >= 15


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_algorithm_repeats_bit_for_bit(name, count, threads, tiny_blocks):
    threads(count)
    case = Window((3, 3), padding=(1, 1)), (9, 5, 11, 10), 6
    with kernels.using(name):
        for first, again in zip(all_three(case, dtype=np.float32), all_three(case, dtype=np.float32), strict=True):
            np.testing.assert_array_equal(first, again)
