"""CIFAR-10: the official layout is read, and everything that is wrong with a file is told with its name."""

from __future__ import annotations

import gzip
import os
import pickle
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets import CIFAR10, DatasetUnavailable, archive, cifar10
from minigrad.data import Dataset
from tests.datasets.fake_cifar10 import (
    ARCHIVE,
    BATCHES,
    CLASSES,
    FOLDER,
    batch,
    files,
    meta,
    python2_pickle,
    write_archive,
    write_folder,
)
from tests.datasets.fake_pets import tar


def python3_bytes_pickle(entries: dict) -> bytes:
    """As Python 3 writes what it read from the official files with encoding="bytes"."""
    return pickle.dumps({key.encode(): value for key, value in entries.items()}, protocol=2)


@pytest.fixture(params=["folder", "batches folder", "archive", "Python 3 twin", "Python 3 twin with bytes"])
def root(request, tmp_path):
    match request.param:
        case "folder":
            write_folder(tmp_path, files())
        case "batches folder":
            return write_folder(tmp_path, files())
        case "archive":
            write_archive(tmp_path, files())
        case "Python 3 twin":
            write_folder(tmp_path, files(write=pickle.dumps))
        case "Python 3 twin with bytes":
            write_archive(tmp_path, files(write=python3_bytes_pickle))
    return tmp_path


def test_training_set(root):
    data = CIFAR10(root)
    expected = np.concatenate([batch(number)["data"] for number in range(1, 6)]).reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(data.images, expected)
    np.testing.assert_array_equal(data.labels, sum((batch(number)["labels"] for number in range(1, 6)), []))
    assert data.images.dtype == np.uint8 and data.images.flags.c_contiguous
    assert data.labels.dtype == np.int64 and data.labels.shape == (20,)
    assert data.classes == CLASSES
    assert isinstance(data, Dataset)


def test_test_set_is_another_file_with_the_same_statistics(root):
    train, test = CIFAR10(root), CIFAR10(root, train=False)
    np.testing.assert_array_equal(test.images.reshape(4, 3072), batch(6)["data"])
    assert test.labels.tolist() == [6, 7, 8, 9]
    assert (test.mean, test.std) == (train.mean, train.std) and len(test.mean) == 3


def test_reading_an_archive_unpacks_nothing(tmp_path):
    path = write_archive(tmp_path, files())
    before = sorted(tmp_path.rglob("*"))
    CIFAR10(path.parent)
    assert sorted(tmp_path.rglob("*")) == before


def test_batch_and_items(tmp_path):
    write_folder(tmp_path, files())
    data = CIFAR10(tmp_path)
    images, labels = data.batch(np.array([7, 0, 7]))
    assert images.shape == (3, 3, 32, 32) and images.flags.c_contiguous
    np.testing.assert_array_equal(images, data.images[[7, 0, 7]])
    np.testing.assert_array_equal(labels, data.labels[[7, 0, 7]])
    images[:] = 0
    assert data.images.any(), "a batch is a copy"
    image, label = data[7]
    np.testing.assert_array_equal(image, data.images[7])
    assert label == data.labels[7] and len(data) == 20
    assert repr(data) == "CIFAR10(training set: 20 pictures of 3×32×32, 10 classes)"


def test_first_1024_values_of_a_row_are_the_red_channel(tmp_path):
    row = np.repeat(np.array([[10, 20, 30]], np.uint8), 1024, axis=1)
    row[0, 1] = 99  # red, first row, second column
    write_folder(tmp_path, files() | {"test_batch": python2_pickle(batch(data=row, labels=[3]))})
    image = CIFAR10(tmp_path, train=False).images[0]
    assert image[:, 5, 5].tolist() == [10, 20, 30] and image[0, 0, 1] == 99


def test_root_comes_from_the_environment(tmp_path, monkeypatch):
    write_folder(tmp_path, files())
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    assert len(CIFAR10(train=False)) == 4


def test_nothing_on_disk(tmp_path):
    with pytest.raises(DatasetUnavailable) as error:
        CIFAR10(tmp_path)
    for part in (cifar10.URL, cifar10.MD5, str(tmp_path / ARCHIVE), FOLDER):
        assert part in str(error.value)


def test_download_is_asked_for_only_when_needed(tmp_path, monkeypatch):
    calls = []

    def fetch(url, known_hash, folder):
        calls.append((url, known_hash, folder))
        return write_archive(folder, files())

    monkeypatch.setattr(cifar10, "fetch", fetch)
    for _ in range(2):
        assert len(CIFAR10(tmp_path, download=True)) == 20
    official = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert calls == [(official, "md5:c58f30108f718f92721af3b95e74349a", tmp_path)]


