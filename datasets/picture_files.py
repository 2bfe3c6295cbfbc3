"""What is inside a picture's file, looked at before Pillow sees it, and cut down to what decoding needs.

A picture's pixels are the smaller part of what a file can do. Pillow reads, piece by piece in Python, comments, colour
profiles, thumbnails and EXIF, and there a few kilobytes can cost gigabytes or hours: entries that all point to the same
data, a million comments of one letter, a thousand passes over the same picture. None of it has to do with the pixels,
so it is left out here. Of EXIF one number is read, how the camera was held.

Sources: ITU T.81 (JPEG) annex B; the PNG, GIF89a and WebP container specifications; EXIF 2.3, section 4.6.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_MAX_PARTS = 5_000  # segments of a JPEG's head; real ones have 20
_PNG = b"\x89PNG\r\n\x1a\n"
_SIGNATURES = {"JPEG": b"\xff\xd8\xff", "PNG": _PNG, "GIF": b"GIF8", "BMP": b"BM", "WEBP": b"RIFF"}
FORMATS = tuple(_SIGNATURES)
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")


class PictureFile(NamedTuple):
    """A picture still packed.

    Attributes:
        format: one of `FORMATS`.
        content: the file without what decoding does not need.
        orientation: as EXIF notes it, 1 to 8, 1 for upright.
        scans: passes over the whole picture, of a JPEG that is decoded in several; else 1.
        size: width and height, where they must be known before Pillow opens the file (it makes room for a WebP then).
    """

    format: str
    content: bytes
    orientation: int = 1
    scans: int = 1
    size: tuple[int, int] | None = None


def examine(content: bytes) -> PictureFile:
    """Find out what `content` is.

    Raises:
        ValueError: no format that is read here, cut off, or damaged.
    """
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF:
        raise ValueError("HEIC or AVIF, as telephones take them; save it as JPEG")
    for name, signature in _SIGNATURES.items():
        if content.startswith(signature) and (name != "WEBP" or content[8:12] == b"WEBP"):
            try:
                return {"JPEG": _jpeg, "PNG": _png, "GIF": _gif, "BMP": _bmp, "WEBP": _webp}[name](content)
            except (struct.error, IndexError):
                raise ValueError("cut off, or damaged") from None
    raise ValueError("of no known format")


def _bmp(content: bytes) -> PictureFile:
    """A BMP is read as it is, unless its rows are packed: Pillow unpacks them in Python, a second for every 20 kB."""
    header, compression = *struct.unpack_from("<I", content, 14), *struct.unpack_from("<I", content, 30)
    if header >= 40 and compression in (1, 2):
        raise ValueError("a BMP with run-length encoding; save it as PNG")
    return PictureFile("BMP", content)


def _jpeg(content: bytes) -> PictureFile:
    """A JPEG is a row of segments, FF KIND LENGTH …, and after the one called SOS the packed pixels."""
    kept, exif, components, progressive, place = [content[:2]], b"", 0, False, 2
    for _ in range(_MAX_PARTS):
        while content[place] == 0 or content[place] == content[place + 1] == 0xFF:  # filling
            place += 1
        mark, kind, length = struct.unpack_from(">BBH", content, place)
        end = place + 2 + length
        if mark != 0xFF or length < 2 or end > len(content):
            raise ValueError("cut off, or damaged")
        if kind == 0xDA:  # SOS: from here on to the end it is the decoder's
            passes = content.count(b"\xff\xda", place)
            several = progressive or content[place + 4] < components  # colours one after the other
            kept.append(content[place:])
            return PictureFile("JPEG", b"".join(kept), _orientation(exif), passes if several else 1)
        if kind in (0xE0, 0xEE, 0xDB, 0xDD) or 0xC0 <= kind <= 0xCF:  # JFIF and Adobe tell the colours; tables; sizes
            kept.append(content[place:end])
            if kind >= 0xC0 and kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
                components, progressive = content[place + 9], kind & 3 == 2
        elif kind == 0xE1 and not exif and content.startswith(b"Exif\0\0", place + 4):
            exif = content[place + 10 : end]
        place = end
    raise ValueError(f"more than {_MAX_PARTS} segments")


def _png(content: bytes) -> PictureFile:
    """A PNG is a row of chunks, LENGTH KIND … CHECKSUM; the packed pixels may be in many, and are put into one."""
    kept, pixels, exif = {}, bytearray(), b""
    for kind, start, end in _chunks(content, len(_PNG), ">"):
        if end + 4 > len(content):
            break
        if kind == b"IDAT":
            pixels += content[start:end]
        elif kind in (b"IHDR", b"PLTE", b"tRNS"):
            kept[kind] = content[start - 8 : end + 4]
        elif kind == b"eXIf":
            exif = content[start:end]
        elif kind == b"IEND":
            idat = b"".join(
                [
                    struct.pack(">I", len(pixels)),
                    b"IDAT",
                    pixels,
                    struct.pack(">I", zlib.crc32(pixels, zlib.crc32(b"IDAT"))),
                ]
            )
            head = [kept.get(name, b"") for name in (b"IHDR", b"PLTE", b"tRNS")]
            return PictureFile("PNG", b"".join([_PNG, *head, idat, content[start - 8 : end + 4]]), _orientation(exif))
    raise ValueError("cut off, or damaged")


def _gif(content: bytes) -> PictureFile:
    """The first of a GIF's pictures; before it there may be its transparency, and blocks that are not needed."""
    place = 13 + _table(content[10])
    head, control = content[:place], b""
    while True:
        start, kind = place, content[place]
        if kind == 0x2C:
            place = _past_blocks(content, place + 11 + _table(content[place + 9]))
            return PictureFile("GIF", head + control + content[start:place] + b";")
        if kind != 0x21:
            raise ValueError("cut off, or damaged")
        place = _past_blocks(content, place + 2)
        if content[start + 1] == 0xF9:
            control = content[start:place]


