"""Initial values: the bounds and spreads that the formulas promise, from the seeded generator."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import init


def test_fans_count_units_and_kernel_positions():
    assert init.fans((7, 5)) == (5, 7)
    assert init.fans((8, 4, 3, 2)) == (24, 48)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_vectors_have_no_fan(shape):
    with pytest.raises(ValueError, match="has no fan"):
        init.fans(shape)


UNIFORM = {
    "uniform": (lambda shape: init.uniform(shape, 0.3), 0.3),
    "kaiming_uniform": (init.kaiming_uniform, 1 / math.sqrt(50 * 6)),
    "kaiming_uniform for a ReLU": (lambda shape: init.kaiming_uniform(shape, a=0), math.sqrt(6 / (50 * 6))),
    "xavier_uniform": (init.xavier_uniform, math.sqrt(6 / (50 * 6 + 100 * 6))),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_values_fill_their_bounds(name):
    make, bound = UNIFORM[name]
    values = make((100, 50, 2, 3))
    assert values.dtype == np.float32 and values.shape == (100, 50, 2, 3)
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    assert values.max() > 0.999 * bound and values.min() < -0.999 * bound
    assert abs(values.mean()) < 0.01 * bound
    assert values.var() == pytest.approx(bound**2 / 3, rel=0.02)


@pytest.mark.parametrize("mode, fan", [("fan_in", 50 * 6), ("fan_out", 100 * 6)])
def test_kaiming_normal_values_have_their_deviation(mode, fan):
    values = init.kaiming_normal((100, 50, 2, 3), mode)
    assert values.dtype == np.float32
    assert values.std() == pytest.approx(math.sqrt(2 / fan), rel=0.02)
    assert abs(values.mean()) < 0.02 * values.std()
    assert np.mean(np.abs(values) < values.std()) == pytest.approx(0.6827, abs=0.01)  # normal, not uniform


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal((2, 2), "fan")


def test_values_repeat_with_the_seed():
    mg.manual_seed(1)
    first = nn.Linear(3, 3).state_dict(), nn.Linear(3, 3).state_dict()
    mg.manual_seed(1)
    second = nn.Linear(3, 3).state_dict(), nn.Linear(3, 3).state_dict()
    np.testing.assert_equal(second, first)
    assert (first[0]["weight"] != first[1]["weight"]).all()


@pytest.mark.parametrize(
    "make, fan_in",
    [
        (lambda m: m.Linear(200, 300), 200),
        (lambda m: m.Conv2d(30, 100, 3), 270),
        (lambda m: m.Conv2d(64, 512, (1, 3), groups=4), 48),
    ],
)
def test_layers_start_as_pytorchs(make, fan_in):
    torch = pytest.importorskip("torch")
    ours, theirs = make(nn).state_dict(), make(torch.nn).state_dict()
    bound = 1 / math.sqrt(fan_in)
    for name, value in ours.items():
        few = 0.1 if name == "bias" else 0.02
        for values in (value, theirs[name].numpy()):
            assert np.abs(values).max() <= bound * (1 + 1e-6)
            assert np.abs(values).max() > (1 - few) * bound
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=2 * few)


def test_batch_norm_starts_as_the_identity():
    state = nn.BatchNorm2d(2).state_dict()
    expected = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
    assert {name: set(np.ravel(value).tolist()) for name, value in state.items()} == {
        n: {v} for n, v in expected.items()
    }
    assert state["num_batches_tracked"].dtype == np.int64
