"""Files out of archives and folders: those asked for, and nothing else is touched."""

from __future__ import annotations

import gzip
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import archive
from datasets.archive import check_inside, read_archive, read_folder
from tests.datasets.damage import damage, damages, fuzz
from tests.datasets.fake_pets import tar, write_folder

CONTENTS = {"images/b.txt": b"b" * 512, "images/a.txt": b"a" * 700, "images/c.txt": b"", "images/d.txt": b"dd"}
NAMES = ["images/a.txt", "images/b.txt", "images/c.txt", "images/missing.txt"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.tar.gz"


def read(path, names=NAMES) -> dict[str, bytes]:
    return {file.name: file.content for file in read_archive(path, names)}


@pytest.mark.parametrize("mode", ["w:gz", "w:"])
def test_wanted_members_of_compressed_and_plain_archives(path, mode):
    path.write_bytes(tar(CONTENTS, mode=mode))
    assert read(path) == {name: CONTENTS[name] for name in NAMES[:3]}
    assert [file.origin for file in read_archive(path, ["images/d.txt"])] == [f"{path}, member images/d.txt"]


def test_nothing_is_unpacked(path, tmp_path):
    path.write_bytes(tar(CONTENTS))
    read(path)
    assert list(tmp_path.iterdir()) == [path]


def test_dots_in_paths_are_normalised(path):
    folder = tarfile.TarInfo(".")
    folder.type = tarfile.DIRTYPE
    path.write_bytes(tar({"./images/a.txt": b"a"}, [folder]))
    assert read(path) == {"images/a.txt": b"a"}


def test_files_of_a_folder_in_the_order_asked_for(tmp_path):
    write_folder(tmp_path, CONTENTS)
    assert [(file.name, file.content) for file in read_folder(tmp_path, NAMES)] == [
        (name, CONTENTS[name]) for name in NAMES[:3]
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert list(read_folder(tmp_path, ["pipe"])) == []


OUTSIDE = ["../evil", "/etc/passwd", "images/../../evil", "images\\..\\evil", "C:/evil", "C:evil", "", ".", "a\0b"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="not a path inside the folder"):
        check_inside(name)
    with pytest.raises(ValueError, match="not a path inside the folder"):
        list(read_folder(tmp_path, [name]))


@pytest.mark.parametrize("name", OUTSIDE[:6])
def test_one_member_outside_condemns_the_archive(path, name):
    path.write_bytes(tar(CONTENTS, [tarfile.TarInfo(name)]))
    with pytest.raises(ValueError, match=r"data.tar.gz: .*not a path inside the folder"):
        read(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(path, kind):
    member = tarfile.TarInfo("images/a.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    path.write_bytes(tar(CONTENTS, [member]))
    with pytest.raises(ValueError, match=r"data.tar.gz: .*'images/a.txt' is a link or a device"):
        read(path)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [2**27, 2**50])
def test_headers_that_claim_too_much_are_refused_before_reading(path, kind, size):
    member = tarfile.TarInfo("images/a.txt")
    member.type, member.size = kind, size
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    with pytest.raises(ValueError, match=f"data.tar.gz: .*claims {size} bytes"):
        read(path)


def test_a_large_file_is_refused(path, tmp_path, monkeypatch):
    path.write_bytes(tar({"images/a.txt": bytes(2000)}))
    write_folder(tmp_path, {"images/a.txt": bytes(2000)})
    monkeypatch.setattr(archive, "_MAX_FILE_BYTES", 1999)
    with pytest.raises(ValueError, match="claims 2000 bytes"):
        read(path)
    with pytest.raises(ValueError, match=r"a.txt: larger than 1999 bytes"):
        list(read_folder(tmp_path, ["images/a.txt"]))


def test_archive_bombs_are_refused(path, monkeypatch):
    path.write_bytes(tar({f"images/{number}": bytes(10_000) for number in range(20)}))
    monkeypatch.setattr(archive, "_MAX_ARCHIVE_BYTES", 100_000)
    with pytest.raises(ValueError, match="unpacks to more than 100000 bytes"):
        read(path)
    monkeypatch.setattr(archive, "_MAX_ARCHIVE_MEMBERS", 5)
    with pytest.raises(ValueError, match="more than 5 members"):
        read(path)


def test_rubbish_behind_the_archive_counts(path, monkeypatch):
    path.write_bytes(gzip.compress(gzip.decompress(tar(CONTENTS)) + bytes(5 * 2**20)))
    monkeypatch.setattr(archive, "_MAX_ARCHIVE_BYTES", 2**20)
    with pytest.raises(ValueError, match="unpacks to more than"):
        read(path)


def test_changed_bytes_fail_the_checksum(path):
    content = tar(CONTENTS)
    path.write_bytes(content[:-8] + bytes([content[-8] ^ 1]) + content[-7:])
    with pytest.raises(ValueError, match=r"data.tar.gz: damaged"):
        read(path)


def test_endless_chain_of_extended_headers(path):
    member = tarfile.TarInfo("x")
    member.type = tarfile.XHDTYPE
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) * 5000))
    with pytest.raises(ValueError, match=r"data.tar.gz: damaged"):
        read(path)


@fuzz
@given(changes=damages, packed=st.booleans())
def test_damaged_archives_give_only_clean_errors(tmp_path, changes, packed):
    path = tmp_path / "data.tar.gz"
    content = tar(CONTENTS)
    path.write_bytes(damage(content, changes) if packed else damage(gzip.decompress(content), changes))
    try:
        assert set(read(path)) <= set(NAMES)
    except ValueError as error:
        assert str(path) in str(error)
