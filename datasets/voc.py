"""Boxes from annotation files in the XML of PASCAL VOC (Everingham et al., development kit of 2012, §3).

The files are hostile until checked. XML's dangerous parts, entities that multiply or name other files, all have to
be declared in a document type; these annotations need none, so a file with one is refused before it is parsed.
"""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np

from datasets.boxes import area, check_box, parse_number, to_fractions
from datasets.photos import Frame, turn_box
from minigrad.quoting import one_line, quoted

# Byte order marks, and UTF-16 and UTF-32 without one.
_STARTS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",  # before UTF-16, whose mark it begins with
    b"<\0\0\0": "utf-32-le", b"\0\0\0<": "utf-32-be",
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
    b"<\0?\0": "utf-16-le", b"\0<\0?": "utf-16-be",
}  # fmt: skip
_DECLARED = re.compile(rb"""<\?xml[^>]{0,100}?\sencoding\s{0,9}=\s{0,9}["']([A-Za-z0-9._-]{1,40})["']""")
# By their names in a declaration. Python would import what belongs to others, and no file says what is imported.
_DECLARABLE = {
    **dict.fromkeys(("iso-8859-1", "iso_8859-1", "iso8859-1", "latin-1", "latin1", "l1"), "latin-1"),
    **dict.fromkeys(("iso-8859-15", "iso8859-15", "latin-9"), "iso8859-15"),
    **dict.fromkeys(("windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
}
for _codec in {*_STARTS.values(), *_DECLARABLE.values()}:
    codecs.lookup(_codec)

_MAX_BYTES = 64 * 2**10  # real files take 500 to 1000
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# Rounding, when photo and annotation were shrunk together, changes the ratio of width and height by less than this.
_SHAPE_TOLERANCE = 0.02

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Annotation:
    """What an annotation file says.

    Attributes:
        origin: where the file was found, for messages.
        size: width and height of the photo it was made for, or None where it says nothing.
        objects: name and box of each object; the box's edges in pixels from the left and upper edge of the photo.
    """

    origin: str
    size: tuple[float, float] | None
    objects: tuple[tuple[str, Box], ...]

    def largest_box(self, name: str, frame: Frame) -> np.ndarray:
        """The largest box of an object called `name`, else of any: float32 fractions `(4,)` of the upright photo.

        Annotations refer to the pixels in the file when `size` has the shape of the photo as stored, otherwise to the
        photo as viewers show it. Boxes over the edge are clipped.

        Raises:
            ValueError: there is no object, its box is outside the photo, or the photo has another shape.
        """
        boxes = [box for called, box in self.objects if called == name] or [box for _, box in self.objects]
        if not boxes:
            raise ValueError(f"{self.origin}: no object")
        size = self.size or frame.stored
        if _same_shape(size, frame.stored):
            orientation = frame.orientation
        elif _same_shape(size, frame.upright):
            orientation = 1
        else:
            made_for, found = ("×".join(f"{side:g}" for side in sides) for sides in (size, frame.upright))
            raise ValueError(f"{self.origin}: made for a photo of {made_for} pixels, but the photo has {found}")
        try:
            return turn_box(to_fractions(max(boxes, key=area), *size), orientation)
        except ValueError as error:
            raise ValueError(f"{self.origin}: {error}") from error


def _same_shape(first: tuple[float, float], second: tuple[float, float]) -> bool:
    ratio = (first[0] * second[1]) / (first[1] * second[0])
    return abs(ratio - 1) < _SHAPE_TOLERANCE


def parse(origin: str, content: bytes) -> Annotation:
    """The annotation in the XML file `content`.

    Raises:
        ValueError: the file is too large, not XML, declares a document type, lacks something, or has a degenerate box.
    """
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError(f"{len(content)} bytes, expected at most {_MAX_BYTES}")
        # Decoded here, so that the parser, which ignores a file's own encoding in text, sees what was searched.
        text = _decoded(content)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("declares a document type or entities, which are not allowed here")
        root = ElementTree.fromstring(text)
        if root.tag != "annotation":
            raise ValueError(f"expected the element annotation, found {quoted(root.tag)}")
        width, height = (_number(root, f"size/{side}", missing="0") for side in ("width", "height"))
        objects = tuple((item.findtext("name", "").strip(), _box(item)) for item in root.findall("object"))
    # ParseError is a SyntaxError.
    except (ValueError, SyntaxError, RecursionError) as error:
        raise ValueError(f"{origin}: damaged, or not an annotation ({one_line(error)})") from error
    return Annotation(origin, (width, height) if width > 0 and height > 0 else None, objects)


def _decoded(content: bytes) -> str:
    """The text of an XML file, whose encoding the first bytes tell, else a declaration; else it is UTF-8."""
    for start, encoding in _STARTS.items():
        if content.startswith(start):
            return content.decode(encoding)
    declared = _DECLARED.match(content)
    name = declared.group(1).decode().lower() if declared else "utf-8"
    try:
        return content.decode(_DECLARABLE.get(name, "utf-8"))
    except UnicodeDecodeError as error:
        if name in ("utf-8", "utf8", *_DECLARABLE):
            raise
        read = ", ".join(sorted({"utf-8", "utf-16", "utf-32", *_DECLARABLE.values()}))
        raise ValueError(f"declares the encoding {quoted(name)}; read are {read}") from error


def _box(item: ElementTree.Element) -> Box:
    """The edges of an object's box. VOC counts pixels from 1 and names the first and the last one in the box."""
    xmin, ymin, xmax, ymax = box = [_number(item, f"bndbox/{corner}") for corner in _CORNERS]
    check_box(box)
    return xmin - 1, ymin - 1, xmax, ymax


def _number(parent: ElementTree.Element, path: str, missing: str | None = None) -> float:
    text = parent.findtext(path, missing)
    if text is None:
        raise ValueError(f"<{path}> is missing")
    try:
        number = parse_number(text)
    except ValueError as error:
        raise ValueError(f"<{path}>: {error}") from None
    if not abs(number) < 1e6:
        raise ValueError(f"<{path}> is {quoted(text)}, not a number of pixels")
    return number
