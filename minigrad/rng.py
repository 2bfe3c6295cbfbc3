"""Random numbers: one seed, from which everything follows.

What is drawn once, or only on the CPU, comes from `generator()`, a generator of NumPy's: first weights, the order of
pictures. What is drawn in every step, on whatever device, comes from a hash instead: the number of the draw is its key,
and the n-th element is hash(key, n) (see `kernels/random.py`). There is no state but the count of draws, so every
device draws the same numbers, and a checkpoint holds one integer.
"""

from __future__ import annotations

import operator
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class _Keyed(threading.local):
    """The key of `random_stream`, and how many draws were made with it; for each thread."""

    key: tuple[int, ...] | None = None
    draws = 0


_seed: int | None = None
_draws = 0
_generator: np.random.Generator | None = None
_keyed = _Keyed()


def manual_seed(seed: int) -> None:
    """Seed all random numbers: the same seed repeats a run bit for bit, on the same device, kind of processor, versions
    of NumPy and its BLAS, and number of threads (`mg.set_num_threads`).

    Raises:
        TypeError: `seed` is not an integer.
        ValueError: `seed` is negative.
    """
    global _seed, _draws, _generator
    seed = operator.index(seed)
    if seed < 0:
        raise ValueError(f"manual_seed: expected a seed >= 0, got {seed}")
    _seed, _draws, _generator = seed, 0, None


def _current_seed() -> int:
    """Return the seed; before `manual_seed` was called, one from the operating system."""
    global _seed
    if _seed is None:
        _seed = secrets.randbits(64)
    return _seed


def generator() -> np.random.Generator:
    """Return the seeded generator of the CPU."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng(_current_seed())
    return _generator


def next_key() -> int:
    """Return the key of the next draw, 64 bits: a hash of the seed and of the number of the draw, or within
    `random_stream` of that stream's key too.
    """
    global _draws
    if _keyed.key is None:
        spawn_key, _draws = (0, _draws), _draws + 1
    else:
        spawn_key, _keyed.draws = (1, *_keyed.key, _keyed.draws), _keyed.draws + 1
    return int(np.random.SeedSequence(_current_seed(), spawn_key=spawn_key).generate_state(1, np.uint64)[0])


@contextmanager
def random_stream(*key: int) -> Iterator[None]:
    """Let dropout draw from a stream of its own, in this thread: within the context its masks follow from the seed and
    `key`, whatever was drawn before, and leave no trace after it.

        with mg.random_stream(epoch, step, shard):
            loss = model(x)

    Args:
        key: whole numbers from 0.

    Raises:
        ValueError: one of them is negative.
    """
    numbers = tuple(operator.index(part) for part in key)
    if any(part < 0 for part in numbers):
        raise ValueError(f"random_stream: expected whole numbers from 0, got {key}")
    before = _keyed.key, _keyed.draws
    _keyed.key, _keyed.draws = numbers, 0
    try:
        yield
    finally:
        _keyed.key, _keyed.draws = before


def position() -> tuple:
    """Return where all streams stand, in this thread; `go_to(position)` brings them back, and what was drawn since is
    drawn again.
    """
    return rng_state(), _keyed.key, _keyed.draws


def go_to(place: tuple) -> None:
    """Bring all streams back to where `position` found them; the generator stays the same object."""
    global _seed, _draws
    state, _keyed.key, _keyed.draws = place
    _seed, _draws, generator().bit_generator.state = state["seed"], state["draws"], state["cpu"]


def rng_state() -> dict:
    """Return the seed, the count of draws and the generator's state: numbers and strings only, for a checkpoint."""
    return {"seed": _current_seed(), "draws": _draws, "cpu": generator().bit_generator.state}


def set_rng_state(state: dict) -> None:
    """Restore what `rng_state` returned. Of a state without `draws`, as it was saved before there was such a count, the
    masks of dropout are not repeated.

    Raises:
        ValueError: `state` is something else; nothing was changed then.
    """
    global _seed, _draws, _generator
    try:
        seed = None if state["seed"] is None else operator.index(state["seed"])
        draws = operator.index(state.get("draws", 0))
        restored = np.random.default_rng(seed)
        restored.bit_generator.state = state["cpu"]
        if draws < 0:
            raise ValueError(f"a count of {draws} draws")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"set_rng_state: not what rng_state returns ({error!r})") from error
    _seed, _draws, _generator = seed, draws, restored