@pytest.mark.parametrize("name", [ARCHIVE, "cifar-10-python.tar"])
def test_archive_that_the_browser_has_unpacked(tmp_path, name):
    packed = write_archive(tmp_path / "packed", files())
    (tmp_path / name).write_bytes(gzip.decompress(packed.read_bytes()))
    np.testing.assert_array_equal(CIFAR10(tmp_path).images, CIFAR10(tmp_path / "packed").images)


def test_batches_of_different_lengths_follow_each_other(tmp_path):
    contents = files() | {
        "data_batch_2": python2_pickle(batch(2, count=1)),
        "data_batch_4": python2_pickle(batch(4, count=7)),
    }
    write_folder(tmp_path, contents)
    data = CIFAR10(tmp_path)
    expected = [batch(number, count) for number, count in zip(range(1, 6), (4, 1, 4, 7, 4), strict=True)]
    np.testing.assert_array_equal(data.images.reshape(20, 3072), np.concatenate([part["data"] for part in expected]))
    assert data.labels.tolist() == [label for part in expected for label in part["labels"]]


@pytest.mark.parametrize("missing", ["batches.meta", *BATCHES])
@pytest.mark.parametrize("write", [write_folder, write_archive])
def test_missing_file(tmp_path, write, missing):
    contents = files()
    del contents[missing]
    write(tmp_path, contents)
    with pytest.raises(FileNotFoundError, match=f"{missing}.* is missing"):
        CIFAR10(tmp_path, train=missing != "test_batch")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros((4, 3071), np.uint8)}, r"shape \(4, 3071\)"),
        ({"data": np.zeros((4, 3, 1024), np.uint8)}, "two-dimensional"),
        ({"data": np.zeros((4, 3072), np.float32)}, "dtype"),
        ({"data": np.zeros((0, 3072), np.uint8), "labels": []}, "shape"),
        ({"data": [1, 2, 3]}, "expected a NumPy array"),
        ({"labels": [1, 2, 3]}, "list of 4"),
        ({"labels": "abcd"}, "list of 4"),
        ({"labels": [1, 2, 3, 10]}, "from 0 to 9"),
        ({"labels": [1, 2, 3, -1]}, "from 0 to 9"),
        ({"labels": [1, 2, 3, True]}, "integers"),
        ({"labels": [1, 2, 3, "4"]}, "integers"),
    ],
)
def test_wrong_content_of_a_batch(tmp_path, changes, message):
    write_folder(tmp_path, files() | {"data_batch_3": python2_pickle(batch(**changes))})
    with pytest.raises(ValueError, match=f"data_batch_3: .*{message}"):
        CIFAR10(tmp_path)


@pytest.mark.parametrize("lost", ["data", "labels"])
def test_missing_entry(tmp_path, lost):
    entries = batch()
    del entries[lost]
    write_folder(tmp_path, files() | {"test_batch": python2_pickle(entries)})
    with pytest.raises(ValueError, match=f"test_batch: .*'{lost}' is missing"):
        CIFAR10(tmp_path, train=False)


@pytest.mark.parametrize(
    "names",
    [CLASSES[:9], CLASSES[:9] + ["cat"], CLASSES[:9] + [""], CLASSES[:9] + ["\x1b[2J"], CLASSES[:9] + [7], "abc"],
)
def test_wrong_class_names(tmp_path, names):
    write_folder(tmp_path, files() | {"batches.meta": python2_pickle(meta(label_names=names))})
    with pytest.raises(ValueError, match="batches.meta: "):
        CIFAR10(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", python2_pickle([1, 2]), python2_pickle(batch())[:-3000]])
def test_foreign_or_truncated_batch(tmp_path, content):
    write_folder(tmp_path, files() | {"data_batch_5": content})
    with pytest.raises(ValueError, match="data_batch_5: damaged"):
        CIFAR10(tmp_path)


class Malicious:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [write_folder, write_archive])
def test_malicious_pickle(tmp_path, write):
    trap = tmp_path / "trap"
    write(tmp_path, files() | {"batches.meta": pickle.dumps(meta(num_vis=Malicious(trap)), protocol=2)})
    with pytest.raises(ValueError, match="batches.meta: .*forbidden name"):
        CIFAR10(tmp_path)
    assert not trap.exists()


