"""The folder of a run is chosen, claimed and checked before any work."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples import run_folder
from examples.errors import UsageError
from examples.run_folder import FolderTakenError, claimed, open_run
from minigrad.io.checkpoints import CheckpointError
from minigrad.io.files import temporary_path


@pytest.fixture(autouse=True)
def _checkpoints_need_not_be_real(monkeypatch):
    def read(path):
        path.read_bytes()
        return {"read": path}

    monkeypatch.setattr(run_folder, "read_checkpoint", read)


def hold_a_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "checkpoint.safetensors").touch()
    return folder


def arguments_of(**given) -> argparse.Namespace:
    return argparse.Namespace(**{"checkpoint": None, "out": None, "resume": False} | given)


def opened(default=Path("unused"), **given) -> tuple[Path, dict | None]:
    with open_run(arguments_of(**given), default) as found:
        return found


@contextmanager
def another_process_in(folder: Path):
    """Another run holds the folder until the block ends."""
    code = "import sys; from pathlib import Path; from examples.run_folder import claimed\n"
    code += "with claimed(Path(sys.argv[1])): print('claimed', flush=True); sys.stdin.read()"
    root = Path(__file__).parents[2]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, folder], cwd=root, **pipes) as process:
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


# ---- which folder ----------------------------------------------------------------------------------------------------


def test_new_runs_take_new_default_folders(tmp_path):
    default = tmp_path / "runs" / "digits"
    found = []
    for _ in range(3):
        with open_run(arguments_of(), default) as (folder, saved):
            found.append((folder.name, saved))
            (folder / "checkpoint.safetensors").touch()
    assert found == [("digits", None), ("digits-2", None), ("digits-3", None)]


def test_chosen_folder_that_holds_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="already holds a run; --resume goes on with it"):
        opened(out=hold_a_run(tmp_path / "a"))


def test_resuming_needs_a_run_and_takes_the_newest_of_the_numbered_ones(tmp_path):
    default = tmp_path / "digits"
    with pytest.raises(UsageError, match=r"there is no checkpoint.safetensors in .*; give the run's folder as --out"):
        opened(default, resume=True)
    for name in ("digits", "digits-2"):
        run = hold_a_run(tmp_path / name)
        assert opened(default, resume=True) == (run, {"read": run / "checkpoint.safetensors"})
    other = hold_a_run(tmp_path / "a")
    assert opened(default, resume=True, out=other)[0] == other


def test_checkpoint_that_is_looked_at_gets_a_folder_beside_it(tmp_path):
    path = hold_a_run(tmp_path / "run") / "checkpoint.safetensors"
    assert opened(checkpoint=path) == (tmp_path / "run" / "evaluation", {"read": path})
    assert opened(checkpoint=path, out=tmp_path / "out")[0] == tmp_path / "out"


def test_checkpoint_that_is_missing_is_told_in_words(tmp_path):
    with pytest.raises(CheckpointError, match=r"^--checkpoint: No such file or directory: '.*none'$"):
        opened(checkpoint=tmp_path / "none")


# ---- whose folder ----------------------------------------------------------------------------------------------------


def test_two_runs_never_write_into_one_folder(tmp_path):
    out = tmp_path / "a" / "run"
    with another_process_in(out):
        checkpoint = out / "checkpoint.safetensors"
        checkpoint.touch()
        for arguments in ({"out": out}, {"out": out, "resume": True}, {"out": out, "checkpoint": checkpoint}):
            with pytest.raises(FolderTakenError, match=rf"--out {out}: another run is writing there now"):
                opened(**arguments)
        with open_run(arguments_of(), out) as (folder, _):
            assert folder == tmp_path / "a" / "run-2"


def test_two_evaluations_at_once_take_two_folders(tmp_path):
    path = tmp_path / "checkpoint"
    path.touch()
    with another_process_in(tmp_path / "evaluation"):
        assert opened(checkpoint=path)[0] == tmp_path / "evaluation-2"
    assert opened(checkpoint=path)[0] == tmp_path / "evaluation"


def test_evaluation_never_overwrites_an_earlier_one(tmp_path):
    path = tmp_path / "checkpoint"
    path.touch()
    for name in ("evaluation", "evaluation-2", "evaluation-3"):
        with open_run(arguments_of(checkpoint=path), Path("unused")) as (folder, _):
            assert folder == tmp_path / name
            (folder / "report.json").touch()


def test_claim_ends_with_the_process_however_it_ends(tmp_path):
    with another_process_in(tmp_path) as process:
        process.kill()
        process.wait()
        with claimed(tmp_path):
            pass


def test_folder_that_stays_empty_is_removed_with_its_parents(tmp_path):
    with pytest.raises(ValueError), open_run(arguments_of(out=tmp_path / "a" / "b"), Path("unused")):
        raise ValueError
    assert list(tmp_path.iterdir()) == []
    with claimed(tmp_path / "a" / "b") as folder:
        (folder / "file").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b", "file"]


def test_folder_that_was_there_before_is_left(tmp_path):
    (tmp_path / "empty").mkdir()
    with claimed(tmp_path / "empty"):
        pass
    assert (tmp_path / "empty").is_dir()


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    for folder in (tmp_path, tmp_path / "predictions"):
        folder.mkdir(exist_ok=True)
        (folder / ".checkpoint.0123abcd.tmp.safetensors").touch()
    (tmp_path / "history.csv").touch()
    with claimed(tmp_path):
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["history.csv", "predictions"]


def test_folder_in_which_a_killed_run_left_nothing_whole_is_taken_by_the_next(tmp_path):
    default = tmp_path / "digits"
    default.mkdir()
    with claimed(default) as folder:
        temporary_path(folder / "writable").touch()
        (folder / ".checkpoint.0123abcd.tmp.safetensors").touch()
    with open_run(arguments_of(), default) as (folder, _):
        assert folder == default and list(folder.iterdir()) == []


def test_new_run_removes_what_was_left_in_earlier_ones_that_are_not_running(tmp_path):
    default, leftover = hold_a_run(tmp_path / "digits"), ".best.0123abcd.tmp.safetensors"
    (default / leftover).touch()
    with another_process_in(tmp_path / "digits-2"):
        (tmp_path / "digits-2" / leftover).touch()
        assert opened(default)[0] == tmp_path / "digits-3"
    assert not (default / leftover).exists() and (tmp_path / "digits-2" / leftover).exists()


# ---- what cannot be written to ---------------------------------------------------------------------------------------


def test_file_in_the_way_is_told_in_words(tmp_path):
    (tmp_path / "README.md").touch()
    with pytest.raises(UsageError, match=r"--out .*README.md: there is a file of that name, expected a folder"):
        opened(out=tmp_path / "README.md")
    with pytest.raises(UsageError, match=r"--out .*README.md/run: Not a directory"):
        opened(out=tmp_path / "README.md" / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@contextmanager
def read_only(folder: Path):
    """A folder that not even the superuser can write to; skip where that cannot be had."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_folder_that_is_read_only_is_noticed(tmp_path):
    with read_only(tmp_path / "disk") as disk:
        with pytest.raises(UsageError, match=r"nothing can be written there \(Read-only file system\)"):
            opened(out=disk)
        with pytest.raises(UsageError, match="Read-only file system"):
            opened(out=disk / "new" / "run")
        assert opened(disk)[0] == tmp_path / "disk-2"  # no folder for a new run
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(UsageError, match="Permission denied"):
            opened(out=tmp_path / "run")
