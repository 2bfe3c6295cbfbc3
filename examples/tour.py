"""Backpropagation to be stepped through: five pages, from x·x + 3x to LeNet on a handwritten digit. No download.

    python -m examples.tour

Open the index in a browser. To see a graph of your own, take one of these functions and change what is in it.
"""

from __future__ import annotations

import argparse
import html
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import minigrad as mg
from datasets import Digits
from examples import common
from minigrad import Tensor, nn, ops
from minigrad.guided import Tour
from minigrad.io.files import atomic_path


def polynomial(path: Path) -> Tour:
    """x·x + 3x: one number, used three times"""
    x = Tensor(2.0, requires_grad=True)
    return mg.tour(lambda: x * x + 3 * x, path, backwards=2, create_graph=True)


def perceptron(path: Path) -> Tour:
    """A perceptron of two layers on two moons"""
    from sklearn.datasets import make_moons  # takes a second to load, as Digits does

    points, moons = make_moons(n_samples=16, noise=0.1, random_state=0)
    x, y = Tensor(np.asarray(points, np.float32)), Tensor(moons)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    criterion = nn.CrossEntropyLoss()
    return mg.tour(lambda: criterion(model(x), y), path)


def softmax(path: Path) -> Tour:
    """Softmax and cross-entropy of three classes, step by step"""
    scores = Tensor([2.0, 1.0, -1.0], requires_grad=True)
    target = Tensor([0.0, 1.0, 0.0])
    return mg.tour(lambda: -(target * ops.softmax(scores).log()).sum(), path)


def convolution(path: Path) -> Tour:
    """One 3×3 convolution on a 6×6 picture: the weights shall become those that find an edge"""
    picture = np.zeros((1, 1, 6, 6), np.float32)
    picture[..., 2:5, 1:4] = 1
    sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)[None, None]
    x, edges = Tensor(picture), ops.conv2d(Tensor(picture), Tensor(sobel))
    weight = Tensor(np.random.default_rng(0).normal(size=sobel.shape).astype(np.float32), requires_grad=True)
    bias = Tensor([0.0], requires_grad=True)
    return mg.tour(lambda: ((ops.conv2d(x, weight, bias) - edges) ** 2).mean(), path)


def lenet(path: Path) -> Tour:
    """LeNet on a handwritten digit"""
    picture, label = Digits(train=True)[0]
    x, y = Tensor(picture[None, :1].astype(np.float32) / 255), Tensor([label])
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),  # 1×32×32 → 6×14×14
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),  # → 16×5×5
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    return mg.tour(lambda: criterion(model(x), y), path)


TOURS: Sequence[Callable[[Path], Tour]] = (polynomial, perceptron, softmax, convolution, lenet)


def run(argv: Sequence[str] | None = None) -> None:
    """Write the pages and their index, and print where they are."""
    parser = argparse.ArgumentParser(prog="python -m examples.tour", description="Five tours of backpropagation.")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/tour"), help="folder for the pages (default: %(default)s)"
    )
    out = parser.parse_args(argv).out
    lines = []
    for make in TOURS:
        mg.manual_seed(0)
        name, title = f"{make.__name__}.html", str(make.__doc__)
        found = make(out / name)
        size = (out / name).stat().st_size / 1e6
        print(f"{out / name}: {title}; {len(found.data['steps'])} steps, {size:.2f} MB")
        lines.append(f'<li><a href="{name}">{html.escape(title)}</a></li>')
    with atomic_path(out / "index.html") as temporary:
        temporary.write_text(INDEX.format(lines="\n".join(lines)), encoding="utf-8")
    print(f"Open {out / 'index.html'} in a browser.")


INDEX = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>minigrad: tours</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}
</style>
<h1>Tours of backpropagation</h1>
<p>Each page is a graph that ran once, forwards and backwards. Step through it with the arrow keys.</p>
<ol>
{lines}
</ol>
</html>
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return common.guarded(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
