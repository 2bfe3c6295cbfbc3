"""Files out of archives and folders: those asked for, and nothing else is touched."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import archive
from datasets.archive import check_inside, find_archive, packed_otherwise, read_archive, read_folder
from tests.costs import within_the_rule
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


OUTSIDE = ["../evil", "/etc/passwd", "images/../../evil", "images\\..\\evil", "C:/evil", "C:evil", "", "."]


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


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.CHRTYPE, "a device"),
        (b"Q", "of the unknown kind b'Q'"),
    ],
)
def test_links_and_devices_are_refused(path, kind, what):
    member = tarfile.TarInfo("images/a.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    path.write_bytes(tar(CONTENTS, [member]))
    with pytest.raises(ValueError, match=f"data.tar.gz: .*'images/a.txt' is {what}, expected files and folders"):
        read(path)


def test_the_name_of_an_archive_and_folders_with_a_list_of_their_files_are_passed_over(path):
    label, folder = tarfile.TarInfo("backup of Monday"), tarfile.TarInfo("images")
    label.type, folder.type = b"V", b"D"
    folder.size = len(listed := b"Ya.txt\0\0")
    start = label.tobuf(tarfile.GNU_FORMAT) + folder.tobuf(tarfile.GNU_FORMAT) + listed.ljust(512, b"\0")
    path.write_bytes(gzip.compress(start + gzip.decompress(tar(CONTENTS))))
    assert read(path) == {name: content for name, content in CONTENTS.items() if name in NAMES}


def test_archives_of_other_endings_are_found_or_pointed_out(tmp_path):
    assert find_archive(tmp_path, "data") is None and packed_otherwise([tmp_path], ["data"]) == ""
    (tmp_path / "data.tar.bz2").write_bytes(b"BZh")
    assert find_archive(tmp_path, "data") is None
    assert f"{tmp_path / 'data.tar.bz2'}: packed in a way that is not read" in packed_otherwise([tmp_path], ["data"])
    (tmp_path / "data.tgz").write_bytes(tar(CONTENTS))
    assert find_archive(tmp_path, "data") == tmp_path / "data.tgz"


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [2**27, 2**50])
def test_headers_that_claim_too_much_are_refused_before_reading(path, kind, size):
    member = tarfile.TarInfo("images/a.txt")
    member.type, member.size = kind, size
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    with pytest.raises(ValueError, match=f"data.tar.gz: .*claims {size} bytes"):
        read(path)


def test_a_large_file_is_refused(path, tmp_path):
    path.write_bytes(tar({"images/a.txt": bytes(2000)}))
    write_folder(tmp_path, {"images/a.txt": bytes(2000)})
    with pytest.raises(ValueError, match="claims 2000 bytes"):
        list(read_archive(path, NAMES, max_bytes=1999))
    with pytest.raises(ValueError, match=r"a.txt: larger than 1999 bytes"):
        list(read_folder(tmp_path, ["images/a.txt"], max_bytes=1999))


def test_archive_bombs_are_refused(path, monkeypatch):
    path.write_bytes(tar({f"images/{number}": bytes(10_000) for number in range(20)}))
    with pytest.raises(ValueError, match="more than 5 members"):
        list(read_archive(path, NAMES, max_members=5))
    monkeypatch.setattr(archive, "_MAX_UNPACKED", 100_000)
    with pytest.raises(ValueError, match="unpacks to more than"):
        read(path)


def test_rubbish_behind_the_archive_counts(path, monkeypatch):
    path.write_bytes(gzip.compress(gzip.decompress(tar(CONTENTS)) + bytes(5 * 2**20)))
    monkeypatch.setattr(archive, "_MAX_UNPACKED", 2**20)
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


# ---- headers that ask for much -----------------------------------------------------------------------------------


def header(name: str = "images/a.txt", size: int = 0, kind: bytes = b"0") -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def extended(kind: bytes, content: bytes) -> bytes:
    return header("x", len(content), kind) + content + bytes(-len(content) % 512)


def pax_sparse(kind: bytes, **records: str) -> bytes:
    lines = b"".join(
        b"%d GNU.sparse.%s=%s\n" % (len(k) + len(v) + 16, k.encode(), v.encode()) for k, v in records.items()
    )
    return extended(kind, lines) + header()


SPARSE = {
    "GNU": header(kind=b"S") + bytes(512),
    "GNU with a map": header(size=60 * 2**20, kind=b"S"),
    "pax 0.0": pax_sparse(b"x", size="99", numblocks="1"),
    "pax 0.1": pax_sparse(b"x", map="0,1"),
    "pax 1.0": pax_sparse(b"x", major="1", minor="0"),
    "for all members": pax_sparse(b"g", major="1", minor="0"),
    "Solaris": pax_sparse(b"X", major="1"),
}


@pytest.mark.parametrize("content", SPARSE.values(), ids=SPARSE)
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_sparse_files_of_every_dialect_are_refused(path, content, pack):
    path.write_bytes(pack(content + bytes(1024)))
    with pytest.raises(ValueError, match=r"data.tar.gz: damaged.*(sparse|kind b'S')"):
        read(path)


DEMANDING = {
    "a row of digits": extended(b"x", b"1" * 60_000) + header(),
    "more digits": extended(b"x", b"1" * 100_000) + header(),
    "a long name": header("x", 60 * 2**20, b"L") + bytes(60 * 2**20) + header(),
    "a long link": header("x", 60 * 2**20, b"K") + bytes(60 * 2**20) + header(),
    "many records": (extended(b"x", b"5 a=\n" * 13_000) + header("b")) * 100,
    "many members": header() * 70_000,
    "many extended headers": header("x", 0, b"x") * 70_000,
    "many deep names": (extended(b"L", b"a/" * 400) + header()) * 5_000,
    "zeros": header(size=64 * 2**20) + bytes(2**29),
}


@pytest.mark.parametrize("content", DEMANDING.values(), ids=DEMANDING)
def test_small_archives_that_ask_for_much_cost_little(path, content):
    path.write_bytes(gzip.compress(content + bytes(1024), 1))
    within_the_rule(lambda: read(path), path.stat().st_size, ValueError)


def test_many_compressed_streams_in_a_row(path):
    path.write_bytes(tar(CONTENTS) + gzip.compress(b"") * 3)
    assert read(path)["images/a.txt"] == CONTENTS["images/a.txt"]
    path.write_bytes(tar(CONTENTS) + gzip.compress(b"") * 100_000)
    assert "too many compressed streams" in within_the_rule(lambda: read(path), path.stat().st_size, ValueError)


def test_records_are_limited_in_all_headers_together(path):
    path.write_bytes((extended(b"x", b"5 a=\n" * 10_000) + header()) * 21 + bytes(1024))
    with pytest.raises(ValueError, match="more than 200000 records"):
        read(path)


def test_sizes_beyond_any_number(path):
    block = bytearray(header())
    for size in (b"\x80" + b"\xff" * 11, b"\xff" * 12, b"77777777777\0", b"-1\0\0\0\0\0\0\0\0\0\0"):
        block[124:136], block[148:156] = size, b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        path.write_bytes(bytes(block) + bytes(1024))
        with pytest.raises(ValueError, match="data.tar.gz: damaged"):
            read(path)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["images/a.txt", "images/" + "d" * 90 + "/" + "f" * 90, "images/é.txt"])
def test_dialects_of_tar(path, form, name):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, pax_headers={"comment": "x"}) as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = 3, 1483719550.98
        archive.addfile(member, io.BytesIO(b"abc"))
    path.write_bytes(file.getvalue())
    assert read(path, [name]) == {name: b"abc"}


def test_names_with_control_characters_are_escaped_in_messages(path):
    path.write_bytes(tar({}, [tarfile.TarInfo("../\x1b[2J\nx")]))
    with pytest.raises(ValueError) as error:
        read(path)
    assert str(error.value).isprintable()


def test_names_that_are_spelled_in_two_ways(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD"))
    (tmp_path / decomposed).write_bytes(b"a")
    assert [file.content for file in read_folder(tmp_path, [composed])] == [b"a"]


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a/" * 5000 + "x"])
def test_names_that_are_too_long(tmp_path, name):
    with pytest.raises(ValueError, match="too long for the name of a file"):
        list(read_folder(tmp_path, [name]))


@pytest.mark.parametrize("name", ["a\0b", "a\x1bb", "a\nb", "a\x9bb", "a\u2029b", "\x7f"])
def test_names_with_control_characters_are_refused_everywhere(path, tmp_path, name):
    path.write_bytes(tar({name.replace("\0", "\t"): b""}))
    for find in (lambda: read(path), lambda: list(read_folder(tmp_path, [name]))):
        with pytest.raises(ValueError, match="control characters") as error:
            find()
        assert str(error.value).isprintable()


def test_blanks_and_joiners_in_names_are_no_control_characters(tmp_path):
    name = "at 3.04\u202fPM \U0001f468\u200d\U0001f469.png"
    (tmp_path / name).write_bytes(b"a")
    assert [file.content for file in read_folder(tmp_path, [name])] == [b"a"]
