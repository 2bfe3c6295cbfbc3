"""The recipes of CONTRIBUTING.md are complete: applied to a copy of the repository, their commands succeed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("minigrad", "models", "datasets", "examples", "benchmarks", "tests")
_, *SECTIONS = re.split(r"^## (?=An? )", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
RECIPES = {section.partition("\n")[0]: section for section in SECTIONS}


def apply(block, root):
    """Put a block of Python where its first line says."""
    title, _, code = block.partition("\n")
    name, place = re.fullmatch(r"# (\S+), (.*)", title).groups()
    path = root / name
    if place == "a new file":
        assert not path.exists()
        path.write_text(code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if place == "at the end":
        text = f"{text.rstrip()}\n\n\n{code}"
    elif place == "in its imports":
        first = re.search(r"^(from|import) (?!__future__)", text, re.MULTILINE).start()
        text = text[:first] + code + text[first:]
    else:
        variable = re.fullmatch(r"in (\w+)", place)[1]
        opening = re.search(rf"^{variable}(: [^=]*)? = [\[{{]\n", text, re.MULTILINE)
        assert opening, f"{name} has no {variable}"
        text = text[: opening.end()] + code + text[opening.end() :]
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_works(recipe, tmp_path):
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```$", RECIPES[recipe], re.DOTALL | re.MULTILINE)
    commands = "".join(block for language, block in blocks if language == "sh").strip().splitlines()
    for language, block in blocks:
        if language == "python":
            apply(block, tmp_path)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    assert commands
    for command in commands:
        result = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
        assert "pytest" not in command or " passed" in result.stdout


def test_there_is_a_recipe_for_each_kind():
    assert list(RECIPES) == ["An operation", "A layer", "An optimizer", "A kernel", "A data set"]
