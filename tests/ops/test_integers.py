"""Integers of any kind, also small ones of NumPy, which must not overflow; and nothing else in their place."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, nn, ops
from tests.ops.helpers import grid, leaf

u8 = np.uint8


def test_layers_take_integers_of_every_kind(device):
    conv = nn.Conv2d(u8(4), u8(4), u8(3), u8(1), u8(1), groups=u8(2)).to(device)
    pictures = leaf(np.ones((1, 4, 5, 5)), device)
    assert conv.weight.shape == (4, 2, 3, 3) and conv(pictures).shape == (1, 4, 5, 5)
    assert ops.conv2d(pictures, conv.weight, groups=u8(2), padding=u8(1)).shape == (1, 4, 5, 5)
    assert nn.Linear(u8(200), u8(200)).weight.size == 40_000
    assert nn.LayerNorm(u8(3)).normalized_shape == (3,) and nn.LayerNorm([u8(2), 3]).weight.shape == (2, 3)
    assert nn.GroupNorm(u8(2), u8(4))(pictures.to("cpu")).shape == (1, 4, 5, 5)
    assert nn.Embedding(u8(250), u8(2)).weight.shape == (250, 2)
    assert nn.ZeroPad2d(u8(1))(pictures).shape == (1, 4, 7, 7)
    assert nn.BatchNorm2d(u8(4)).running_mean.shape == (4,)


TAKEN = {
    "an array of axes": (lambda x: x.sum(np.array([1, 2])), (2,)),
    "an array as shape": (lambda x: x.reshape(np.array([2, -1])), (2, 12)),
    "an array as order": (lambda x: x.permute(np.array([2, 0, 1])), (4, 2, 3)),
    "a 0-d Tensor as length": (lambda x: x.reshape(Tensor(2), -1), (2, 12)),
    "small axes": (lambda x: x.mean((u8(0), u8(2))), (3,)),
    "small shape": (lambda x: x.reshape(u8(2), u8(12)), (2, 12)),
    "a small axis": (lambda x: x.argmax(u8(1)), (2, 4)),
    "small counts": (lambda x: x.repeat(u8(100), u8(1), u8(1)), (200, 3, 4)),
    "a small length": (lambda x: x.split(u8(1), u8(1))[2], (2, 1, 4)),
    "small chunks": (lambda x: x.chunk(u8(2), 2)[1], (2, 3, 2)),
    "small shifts": (lambda x: x.roll(u8(1), u8(2)), (2, 3, 4)),
    "a small border": (lambda x: ops.pad(x, [(u8(1), u8(2))] * 3), (5, 6, 7)),
    "small k": (lambda x: x.topk(u8(2)).values, (2, 3, 2)),
    "small start": (lambda x: x.flatten(u8(1)), (2, 12)),
}


@pytest.mark.parametrize(("call", "shape"), TAKEN.values(), ids=TAKEN)
def test_integers_of_every_kind_are_taken(call, shape):
    assert call(grid("cpu", 2, 3, 4)).shape == shape


REFUSED = {
    "sum: axis must be an int or several, got 1.5": lambda x: x.sum(1.5),
    "mean: axis must be an int or several, got True": lambda x: x.mean(True),
    "max: axis must be an int or several": lambda x: x.max((0, 1.0)),
    "argmax: axis must be an int or several": lambda x: x.argmax(1.0),
    "cumsum: axis must be an int or several": lambda x: x.cumsum(0.0),
    "reshape: a shape must be an int or several": lambda x: x.reshape(2.0, -1),
    "permute: an order of axes must be": lambda x: x.permute(0.0, 1, 2),
    "transpose: an axis must be": lambda x: x.transpose(0, 1.0),
    "broadcast_to: a shape must be": lambda x: x.broadcast_to(2, 3, 4.0),
    "squeeze: axis must be": lambda x: x.squeeze("0"),
    "unsqueeze: axis must be": lambda x: x.unsqueeze(0.5),
    "flatten: start must be": lambda x: x.flatten(1.0),
    "concat: axis must be": lambda x: ops.concat([x, x], 1.0),
    "split: sizes must be": lambda x: x.split(1.5),
    "chunk: chunks must be": lambda x: x.chunk(1.5),
    "topk: k must be": lambda x: x.topk(1.0),
    "pad: width must be": lambda x: ops.pad(x, [(0.5, 1)] * 3),
}


@pytest.mark.parametrize(("message", "call"), REFUSED.items(), ids=REFUSED)
def test_what_is_no_integer_is_refused_in_words(message, call):
    with pytest.raises(TypeError, match=message):
        call(grid("cpu", 2, 3, 4))


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("cumsum: expected one axis", lambda x: x.cumsum(np.array([0, 1]))),
        ("softmax: axis True", lambda x: x.softmax(True)),
        ("groups must be a positive int, got True", lambda x: nn.Conv2d(4, 4, 3, groups=True)),
        ("num_features must be a positive int, got True", lambda x: nn.BatchNorm2d(True)),
        ("normalized_shape must be a positive int, got 2.0", lambda x: nn.LayerNorm(2.0)),
    ],
)
def test_booleans_and_several_are_not_one_integer(message, call):
    with pytest.raises(ValueError, match=message):
        call(grid("cpu", 2, 3, 4))
