"""Shapes and the order of axes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.helpers import gradients, grid, leaf


@pytest.mark.parametrize(
    "call, expected",
    [
        (lambda x: x.reshape(6, 4), (6, 4)),
        (lambda x: x.reshape((4, -1)), (4, 6)),
        (lambda x: x.reshape(-1), (24,)),
        (lambda x: x.flatten(), (24,)),
        (lambda x: x.flatten(1), (2, 12)),
        (lambda x: x.flatten(-1), (2, 3, 4)),
        (lambda x: x.unsqueeze(0), (1, 2, 3, 4)),
        (lambda x: x.unsqueeze(-1), (2, 3, 4, 1)),
        (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(), (2, 3, 4)),
        (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(1), (2, 3, 4, 1)),
        (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze((1, -1)), (2, 3, 4)),
        (lambda x: x.permute(2, 0, 1), (4, 2, 3)),
        (lambda x: x.permute((-1, 0, 1)), (4, 2, 3)),
        (lambda x: x.T, (4, 3, 2)),
        (lambda x: x.transpose(), (4, 3, 2)),
        (lambda x: x.transpose(0, -1), (4, 3, 2)),
        (lambda x: x.transpose(1, 1), (2, 3, 4)),
        (lambda x: x.transpose((1, 0, 2)), (3, 2, 4)),
        (lambda x: x.broadcast_to(5, 2, 3, 4), (5, 2, 3, 4)),
        (lambda x: x.flatten(-3), (24,)),
        (lambda x: x.unsqueeze(-4), (1, 2, 3, 4)),
        (lambda x: x.unsqueeze(3), (2, 3, 4, 1)),
        (lambda x: x.unsqueeze(0).squeeze(-4), (2, 3, 4)),
        (lambda x: x.permute(-3, -1, 1), (2, 4, 3)),
        (lambda x: x.transpose(-3, 2), (4, 3, 2)),
        (lambda x: x.reshape(1, 24, 1).squeeze((0, 2)), (24,)),
    ],
)
def test_shapes(device, call, expected):
    x = grid(device, 2, 3, 4)
    y = call(x)
    assert y.shape == expected
    assert (gradients(y * 2, x)[0] == 2 * y.size / x.size).all()


def test_values_as_numpy(device):
    x = grid(device, 2, 3, 4)
    array = x.numpy()
    np.testing.assert_array_equal(x.permute(2, 0, 1).numpy(), array.transpose(2, 0, 1))
    np.testing.assert_array_equal(x.transpose(0, 2).reshape(6, 4).numpy(), array.swapaxes(0, 2).reshape(6, 4))
    np.testing.assert_array_equal(x.T.numpy(), array.T)
    np.testing.assert_array_equal(x[:1].broadcast_to(3, 3, 4).numpy(), np.broadcast_to(array[:1], (3, 3, 4)))


def test_a_number_has_no_axes_but_can_get_some(device):
    x = leaf(5, device)
    assert x.reshape(1, 1).shape == (1, 1) and x.flatten().shape == (1,) and x.unsqueeze(0).shape == (1,)
    assert x.T.shape == x.squeeze().shape == () and x.broadcast_to(2, 3).shape == (2, 3)


def test_empty_tensors(device):
    x = leaf(np.ones((0, 3)), device)
    assert x.reshape(-1, 3).shape == x.reshape(0, 3).shape == (0, 3)
    assert x.flatten().shape == (0,) and x.T.shape == (3, 0) and x.unsqueeze(1).squeeze(1).shape == (0, 3)
    assert gradients(x.T * 2, x)[0].shape == (0, 3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: x.reshape(4, 2), r"reshape: shape \(2, 3\) with 6 elements does not fit \(4, 2\)"),
        (lambda x: x.reshape(-1, 4), r"reshape: .* does not fit \(-1, 4\)"),
        (lambda x: x.reshape(-1, -1), r"reshape: .* does not fit \(-1, -1\)"),
        (lambda x: x.permute(0), r"permute: \(0,\) is no permutation of the 2 axes"),
        (lambda x: x.permute(0, 0), r"permute: \(0, 0\) is no permutation"),
        (lambda x: x.permute(0, 2), r"permute: \(0, 2\) is no permutation"),
        (lambda x: x.transpose(0, 2), r"transpose: axes \(0, 2\) do not fit shape \(2, 3\)"),
        (lambda x: x.broadcast_to(3, 3), r"broadcast_to: shape \(2, 3\) does not broadcast to \(3, 3\)"),
        (lambda x: x.broadcast_to(3), r"broadcast_to: shape \(2, 3\) does not broadcast to \(3,\)"),
        (lambda x: x.flatten(2), r"flatten: start 2 is not an axis of shape \(2, 3\)"),
        (lambda x: x.squeeze(0), r"squeeze: axis 0 of shape \(2, 3\) is not of length 1"),
        (lambda x: x.squeeze(5), r"squeeze: axis 5 of shape \(2, 3\)"),
        (lambda x: x.unsqueeze(4), r"unsqueeze: axis 4 does not fit shape \(2, 3\)"),
        (lambda x: x.reshape(6, 2), r"reshape: .* does not fit \(6, 2\)"),
        (lambda x: x.permute(2, 1), r"permute: \(2, 1\) is no permutation"),
        (lambda x: x.permute(-3, 0), r"permute: \(-3, 0\) is no permutation"),
        (lambda x: x.transpose(-3, 0), r"transpose: axes \(-3, 0\) do not fit"),
        (lambda x: x.flatten(-3), r"flatten: start -3 is not an axis"),
        (lambda x: x.flatten(1, 0), "flatten: end 0 comes before start 1"),
        (lambda x: x.unsqueeze(0).t(), "t: expected a matrix"),
        (lambda x: x.reshape(1, 6).squeeze(2), r"squeeze: axis 2 of shape \(1, 6\)"),
        (lambda x: x.reshape(1, 6).squeeze(-3), r"squeeze: axis -3 of shape \(1, 6\)"),
        (lambda x: x.reshape(1, 6).squeeze((0, 1)), r"squeeze: axis \(0, 1\) of shape \(1, 6\)"),
        (lambda x: x.unsqueeze(3), r"unsqueeze: axis 3 does not fit"),
        (lambda x: x.unsqueeze(-4), r"unsqueeze: axis -4 does not fit"),
        (lambda x: x[:0].reshape(0, -1), r"reshape: .* with 0 elements does not fit \(0, -1\)"),
    ],
)
def test_what_does_not_fit_is_refused(device, call, message):
    with pytest.raises(ValueError, match=message):
        call(grid(device, 2, 3))