def _table(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _past_blocks(content: bytes, place: int) -> int:
    """A row of blocks begins with its length each, and ends with a length of 0."""
    while length := content[place]:
        place += 1 + length
    return place + 1


def _webp(content: bytes) -> PictureFile:
    exif, size = b"", None
    for kind, start, end in _chunks(content, 12, "<"):
        if size is None and kind == b"VP8X":
            size = tuple(1 + int.from_bytes(content[start + n : start + n + 3], "little") for n in (4, 7))
        elif size is None and kind == b"VP8 ":
            size = tuple(n & 0x3FFF for n in struct.unpack_from("<HH", content, start + 6))
        elif size is None and kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", content, start + 1)
            size = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"EXIF":
            exif = content[start:end]
    if size is None:
        raise ValueError("cut off, or damaged")
    return PictureFile("WEBP", content, _orientation(exif.removeprefix(b"Exif\0\0")), size=size)


def _chunks(content: bytes, place: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, of a PNG (">") or of a WebP ("<")."""
    while place + 8 <= len(content):
        if order == ">":
            length, kind = struct.unpack_from(">I4s", content, place)
            yield kind, place + 8, place + 8 + length
            place += length + 12
        else:
            kind, length = struct.unpack_from("<4sI", content, place)
            yield kind, place + 8, place + 8 + length
            place += 8 + length + length % 2


def _orientation(exif: bytes) -> int:
    """Tag 0x0112 of the first directory: a number of entries, of 12 bytes each."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    place = struct.unpack_from(order + "I", exif, 4)[0] + 2
    if place > len(exif):
        return 1
    count = struct.unpack_from(order + "H", exif, place - 2)[0]
    for entry in range(place, min(place + 12 * count, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == 0x0112:
            value = struct.unpack_from(order + {4: "I"}.get(kind, "H"), exif, entry + 8)[0]
            return value if value in range(1, 9) else 1
    return 1
