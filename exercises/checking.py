"""What all checks have in common: comparing an answer, and naming the mistake that would give it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad import Tensor


class Wrong(Exception):
    """An answer is wrong; the message says in words how."""


class Exercise(NamedTuple):
    """One exercise.

    Attributes:
        number: from 1.
        module: the reader's file, in this package.
        title: what it is about.
        check: called with the reader's module; raises `Wrong`, or lets through what the reader's code raises.
    """

    number: int
    module: str
    title: str
    check: Callable[[Any], None]


class Result(NamedTuple):
    """What came of a check: "done", "blank" or "wrong"; and words, or the function that is still blank."""

    state: str
    words: str = ""


def checked(exercise: Exercise, load: Callable[[], Any]) -> Result:
    """Load a reader's module and check it. Whatever their code raises becomes words, with the line where it happened.

    `exit()` in a reader's file is no way out, either.
    """
    try:
        with np.errstate(all="ignore"):
            exercise.check(load())
    except Wrong as wrong:
        return Result("wrong", str(wrong))
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        # Only the reader's own line is a blank; minigrad raises NotImplementedError for a module without forward, too.
        if isinstance(error, NotImplementedError) and frames[-1].filename.endswith(f"{exercise.module}.py"):
            return Result("blank", frames[-1].name)
        return Result("wrong", f"Your code raised {type(error).__name__}: {error}{_place(error, exercise.module)}")
    return Result("done")


def _place(error: BaseException, module: str) -> str:
    """Return the innermost line of the reader's file that was running, or that Python could not read."""
    if isinstance(error, SyntaxError):
        return f"\n  line {error.lineno} of {module}.py: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(f"{module}.py")]
    return f"\n  line {frames[-1].lineno} of {module}.py: {frames[-1].line}" if frames else ""


RTOL, ATOL = 1e-4, 1e-6  # as far as float32 goes


def random_numbers(seed: int, *shape: int) -> np.ndarray:
    """Return random numbers around 0, the same for the same seed."""
    return np.random.default_rng(seed).standard_normal(shape)


def array_of(got: Any, what: str) -> np.ndarray:
    """Return an answer as an array."""
    if got is None:
        raise Wrong(f"{what} is None: is there a `return`?")
    if isinstance(got, Tensor):
        got = got.numpy()
    try:
        return np.asarray(got, np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} is {type(got).__name__}, expected an array of numbers") from None


def parts_of(got: Any, names: Sequence[str]) -> list[np.ndarray]:
    """Return the parts of an answer that is a tuple."""
    if got is None:
        raise Wrong(f"expected {' and '.join(names)}, got None: is there a `return`?")
    if not isinstance(got, (tuple, list)):
        raise Wrong(f"expected {len(names)} results, {' and '.join(names)}, got {type(got).__name__}")
    if len(got) != len(names):
        raise Wrong(f"expected {len(names)} results, {' and '.join(names)}, got {len(got)}")
    return [array_of(part, name) for part, name in zip(got, names, strict=True)]


def compare(got: Any, right: Any, what: str, mistakes: Mapping[str, Any] | None = None) -> None:
    """Compare an answer with the right one, and with what known mistakes give.

    Args:
        mistakes: in words, and what an answer with this mistake is.

    Raises:
        Wrong: it differs; names the mistake, if it is a known one.
    """
    got, right = array_of(got, what), np.asarray(right, np.float64)
    if same(got, right):
        return
    for words, wrong in (mistakes or {}).items():
        if same(got, np.asarray(wrong, np.float64)):
            raise Wrong(words)
    if got.shape != right.shape:
        raise Wrong(f"{what} has shape {got.shape}, expected {right.shape}")
    first = tuple(int(i) for i in np.argwhere(~np.isclose(got, right, RTOL, ATOL))[0])
    at = f" at {first}" if first else ""
    raise Wrong(f"{what} is wrong{at}: got {got[first]:.6g}, expected {right[first]:.6g}")


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two answers agree, as far as float32 goes; nan agrees with nothing."""
    return a.shape == b.shape and bool(np.allclose(a, b, RTOL, ATOL))
