"""Files of every version of PyTorch: what was saved comes back."""

from __future__ import annotations

import tracemalloc
import zlib
from collections import OrderedDict

import numpy as np
import pytest

from minigrad.io.torch_file import TorchFileError, load_torch
from tests.io.torch_file import builders as b


@pytest.fixture
def load(tmp_path):
    """Writes content into a file and loads it."""

    def write_and_load(content: bytes) -> dict[str, np.ndarray]:
        (tmp_path / "file.pth").write_bytes(content)
        return load_torch(tmp_path / "file.pth")

    return write_and_load


def assert_same(actual, expected):
    """Equal in names, order, dtypes, shapes and bits."""
    assert list(actual) == list(expected)
    for name, array in expected.items():
        got = actual[name]
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes()), name


def row(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)


# ---- containers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", b.FILES.values(), ids=b.FILES)
def test_every_container(load, write):
    loaded = load(write())
    assert_same(loaded, b.VALUES)
    loaded["fc.bias"][0] = 7  # the memory is the array's own


def test_zip_without_checksums(load):
    content = b.in_zip()
    checksums = [value.tobytes() for value in b.VALUES.values()] + [b.PICKLE, b"little", b"3\n"]
    for part in checksums:
        content = content.replace(zlib.crc32(part).to_bytes(4, "little"), bytes(4))
    assert_same(load(content), b.VALUES)


def test_numbers_of_a_big_endian_machine(load):
    pickled = b.pickle(b.state_dict({"x": b.tensor("0", 3, (3,)), "n": b.tensor("1", 2, (2,), kind="LongStorage")}))
    storages = {"0": row(3).astype(">f4").tobytes(), "1": np.array([1, -2], ">i8").tobytes()}
    assert_same(load(b.zip_file(pickled, storages, {"byteorder": b"big"})), {"x": row(3), "n": np.array([1, -2])})


def test_storage_that_is_part_of_another_in_a_stream(load):
    view = b.group(b.text("part"), b.number(2), b.number(3))
    entries = {"part": b.tensor("0", 6, (2,), offset=1, view=view), "whole": b.tensor("0", 6, (6,), view=b.NONE)}
    loaded = load(b.stream_file(b.pickle(b.state_dict(entries)), {"0": (6, row(6).tobytes())}))
    assert_same(loaded, {"part": row(6)[3:5], "whole": row(6)})
    assert np.shares_memory(loaded["part"], loaded["whole"])


def test_storage_that_is_part_of_another_in_a_tar(load):
    pickled = b.pickle(b.state_dict({"x": b.text("21") + b"Q"}))
    content = b.tar_file(pickled, [(21, 12, (2,), (1,), 1)], [(11, "Float", 6, row(6).tobytes())], [(12, 11, 2, 3)])
    assert_same(load(content), {"x": row(6)[3:5]})


# ---- tensors -----------------------------------------------------------------------------------------------------


def test_views(load):
    entries = {
        "transposed": b.tensor("0", 6, (3, 2), (1, 3)),
        "column": b.tensor("0", 6, (2,), (3,), offset=1),
        "every other": b.tensor("0", 6, (3,), (2,)),
        "scalar": b.tensor("0", 6, (), offset=5),
        "empty": b.tensor("1", 0, (0, 3)),
        "expanded": b.tensor("0", 6, (2, 3), (0, 1)),
        "long axis of length one": b.tensor("0", 6, (1, 2), (2**40, 1)),
    }
    loaded = load(b.zip_file(b.pickle(b.state_dict(entries)), {"0": row(6).tobytes(), "1": b""}))
    matrix = row(6).reshape(2, 3)
    expected = (matrix.T, matrix[:, 1], row(6)[::2], row(6)[5], np.empty((0, 3)), np.stack([row(3)] * 2), row(2)[None])
    for (name, array), values in zip(loaded.items(), expected, strict=True):
        assert array.shape == values.shape and array.dtype == np.float32, name
        np.testing.assert_array_equal(array, values)
    assert np.shares_memory(loaded["transposed"], loaded["column"])


