"""A folder of one's own photos with a CSV file."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.photo_folder import PhotoFolder
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
    ],
    ids=["semicolons", "spaces", "more columns and Windows lines", "other order", "quotes", "tabs", "capitals"],
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
        (HEADER + "tom.jpg,cat,1,1,nan,2\n", r"line 2: degenerate box"),
        (HEADER + "tom.jpg,cat,0.1,0.2,0.5,0.6\n", r"line 2: the box .* expected pixels, not fractions"),
        (HEADER + "tom.jpg,cat,70,1,80,2\n", r"line 2: the box .* is outside the picture of 60×40 pixels"),
        (HEADER + 'tom.jpg,"cat,1,1,2,2\n', r"after line 1: unexpected end of data"),
        (HEADER + f"tom.jpg,{'x' * 200_000},1,1,2,2\n", r"after line 1: field larger than"),
    ],
)
def test_wrong_lists_are_refused_with_their_line(folder, text, message):
    with pytest.raises(ValueError, match=rf"boxes.csv(, |: ){message}"):
        load(folder, text)


def test_other_encodings_and_missing_files(folder):
    with pytest.raises(ValueError, match=r"boxes.csv: not a text in UTF-8"):
        load(folder, HEADER + LINE, "utf-16")
    with pytest.raises(FileNotFoundError, match=r"rex.jpg is missing \(1 of the 1"):
        load(folder, HEADER + "garden/rex.jpg,cat,1,1,2,2\n")
    with pytest.raises(FileNotFoundError, match=r"none.csv: expected a CSV file with the columns file,label"):
        PhotoFolder(folder, "none.csv")


def test_damaged_photo_is_named(folder):
    (folder / "tom.jpg").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"tom.jpg: not a picture"):
        load(folder, HEADER + LINE)
