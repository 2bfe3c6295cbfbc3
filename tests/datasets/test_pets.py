"""Oxford-IIIT Pet: the official layout is read with its quirks, and hostile copies are refused."""

from __future__ import annotations

import numpy as np
import pytest

from datasets import pets
from datasets.download import DatasetUnavailable
from datasets.pets import OxfordPets
from tests.datasets.fake_pets import (
    NAMES,
    encode,
    files,
    find_box,
    line,
    picture,
    write_archives,
    write_folder,
    xml,
    xml_object,
)


@pytest.fixture(params=["folders", "archives", "folders in oxford-iiit-pet", "archives in oxford-iiit-pet", "mixed"])
def root(request, tmp_path):
    match request.param:
        case "folders":
            write_folder(tmp_path, files())
        case "archives":
            write_archives(tmp_path, files())
        case "folders in oxford-iiit-pet":
            write_folder(tmp_path / "oxford-iiit-pet", files())
            write_folder(tmp_path, {"images/x.jpg": b"of another", "annotations/x.json": b"data set"})
        case "archives in oxford-iiit-pet":
            write_archives(tmp_path / "oxford-iiit-pet", files())
        case "mixed":
            write_archives(tmp_path, files())
            (tmp_path / "annotations.tar.gz").unlink()
            write_folder(tmp_path, {name: content for name, content in files().items() if "annot" in name})
    return tmp_path


def test_form_and_labels(root):
    data = OxfordPets(root, size=60)
    assert data.images.shape == (16, 3, 60, 60) and data.images.dtype == np.uint8
    assert data.boxes.shape == (16, 4) and data.boxes.dtype == np.float32
    assert data.classes == ["cat", "dog"] and data.labels.dtype == np.int64
    assert data.labels.tolist() == [0] * 8 + [1] * 8
    assert data.breeds[::4] == ["Abyssinian", "Russian Blue", "american bulldog", "pug"]
    assert data.without_box == []
    assert repr(data) == "OxfordPets(training set: 16 pictures of 3×60×60, 2 classes, boxes)"


def test_each_box_is_around_the_head_of_its_own_photo(root):
    data = OxfordPets(root, size=240)
    for image, box in zip(data.images, data.boxes, strict=True):
        np.testing.assert_allclose(find_box(image), box, atol=1.5 / 240)
    assert len(np.unique(data.boxes, axis=0)) == 4, "boxes differ"


def test_split_is_stratified_by_species_and_breed(tmp_path):
    write_folder(tmp_path, files())
    train, validation = OxfordPets(tmp_path, size=8), OxfordPets(tmp_path, train=False, size=8)
    assert sorted(train.names + validation.names) == sorted(NAMES)
    assert validation.names == ["Abyssinian_5", "Russian_Blue_5", "american_bulldog_5", "pug_5"]
    assert validation.labels.tolist() == [0, 0, 1, 1]
    assert len(OxfordPets(tmp_path, train=False, size=8, validation=0.4)) == 8


def test_order_of_the_list_does_not_matter(tmp_path):
    contents = files()
    contents["annotations/trainval.txt"] = "".join(map(line, NAMES[::-1])).encode()
    write_folder(tmp_path / "a", contents)
    write_folder(tmp_path / "b", files())
    first, second = OxfordPets(tmp_path / "a", size=8), OxfordPets(tmp_path / "b", size=8)
    assert first.names == second.names
    np.testing.assert_array_equal(first.images, second.images)


def test_reading_archives_unpacks_nothing(tmp_path):
    write_archives(tmp_path, files())
    before = sorted(tmp_path.rglob("*"))
    OxfordPets(tmp_path, size=8)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("write", [write_folder, write_archives])
def test_entries_without_a_box_are_left_out_and_counted(tmp_path, write):
    contents = files()
    del contents["annotations/xmls/pug_1.xml"]
    del contents["annotations/xmls/pug_2.xml"], contents["images/pug_2.jpg"]
    contents["annotations/xmls/Abyssinian_3.xml"] = b"<annotation></annotation>"
    data = OxfordPets(write(tmp_path, contents), size=8, validation=0)
    assert data.without_box == ["Abyssinian_3", "pug_1", "pug_2"]
    assert sorted(data.names + data.without_box) == sorted(NAMES)


@pytest.mark.parametrize(
    "content",
    [
        encode(picture().convert("L")),
        encode(picture().convert("CMYK")),
        encode(picture(), "GIF"),
        encode(picture().convert("P"), "PNG"),
        encode(picture().convert("RGBA"), "PNG"),
        encode(picture(), orientation=6),
        encode(picture(), orientation=3),
    ],
    ids=["grey", "CMYK", "GIF called jpg", "palette PNG called jpg", "RGBA PNG called jpg", "turned", "upside down"],
)
def test_quirks_of_photos(tmp_path, content):
    contents = files() | {"images/pug_1.jpg": content, "annotations/xmls/pug_1.xml": xml()}
    data = OxfordPets(write_folder(tmp_path, contents), size=240)
    place = data.names.index("pug_1")
    np.testing.assert_allclose(find_box(data.images[place]), data.boxes[place], atol=1.5 / 240)