KINDS = {
    "DoubleStorage": np.float64, "FloatStorage": np.float32, "HalfStorage": np.float16,
    "LongStorage": np.int64, "IntStorage": np.int32, "ShortStorage": np.int16, "CharStorage": np.int8,
    "ByteStorage": np.uint8, "BoolStorage": np.bool_,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_types(load, kind):
    values = np.array([0, 1, 1, 0] if kind == "BoolStorage" else [0, 1, 100, 7], KINDS[kind])
    pickled = b.pickle(b.state_dict({"x": b.tensor("0", 4, (4,), kind=kind)}))
    assert_same(load(b.zip_file(pickled, {"0": values.tobytes()})), {"x": values})
    assert_same(load(b.stream_file(pickled, {"0": (4, values.tobytes())})), {"x": values})


def test_bfloat16_becomes_float32(load):
    values = np.array([1, -2.5, np.inf, 2.0**-133], np.float32)  # each fits into the upper half of its bits
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    pickled = b.pickle(b.state_dict({"x": b.tensor("0", 4, (2, 2), (1, 2), kind="BFloat16Storage")}))
    assert_same(load(b.zip_file(pickled, {"0": halves.tobytes()})), {"x": values.reshape(2, 2).T})
    header = {"x": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}
    assert_same(load(b.safetensors_file(header, halves.tobytes())), {"x": values})


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_types_without_a_storage_of_their_own(load, dtype):
    values = np.arange(1, 4, dtype=dtype)
    raw = b.storage("0", values.nbytes, "UntypedStorage")
    place = b.number(1), b.numbers((2,)), b.numbers((1,))
    rebuilt = b.call(b.REBUILD_V3, raw, *place, b.FALSE, b.EMPTY, b.name("torch", dtype))
    assert_same(load(b.zip_file(b.pickle(b.state_dict({"x": rebuilt})), {"0": values.tobytes()})), {"x": values[1:]})


TENSOR = b.tensor("0", 3, (3,))
ARGUMENTS = b.group(b.storage("0", 3), b.number(0), b.numbers((3,)), b.numbers((1,)), b.FALSE, b.EMPTY)
FORMS = {
    "first rebuild function": b.call(b.REBUILD_V1, b.storage("0", 3), b.number(0), b.numbers((3,)), b.numbers((1,))),
    "parameter": b.call(b.name("torch._utils", "_rebuild_parameter"), TENSOR, b.TRUE, b.EMPTY),
    "parameter with attributes": b.call(
        b.name("torch._utils", "_rebuild_parameter_with_state"), TENSOR, b.TRUE, b.EMPTY, b"}"
    ),
    "tensor with attributes": b.call(
        b.name("torch._tensor", "_rebuild_from_type_v2"), b.REBUILD_V2, b.name("torch", "Tensor"), ARGUMENTS, b"}"
    ),
    "parameter object of 2017": b.PARAMETER + b")\x81" + b.group(TENSOR, b.NONE, b.NONE, b.TRUE, b.FALSE) + b"b",
    "parameter object of 2018": b.call(b.PARAMETER, TENSOR) + b.group(b.TRUE, b.FALSE, b.EMPTY) + b"b",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_of_a_tensor(load, form):
    assert_same(load(b.zip_file(b.pickle(b.state_dict({"x": form})), {"0": row(3).tobytes()})), {"x": row(3)})


def test_ordered_dict_of_python_2(load):
    items = b"](](U\x01b" + TENSOR + b"e](U\x01a" + TENSOR + b"ee"
    content = b.zip_file(b.pickle(b.call(b.ORDERED_DICT, items)), {"0": row(3).tobytes()})
    assert_same(load(content), {"b": row(3), "a": row(3)})


# ---- finding the state dict --------------------------------------------------------------------------------------


def entries(**values: bytes) -> bytes:
    return b"}(" + b"".join(b.text(name) + value for name, value in values.items()) + b"u"


WEIGHTS = b.state_dict({"x": TENSOR})
OPTIMIZER = entries(state=b"}" + b.number(0) + entries(momentum=TENSOR) + b"s", lr=b"G" + bytes(8))


@pytest.mark.parametrize(
    "checkpoint",
    [
        entries(epoch=b.number(3), state_dict=WEIGHTS, optimizer=OPTIMIZER),
        entries(optimizer=OPTIMIZER, model_state_dict=WEIGHTS, history=b"](" + b.number(1) + b.number(2) + b"e"),
        entries(model=entries(state_dict=WEIGHTS)),
        entries(best_accuracy=TENSOR, model=WEIGHTS),
        entries(model=entries(depth=b.number(18)), weights=WEIGHTS),
        entries(some_other_name=WEIGHTS, note=b.text("best")),
        entries(x=TENSOR, version=b.number(2)),
    ],
    ids=["state_dict", "model_state_dict", "two deep", "beside a tensor", "beside options", "own name", "bare"],
)
def test_state_dict_in_a_checkpoint(load, checkpoint):
    assert_same(load(b.zip_file(b.pickle(checkpoint), {"0": row(3).tobytes()})), {"x": row(3)})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TENSOR, "no tensors by name"),
        (b"]" + TENSOR + b"a", "no tensors by name"),
        (entries(epoch=b.number(3)), "no tensors by name"),
        (b"}q\x00" + b.text("model") + b"h\x00s", "no tensors by name"),  # a dictionary that holds itself
        (entries(student=WEIGHTS, teacher=WEIGHTS), "'student', 'teacher'"),
        (b"}" + b.number(5) + TENSOR + b"s", "no tensors by name"),
        (entries(x=b.PARAMETER + b")\x81"), "entry 'x' is a Parameter without a tensor"),
        (
            entries(x=TENSOR, y=b.call(b.name("torch._utils", "_rebuild_qtensor"))),
            "'y' is a tensor of a kind that is n",
        ),
    ],
)
def test_no_state_dict(load, content, reason):
    with pytest.raises(TorchFileError, match=reason):
        load(b.zip_file(b.pickle(content), {"0": row(3).tobytes()}))