def member(name: str, **attributes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../evil"), "not a path inside"),
        (member(f"{FOLDER}/../../evil"), "not a path inside"),
        (member("/etc/evil"), "not a path inside"),
        (member("..\\evil"), "not a path inside"),
        (member(f"{FOLDER}/test_batch", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link"),
        (member(f"{FOLDER}/test_batch", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "link"),
        (member(f"{FOLDER}/pipe", type=tarfile.FIFOTYPE), "pipe"),
        (member(f"{FOLDER}/test_batch", pax_headers={"size": str(2**40)}), "claims"),
        (member(f"{FOLDER}/test_batch", pax_headers={"size": "-1024"}), "claims"),
    ],
)
def test_archive_with_a_dangerous_member(tmp_path, bad, message):
    path = write_archive(tmp_path, files(), extra=[bad])
    with pytest.raises(ValueError, match=f"{ARCHIVE}: .*{message}"):
        CIFAR10(path.parent)


def test_archive_with_too_many_members(tmp_path):
    write_archive(tmp_path, files(), extra=[member(f"empty{i}") for i in range(200)])
    with pytest.raises(ValueError, match="more than 100 members"):
        CIFAR10(tmp_path)


def test_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MAX_UNPACKED", 2**20)
    (tmp_path / ARCHIVE).write_bytes(gzip.compress(tar({}, mode="w:") + bytes(2**21)))
    with pytest.raises(ValueError, match="unpacks to more than"):
        CIFAR10(tmp_path)


def test_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_MAX_FILE_BYTES", 1000)
    write_folder(tmp_path, files())
    with pytest.raises(ValueError, match="data_batch_1: larger than 1000 bytes"):
        CIFAR10(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, 0.99])
def test_truncated_archive(tmp_path, keep):
    path = write_archive(tmp_path, files())
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ValueError, match=f"{ARCHIVE}: damaged"):
        CIFAR10(tmp_path)


def test_archive_cut_before_compression(tmp_path):
    path = write_archive(tmp_path, files())
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:5000]))
    with pytest.raises((ValueError, FileNotFoundError), match=ARCHIVE):
        CIFAR10(tmp_path)


@pytest.mark.parametrize(
    "content", [b"no archive at all", gzip.compress(b"no tar at all" * 100, mtime=0), gzip.compress(b"", mtime=0)]
)
def test_foreign_archive(tmp_path, content):
    (tmp_path / ARCHIVE).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=ARCHIVE):
        CIFAR10(tmp_path)


# Damage: bytes overwritten, a piece cut out, the rest cut off. Half of it strikes where the structure is.
places = st.one_of(st.floats(0, 1), st.floats(0, 0.03), st.floats(0.97, 1))
damages = st.lists(st.tuples(places, st.integers(0, 40), st.binary(max_size=40)), min_size=1, max_size=4)


def damage(content: bytes, changes) -> bytes:
    for place, cut, insert in changes:
        start = int(place * len(content))
        content = content[:start] + insert + content[start + cut :]
    return content


def reads_or_refuses(root) -> None:
    try:
        data = CIFAR10(root, train=False)
    except (ValueError, FileNotFoundError) as error:
        assert str(root) in str(error), "the error names the file"
    else:
        assert data.images.shape[1:] == (3, 32, 32) and len(data.images) == len(data.labels)
        assert set(data.labels.tolist()) <= set(range(10))


fuzz = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzz
@given(changes=damages, write=st.sampled_from([python2_pickle, pickle.dumps]))
def test_damaged_batch_gives_only_clean_errors(tmp_path, changes, write):
    folder = tmp_path / FOLDER
    if not folder.exists():
        write_folder(tmp_path, {"batches.meta": python2_pickle(meta())})
    (folder / "test_batch").write_bytes(damage(write(batch(count=1)), changes))
    reads_or_refuses(tmp_path)


@fuzz
@given(changes=damages, packed=st.booleans())
def test_damaged_archive_gives_only_clean_errors(tmp_path, changes, packed):
    path = tmp_path / ARCHIVE
    original = tmp_path / "original"
    if not original.exists():
        original.mkdir()
        small = {"batches.meta": python2_pickle(meta()), "test_batch": python2_pickle(batch(count=1))}
        write_archive(original, small)
    content = (original / ARCHIVE).read_bytes()
    if packed:
        path.write_bytes(damage(content, changes))
    else:
        path.write_bytes(gzip.compress(damage(gzip.decompress(content), changes), compresslevel=1))
    reads_or_refuses(tmp_path)
