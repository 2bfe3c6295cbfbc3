"""Checkpoints: what goes in comes out, and nothing else is let in."""

from __future__ import annotations

import json
import math
import os
import stat
import struct
import sys
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from minigrad.io import checkpoints
from minigrad.io.checkpoints import CheckpointError, load, save
from minigrad.tensor import Tensor
from tests.costs import within_the_rule

DTYPES = sorted(checkpoints.DTYPES.values())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def round_trip(path, obj):
    save(path, obj)
    return load(path)


def assert_same(actual, expected):
    """Equal in value, type and bits, arrays and NaNs included."""
    assert type(actual) is type(expected)
    if isinstance(expected, np.ndarray):
        assert (actual.dtype, actual.shape, actual.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, float):
        assert struct.pack(">d", actual) == struct.pack(">d", expected)
    else:
        assert actual == expected


# ---- what goes in comes out --------------------------------------------------------------------------------------


def test_training_state_comes_back(path):
    state = {
        "model": {"conv.weight": np.ones((2, 3), np.float32), "bn.num_batches_tracked": np.array(7)},
        "optimizer": {"param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}], "state": [{}, {"step": 3}]},
        "generator": np.random.default_rng(0).bit_generator.state,
        "epoch": 4,
        "best": None,
        "done": False,
    }
    assert_same(round_trip(path, state), state)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (4,), (2, 3, 4)])
def test_every_dtype_and_shape(path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    assert_same(round_trip(path, [array]), [array])


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::-1],
        lambda a: a[:, ::2],
        np.asfortranarray,
        lambda a: a[1],
        lambda a: a.astype(">f4"),
    ],
    ids=["transposed", "reversed", "strided", "fortran", "row", "big-endian"],
)
def test_memory_layout_does_not_matter(path, view):
    array = view(np.arange(24, dtype=np.float32).reshape(4, 6))
    loaded = round_trip(path, array)
    np.testing.assert_array_equal(loaded, array)
    assert loaded.dtype == np.float32


def test_broadcast_array_is_written_in_full(path):
    np.testing.assert_array_equal(round_trip(path, np.broadcast_to(np.float32(3), (2, 2))), np.full((2, 2), 3))


def test_tensor_comes_back_as_array(path, device):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert_same(round_trip(path, {"x": Tensor(values, device=device)}), {"x": values})
    assert_same(round_trip(path, {"x": Tensor(values, device=device).data.T}), {"x": np.ascontiguousarray(values.T)})


INTEGERS = [0, -1, 2**63 - 1, -(2**63), 2**63, 2**128 - 1, -(2**200), 7**9000]


@pytest.mark.parametrize("value", INTEGERS, ids=lambda value: f"{value.bit_length()}bits")
def test_integers_of_any_size(path, value):
    assert_same(round_trip(path, value), value)


NAN_WITH_PAYLOAD = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]


@pytest.mark.parametrize(
    "value", [0.1, -0.0, 5e-324, sys.float_info.max, math.inf, -math.inf, math.nan, NAN_WITH_PAYLOAD]
)
def test_floats_bit_for_bit(path, value):
    assert_same(round_trip(path, value), value)


def test_numpy_scalars_and_subclasses_become_plain(path):
    obj = {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": OrderedDict(x=1), "e": np.float64(2)}
    assert_same(round_trip(path, obj), {"a": 0.5, "b": 3, "c": True, "d": {"x": 1}, "e": 2.0})


def test_keys_that_look_like_something_else(path):
    one, two = np.ones(1), np.zeros(2)
    obj = {
        "a/b": one,
        "a": {"b": two},
        "__metadata__": one,
        "": two,
        "\ud800": one,
        "\\ud800": two,
        "dict": {"array": "a"},
    }
    assert_same(round_trip(path, obj), obj)


def test_loaded_arrays_can_be_written_to(path):
    array = round_trip(path, np.zeros(3))
    array += 1
    np.testing.assert_array_equal(load(path), np.zeros(3))


def test_arrays_are_readable_by_name_for_other_programs(path):
    save(path, {"model": {"weight": np.arange(3)}})
    np.testing.assert_array_equal(load_file(path)["model/weight"], np.arange(3))


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
STRUCTURES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(obj=STRUCTURES)
def test_any_structure_comes_back(path, obj):
    assert_same(round_trip(path, obj), obj)


# ---- what cannot be saved ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), b"bytes", 1j, np.array(["text"]), np.array([None]), np.ones(2, np.complex64), np.longdouble(1)],
    ids=lambda value: type(value).__name__,
)
def test_other_types_are_refused_by_their_place(path, value):
    with pytest.raises(TypeError, match="'model/layers/1'"):
        save(path, {"model": {"layers": [0, value]}})
    assert not path.exists()


def test_keys_that_are_no_strings_are_refused(path):
    with pytest.raises(TypeError, match="'state' has the key 3"):
        save(path, {"state": {3: "x"}})


def test_object_that_contains_itself_is_refused(path):
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contain itself"):
        save(path, loop)


def test_failed_save_leaves_the_old_file(path):
    save(path, "old")
    with pytest.raises(TypeError):
        save(path, {"new": object()})
    assert load(path) == "old"


