"""The examples as a shell runs them: with output that is redirected, closed or narrow, and several at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CIFAR = "examples.cifar10 --data digits --model lenet --limit 20 --epochs 1"
LOCALIZER = "examples.localization --data digits --size 16 --limit 8 --batch-size 4 --epochs 1"
FILES = {"report.json", "history.csv", "history.png", "checkpoint.safetensors", "best.safetensors", "command.txt"}


def start(command: str, **environment: str) -> subprocess.Popen:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(["bash", "-c", f"{sys.executable} -m {command}"], cwd=REPOSITORY, env=environment, **pipes)


def is_whole(run: Path) -> bool:
    return {path.name for path in run.iterdir()} >= FILES


@pytest.mark.parametrize(
    ("command", "redirected", "encoding"),
    [
        (CIFAR, "2>&-", "utf-8"),
        (CIFAR, "| head -1; exit ${PIPESTATUS[0]}", "utf-8"),
        (CIFAR, "", "ascii"),
        (LOCALIZER, ">&- 2>&-", "utf-8"),
        (LOCALIZER, "", "cp1252"),
    ],
)
def test_run_is_finished_whatever_becomes_of_its_output(tmp_path, command, redirected, encoding):
    process = start(f"{command} --out {tmp_path}/実験 {redirected}", PYTHONIOENCODING=encoding)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0 and not error, error
    assert is_whole(tmp_path / "実験")
    assert max(map(len, out.decode(encoding).splitlines()), default=0) <= max(100, len(str(tmp_path)) + 100)
    assert b"\xe5\xae\x9f\xe9\xa8\x93" in (tmp_path / "実験" / "command.txt").read_bytes()  # UTF-8


@pytest.mark.parametrize("module", ["examples.cifar10", "examples.localization", "benchmarks", "minigrad.gradcheck"])
def test_help_is_ascii_and_so_can_be_shown_everywhere(module):
    process = start(f"{module} --help", PYTHONIOENCODING="ascii")
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0 and not error and b"usage:" in out
    assert b"?" not in out.replace(b"is it?", b"")


def test_text_files_name_their_encoding(tmp_path):
    """Python warns of those that do not, where it is asked to (PEP 597); those of other packages are not ours."""
    process = start(
        LOCALIZER + f" --out {tmp_path}", PYTHONWARNDEFAULTENCODING="1", PYTHONWARNINGS="always::EncodingWarning"
    )
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0
    ours = [line for line in error.decode().splitlines() if line.startswith(str(REPOSITORY)) and ".venv" not in line]
    assert not ours


def test_runs_started_together_take_folders_of_their_own(tmp_path):
    runs = [start(CIFAR + f" --out {tmp_path}/same") for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in runs]
    assert sorted(process.returncode for process in runs) == [0, 2]
    assert b"another run is writing there now" in b"".join(errors) and is_whole(tmp_path / "same")


def test_new_runs_started_together_are_numbered(tmp_path):
    command = [sys.executable, "-m", *CIFAR.split()]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    runs = [subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet) for _ in range(3)]
    assert [process.communicate(timeout=120)[1] for process in runs] == [b""] * 3
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {"digits", "digits-2", "digits-3"}
    assert all(is_whole(path) for path in (tmp_path / "runs").iterdir())
