"""What is kept of weights: used again as long as they are the same, and never longer."""

from __future__ import annotations

import gc

import numpy as np

from minigrad.kernels import cached as cached_module
from minigrad.kernels.cached import cached


class Double:
    """Doubles arrays and counts how often."""

    calls = 0

    def __call__(self, array, more=None):
        self.calls += 1
        return array * 2 if more is None else array * 2 + more


def test_the_same_array_is_computed_once():
    double, array = Double(), np.arange(6.0).reshape(2, 3)
    for _ in range(3):
        np.testing.assert_array_equal(cached(double, array, keep=True), array * 2)
    assert double.calls == 1


def test_a_change_in_place_is_noticed():
    double, array = Double(), np.arange(6.0)
    cached(double, array, keep=True)
    array[3] = -1
    np.testing.assert_array_equal(cached(double, array, keep=True), array * 2)
    array[...] = array[::-1].copy()
    np.testing.assert_array_equal(cached(double, array, keep=True), array * 2)
    assert double.calls == 3


def test_a_change_of_any_argument_is_noticed():
    double, array, more = Double(), np.arange(6.0), np.ones(6)
    for other in (more, more.copy(), None, None, more):
        expected = array * 2 + (0 if other is None else other)
        np.testing.assert_array_equal(cached(double, array, other, keep=True), expected)
    more[0] = 5
    np.testing.assert_array_equal(cached(double, array, more, keep=True), array * 2 + more)
    assert double.calls == 4


def test_an_array_of_another_shape_or_order_is_another_one():
    double, array = Double(), np.arange(6.0)
    cached(double, array, keep=True)
    array.resize((2, 3), refcheck=False)  # the same object, in another shape
    np.testing.assert_array_equal(cached(double, array, keep=True), array * 2)
    assert double.calls == 2


def test_nothing_is_kept_unless_asked_for_nor_of_arrays_that_are_gone():
    double, array = Double(), np.arange(6.0)
    key = id(array)
    cached(double, array, keep=True)
    assert key in cached_module._entries
    cached(double, array, keep=False)
    assert key not in cached_module._entries
    cached(double, array, keep=True)
    del array
    gc.collect()
    assert key not in cached_module._entries
