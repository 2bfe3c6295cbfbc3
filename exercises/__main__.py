"""The command line: list the exercises, or check one."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from exercises.checking import Exercise, Result, checked
from exercises.checks import FIRST
from exercises.checks_of_layers import SECOND

EXERCISES: tuple[Exercise, ...] = (*FIRST, *SECOND)
SIGNS = {"done": "✓ done ", "blank": "  blank", "wrong": "✗ wrong"}


def result_of(exercise: Exercise) -> Result:
    """Check the reader's file; one that cannot even be read is wrong, in words."""
    try:
        module = importlib.import_module(f"exercises.{exercise.module}")
    except Exception as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return Result("wrong", f"{exercise.module}.py cannot be read: {type(error).__name__}: {error}{line}")
    return checked(exercise, module)


def main(argv: Sequence[str] | None = None) -> int:
    """List, or check one; the exit status of a check is 0 only for a right answer."""
    parser = argparse.ArgumentParser(prog="python -m exercises", description="Twelve exercises that mark themselves.")
    parser.add_argument("number", nargs="?", type=int, help="which to check (default: list all)")
    options = parser.parse_args(argv)
    if options.number is None:
        for exercise in EXERCISES:
            print(f"{exercise.number:3}  {SIGNS[result_of(exercise).state]}  {exercise.title}")
        print("\nFill the blank in exercises/eNN_….py, then: python -m exercises NN")
        return 0
    if not 1 <= options.number <= len(EXERCISES):
        parser.error(f"expected a number from 1 to {len(EXERCISES)}, got {options.number}")
    exercise = EXERCISES[options.number - 1]
    result = result_of(exercise)
    print(f"{exercise.number}. {exercise.title}")
    words = {
        "done": "Right!" + (" All twelve are checked by `python -m exercises`." if exercise.number == 12 else ""),
        "blank": f"Still blank: open exercises/{exercise.module}.py, read, and fill it.",
        "wrong": result.words,
    }
    print(words[result.state])
    return 0 if result.state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