def test_box_over_the_border(tmp_path):
    contents = files()
    contents["images/pug_1.jpg"] = encode(picture(box=(30, 0, 60, 20)))
    contents["annotations/xmls/pug_1.xml"] = xml(xml_object(31, 0, 64, 20))
    data = OxfordPets(write_folder(tmp_path, contents), size=240)
    place = data.names.index("pug_1")
    assert data.boxes[place].tolist() == [0.5, 0, 1, 0.5]
    np.testing.assert_allclose(find_box(data.images[place]), data.boxes[place], atol=1.5 / 240)


DOCTYPE = b'<!DOCTYPE annotation [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("write", [write_folder, write_archives])
@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("annotations/xmls/pug_1.xml", DOCTYPE + xml(), "pug_1.xml: .*document type"),
        ("annotations/xmls/pug_1.xml", xml()[:-20], "pug_1.xml: damaged"),
        ("annotations/xmls/pug_1.xml", xml(xml_object(30, 9, 13, 20)), "pug_1.xml: .*degenerate box"),
        ("annotations/xmls/pug_1.xml", xml(xml_object(300, 9, 330, 20)), "pug_1.xml: .*outside"),
        ("annotations/xmls/pug_1.xml", xml(width=60, height=60), "pug_1.xml: made for a photo of 60×60"),
        ("images/pug_1.jpg", b"hello", "pug_1.jpg: not a picture"),
        ("images/pug_1.jpg", encode(picture())[:-200], "pug_1.jpg: not a picture"),
        ("annotations/trainval.txt", b"../../etc/passwd_1 1 1 1\n", "trainval.txt, line 1: expected NAME CLASS"),
        ("annotations/trainval.txt", b"#\npug_1 1 3 1\n", "trainval.txt, line 2: expected NAME CLASS"),
        ("annotations/trainval.txt", b"pug_1 1\n", "trainval.txt, line 1: expected NAME CLASS"),
        ("annotations/trainval.txt", b"\xff\xfe\n", "trainval.txt, line 1: expected NAME CLASS"),
        ("annotations/trainval.txt", b"#\n", "trainval.txt: the list is empty"),
        ("annotations/trainval.txt", b"#" * 2**21, "trainval.txt: larger than"),
        ("annotations/trainval.txt", b"tom_1 1 1 1\n", "none of the 1 listed photos has a box"),
    ],
)
def test_damaged_and_hostile_files_are_refused_by_name(tmp_path, write, path, content, message):
    write(tmp_path, files() | {path: content})
    with pytest.raises(ValueError, match=message):
        OxfordPets(tmp_path, size=8)


@pytest.mark.parametrize("part", ["images", "annotations"])
def test_damaged_archive(tmp_path, part):
    path = write_archives(tmp_path, files()) / f"{part}.tar.gz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{part}.tar.gz: damaged"):
        OxfordPets(tmp_path, size=8)


@pytest.mark.parametrize("write", [write_folder, write_archives])
def test_missing_photo(tmp_path, write):
    contents = files()
    del contents["images/pug_1.jpg"]
    with pytest.raises(FileNotFoundError, match=r"images/pug_1.jpg is missing"):
        OxfordPets(write(tmp_path, contents), size=8)


def test_missing_list(tmp_path):
    contents = files()
    del contents["annotations/trainval.txt"]
    with pytest.raises(FileNotFoundError, match=r"annotations/trainval.txt is missing"):
        OxfordPets(write_archives(tmp_path, contents), size=8)


def test_nothing_on_disk(tmp_path):
    with pytest.raises(DatasetUnavailable) as error:
        OxfordPets(tmp_path)
    for part in pets.MD5:
        for piece in (f"{pets.URL}{part}.tar.gz", pets.MD5[part], str(tmp_path / "oxford-iiit-pet" / f"{part}.tar.gz")):
            assert piece in str(error.value)


def test_root_comes_from_the_environment(tmp_path, monkeypatch):
    write_folder(tmp_path, files())
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    assert len(OxfordPets(train=False, size=8)) == 4


def test_only_what_is_missing_is_downloaded(tmp_path, monkeypatch):
    target = tmp_path / "oxford-iiit-pet"
    write_archives(tmp_path / "server", files())
    write_folder(target, {name: content for name, content in files().items() if "annot" in name})
    calls = []

    def fetch(url, known_hash, folder):
        calls.append((url, known_hash, folder))
        name = url.rpartition("/")[2]
        (folder / name).write_bytes((tmp_path / "server" / name).read_bytes())

    monkeypatch.setattr(pets, "fetch", fetch)
    for _ in range(2):
        assert len(OxfordPets(tmp_path, download=True, size=8)) == 16
    official = "https://thor.robots.ox.ac.uk/datasets/pets/images.tar.gz"
    assert calls == [(official, "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c", target)]
