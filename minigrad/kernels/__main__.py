"""The command line: which algorithm computes each convolution of a model, and why.

python -m minigrad.kernels models:CifarCNN --input 128,3,32,32
python -m minigrad.kernels models:resnet18 --input 1,3,224,224 --eval
"""

from __future__ import annotations

import argparse
import importlib
import re
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.kernels.explain import explain
from minigrad.output import tolerant_program


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and print the table; return the exit status."""
    with tolerant_program():
        parser = argparse.ArgumentParser(
            prog="python -m minigrad.kernels",
            description="Show which algorithm computes each convolution of a model, forwards and back, why that one, "
            "and what it costs.",
        )
        parser.add_argument("model", metavar="MODULE:NAME", help="what makes the model when called, as models:CifarCNN")
        parser.add_argument("--input", metavar="N,C,H,W", required=True, help="the shape of a batch: 128,3,32,32")
        parser.add_argument("--eval", action="store_true", help="evaluation, only forwards; default: training")
        options = parser.parse_args(arguments)
        try:
            print(of_model(_made(options.model), _pictures(options.input), options.eval))
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            parser.error(str(error))
    return 0


def of_model(model: Any, x: mg.Tensor, evaluate: bool = False) -> Any:
    """Return the table of a pass of x through a model, in evaluation or in training, with the way back."""

    def run() -> None:
        with mg.no_grad() if evaluate else mg.enable_grad():
            y = model(x)
        if not evaluate:
            y.sum().backward()

    model.train(not evaluate)
    return explain(run, {name: p.data for name, p in model.named_parameters()})


def _pictures(shape: str) -> mg.Tensor:
    """Return a batch of noise; what is computed how does not depend on the numbers."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", shape):
        raise ValueError(f"--input: expected whole numbers such as 128,3,32,32, got {shape!r}")
    return mg.Tensor(np.random.default_rng(0).standard_normal([int(n) for n in shape.split(",")], np.float32))


def _made(name: str) -> Any:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"expected MODULE:NAME, such as models:CifarCNN, got {name!r}")
    model = getattr(importlib.import_module(module), attribute)()
    if not isinstance(model, mg.nn.Module):
        raise TypeError(f"{name}() is a {type(model).__name__}, not a Module")
    return model


if __name__ == "__main__":
    raise SystemExit(main())
