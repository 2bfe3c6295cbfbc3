"""How much there is to read: the reading path in order, and the size of each room, shelf by shelf.

    python -m benchmarks.size

Source lines are all lines that are not blank: code, docstrings and comments. Code lines are source lines without
docstrings and comments. A test holds the ceilings.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.lines import code_lines

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minigrad"

# An evening, after `examples/first_steps.py`, the loop that it all serves: from a Tensor to the check of its gradients.
PATH = (
    "tensor.py",
    "function.py",
    "ops/elementwise.py",
    "sweep.py",
    "ops/broadcasting.py",
    "operators.py",
    "ops/matmul.py",
    "ops/conv.py",
    "kernels/conv/specification.py",
    "kernels/conv/im2col.py",
    "nn/layers.py",
    "optim/sgd.py",
    "gradcheck/__init__.py",
)

# A file belongs to the first shelf that names it or a folder above it; "" names the rest.
SHELVES = {
    "core": (
        "backend.py",
        "tensor.py",
        "function.py",
        "sweep.py",
        "ownership.py",
        "operators.py",
        "grad_mode.py",
        "hooks.py",
        "rng.py",
        "kernels/conv/__init__.py",
        "kernels/conv/problem.py",
        "kernels/conv/specification.py",
        "kernels/conv/im2col.py",
        *(f"ops/{name}.py" for name in ("__init__", "elementwise", "unary", "activation", "broadcasting", "operands")),
        *(f"ops/{name}.py" for name in ("matmul", "reduce", "shape", "indexing", "select", "casting", "windows")),
        *(f"ops/{name}.py" for name in ("conv", "pool", "norm", "dropout", "loss", "cross_entropy")),
        *(f"nn/{name}.py" for name in ("__init__", "module", "layers", "norms", "activations", "losses")),
        *(f"nn/{name}.py" for name in ("sequential", "init")),
        *(f"optim/{name}.py" for name in ("__init__", "optimizer", "sgd", "adam")),
        *(f"gradcheck/{name}.py" for name in ("__init__", "numbers")),
    ),
    # Who has read the core knows how these work.
    "more of the core": ("ops", "nn/containers.py", "nn/embedding.py", "nn/hooks.py", "optim", "gradcheck"),
    "kernels": ("kernels",),
    "tools": ("",),
}

# Source lines. `more of the core` is bounded with it, so that nothing is moved there to keep the first bound.
CEILINGS = {"path": 2000, "core": 5500, "core and more": 6800}


class Size(NamedTuple):
    """How many files, source lines and code lines there are."""

    files: int
    source: int
    code: int

    def __add__(self, other: Size) -> Size:  # type: ignore[override]
        return Size(*(a + b for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return f"{self.files:4} {self.source:7} {self.code:7}"


NOTHING = Size(0, 0, 0)


def size_of(path: Path) -> Size:
    """Return the size of one file."""
    text = path.read_text(encoding="utf-8")
    return Size(1, sum(1 for line in text.splitlines() if line.strip()), len(code_lines(text)))


def shelf_of(name: str) -> str:
    """Return the shelf of a file, whose path is given from the package on."""
    for shelf, places in SHELVES.items():
        if any(place in ("", name) or name.startswith(f"{place}/") for place in places):
            return shelf
    raise ValueError(f"shelf_of: no shelf has {name}")


def rooms() -> dict[str, dict[str, Size]]:
    """Return the size of each room, a file or a folder of the package, by shelf."""
    found: dict[str, dict[str, Size]] = {shelf: {} for shelf in SHELVES}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        shelf, room = found[shelf_of("/".join(parts))], parts[0] + "/" * (len(parts) > 1)
        shelf[room] = shelf.get(room, NOTHING) + size_of(path)
    return found


def path_sizes() -> list[tuple[str, Size]]:
    """Return the files of the reading path in order, with their sizes."""
    return [(name, size_of(PACKAGE / name)) for name in PATH]


def main() -> None:
    """Print the tables."""
    print("The reading path (source lines in all, source and code lines of the file)")
    read = 0
    for name, size in path_sizes():
        read += size.source
        print(f"{read:7} {size.source:7} {size.code:7}  minigrad/{name}")
    print("\nfiles  source    code  shelf and room")
    for shelf, sizes in rooms().items():
        print(f"{sum(sizes.values(), NOTHING)}  {shelf}")
        for room, size in sizes.items():
            print(f"{size}      {room}")


if __name__ == "__main__":
    main()
