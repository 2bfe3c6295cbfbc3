"""Elements repeated, turned round, moved and taken apart: values by hand, or as NumPy has them."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.helpers import gradients, grid, leaf

X = np.arange(6.0).reshape(2, 3)


def lists(pieces):
    return [piece.tolist() for piece in pieces]


def test_expanding_repeats_axes_of_length_1(device):
    x = leaf([[1], [2]], device)
    assert ops.expand(x, 2, 3).tolist() == ops.expand(x, (-1, 3)).tolist() == [[1, 1, 1], [2, 2, 2]]
    assert ops.expand(x, 2, -1, 1).tolist() == [[[1], [2]], [[1], [2]]]
    assert gradients(ops.expand(x, 4, -1, 3), x)[0].tolist() == [[12], [12]]


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (1, 3), (2, 3), (2, 1, 3), (3, 2, 1, 2), (0, 2), (2, 0)])
def test_repeating_is_tiling(device, counts):
    x = leaf(X, device)
    y = ops.repeat(x, *counts)
    expected = np.tile(X, counts)
    assert y.shape == expected.shape and y.tolist() == expected.tolist() == ops.repeat(x, counts).tolist()
    assert (gradients(y, x)[0] == np.prod(counts)).all()


def test_a_number_is_repeated(device):
    assert ops.repeat(Tensor(2.0, device=device), 3).tolist() == [2, 2, 2]


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (-2,)])
def test_flipping(device, axis):
    x = grid(device, 2, 3)
    y = ops.flip(x, axis)
    assert y.tolist() == np.flip(X, axis).tolist()
    assert gradients(y * Tensor(X, device=device), x)[0].tolist() == np.flip(X, axis).tolist()


@pytest.mark.parametrize(
    "shifts, axis",
    [
        *[(shift, None) for shift in (0, 1, -2, 6, 7)],
        *[(shift, axis) for shift in (0, 1, 2, -1, 3, 4, -7) for axis in (0, 1, -1)],
        ((1, -2), (0, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_rolling(device, shifts, axis):
    x = grid(device, 2, 3)
    assert ops.roll(x, shifts, axis).tolist() == np.roll(X, shifts, axis).tolist()


def test_rolling_nothing(device):
    assert ops.roll(Tensor(np.ones((0, 3)), device=device), 1, 0).shape == (0, 3)


def test_the_gradient_rolls_back(device):
    x = leaf([1, 2, 3], device)
    assert gradients(ops.roll(x, 1) * Tensor([10.0, 20.0, 30.0], device=device), x)[0].tolist() == [20, 30, 10]


def test_splitting_into_pieces_of_one_length(device):
    x = grid(device, 2, 3)
    assert lists(ops.split(x, 2, axis=1)) == [[[0, 1], [3, 4]], [[2], [5]]]
    assert lists(ops.split(x, 1)) == [[[0, 1, 2]], [[3, 4, 5]]]
    assert lists(ops.split(x, 3, -1)) == lists(ops.split(x, np.int64(9), -1)) == [X.tolist()]


def test_splitting_into_pieces_of_given_lengths(device):
    x = grid(device, 2, 3)
    first, second, third = ops.split(x, [1, 0, 2], axis=1)
    assert lists([first, third]) == [[[0], [3]], [[1, 2], [4, 5]]] and second.shape == (2, 0)
    assert gradients(third, x)[0].tolist() == [[0, 1, 1], [0, 1, 1]]


def test_nothing_is_one_empty_piece_or_none(device):
    nothing = Tensor(np.ones((0, 3)), device=device)
    assert [piece.shape for piece in ops.split(nothing, 2)] == [(0, 3)]
    assert [piece.shape for piece in ops.chunk(nothing, 2)] == [(0, 3)]
    assert ops.split(nothing, []) == ()


@pytest.mark.parametrize(
    "chunks, lengths", [(1, [5]), (2, [3, 2]), (3, [2, 2, 1]), (4, [2, 2, 1]), (5, [1] * 5), (9, [1] * 5)]
)
def test_chunks_are_of_one_length_but_for_the_last(device, chunks, lengths):
    x = grid(device, 5)
    pieces = ops.chunk(x, chunks)
    assert [len(piece) for piece in pieces] == lengths
    assert ops.concat(pieces).tolist() == [0, 1, 2, 3, 4]
    assert [piece.shape for piece in ops.chunk(x.reshape(1, 5), chunks, axis=-1)] == [(1, n) for n in lengths]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: ops.expand(x, 2), ValueError, "broadcast"),
        (lambda x: ops.repeat(x, 2), ValueError, r"repeat: expected at least 2 counts >= 0 .* got \(2,\)"),
        (lambda x: ops.repeat(x, 2, -1), ValueError, r"repeat: expected at least 2 counts >= 0 .* got \(2, -1\)"),
        (lambda x: ops.flip(x, 2), ValueError, r"flip: axis 2 does not fit shape \(2, 3\)"),
        (lambda x: ops.roll(x, (1, 2), 0), ValueError, "roll: got 2 shifts for 1 axes"),
        (lambda x: ops.roll(x, 1, 2), ValueError, r"roll: axis 2 does not fit shape \(2, 3\)"),
        (lambda x: ops.roll(x, 0.5, 0), TypeError, "roll: shifts must be an int or several"),
        (lambda x: ops.split(x, [1, 1], 1), ValueError, r"split: lengths \[1, 1\] do not add up to 3, .* of axis 1"),
        (lambda x: ops.split(x, [4, -1], 1), ValueError, r"split: lengths \[4, -1\] do not add up to 3"),
        (lambda x: ops.split(x, []), ValueError, r"split: lengths \[\] do not add up to 2"),
        (lambda x: ops.split(x, 0), ValueError, "split: expected a length >= 1, got 0"),
        (lambda x: ops.chunk(x, 0), ValueError, "chunk: expected chunks >= 1, got 0"),
        (lambda x: ops.chunk(x, 1.0), TypeError, "chunk: chunks must be an int"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(Tensor(X))
