from __future__ import annotations

import os

import pytest

from minigrad.files import atomic_path


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