def test_dictionary_under_two_names(load):
    """It is one dictionary, so there is nothing to choose."""
    checkpoint = b"}" + b.text("first") + WEIGHTS + b"q\x05s" + b.text("second") + b"h\x05s"
    assert_same(load(b.zip_file(b.pickle(checkpoint), {"0": row(3).tobytes()})), {"x": row(3)})


def test_memory_is_needed_once_and_for_the_weights_alone(load, tmp_path):
    count = 6_000_000
    row_of_zeros = bytes(4 * count)
    optimizer = entries(state=b.tensor("1", count, (count,)))
    pickled = b.pickle(entries(state_dict=b.state_dict({"x": b.tensor("0", count, (count,))}), optimizer=optimizer))
    files = {
        "zip": b.zip_file(pickled, {"0": row_of_zeros, "1": row_of_zeros}),
        "stream": b.stream_file(pickled, {"0": (count, row_of_zeros), "1": (count, row_of_zeros)}),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        load_torch(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * count + 2**21, name


# ---- against PyTorch itself --------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


WRITERS = [(True, 2), (True, 3), (True, 4), (True, 5), (False, 2), (False, 4)]


def save_and_load(torch, path, obj, new, protocol):
    torch.save(obj, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    return load_torch(path)


@pytest.mark.parametrize(("new", "protocol"), WRITERS)
def test_model_saved_by_pytorch(torch, tmp_path, new, protocol):
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(1, 2, 5, 3 + 2)).sum().backward()
    optimizer.step()
    expected = {name: value.numpy() for name, value in model.state_dict().items()}
    checkpoint = {"epoch": 3, "loss": 0.5, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    for obj in (model.state_dict(), model.state_dict(keep_vars=True), checkpoint):
        assert_same(save_and_load(torch, tmp_path / "file.pth", obj, new, protocol), expected)


@pytest.mark.parametrize(("new", "protocol"), WRITERS)
def test_tensors_saved_by_pytorch(torch, tmp_path, new, protocol):
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = OrderedDict(
        base=base, transposed=base.permute(2, 0, 1), sliced=base[1, 1:, ::2], scalar=torch.tensor(2.5),
        empty=torch.empty(0, 3), parameter=torch.nn.Parameter(base[0]), expanded=torch.ones(2, 1).expand(2, 5),
        channels_last=torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), bool=base > 3,
        bfloat16=torch.randn(5).bfloat16(),
    )  # fmt: skip
    for kind in ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1"):
        tensors[kind] = torch.from_numpy(np.array([0, 1, 100], kind))
    expected = {name: tensor.detach() for name, tensor in tensors.items()}
    expected["bfloat16"] = expected["bfloat16"].float()
    expected = {name: tensor.numpy() for name, tensor in expected.items()}
    loaded = save_and_load(torch, tmp_path / "file.pth", tensors, new, protocol)
    assert_same(loaded, expected)
    for name, array in loaded.items():
        assert array.size == 0 or array.strides == expected[name].strides, name
    assert np.shares_memory(loaded["base"], loaded["transposed"])


def test_tensors_that_are_refused(torch, tmp_path):
    refused = {
        "sparse": torch.eye(3).to_sparse(),
        "negated": torch.complex(torch.ones(2), torch.ones(2)).conj().imag,
        "8-bit": torch.zeros(2).to(torch.float8_e4m3fn),
        "model": torch.nn.Linear(2, 2),
    }
    for name, value in refused.items():
        with pytest.raises(TorchFileError, match="(not read were|not read here, made by) 'torch"):
            save_and_load(torch, tmp_path / f"{name}.pth", {"x": value}, True, 2)


def test_safetensors_saved_by_its_library(tmp_path):
    from safetensors.numpy import save_file

    arrays = {"weight": np.arange(6.0).reshape(2, 3), "bias": row(2), "count": np.array(7), "empty": np.empty((0, 2))}
    save_file(arrays, tmp_path / "file.safetensors", metadata={"format": "pt"})
    loaded = load_torch(tmp_path / "file.safetensors")
    assert_same({name: loaded[name] for name in arrays}, arrays)
