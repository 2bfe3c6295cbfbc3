"""The command line: list the exercises, or check one."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from exercises.checking import Exercise, Result, checked
from exercises.checks import FIRST
from exercises.checks_of_layers import SECOND
from minigrad.output import tolerant_program

EXERCISES: tuple[Exercise, ...] = (*FIRST, *SECOND)
SIGNS = {"done": "✓ done ", "blank": "  blank", "wrong": "✗ wrong"}


def result_of(exercise: Exercise) -> Result:
    """Check the reader's file."""
    return checked(exercise, lambda: importlib.import_module(f"exercises.{exercise.module}"))


def main(argv: Sequence[str] | None = None) -> int:
    """List, or check one; the exit status of a check is 0 only for a right answer."""
    parser = argparse.ArgumentParser(prog="python -m exercises", description="Twelve exercises that mark themselves.")
    parser.add_argument("number", nargs="?", type=int, help="which to check (default: list all)")
    number = parser.parse_args(argv).number
    if number is not None and not 1 <= number <= len(EXERCISES):
        parser.error(f"expected a number from 1 to {len(EXERCISES)}, got {number}")
    with tolerant_program():
        return list_all() if number is None else check_one(EXERCISES[number - 1])


def list_all() -> int:
    """Print what there is, and what is done."""
    states = [result_of(exercise).state for exercise in EXERCISES]
    for exercise, state in zip(EXERCISES, states, strict=True):
        print(f"{exercise.number:3}  {SIGNS[state]}  {exercise.title}")
    done = states.count("done")
    if done == len(EXERCISES):
        print("\nAll twelve are done.")
        return 0
    todo = next(exercise for exercise, state in zip(EXERCISES, states, strict=True) if state != "done")
    print(
        f"\n{done} of {len(EXERCISES)} done. Next: exercises/{todo.module}.py, then python -m exercises {todo.number}"
    )
    return 0


def check_one(exercise: Exercise) -> int:
    """Print what came of a check; return 0 for a right answer, otherwise 1."""
    state, words = result_of(exercise)
    print(f"{exercise.number}. {exercise.title}")
    if state == "blank":
        print(f"Still blank: {words} in exercises/{exercise.module}.py. Read the lesson above it, and fill it.")
    elif state == "wrong":
        print(words)
    else:
        print(f"Right! The lesson in exercises/{exercise.module}.py says what to read now.")
    return 0 if state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
