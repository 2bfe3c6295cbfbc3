"""A folder of one's own photos with a CSV file."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from datasets.photo_folder import PhotoFolder
from tests.costs import within_the_rule
from tests.datasets.fake_pets import encode, find_box, picture

HEADER = "file,label,xmin,ymin,xmax,ymax\n"
LINE = "tom.jpg,cat,12,8,36,20\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "garden").mkdir()
    (tmp_path / "tom.jpg").write_bytes(encode(picture()))
    (tmp_path / "garden" / "rex.png").write_bytes(encode(picture(box=(0, 10, 20, 40)), "PNG"))
    (tmp_path / "turned.jpg").write_bytes(encode(picture(), orientation=6))
    return tmp_path


def load(folder, text: str, encoding: str = "utf-8", **options) -> PhotoFolder:
    (folder / "boxes.csv").write_text(text, encoding)
    return PhotoFolder(folder, **({"validation": 0, "size": 240} | options))


def test_photos_labels_and_boxes(folder):
    data = load(folder, HEADER + LINE + "garden/rex.png,dog,0,10,20,40\n")
    assert data.names == ["garden/rex.png", "tom.jpg"]
    assert data.classes == ["cat", "dog"] and data.labels.tolist() == [1, 0]
    np.testing.assert_allclose(data.boxes[1], [12 / 60, 8 / 40, 36 / 60, 20 / 40])
    for image, box in zip(data.images, data.boxes, strict=True):
        np.testing.assert_allclose(find_box(image), box, atol=1.5 / 240)


@pytest.mark.parametrize(
    "text",
    [
        HEADER.replace(",", ";") + LINE.replace(",", ";"),
        HEADER.replace(",", ", ") + LINE.replace(",", ", "),
        HEADER.replace("\n", ",photographer\r\n") + LINE.replace("\n", ",me\r\n\r\n"),
        "ymax,ymin,xmax,xmin,label,file\n20,8.0,36,12,cat,tom.jpg",
        HEADER + '"tom.jpg","cat","12","8","36","20"\n',
        HEADER.replace(",", "\t") + LINE.replace(",", "\t"),
        HEADER.title().replace(",", " , ") + LINE,
        "sep=;\n" + HEADER.replace(",", ";") + LINE.replace(",", ";"),
        '"sep=;"\r\n' + HEADER.replace(",", ";") + "tom.jpg;cat;12,0;8,0;36,0;20,00\n",
        HEADER.replace(",", ";") + LINE.replace(",", ";") + ";;;;;\n;;;;;;;;\n",
        HEADER + LINE.replace("\n", ",,,\n") + ",,,,,\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax\ntom.jpg,60,40,cat,12,8,36,20\n",
        "Image\tClass\txmin\tymin\txmax\tymax\ntom.jpg\tcat\t12,0\t8\t36\t20\n",
    ],
    ids=[
        "semicolons",
        "spaces",
        "more columns and Windows lines",
        "other order",
        "quotes",
        "tabs",
        "capitals",
        "sep",
        "sep in quotes and decimal commas",
        "empty rows",
        "empty fields",
        "converters",
        "tabs and decimal commas",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spellings_of_csv(folder, text, encoding):
    data = load(folder, text, encoding)
    assert data.names == ["tom.jpg"] and data.classes == ["cat"]
    np.testing.assert_allclose(data.boxes, [[12 / 60, 8 / 40, 36 / 60, 20 / 40]])


def test_boxes_refer_to_the_photo_as_viewers_show_it(folder):
    # The stored rectangle (12, 8, 36, 20) of 60×40 pixels, turned clockwise: 40×60 pixels.
    data = load(folder, HEADER + "turned.jpg,cat,20,12,32,36\n")
    np.testing.assert_allclose(data.boxes, [[0.5, 0.2, 0.8, 0.6]])
    np.testing.assert_allclose(find_box(data.images[0]), data.boxes[0], atol=1.5 / 240)


def test_the_largest_of_several_boxes_counts(folder):
    data = load(folder, HEADER + "tom.jpg,dog,0,0,6,4\n" + LINE + "tom.jpg,dog,50,0,56,4\n")
    assert len(data) == 1 and data.classes == ["cat"]
    np.testing.assert_allclose(data.boxes, [[12 / 60, 8 / 40, 36 / 60, 20 / 40]])


def test_photos_without_a_box_are_left_out_and_counted(folder):
    data = load(folder, HEADER + "a.jpg,cat,,,,\n" + LINE + "tom.jpg,cat,,,,\nb.jpg,dog\na.jpg,cat,,,,\n")
    assert data.names == ["tom.jpg"] and data.without_box == ["a.jpg", "b.jpg"]


def test_boxes_over_the_edge_are_clipped(folder):
    assert load(folder, HEADER + "tom.jpg,cat,-5,-1,30,400\n").boxes.tolist() == [[0, 0, 0.5, 1]]


def test_split(folder):
    lines = []
    for number in range(10):
        (folder / f"{number}.png").write_bytes(encode(picture(), "PNG"))
        lines.append(f"{number}.png,{'cat' if number < 5 else 'dog'},1,1,9,9\n")
    text = HEADER + "".join(lines[::-1])
    assert load(folder, text, validation=0.2, train=False, size=8).names == ["4.png", "9.png"]
    assert len(load(folder, text, validation=0.2, size=8)) == 8


def test_another_name_of_the_list(folder):
    (folder / "list.csv").write_text(HEADER + LINE)
    assert len(PhotoFolder(folder, "list.csv", size=8, validation=0)) == 1
    assert len(PhotoFolder(folder, folder / "list.csv", size=8, validation=0)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the columns file, label, .* are missing"),
        ("label,xmin,ymin,xmax,ymax\n", r"line 1: the column file is missing"),
        ("file,label\ntom.jpg,cat\n", r"line 1: the columns xmin, ymin, xmax, ymax are missing"),
        (HEADER, r"no photo with a box is listed"),
        (HEADER + LINE + "../tom.jpg,cat,1,1,2,2\n", r"line 3: '../tom.jpg' is not a path inside the folder"),
        (HEADER + "/etc/passwd,cat,1,1,2,2\n", r"line 2: '/etc/passwd' is not a path"),
        (HEADER + "garden\\rex.png,cat,1,1,2,2\n", r"line 2: .*with / between its parts"),
        (HEADER + ",cat,1,1,2,2\n", r"line 2: '' is not a path"),
        (HEADER + "tom.jpg,,1,1,2,2\n", r"line 2: expected a printable label"),
        (HEADER + "tom.jpg,\x1b[2J,1,1,2,2\n", r"line 2: expected a printable label"),
        (HEADER + f"tom.jpg,{'x' * 101},1,1,2,2\n", r"line 2: expected a printable label of at most 100"),
        (HEADER + "tom.jpg,cat,1,1,2,\n", r"line 2: expected a box of four numbers, found '1,1,2,'"),
        (HEADER + "tom.jpg,cat,1,1,2,two\n", r"line 2: expected a box of four numbers"),
        (HEADER + "tom.jpg,cat,2,1,1,2\n", r"line 2: degenerate box"),
        (HEADER + "gone\x1b]0;x\x07.png,cat,,,,\n", r"line 2: 'gone\\x1b\]0;x\\x07.png' has control characters"),
        (HEADER + "gone\u2028.png,cat,,,,\n", r"line 2: .* has control characters"),
        (
            HEADER.replace("\n", ",,,,\n") + "tom.jpg,cat,1,5,10,75,12,5,19,25\n",
            r"line 2: 10 fields, .*6 columns; .*decimal",
        ),
        (HEADER + LINE + "tom.jpg,cat,10,1,20,2,30,3,40,4\n", r"line 3: 10 fields, but there are 6 columns; .*decimal"),
        (
            "sep=;\n" + HEADER.replace(",", ";") + "tom.jpg;cat;1;1;9;9;7\n",
            r"line 3: 7 fields, but there are 6 columns",
        ),
        (HEADER + "tom.jpg,cat,1_0,1,20,2\n", r"line 2: expected a box of four numbers"),
        (HEADER + 'tom.jpg,cat,"1,5",1,20,2\n', r"line 2: expected a box of four numbers"),
        (HEADER + "x" * 300 + ",cat,1,1,2,2\n", r"line 2: .*too long for the name of a file"),
        (HEADER + "../\x1b[2J,cat,1,1,2,2\n", r"line 2: '../\\x1b\[2J' is not a path"),
        ("file,file,label,xmin,ymin,xmax,ymax\n", r"line 1: the column file is there twice"),
        (HEADER + "tom.jpg,cat,1,1,nan,2\n", r"line 2: expected a box of four numbers"),
        (HEADER + "tom.jpg,cat,0.1,0.2,0.5,0.6\n", r"line 2: the box .* expected pixels, not fractions"),
        (HEADER + "tom.jpg,cat,70,1,80,2\n", r"line 2: the box .* is outside the picture of 60×40 pixels"),
        (HEADER + 'tom.jpg,"cat,1,1,2,2\n', r"line 2: unexpected end of data"),
        (HEADER + f"tom.jpg,{'x' * 200_000},1,1,2,2\n", r"line 2: field larger than"),
    ],
)
def test_wrong_lists_are_refused_with_their_line(folder, text, message):
    with pytest.raises(ValueError, match=rf"boxes.csv(, |: ){message}"):
        load(folder, text)


def test_other_encodings_and_missing_files(folder):
    for encoding in ("utf-16", "cp1252"):
        with pytest.raises(ValueError, match=r'boxes.csv: not a text in UTF-8 .*saved as "CSV UTF-8"'):
            load(folder, HEADER + LINE.replace("cat", "Kätzchen"), encoding)
    with pytest.raises(FileNotFoundError, match=r"rex.jpg is missing \(1 of the 1"):
        load(folder, HEADER + "garden/rex.jpg,cat,1,1,2,2\n")
    with pytest.raises(FileNotFoundError, match=r"none.csv: expected a CSV file with the columns file,label"):
        PhotoFolder(folder, "none.csv")


def test_damaged_photo_is_named(folder):
    (folder / "tom.jpg").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"tom.jpg: not a picture"):
        load(folder, HEADER + LINE)


def test_labels_that_differ_only_in_capitals_are_listed_with_their_counts(folder, caplog):
    data = load(folder, HEADER + LINE + "garden/rex.png,Cat,0,10,20,40\n")
    assert data.classes == ["Cat", "cat"] and data.counts == {"Cat": 1, "cat": 1}
    assert "differ only in capitals; the classes are 'Cat' (1 photo), 'cat' (1 photo)" in caplog.text
    caplog.clear()
    load(folder, HEADER + LINE + "garden/rex.png,dog,0,10,20,40\n")
    assert not caplog.records


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_and_labels_in_another_spelling_of_the_same_letters(folder, forms):
    listed, stored = (unicodedata.normalize(form, "é") for form in forms)
    (folder / f"{stored}.png").write_bytes(encode(picture(), "PNG"))
    data = load(folder, HEADER + f"{listed}.png,{listed},12,8,36,20\n{stored}.png,{stored},0,0,2,2\n")
    assert data.names == [f"{listed}.png"] and data.classes == ["é"]


def test_photo_that_is_named_by_two_paths_is_one_picture(folder):
    data = load(
        folder, HEADER + "./tom.jpg,cat,0,0,2,2\n" + LINE + "garden//rex.png,dog,,,,\ngarden/./rex.png,dog,,,,\n"
    )
    assert data.names == ["tom.jpg"] and data.without_box == ["garden//rex.png"]


def test_header_that_is_padded_with_empty_columns(folder):
    data = load(folder, HEADER.replace("\n", ",,,\n") + LINE.replace("\n", ",,,\n"))
    np.testing.assert_allclose(data.boxes[0], [12 / 60, 8 / 40, 36 / 60, 20 / 40])


def test_missing_photos_are_noticed_before_memory_is_taken(folder):
    (folder / "boxes.csv").write_text(HEADER + "".join(f"{i}.jpg,cat,1,1,9,9\n" for i in range(40_000)))
    read = lambda: PhotoFolder(folder, size=1024)  # noqa: E731
    assert "0.jpg is missing (32000 of the 32000" in within_the_rule(read, 1, FileNotFoundError)


LONG = {
    "wide": HEADER.strip() + ",a" * 2_000_000 + "\n" + "a\n" * 40_000,
    "many labels": HEADER + "".join(f"{i}.jpg,{i},1,1,9,9\n" for i in range(49_000)),
    "many lines": HEADER + LINE * 300_000,
    "accents on a label": HEADER + "tom.jpg,a" + "\u0301" * 60_000 + "\u0316" * 60_000 + ",,,,\n",
    "accents on a name": HEADER + "a" + "\u0301" * 60_000 + "\u0316" * 60_000 + ",cat,,,,\n",
    "long name": HEADER + "a/" * 60_000 + ",cat,1,1,9,9\n",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_lists_that_ask_for_much_cost_little(folder, text):
    (folder / "boxes.csv").write_text(text)
    assert within_the_rule(lambda: PhotoFolder(folder), len(text), ValueError)
