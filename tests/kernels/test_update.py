"""Updates in blocks: every element once, whatever the layout and the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels import update
from minigrad.kernels.update import in_blocks
from tests import strict_cupy


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(update, "BLOCK_ELEMENTS", 10)


def channels_last(array):
    return array.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)


LAYOUTS = {
    "rows": (np.copy, np.copy),
    "channels last": (channels_last, channels_last),
    "different": (channels_last, np.copy),
    "with gaps": (lambda x: np.repeat(x, 2, axis=3)[..., ::2], np.copy),
    "broadcast": (np.copy, lambda x: np.broadcast_to(x[:, :1], x.shape)),
}


def count_up(p, g):
    p += g


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_element_is_updated_once(threads, rng, layout, count):
    threads(count)
    before, added = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 4, 5))
    make_p, make_g = LAYOUTS[layout]
    p, g = make_p(before), make_g(added)
    expected = before + g
    in_blocks(count_up, p, g)
    np.testing.assert_array_equal(p, expected)


@pytest.mark.parametrize("count", [1, 3])
def test_blocks_are_small_and_match(threads, count):
    threads(count)
    sizes = []

    def record(p, g):
        sizes.append(len(p))
        np.testing.assert_array_equal(p, g)

    x = channels_last(np.arange(120.0).reshape(2, 3, 4, 5))
    in_blocks(record, x, x.copy(order="K"))
    assert sum(sizes) == 120 and max(sizes) <= 10


@pytest.mark.parametrize("shape", [(), (0,), (10,)])
def test_small_arrays_are_updated_as_they_are(shape):
    p, g = np.zeros(shape), np.ones(shape)
    seen = []
    in_blocks(lambda *arrays: seen.append(arrays), p, g)
    assert seen[0][0] is p and seen[0][1] is g and len(seen) == 1


def test_arrays_on_a_gpu_are_updated_as_they_are(monkeypatch):
    strict_cupy.install(monkeypatch)
    p = backend.to_device(np.zeros(100), "cuda")
    seen = []
    in_blocks(seen.append, p)
    assert len(seen) == 1 and seen[0] is p


def test_an_error_in_an_update_is_raised():
    def fail(p):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        in_blocks(fail, np.zeros(100))
