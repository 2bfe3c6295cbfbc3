"""The pickle reader: plain data goes through, everything else is refused without being executed."""

from __future__ import annotations

import os
import pickle
import struct

import numpy as np
import pytest

from datasets.pickle_reader import read_pickle, uint8_array
from tests.datasets.fake_cifar10 import python2_pickle

ARRAY = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.mark.parametrize("array", [ARRAY, np.asfortranarray(ARRAY), np.zeros((0, 3), np.uint8)])
def test_array_written_by_python_2(array):
    entries = read_pickle(python2_pickle({"data": array, "labels": [0, 255, 256, -1]}))
    assert entries["labels"] == [0, 255, 256, -1]
    np.testing.assert_array_equal(uint8_array(entries["data"]), array)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("array", [ARRAY, np.asfortranarray(ARRAY)])
def test_array_written_by_python_3(array, protocol):
    entries = read_pickle(pickle.dumps({b"data": array, "labels": [1, 2]}, protocol=protocol))
    assert set(entries) == {"data", "labels"}
    np.testing.assert_array_equal(uint8_array(entries["data"]), array)


class Malicious:
    """Unpickled by Python itself, this leaves a folder behind."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path, protocol):
    content = pickle.dumps({"data": Malicious(tmp_path / "first"), "labels": []}, protocol=protocol)
    with pytest.raises(ValueError):
        read_pickle(content)
    assert not list(tmp_path.iterdir())
    pickle.loads(content)  # the attack is a real one
    assert (tmp_path / "first").exists()


def named(module: str, name: str) -> bytes:
    """GLOBAL in protocol 2."""
    return f"c{module}\n{name}\n".encode()


def stack_named(module: str, name: str) -> bytes:
    """STACK_GLOBAL, protocol 4, whose name may hold dots."""
    return b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name)) + b"\x93"


@pytest.mark.parametrize("write", [named, stack_named])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("os", "system"),
        ("posix", "system"),
        ("numpy", "ndarray.tofile"),
        ("numpy", "core.multiarray._reconstruct"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("numpy.core.multiarray ", "_reconstruct"),
        ("numpy", "load"),
        ("numpy", ""),
        ("codecs", "encode"),
    ],
)
def test_only_exact_names_are_admitted(write, module, name):
    with pytest.raises(ValueError, match="forbidden name"):
        read_pickle(b"\x80\x04" + write(module, name) + b".")


NDARRAY, DTYPE = named("numpy", "ndarray"), named("numpy", "dtype")
RECONSTRUCT, ENCODE = named("numpy.core.multiarray", "_reconstruct"), named("_codecs", "encode")


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(NDARRAY + b"(J\xff\xff\xff\x7ftR", id="ndarray called as a constructor"),
        pytest.param(ENCODE + b"U\x01aU\x03hex\x86R", id="encode with another codec"),
        pytest.param(ENCODE + b"K\x01U\x06latin1\x86R", id="encode of a number"),
        pytest.param(RECONSTRUCT + b"]R", id="arguments that are no tuple"),
        pytest.param(RECONSTRUCT + b")RNb0K\x01)R", id="call of a number"),
        pytest.param(RECONSTRUCT + b")R)R", id="call of a call"),
        pytest.param(RECONSTRUCT + b"}U\x08__code__K\x01sb", id="state of a name"),
        pytest.param(DTYPE + b")R)b)b", id="state set twice"),
        pytest.param(NDARRAY + b")\x81", id="NEWOBJ"),
        pytest.param(b"(inumpy\nndarray\n", id="INST"),
        pytest.param(b"(" + NDARRAY + b"o", id="OBJ"),
        pytest.param(b"\x8a\x01\x01", id="LONG1"),
        pytest.param(b"Pthing\n", id="persistent id"),
        pytest.param(b"K\x01Q", id="binary persistent id"),
        pytest.param(b"\x82\x01", id="extension code"),
        pytest.param(b"\x97", id="out-of-band buffer"),
        pytest.param(b"}))s", id="key that is not a string"),
        pytest.param(b"}K\x01K\x01s", id="key that is a number"),
        pytest.param(b"K\x01K\x01a", id="append to a number"),
        pytest.param(b"](K\x01K\x02u", id="items of a list"),
        pytest.param(b"}(K\x01u", id="half an item"),
        pytest.param(b"h\x07", id="value never stored"),
        pytest.param(b"q\x00", id="nothing to store"),
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"t", id="no mark"),
        pytest.param(b"\x86", id="too little for a pair"),
    ],
)
def test_programs_that_no_plain_file_contains(program):
    with pytest.raises(ValueError):
        read_pickle(b"\x80\x02" + program + b".")


@pytest.mark.parametrize("content", [b"", b".", b"PK\x03\x04", b"\x80\x02}", b"\x80\x02]q\x01(K\x01", b"\x89PNG\r\n"])
def test_not_a_pickle(content):
    with pytest.raises(ValueError):
        read_pickle(content)


@pytest.mark.parametrize("head", [b"T" + struct.pack("<i", 2**31 - 1), b"\x8e" + struct.pack("<Q", 2**62)])
def test_string_longer_than_the_file(head):
    with pytest.raises(ValueError):
        read_pickle(b"\x80\x04" + head + b"short.")


def test_place_in_memo_costs_no_memory():
    assert read_pickle(b"\x80\x02K\x05r\xff\xff\xff\xff.") == 5


def test_number_of_instructions_is_bounded():
    with pytest.raises(ValueError, match="more than 200,000 instructions"):
        read_pickle(b"\x80\x02" + b"]" * 300_000 + b".")


def array_pickle(shape: bytes = b"K\x02K\x03\x86", dtype: bytes = b"U\x02u1", content: bytes = b"U\x06abcdef") -> bytes:
    """A 2×3 array, parts of which can be exchanged."""
    head = b"\x80\x02" + RECONSTRUCT + NDARRAY + b"K\x00\x85U\x01b\x87R(K\x01"
    return head + shape + DTYPE + dtype + b"K\x00K\x01\x87R\x89" + content + b"tb."


def test_array_pickle_is_sound():
    np.testing.assert_array_equal(uint8_array(read_pickle(array_pickle())), [[97, 98, 99], [100, 101, 102]])


BILLION = b"J\xff\xff\xff\x7f"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": BILLION + BILLION + b"\x86"}, "does not agree"),
        ({"shape": b"J\xfe\xff\xff\xffJ\xfd\xff\xff\xff\x86"}, "two-dimensional"),  # (-2, -3)
        ({"shape": b"K\x06\x85"}, "two-dimensional"),
        ({"shape": b"K\x06"}, "two-dimensional"),
        ({"shape": b"\x88K\x06\x86"}, "two-dimensional"),  # (True, 6)
        ({"dtype": b"U\x02f4"}, "dtype"),
        ({"dtype": b"U\x01O"}, "dtype"),
        ({"dtype": b"K\x01"}, "dtype"),
        ({"content": b"U\x05abcde"}, "does not agree"),
        ({"content": b"](K\x01K\x02K\x03K\x01K\x02K\x03e"}, "does not agree"),
        ({"content": b"X\x07\x00\x00\x00abcde\xc4\x80"}, "codec"),  # a letter beyond Latin-1
    ],
)
def test_arrays_that_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        uint8_array(read_pickle(array_pickle(**changes)))


def test_something_else_is_no_array():
    with pytest.raises(ValueError, match="expected a NumPy array, found list"):
        uint8_array([[1, 2], [3, 4]])
