"""What `import minigrad` brings along, and what it does not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg

ROOT = Path(__file__).parent.parent
HEAVY = "matplotlib sklearn cupy torch tqdm pooch safetensors PIL scipy hypothesis pytest"


def run(code, **env):
    import os

    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def test_importing_minigrad_imports_nothing_heavy():
    result = run(f"import sys, minigrad; print([m for m in '{HEAVY}'.split() if m in sys.modules])")
    assert result.stdout == "[]\n", result.stderr + result.stdout


def test_the_tour_is_imported_when_it_is_first_used_and_stays_a_function():
    code = (
        "import sys, minigrad as mg; print('minigrad.guided' in sys.modules);"
        "x = mg.Tensor(1.0, requires_grad=True); mg.tour(lambda: x * x);"
        "import minigrad.guided; print(callable(mg.tour))"
    )
    assert run(code).stdout == "False\nTrue\n"


def test_using_the_cpu_never_imports_cupy():
    code = (
        "import sys, minigrad as mg; x = mg.Tensor([1.0], requires_grad=True); (x.relu() * 2).sum().backward();"
        "mg.nn.Linear(1, 1).to('cpu')(x[None]); mg.array_module(x); print('cupy' in sys.modules)"
    )
    result = run(code)
    assert result.stdout == "False\n", result.stderr


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " "])
def test_a_wrong_number_of_threads_in_the_environment_is_refused_when_it_is_asked_for(value):
    assert run("import minigrad", MINIGRAD_NUM_THREADS=value).returncode == 0
    result = run("import minigrad as mg; mg.get_num_threads()", MINIGRAD_NUM_THREADS=value)
    assert result.returncode != 0
    assert f"ValueError: MINIGRAD_NUM_THREADS: expected a number from 1 to 1024, got {value!r}" in result.stderr


def test_the_environment_sets_the_number_of_threads():
    assert run("import minigrad; print(minigrad.get_num_threads())", MINIGRAD_NUM_THREADS="3").stdout == "3\n"


PROMISED = (
    "Tensor", "Parameter", "Function", "no_grad", "enable_grad", "grad", "gradcheck", "gradgradcheck", "GradcheckError",
    "manual_seed", "random_stream", "cuda_is_available", "array_module", "save", "load", "nn", "ops", "optim",
    "tour",
)  # fmt: skip


@pytest.mark.parametrize("name", PROMISED)
def test_everything_promised_is_there_and_documented(name):
    assert name in mg.__all__
    assert getattr(mg, name).__doc__


# What each module may import, from the layout; modules of one line may import each other.
LAYERS = [
    [
        "output",
        "backend",
        "rng",
        "grad_mode",
        "quoting",
        "table",
        "training_state",
    ],
    ["kernels"],
    ["tensor"],
    ["hooks"],
    ["function"],
    ["ops"],
    ["ownership"],
    ["sweep"],
    ["operators", "watching"],
    ["nn", "optim", "data", "gradcheck", "io"],
    ["files", "serialize", "torch_file"],  # former names
    ["progress", "callbacks", "history"],
    ["train", "plots", "guided"],
]


def running(node):
    """The nodes below `node` but those that only type checkers read."""
    yield node
    if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from running(child)


def imports_of(path):
    for node in running(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "minigrad":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


@pytest.mark.parametrize("path", sorted((ROOT / "minigrad").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    own = path.relative_to(ROOT / "minigrad").parts[0].removesuffix(".py")
    if own == "__init__":
        pytest.skip("the package itself may import all")
    level = {name: i for i, names in enumerate(LAYERS) for name in names}
    assert own in level, f"{own} has no place in the layout"
    for name in imports_of(path):
        assert level[name] <= level[own], f"{own} imports {name}"


@pytest.mark.parametrize("package", [mg.ops, mg.nn])
def test_dir_lists_what_there_is_to_use_and_nothing_else(package):
    assert dir(package) == sorted(package.__all__) and {"reduce", "layers"}.isdisjoint(dir(package))


def test_former_names_of_modules_still_work():
    from minigrad import files, serialize, torch_file
    from minigrad.io import checkpoints
    from minigrad.io import files as new_files
    from minigrad.io import torch_file as new_torch_file

    assert (serialize.save, serialize.CheckpointError) == (checkpoints.save, checkpoints.CheckpointError)
    assert files.atomic_path is new_files.atomic_path
    assert torch_file.load_torch is new_torch_file.load_torch is mg.load_torch
