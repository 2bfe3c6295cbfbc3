"""Random numbers: one seed, streams with a key, and their state in a checkpoint."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops, rng

pytestmark = pytest.mark.quick


def draw(n=8):
    return rng.generator().random(n)


def masked(device="cpu", n=64):
    return ops.dropout(Tensor(np.ones(n, np.float32), device=device)).numpy()


# ---- the seed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [draw, masked])
def test_the_same_seed_repeats_the_same_numbers(draw):
    mg.manual_seed(3)
    first, more = draw(), draw()
    mg.manual_seed(3)
    np.testing.assert_array_equal(draw(), first)
    np.testing.assert_array_equal(draw(), more)
    assert (first != more).any()
    mg.manual_seed(4)
    assert (draw() != first).any()


def test_every_device_drops_the_same(device):
    mg.manual_seed(3)
    expected = [masked(), masked()]
    mg.manual_seed(3)
    np.testing.assert_array_equal([masked(device), masked(device)], expected)


def test_a_models_first_weights_and_dropout_are_the_same_on_every_device(device):
    def run(device):
        mg.manual_seed(7)
        layer = nn.Linear(4, 4).to(device)
        return ops.dropout(layer(Tensor(np.ones((5, 4), np.float32), device=device)), 0.5).numpy()

    np.testing.assert_allclose(run(device), run("cpu"), rtol=1e-6)


def test_models_start_with_the_same_weights_on_every_device(device):
    mg.manual_seed(7)
    expected = nn.Conv2d(2, 3, 3).state_dict()
    mg.manual_seed(7)
    for name, value in nn.Conv2d(2, 3, 3).to(device).state_dict().items():
        np.testing.assert_array_equal(value, expected[name])


def test_without_a_seed_each_run_differs_and_can_still_be_saved(monkeypatch):
    seen = []
    for _ in range(2):
        monkeypatch.setattr(rng, "_seed", None)
        monkeypatch.setattr(rng, "_generator", None)
        state = rng.rng_state()
        expected = draw(), masked()
        rng.set_rng_state(state)
        np.testing.assert_array_equal(draw(), expected[0])
        np.testing.assert_array_equal(masked(), expected[1])
        seen.append(expected)
    assert (seen[0][0] != seen[1][0]).any() and (seen[0][1] != seen[1][1]).any()


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_seeds_that_are_no_natural_numbers_are_refused(seed):
    mg.manual_seed(5)
    expected = draw()
    with pytest.raises((TypeError, ValueError)):
        mg.manual_seed(seed)
    mg.manual_seed(np.int64(5))
    np.testing.assert_array_equal(draw(), expected)


# ---- streams with a key ----------------------------------------------------------------------------------------------


def test_a_stream_follows_from_its_key_alone():
    with mg.random_stream(2, 7):
        first, second = masked(), masked()
    masked()
    with mg.random_stream(2, 7):
        np.testing.assert_array_equal([masked(), masked()], [first, second])
    others = []
    for key in ((2,), (7, 2), (2, 7, 0), (), (2, 8)):
        with mg.random_stream(*key):
            others.append(masked())
    for other in (*others, second):
        assert (other != first).any()


def test_a_stream_leaves_no_trace():
    mg.manual_seed(1)
    expected = [masked(), masked()]
    mg.manual_seed(1)
    found = [masked()]
    with mg.random_stream(5):
        outer = masked(), masked()
    with mg.random_stream(5):
        again = [masked()]
        with mg.random_stream(6):
            masked()
        again.append(masked())
    found.append(masked())
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again, outer)


def test_the_seed_counts_in_a_stream_too():
    seen = []
    for seed in (1, 2):
        mg.manual_seed(seed)
        with mg.random_stream(5):
            seen.append(masked())
    assert (seen[0] != seen[1]).any()


def test_a_stream_is_that_of_one_thread():
    mg.manual_seed(1)
    expected = masked()
    mg.manual_seed(1)
    found = []
    with mg.random_stream(5):
        thread = threading.Thread(target=lambda: found.append(masked()))
        thread.start()
        thread.join()
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize(("key", "error"), [((-1,), ValueError), ((1.5,), TypeError), (("a",), TypeError)])
def test_a_key_is_made_of_whole_numbers(key, error):
    with pytest.raises(error), mg.random_stream(*key):
        pass


# ---- the state -------------------------------------------------------------------------------------------------------


def test_the_state_survives_json_and_brings_everything_back(device):
    mg.manual_seed(11)
    draw(5), masked(device)
    rng.generator().standard_normal(3, dtype=np.float32)  # leaves half a random word behind
    state = json.loads(json.dumps(rng.rng_state()))
    expected = draw(), masked(device)
    mg.manual_seed(12)
    rng.set_rng_state(state)
    np.testing.assert_array_equal(draw(), expected[0])
    np.testing.assert_array_equal(masked(device), expected[1])


def test_a_state_from_before_there_was_a_count_is_taken():
    mg.manual_seed(11)
    draw()
    state = rng.rng_state()
    del state["draws"]
    expected = draw()
    rng.set_rng_state(state)
    np.testing.assert_array_equal(draw(), expected)


@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"seed": 1},
        {"seed": 1, "cpu": {}},
        {"seed": "x", "cpu": None},
        {"seed": -1, "cpu": None},
        {"seed": 1.5},
        {"seed": 1, "cpu": None, "draws": -1},
        {"seed": 1, "cpu": None, "draws": "x"},
        {"seed": 1, "cpu": None, "draws": None},
        {"seed": 1, "cpu": None, "draws": 1.5},
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(damage):
    mg.manual_seed(5)
    expected = draw(), masked()
    mg.manual_seed(5)
    if damage.get("cpu", {}) is None:
        damage = {**damage, "cpu": rng.rng_state()["cpu"]}
    with pytest.raises(ValueError, match="set_rng_state"):
        rng.set_rng_state(damage)
    np.testing.assert_array_equal(draw(), expected[0])
    np.testing.assert_array_equal(masked(), expected[1])


def test_the_streams_can_go_back_to_where_they_stood():
    def drawn():
        keyed = []
        with mg.random_stream(3):
            keyed = [rng.next_key(), rng.next_key()]
        return rng.next_key(), keyed, rng.generator().random()

    held, place = rng.generator(), rng.position()
    first = drawn()
    rng.go_to(place)
    assert drawn() == first
    with mg.random_stream(5):
        place = rng.position()
        first = rng.next_key()
        rng.go_to(place)
        assert rng.next_key() == first
    assert rng.generator() is held
