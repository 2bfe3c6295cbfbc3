"""What each algorithm of convolution gains, on each layer of LeNet, CifarCNN and ResNet18 in training.

    python -m benchmarks.algorithms [--model NAME …] [--rounds N]

Every layer and direction is computed by every algorithm that can, in turn, on the numbers that it has in a training
step; shown are medians, in milliseconds. The one that the table of `minigrad.kernels.conv` takes has a star; beside it
stands how many times as fast as the reference, im2col, it is. Layers of the same shape are shown once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

import models
from minigrad import Tensor
from minigrad.kernels.__main__ import of_model
from minigrad.kernels.conv import ALGORITHMS, Call, choice, conditions, recorded
from minigrad.kernels.conv.epilogue import NOTHING
from minigrad.kernels.explain import described
from minigrad.output import tolerant_program
from minigrad.table import Table

MODELS = {
    "lenet": (models.LeNet, (64, 3, 32, 32)),
    "cifar-cnn": (models.CifarCNN, (128, 3, 32, 32)),
    "resnet18": (models.resnet18, (8, 3, 224, 224)),
}
LEAST_SECONDS = 0.01  # that one timing takes


def calls_of(name: str) -> Iterator[Call]:
    """Yield the convolutions of a training step, each kind once."""
    make, shape = MODELS[name]
    pictures = Tensor(np.random.default_rng(0).standard_normal(shape, np.float32))
    with recorded() as calls:
        of_model(make(), pictures)
    seen = set()
    for call in calls:
        kind = call.problem, call.direction
        if kind not in seen:
            seen.add(kind)
            yield call


def seconds_of(call: Call, rounds: int) -> dict[str, float]:
    """Return the median time of each algorithm that can compute a call, taken in turn."""
    epilogue = (NOTHING,) if call.direction == "forward" else ()
    suits = conditions(call.problem, call.direction)
    times: dict[str, list[float]] = {name: [] for name in suits if suits[name].possible}
    for _ in range(rounds + 1):
        for name, found in times.items():
            compute, count, start = getattr(ALGORITHMS[name], call.direction), 0, time.perf_counter()
            while (passed := time.perf_counter() - start) < LEAST_SECONDS or not count:
                compute(call.problem, call.a, call.b, *epilogue)
                count += 1
            found.append(passed / count)
    return {name: statistics.median(found[1:]) for name, found in times.items()}  # the first round warms up


def table(names: list[str], rounds: int) -> Table:
    """Return the table of these models."""
    lines = [("model", "convolution", "direction", *ALGORITHMS, "gain")]
    total = {"taken": 0.0, "im2col": 0.0}
    for model in names:
        for call in tqdm(list(calls_of(model)), desc=model, leave=False, disable=None):
            seconds, taken = seconds_of(call, rounds), choice(call.problem, call.direction)[0]
            cells = [
                f"{seconds[name] * 1e3:.3f}{'*' if name == taken else ' '}" if name in seconds else ""
                for name in ALGORITHMS
            ]
            gain = seconds["im2col"] / seconds[taken]
            total = {"taken": total["taken"] + seconds[taken], "im2col": total["im2col"] + seconds["im2col"]}
            lines.append((model, described(call.problem), call.direction, *cells, f"{gain:.2f}x"))
    blank = ("",) * (len(ALGORITHMS) - 1)
    gain = total["im2col"] / total["taken"]
    lines.append(("all", "", "", *blank, f"{total['im2col'] * 1e3:.3f} ", f"{gain:.2f}x"))
    return Table(lines, words=3)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; return the exit status."""
    with tolerant_program():
        parser = argparse.ArgumentParser(
            prog="python -m benchmarks.algorithms", description=(__doc__ or "").partition("\n")[0]
        )
        parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
        parser.add_argument("--rounds", type=int, default=7, help="timings of each (default: 7)")
        options = parser.parse_args(arguments)
        if options.rounds < 1:
            parser.error(f"--rounds: expected a positive number, got {options.rounds}")
        print(table(options.model, options.rounds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
