"""VOC annotations: what they say about the upright photo, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from datasets import voc
from datasets.photos import Frame
from tests.datasets.damage import damage, damages, fuzz
from tests.datasets.fake_pets import xml, xml_object

FRAME = Frame(60, 40)


def box(content: bytes, name: str = "cat", frame: Frame = FRAME) -> list[float]:
    result = voc.parse("xmls/tom.xml", content).largest_box(name, frame)
    assert result.dtype == np.float32
    result = result.astype(np.float64)
    return np.round(result, 6).tolist()


def test_first_and_last_pixel_are_counted_from_one():
    assert box(xml(xml_object(1, 1, 60, 40))) == [0, 0, 1, 1]
    assert box(xml(xml_object(13, 9, 36, 20))) == [0.2, 0.2, 0.6, 0.5]


def test_boxes_over_the_edge_are_clipped():
    assert box(xml(xml_object(0, -5, 30, 45))) == [0, 0, 0.5, 1]
    assert box(xml(xml_object(31, 21, 61, 41))) == [0.5, 0.5, 1, 1]


def test_fractions_of_pixels():
    assert box(xml(xml_object("7.0", "5.0", "30.0", "20.0"))) == [0.1, 0.1, 0.5, 0.5]


def test_the_largest_box_counts():
    small, large = xml_object(1, 1, 6, 4), xml_object(1, 1, 30, 20)
    assert box(xml(small, large)) == box(xml(large, small)) == [0, 0, 0.5, 0.5]


def test_the_listed_species_comes_first():
    small_cat, large_dog = xml_object(1, 1, 30, 20), xml_object(1, 1, 60, 40, name="dog")
    assert box(xml(small_cat, large_dog), "cat") == [0, 0, 0.5, 0.5]
    assert box(xml(small_cat, large_dog), "dog") == [0, 0, 1, 1]
    assert box(xml(large_dog), "cat") == [0, 0, 1, 1], "a wrong name is better than no box"


# The left upper corner of the photo as stored is, upright, at the right in orientation 6, at the bottom left in 8.
CORNER = xml_object(1, 1, 30, 10)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, [0, 0, 0.5, 0.25]), (3, [0.5, 0.75, 1, 1]), (6, [0.75, 0, 1, 0.5]), (8, [0, 0.5, 0.25, 1])],
)
def test_annotation_of_the_pixels_in_the_file_is_turned_with_the_photo(orientation, expected):
    assert box(xml(CORNER), frame=Frame(60, 40, orientation)) == expected


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_annotation_of_the_upright_photo_stays(orientation):
    upright = xml(xml_object(1, 1, 20, 15), width=40, height=60)
    assert box(upright, frame=Frame(60, 40, orientation)) == [0, 0, 0.5, 0.25]


def test_annotation_of_the_photo_before_it_was_shrunk():
    assert box(xml(xml_object(1, 1, 300, 201), width=600, height=402)) == [0, 0, 0.5, 0.5]


@pytest.mark.parametrize("size", [(0, 0), (-3, 40)])
def test_without_a_size_the_photos_own_counts(size):
    assert box(xml(xml_object(1, 1, 30, 20), width=size[0], height=size[1])) == [0, 0, 0.5, 0.5]


def test_annotation_of_another_photo_is_refused():
    with pytest.raises(ValueError, match=r"tom.xml: made for a photo of 60×60 pixels, but the photo has 40×60"):
        box(xml(width=60, height=60), frame=Frame(60, 40, 6))


def test_no_object():
    annotation = voc.parse("tom.xml", b"<annotation/>")
    assert annotation.objects == ()
    with pytest.raises(ValueError, match=r"tom.xml: no object"):
        annotation.largest_box("cat", FRAME)


@pytest.mark.parametrize(
    "corners", [(30, 9, 13, 20), (13, 20, 36, 9), (13, 9, 13, 20), (13, 9, 36, 9), ("nan", 9, 36, 20)]
)
def test_degenerate_boxes_are_refused(corners):
    with pytest.raises(ValueError, match=r"tom.xml: .*(degenerate box|not a number)"):
        box(xml(xml_object(*corners)))


@pytest.mark.parametrize("corners", [(70, 9, 80, 20), (-20, 9, -10, 20), (13, 41, 36, 50)])
def test_boxes_outside_the_photo_are_refused(corners):
    with pytest.raises(ValueError, match=r"tom.xml: the box .* is outside the picture of 60×40 pixels"):
        box(xml(xml_object(*corners)))


BODY = xml().decode().replace("OXIIIT", "Kätzchen")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("UTF-8", "utf-8"), ("utf-8", "utf-8-sig"), (None, "utf-8-sig"), (None, "utf-16"), ("UTF-16", "utf-16"),
     ("UTF-16", "utf-16-le"), ("UTF-16", "utf-16-be"), ("ISO-8859-1", "latin-1"), ("Latin-1", "latin-1"),
     ("windows-1252", "cp1252"), ("ISO_8859-1", "latin-1"), ("l1", "latin-1"),
     ("UTF-32", "utf-32"), ("UTF-32", "utf-32-le"), ("UTF-32", "utf-32-be")],
)  # fmt: skip
def test_declared_encodings_and_byte_order_marks(declared, encoding):
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    assert box((head + BODY).encode(encoding)) == box(xml())


@pytest.mark.parametrize("declared", ["ISO-8859-2", "windows-1250", "macintosh"])
def test_declared_encoding_that_is_not_read_is_named(declared):
    head = f'<?xml version="1.0" encoding="{declared}"?>'
    assert box((head + xml().decode()).encode()) == box(xml())  # plain letters are the same in all of them
    with pytest.raises(ValueError, match=f"declares the encoding '{declared.lower()}'; read are .*utf-8"):
        box((head + BODY).encode(declared))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8-sig"])
def test_a_document_type_is_seen_in_every_encoding(encoding):
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    with pytest.raises(ValueError, match=r"tom.xml: .*declares a document type"):
        box((head + BILLION_LAUGHS).encode(encoding))


def test_names_from_the_file_are_escaped_in_messages():
    for content in (b'<a xmlns="\xc2\x9b31m"/>', xml().replace(b"<xmin>13", "<xmin>\x9b\n".encode())):
        with pytest.raises(ValueError) as error:
            box(content)
        assert str(error.value).isprintable()


LAUGHS = "".join(
    f'<!ENTITY {after} "{f"&{before};" * 10}">' for before, after in zip("abcdefghi", "bcdefghij", strict=True)
)
BILLION_LAUGHS = f'<!DOCTYPE annotation [<!ENTITY a "ha">{LAUGHS}]><annotation>&j;</annotation>'
EXTERNAL = '<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>'
EXTERNAL_DTD = '<!DOCTYPE annotation SYSTEM "http://127.0.0.1:1/evil.dtd"><annotation/>'


@pytest.mark.parametrize("text", [BILLION_LAUGHS, EXTERNAL, EXTERNAL_DTD], ids=["laughs", "external", "dtd"])
@pytest.mark.parametrize("head", ["", '<?xml version="1.0" encoding="UTF-16"?>', "<!-- hello -->\n"])
def test_document_types_and_entities_are_refused(text, head):
    with pytest.raises(ValueError, match=r"tom.xml: .*declares a document type"):
        box((head + text).encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7"])
def test_no_encoding_hides_a_document_type(encoding):
    with pytest.raises(ValueError, match=r"tom.xml: damaged"):
        box(f'<?xml version="1.0" encoding="{encoding}"?>{BILLION_LAUGHS}'.encode(encoding))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<annotation>",
        b"<html/>",
        b"\xff\xfe\xfd",
        b"<annotation>&undefined;</annotation>",
        b"<annotation>" + b"<a>" * 20_000,
        b"<annotation>" + b" " * 2**16 + b"</annotation>",
        xml().replace(b"<xmin>13</xmin>", b""),
        xml().replace(b"<xmin>13</xmin>", b"<xmin/>"),
        xml().replace(b"<xmin>13</xmin>", b"<xmin>left</xmin>"),
        xml().replace(b"<width>60</width>", b"<width>1e400</width>"),
    ],
)
def test_foreign_and_damaged_annotations_are_refused(content):
    with pytest.raises(ValueError, match=r"tom.xml: damaged, or not an annotation"):
        box(content)


@fuzz
@given(changes=damages)
def test_damaged_annotations_give_only_clean_errors(changes):
    try:
        found = voc.parse("xmls/tom.xml", damage(xml(xml_object(), xml_object()), changes)).largest_box("cat", FRAME)
    except ValueError as error:
        assert str(error).startswith("xmls/tom.xml: ")
    else:
        assert (found[:2] < found[2:]).all() and found.min() >= 0 and found.max() <= 1
