"""The files in a tar archive, front to back, from any stream that reads and seeks forward.

Not Python's `tarfile`: what it does for an extended header is quadratic or without end on some Pythons (CVE-2024-6232,
CVE-2025-8194), and it follows maps of sparse files. Here a header is looked at once, and what it claims is compared
with limits first. Read are regular files and folders, in the dialects of V7, POSIX (ustar and pax) and GNU, and a name
of the whole archive (`tar -V`) is passed over; whatever else an archive can hold (links, devices, sparse files, parts
of several volumes) is refused.

A tar is a row of blocks of 512 bytes: a header, the file in as many blocks as it needs, the next header, and an empty
block at the end. Long names and large sizes have headers of their own in front, "extended" ones.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from minigrad.quoting import quoted

BLOCK = 512
MAX_EXTENDED = 64 * 2**10  # bytes in one extended header; most have 100
MAX_EXTENDED_SUM = 4 * 2**20
MAX_RECORDS = 200_000  # rows in all extended headers; most have 1 to 5 each
MAX_HEADERS = 60_000  # the annotations of Oxford-IIIT Pet, the longest archive read here, have 20,000

_FILES = b"0", b"\0", b"7"  # 7: "contiguous", a wish that nobody grants
_FOLDER, _LISTED_FOLDER, _LABEL = b"5", b"D", b"V"  # D: GNU's incremental backups, which list what is in it
_OTHERS = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe",
    b"M": "a part of a file from another volume", b"S": "a sparse file",
}  # fmt: skip
_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_SOLARIS, _PAX_FOR_ALL = _EXTENDED = b"L", b"K", b"x", b"X", b"g"


class Member(NamedTuple):
    """A file or folder: its name as it stands there, and where in the unpacked stream its bytes are."""

    name: str
    is_file: bool
    start: int
    size: int


def members(stream: BinaryIO, max_size: int, max_headers: int = MAX_HEADERS) -> Iterator[Member]:
    """Yield the members in order; after each, up to `size` bytes may be read from `stream`, which stands at its start.

    Raises:
        ValueError: the archive is damaged, holds what is not read here, more than `max_headers` headers, or claims a
            member of more than `max_size` bytes.
    """
    extended: dict[str, str] = {}  # what extended headers say about the next member
    announced = False  # whether there was one
    extended_bytes = records = place = 0
    for count in range(max_headers + 1):
        stream.seek(place)
        header = stream.read(BLOCK)
        if not header.strip(b"\0"):  # an empty block; or the end, which some programs do not mark
            if len(header) not in (0, BLOCK) or announced or place == len(header) == 0:
                raise ValueError("the archive is empty or cut short")
            return
        if count == max_headers:
            raise ValueError(f"more than {max_headers} members")
        kind, name, size = _parse(header)
        place += BLOCK
        if kind in _EXTENDED:
            extended_bytes += size
            if not 0 <= size <= MAX_EXTENDED or extended_bytes > MAX_EXTENDED_SUM:
                raise ValueError(
                    f"an extended header claims {size} bytes, expected at most {MAX_EXTENDED}, "
                    f"and {MAX_EXTENDED_SUM} in all of them"
                )
            content = _read(stream, size)
            records += content.count(b"\n")
            if records > MAX_RECORDS:
                raise ValueError(f"more than {MAX_RECORDS} records in extended headers")
            announced |= kind != _PAX_FOR_ALL
            if kind == _LONG_NAME:
                extended["path"] = content.partition(b"\0")[0].decode("utf-8", "replace")
            elif kind in (_PAX, _PAX_OF_SOLARIS):
                extended |= _pax_records(content)
            elif kind == _PAX_FOR_ALL:
                _pax_records(content)  # a default for all members, which has no use here; sparse files are refused
        else:
            name = extended.get("path", name)
            size = _size(extended["size"]) if "size" in extended else size
            extended, announced = {}, False
            if kind == _LABEL:  # it has no content
                continue
            # V7 has no sign for folders.
            is_folder = kind in (_FOLDER, _LISTED_FOLDER) or (kind == b"\0" and name.endswith("/"))
            if not is_folder and kind not in _FILES:
                what = _OTHERS.get(kind, f"of the unknown kind {quoted(kind)}")
                raise ValueError(f"member {quoted(name)} is {what}, expected files and folders only")
            if not 0 <= size <= max_size:
                raise ValueError(f"member {quoted(name)} claims {size} bytes, expected at most {max_size}")
            size = 0 if is_folder and kind != _LISTED_FOLDER else size  # some programs note one
            yield Member(name, not is_folder, place, size)
        place += size + -size % BLOCK


def _parse(header: bytes) -> tuple[bytes, str, int]:
    """Return kind, name and size of a member."""
    if len(header) < BLOCK:
        raise ValueError("the archive is cut short")
    # The sum of all bytes, its own being counted as blanks. Some programs add them as signed numbers.
    rest = header[:148] + b" " * 8 + header[156:]
    total, noted = sum(rest), _number(header[148:156], "checksum")
    if noted != total and noted != total - 256 * sum(byte > 127 for byte in rest):
        raise ValueError("a header does not match its checksum, or this is no tar archive")
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and header[345]:  # not GNU's, whose header has times there
        name = f"{_text(header[345:500])}/{name}"
    return header[156:157], name, _number(header[124:136], "size")


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes, what: str) -> int:
    """Return a number written in octal digits or, by GNU, in binary."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise ValueError(f"the {what} in a header is no number, or this is no tar archive")
    return int(digits or b"0", 8)


def _pax_records(content: bytes) -> dict[str, str]:
    """Return path and size as an extended header gives them: rows "LENGTH KEY=VALUE", each ended by a line feed."""
    found, content, place = {}, content.rstrip(b"\0"), 0
    while place < len(content):
        head = content[place : place + 8].partition(b" ")[0]
        end = place + (int(head) if head.isdigit() and len(head) < 8 else 0)
        key, equals, value = content[place + len(head) + 1 : end].partition(b"=")
        if not equals or end > len(content) or not value.endswith(b"\n"):
            raise ValueError("an extended header is damaged")
        if key.startswith(b"GNU.sparse"):
            raise ValueError("a sparse file, which is not read here")
        if key in (b"path", b"size"):
            found[key.decode()] = value[:-1].decode("utf-8", "replace")
        place = end
    return found


def _size(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


def _read(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise ValueError("the archive is cut short")
    return content
