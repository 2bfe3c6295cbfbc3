"""Convolution and its gradients against loops that follow the definition, in every blocking and threading."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels import conv, planar
from minigrad.kernels.conv import Window

# ---- the definition, one output position after the other ---------------------------------------------------------


def positions(x, w, window):
    """Yield (group's channels, group's filters, i, j, the patch's rows, the patch's columns) of the padded picture."""
    oh, ow = window.output_size(x.shape[2:])
    inputs, outputs = w.shape[1], len(w) // window.groups
    for group, i, j in itertools.product(range(window.groups), range(oh), range(ow)):
        rows = i * window.stride[0] + np.arange(window.kernel[0]) * window.dilation[0]
        columns = j * window.stride[1] + np.arange(window.kernel[1]) * window.dilation[1]
        channels = np.arange(group * inputs, (group + 1) * inputs)
        yield channels, slice(group * outputs, (group + 1) * outputs), i, j, rows, columns


def padded(x, window):
    return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in window.padding)])


def naive(x, w, b, g, window):
    """Return y, ∂L/∂x and ∂L/∂w for the upstream gradient g."""
    picture = padded(x, window)
    y, grad_picture, grad_w = np.zeros(g.shape), np.zeros(picture.shape), np.zeros(w.shape)
    for channels, filters, i, j, rows, columns in positions(x, w, window):
        patch = (slice(None), *np.ix_(channels, rows, columns))
        y[:, filters, i, j] = np.einsum("ncuv,ocuv->no", picture[patch], w[filters]) + b[filters]
        grad_picture[patch] += np.einsum("no,ocuv->ncuv", g[:, filters, i, j], w[filters])
        grad_w[filters] += np.einsum("no,ncuv->ocuv", g[:, filters, i, j], picture[patch])
    (ph, pw), (h, width) = window.padding, x.shape[2:]
    return y, grad_picture[:, :, ph : ph + h, pw : pw + width], grad_w


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


def assert_naive(results, case, tolerance=1e-12):
    expected = naive(*arrays(case), case[0])
    for name, result, wanted in zip(("y", "input gradient", "weight gradient"), results, expected, strict=True):
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=tolerance, atol=tolerance * 10, err_msg=name)


# ---- tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def patches_only(monkeypatch):
    """The general algorithm, also for few channels."""
    monkeypatch.setattr(planar, "suits", lambda *sizes: False)


def test_a_convolution_by_hand():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    w = np.array([[[[1.0, 10.0]]]])
    y = conv.conv2d(x, w, np.array([0.5]), Window((1, 2)))
    np.testing.assert_array_equal(y, [[[[10.5, 21.5], [43.5, 54.5]]]])


@every_case
def test_as_defined(device, case):
    assert_naive(all_three(case, device), case)


@every_case
def test_in_float32(case):
    results = all_three(case, dtype=np.float32)
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
    assert_naive(results, case, 1e-5)


@every_case
def test_blocks_smaller_than_a_picture_change_nothing(case, tiny_blocks):
    assert_naive(all_three(case), case)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_blocks_of_any_height(monkeypatch, rows):
    case = CASES[-1][0], (3, 2, 5, 4), 3
    row_bytes = 4 * 9 * 2 * 8
    monkeypatch.setattr(conv, "BLOCK_BYTES", rows * row_bytes + 1)
    assert_naive(all_three(case), case)


@every_case
def test_both_routes_to_the_input_gradient_agree(device, case):
    window, shape, _ = case
    _, w, _, g = arrays(case, device)
    _, expected, _ = naive(*arrays(case), window)
    routes = [conv._input_grad_by_scattering]
    if window.stride == (1, 1):
        routes.append(conv._input_grad_by_gathering)
    for route in routes:
        result = backend.to_numpy(route(g, w, window, shape[2:]))
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-11, err_msg=route.__name__)


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


def test_channels_last_input_is_not_copied():
    images = np.zeros((2, 4, 5, 3))
    assert conv.channels_last(conv.channels_first(images)).base is images
    assert np.shares_memory(conv.channels_last(images.transpose(0, 3, 1, 2)), images)


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
