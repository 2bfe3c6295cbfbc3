"""An editable install, as README and the Makefile make it, is found from every folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("minigrad", "models", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def site_packages(python):
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with a clone called minigrad in it, and the Python that it is installed for; no network is needed."""
    parent = tmp_path_factory.mktemp("parent")
    clone = parent / "minigrad"
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (clone / part).parent.mkdir(exist_ok=True)
        copy(ROOT / part, clone / part)
    environment = parent / "environment"
    venv.create(environment, with_pip=False)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = environment / scripts / "python"
    # NumPy and setuptools are borrowed from the environment that runs the tests.
    (site_packages(python) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    install = ["pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--editable"]
    subprocess.run([python, "-m", *install, clone], check=True, cwd=parent)
    return parent, python


def where(installed, folder, *args):
    parent, python = installed
    code = "import minigrad; from minigrad import Tensor; print(minigrad.__file__, (Tensor([1.0]) + 1).item())"
    result = subprocess.run([python, *args, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(parent / "minigrad" / "minigrad" / "__init__.py"), "2.0"]


def test_from_the_folder_that_the_clone_lies_in(installed):
    where(installed, installed[0])


def test_from_the_clone_and_from_elsewhere(installed, tmp_path):
    where(installed, installed[0] / "minigrad")
    where(installed, tmp_path)


def test_type_checkers_are_given_a_path_that_they_can_follow(installed):
    parent, python = installed
    lines = [line for path in site_packages(python).glob("__editable__*.pth") for line in path.read_text().splitlines()]
    assert lines == [str(parent / "minigrad")]
