from __future__ import annotations

import errno
import os
import subprocess
import time
from contextlib import contextmanager

import pytest

import minigrad as mg
from minigrad.io.files import atomic_path, remove_leftovers, temporary_path


def test_writes_through_a_temporary_name_with_the_same_suffix(tmp_path):
    target = tmp_path / "new" / "folder" / "data.bin"
    with atomic_path(str(target)) as temporary:
        temporary.write_bytes(b"content")
        assert temporary.parent == target.parent and temporary.suffix == ".bin"
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert os.listdir(target.parent) == ["data.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, error):
    target = tmp_path / "data.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["data.txt"]


def test_replaces_the_old_file(tmp_path):
    target = tmp_path / "data.txt"
    for text in ("old", "new"):
        with atomic_path(target) as temporary:
            temporary.write_text(text)
    assert target.read_text() == "new"


def test_result_has_the_permissions_of_an_ordinary_file(tmp_path):
    ordinary, target = tmp_path / "ordinary", tmp_path / "atomic"
    ordinary.write_text("")
    with atomic_path(target) as temporary:
        temporary.write_text("")
    assert target.stat().st_mode == ordinary.stat().st_mode


def test_rejects_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"), atomic_path(tmp_path):
        pytest.fail("the block must not run")


def test_rejects_a_block_that_wrote_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing was written"), atomic_path(tmp_path / "data.txt"):
        pass


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_the_file_it_points_to_is_replaced(tmp_path, exists):
    real, link = tmp_path / "disk" / "data.txt", tmp_path / "link.txt"
    real.parent.mkdir()
    if exists:
        real.write_text("old")
    link.symlink_to(real)
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and real.read_text() == "new"
    assert os.listdir(real.parent) == ["data.txt"]


def test_a_link_to_itself_or_a_device_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "loop", "/dev/null"):
        with pytest.raises(OSError), atomic_path(path) as temporary:
            temporary.write_text("x")
    assert (tmp_path / "loop").is_symlink() and not os.path.isfile("/dev/null")


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_permissions_are_kept_and_never_wider_on_the_way(tmp_path, mode):
    target = tmp_path / "data.txt"
    target.write_text("old")
    target.chmod(mode)
    with atomic_path(target) as temporary:
        temporary.write_text("secret")
        assert temporary.stat().st_mode & 0o777 == mode
    assert target.stat().st_mode & 0o777 == mode and target.read_text() == "secret"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_a_file_that_is_read_only_is_replaced_and_stays_read_only(tmp_path):
    """The administrator, who may write everything, sees it by the bits only."""
    target = tmp_path / "data.txt"
    target.write_text("old")
    target.chmod(0o444)
    with atomic_path(target) as temporary:
        assert temporary.stat().st_mode & 0o777 == 0o644
        temporary.write_text("new")
    assert target.stat().st_mode & 0o777 == 0o444 and target.read_text() == "new"


@pytest.mark.parametrize(
    "name", ["x" * 250, "x" * 243 + ".safetensors"[:8], "é" * 125, ".x" + "y" * 250, "a." + "b" * 250]
)
def test_names_as_long_as_names_can_be(tmp_path, name):
    with atomic_path(tmp_path / name) as temporary:
        temporary.write_text("x")
    assert os.listdir(tmp_path) == [name]


def test_a_block_that_wrote_nothing_over_an_old_file(tmp_path):
    (tmp_path / "data.txt").write_text("old")
    with pytest.raises(FileNotFoundError, match="nothing was written"), atomic_path(tmp_path / "data.txt"):
        pass
    assert (tmp_path / "data.txt").read_text() == "old" and os.listdir(tmp_path) == ["data.txt"]


def test_an_old_file_may_become_empty(tmp_path):
    (tmp_path / "data.txt").write_text("old")
    with atomic_path(tmp_path / "data.txt") as temporary:
        temporary.write_text("")
    assert (tmp_path / "data.txt").read_text() == ""


# ---- a full disk -----------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder, size):
    """Mount a disk of so many bytes on a folder; skip where that is not allowed."""
    folder.mkdir()
    if (
        os.name != "posix"
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
        ).returncode
    ):
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_disk_names_the_file_and_what_was_needed(tmp_path):
    import numpy as np

    with small_disk(tmp_path / "disk", 64_000) as disk:
        target = disk / "weights.safetensors"
        mg.save(target, {"w": np.zeros(1000, np.float32)})
        before = target.read_bytes()
        with pytest.raises(OSError, match=r"No space left .*400\.\d kB needed, .* free.*weights\.safetensors") as error:
            mg.save(target, {"w": np.zeros(100_000, np.float32)})
        assert error.value.errno == errno.ENOSPC and error.value.filename == str(target)
        assert target.read_bytes() == before and os.listdir(disk) == [target.name]


@pytest.mark.parametrize("kept", [True, False])
def test_full_disk_says_only_what_is_free_where_the_size_is_not_known(tmp_path, kept):
    with pytest.raises(OSError, match=r"full \([\d.]+ \w+ free\)"), atomic_path(tmp_path / "a") as path:
        path.write_bytes(bytes(1500))
        if not kept:
            path.unlink()  # as Pillow does
        raise OSError(errno.ENOSPC, "full")
    assert os.listdir(tmp_path) == []


# ---- leftovers -------------------------------------------------------------------------------------------------------


def test_leftovers_of_killed_programs_are_removed_and_nothing_else(tmp_path):
    left = [".checkpoint.0123abcd.tmp.safetensors", ".command.ffffffff.tmp.txt", ".name.00000000.tmp"]
    kept = ["checkpoint.safetensors", ".mine.tmp", ".a.0123abcz.tmp.txt", "a.0123abcd.tmp.txt", "tmp"]
    for name in left + kept:
        (tmp_path / name).touch()
    (tmp_path / ".folder.0123abcd.tmp").mkdir()
    (tmp_path / ".link.0123abcd.tmp").symlink_to(tmp_path / "tmp")
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".folder.0123abcd.tmp", ".link.0123abcd.tmp"])


def test_names_of_leftovers_are_those_that_are_written(tmp_path):
    for name in ("history.csv", "noextension", ".hidden", "two.dots.txt"):
        with pytest.raises(FileNotFoundError), atomic_path(tmp_path / name) as temporary:
            temporary.touch()
            remove_leftovers(tmp_path)


def test_only_leftovers_of_some_names_are_removed_where_others_write_too(tmp_path):
    long = "a name of more than 20 letters.bin"
    for name in ("mine.bin", long, "other.bin"):
        temporary_path(tmp_path / name).touch()
    remove_leftovers(tmp_path, names=("mine.bin", long))
    assert [name[:7] for name in os.listdir(tmp_path)] == [".other."]


def test_leftovers_that_somebody_may_still_write_are_left(tmp_path):
    for name, age in ((".a.0123abcd.tmp", 10), (".b.0123abcd.tmp", 7200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_leftovers(tmp_path, seconds=3600)
    assert os.listdir(tmp_path) == [".a.0123abcd.tmp"]
    remove_leftovers(tmp_path / "nowhere")