def test_interrupted_save_leaves_the_old_file(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    save(path, "old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(path, "new")
    assert load(path) == "old"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_file_has_the_permissions_of_the_umask(path):
    before = os.umask(0o022)
    try:
        save(path, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# ---- damaged, foreign and hostile files --------------------------------------------------------------------------


def safetensors_file(path, structure, arrays=(), **metadata):
    """Write a file with a right checksum around any structure, as an attacker would."""
    arrays = dict(arrays)
    text = structure if isinstance(structure, str) else json.dumps(structure)
    checksum = checkpoints._checksum(text, arrays)
    known = {"format": checkpoints.FORMAT, "version": checkpoints.VERSION, "structure": text, "crc32": checksum}
    save_file(arrays, path, {**known, **metadata})


def test_missing_file_stays_file_not_found(path):
    with pytest.raises(FileNotFoundError, match=path.name):
        load(path)


def test_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="not a regular file"):
        load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"PK\x03\x04" + bytes(500), b"\x80\x02}q\x00." * 20, bytes(64), b"\xff" * 64]
)
def test_other_file_formats_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=path.name):
        load(path)


def test_plain_safetensors_file_is_refused(path):
    save_file({"weight": np.ones(3)}, path)
    with pytest.raises(CheckpointError, match="not one written by mg.save"):
        load(path)


def test_newer_version_is_refused(path):
    safetensors_file(path, 1, version="99")
    with pytest.raises(CheckpointError, match="'99'"):
        load(path)


@pytest.mark.parametrize(
    "structure",
    [
        {"array": "missing"},
        {"array": ["x"]},
        {"pickle": "cos"},
        {},
        {"tuple": [], "dict": {}},
        {"tuple": {}},
        {"dict": []},
        {"int": "0x"},
        {"int": "1_0"},
        {"int": 5},
        {"float": "7ff"},
        {"float": "é" * 16},
        "[" * 50 + "]" * 51,
        "[" * 70 + "]" * 70,
        "[" * 100_000 + "]" * 100_000,
        "9" * 100_000,
        "",
    ],
    ids=lambda structure: str(structure)[:20],
)
def test_meaningless_structure_is_refused(path, structure):
    safetensors_file(path, structure)
    with pytest.raises(CheckpointError, match=path.name):
        load(path)


def test_array_referred_to_twice_or_never_is_refused(path):
    for structure in ([{"array": "x"}, {"array": "x"}], []):
        safetensors_file(path, structure, {"x": np.ones(2)})
        with pytest.raises(CheckpointError):
            load(path)


def test_booleans_of_other_bytes_are_refused(path):
    safetensors_file(path, {"array": "x"}, {"x": np.array([0, 7], np.uint8).view(bool)})
    with pytest.raises(CheckpointError, match="booleans"):
        load(path)


@pytest.mark.parametrize("dtype, size", [("BF16", 2), ("F8_E4M3", 1), ("C64", 8)])
def test_arrays_of_other_types_are_refused(path, dtype, size):
    metadata = {"format": checkpoints.FORMAT, "version": checkpoints.VERSION}
    entry = {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": metadata, "x": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(CheckpointError, match=dtype):
        load(path)


EXAMPLE = {
    "weights": [np.arange(5.0), np.ones((2, 2), np.int8)],
    "generator": 2**100,
    "history": (0.5, math.inf),
    "note": "é",
}


@PROPERTY
@given(data=st.data())
def test_random_damage_is_noticed(path, data):
    save(path, EXAMPLE)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    damage = data.draw(st.sampled_from(["flip", "truncate", "insert", "delete"]))
    if damage == "flip":
        content[place] ^= data.draw(st.integers(1, 255))
    elif damage == "truncate":
        del content[place:]
    elif damage == "insert":
        content[place:place] = data.draw(st.binary(min_size=1, max_size=9))
    else:
        del content[place]
    path.write_bytes(content)
    try:
        loaded = load(path)
    except CheckpointError as error:
        assert path.name in str(error)
    else:
        assert_same(loaded, EXAMPLE)  # the change hit a byte without meaning


STRUCTURES_THAT_ASK_FOR_MUCH = {
    "numbers": "[" + "0," * 2_900_000 + "0]",
    "lists": "[" + "[]," * 399_000 + "0]",
    "more lists": "[" + "[]," * 1_900_000 + "0]",
    "dicts": "[" + '{"dict":{}},' * 199_000 + "0]",
    "longer": "[" + "0," * 4_000_000 + "0]",
}


@pytest.mark.parametrize("structure", STRUCTURES_THAT_ASK_FOR_MUCH.values(), ids=STRUCTURES_THAT_ASK_FOR_MUCH)
def test_structures_that_ask_for_much_cost_little(path, structure):
    safetensors_file(path, structure)
    within_the_rule(lambda: load(path), path.stat().st_size, CheckpointError)


def test_what_could_not_be_read_is_not_written(path):
    with pytest.raises(ValueError, match="long rows of numbers belong into arrays"):
        save(path, [0.5] * 2_000_000)
    assert not path.exists()


def test_names_from_the_file_are_escaped_in_messages(path):
    name = "\x1b[2J\n"
    for structure, arrays in (([], {name: np.ones(2)}), ({name: 1}, {})):
        safetensors_file(path, structure, arrays)
        with pytest.raises(CheckpointError) as error:
            load(path)
        assert str(error.value).isprintable()
    save_file({}, path, {"format": checkpoints.FORMAT, "version": name})
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value).isprintable()
