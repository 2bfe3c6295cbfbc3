"""Checkpoints as training scripts leave them: whatever lies beside the weights, the weights can be had."""

from __future__ import annotations

import argparse
import collections
import io
import mmap
import struct

import numpy as np
import pytest

from minigrad.io.torch_file import TorchFileError, load_torch
from tests.costs import within_the_rule
from tests.io.torch_file import builders as b

ROW = np.arange(3, dtype=np.float32)
TENSOR = b.tensor("0", 3, (3,))
WEIGHTS = b.state_dict({"x": TENSOR})


def file(**entries: bytes) -> io.BytesIO:
    pickled = b.pickle(b"}(" + b"".join(b.text(name) + value for name, value in entries.items()) + b"u", 4)
    return io.BytesIO(b.zip_file(pickled, {"0": ROW.tobytes()}))


def key(value: bytes) -> bytes:
    return b"}" + value + b.NONE + b"s"


BESIDE = {
    "number of 47 bits": key(b.number(140234567891234)), "tuple": key(b.numbers((1, 2))), "bool": key(b.TRUE),
    "None": key(b.NONE), "float": key(b"G" + bytes(8)), "bytes": key(b"C\x01a"), "long text": key(b.text("k" * 9999)),
    "namespace": b.name("argparse", "Namespace") + b")\x81}" + b.text("lr") + b.number(1) + b"sb",
    "Counter": b.call(b.name("collections", "Counter"), key(b.number(3))),
    "torch.Size": b.call(b.name("torch", "Size"), b.numbers((2, 3))),
    "device": b.call(b.name("torch", "device"), b.text("cuda")),
    "dtype": b.name("torch", "float8_e4m3fn"),
    "set": b"\x8f(" + b.number(1) + b"\x90", "set of protocol 2": b.call(b.name("__builtin__", "set"), b"]"),
    "frozenset": b"(" + b.number(1) + b"\x91",
    "bytearray": b.call(b.name("__builtin__", "bytearray"), b.text("a"), b.text("latin-1")),
    "NumPy scalar": b.call(b.name("numpy", "core.multiarray.scalar"), b.call(b.name("numpy", "dtype"), b.text("f8"))),
    "list subclass": b.name("app", "Rows") + b")\x81(" + b.number(1) + b"e",
    "dict subclass": b.name("app", "Options") + b")\x81(" + b.text("a") + b.number(1) + b"u",
    "keyword arguments": b.name("app", "Thing") + b")" + key(b.text("a")) + b"\x92",
    "sparse tensor": b.call(b.name("torch._utils", "_rebuild_sparse_tensor"), TENSOR),
    "source of a class": b.group(b.text("module"), b.name("app", "Net"), b.text("net.py"), b.text("...")) + b"Q",
}  # fmt: skip


@pytest.mark.parametrize("thing", BESIDE.values(), ids=BESIDE)
def test_what_lies_beside_the_weights_never_costs_them(thing):
    loaded = load_torch(file(extra=thing, state_dict=WEIGHTS, again=thing))
    assert list(loaded) == ["x"]
    np.testing.assert_array_equal(loaded["x"], ROW)


LOSS = b"G" + bytes(8)
LARGE = {
    "losses": b"](" + LOSS * 3_000_000 + b"e",
    "vocabulary": b"}(" + b"".join(b.text(f"word {i}") + b.number(i) for i in range(250_000)) + b"u",
    "bytes": b"B" + struct.pack("<I", 4 * 10**7) + bytes(4 * 10**7),
    "text": b.text("é" * 2 * 10**7),
    "tensors": b"](" + TENSOR * 20_000 + b"e",
    "tensor that repeats": b.tensor("0", 3, (2**30,), (0,)),
    "tensor that repeats beyond integers": b.tensor("0", 3, (2**62,), (0,)),
}  # fmt: skip


@pytest.mark.parametrize("container", ["zip", "stream"])
@pytest.mark.parametrize("thing", LARGE.values(), ids=LARGE)
def test_what_lies_beside_the_weights_may_be_large(thing, container):
    """And costs no more than other files."""
    pickled = b.pickle(b"}" + b.text("extra") + thing + b"s" + b.text("model") + WEIGHTS + b"s", 4)
    rows = {"0": ROW.tobytes()}
    content = b.zip_file(pickled, rows) if container == "zip" else b.stream_file(pickled, {"0": (3, rows["0"])})
    assert within_the_rule(lambda: list(load_torch(io.BytesIO(content))) == ["x"] or 1 / 0, len(content)) == ""


OPTIONS = b"}" + b.text("lr") + b.number(1) + b"s"


def one(name: str, value: bytes) -> bytes:
    return b"}" + b.text(name) + value + b"s"


@pytest.mark.parametrize(
    "entries",
    [
        {"params": OPTIONS, "best": WEIGHTS},
        {"model": one("name", b.text("resnet18")), "best_state": WEIGHTS},
        {"net": b"}", "resnet": WEIGHTS},
        {"state_dict": one("model", b"}"), "weights": one("note", OPTIONS), "own": WEIGHTS},
        {"model": OPTIONS, "ckpt": one("state_dict", WEIGHTS)},
        {"params": one("model", OPTIONS), "model": one("inner", WEIGHTS)},
    ],
    ids=lambda entries: " ".join(entries),
)
def test_a_customary_name_counts_only_with_tensors_inside(entries):
    assert list(load_torch(file(**entries))) == ["x"]


@pytest.mark.parametrize(
    "made_by", ["torch.nn.parameter.UninitializedParameter", "torch.sparse.OtherTensor", "torch._utils._rebuild_new"]
)
def test_every_kind_of_tensor_that_is_not_read_is_refused_where_it_is_wanted(made_by):
    other = b.call(b.name(*made_by.rsplit(".", 1)), b.TRUE)
    for weights in (b.state_dict({"x": TENSOR, "y": other}), b.state_dict({"y": other})):
        with pytest.raises(
            TorchFileError, match=f"'y' is a tensor of a kind that is not read here, made by '{made_by}'"
        ):
            load_torch(file(model=weights, beside=WEIGHTS))
    assert list(load_torch(file(model=WEIGHTS, beside=one("y", other)))) == ["x"]


def test_what_was_left_out_is_named_on_request():
    weights = b.state_dict({"x": TENSOR, "_extra_state": BESIDE["namespace"], "version": b.number(2)})
    skipped = []
    load_torch(file(args=BESIDE["namespace"], state_dict=weights), skipped=skipped)
    assert skipped == ["argparse.Namespace", "entry '_extra_state'", "entry 'version'"]


def test_a_weight_of_an_unknown_kind_is_not_left_out():
    weights = b.state_dict({"x": TENSOR, "y": BESIDE["sparse tensor"]})
    with pytest.raises(TorchFileError, match="'y' is a tensor of a kind that is not read here, made by .*sparse"):
        load_torch(file(state_dict=weights))


def test_one_of_several_networks():
    checkpoint = {"netG": WEIGHTS, "netD": b.state_dict({"y": TENSOR})}
    assert list(load_torch(file(**checkpoint), key="netD")) == ["y"]
    with pytest.raises(TorchFileError, match=r"'netG', 'netD'.*key="):
        load_torch(file(**checkpoint))
    with pytest.raises(TorchFileError, match=r"no dictionary under key='netX'; dictionaries are: 'netG', 'netD'"):
        load_torch(file(**checkpoint), key="netX")


def test_the_chosen_entry_may_be_a_checkpoint_itself():
    assert list(load_torch(file(netG=b"}" + b.text("state_dict") + WEIGHTS + b"s", netD=WEIGHTS), key="netG")) == ["x"]


def test_state_dict_in_a_defaultdict():
    made = b.call(b.name("collections", "defaultdict"), b.name("builtins", "list"))
    assert list(load_torch(file(model=made + b.text("x") + TENSOR + b"s"))) == ["x"]


@pytest.mark.parametrize("write", b.FILES.values(), ids=b.FILES)
def test_open_files(tmp_path, write):
    (tmp_path / "file").write_bytes(write())
    with open(tmp_path / "file", "rb") as opened:
        for source in (opened, io.BytesIO(write())):
            source.seek(5)
            assert list(load_torch(source)) == list(b.VALUES)


@pytest.mark.parametrize("write", b.FILES.values(), ids=b.FILES)
def test_files_in_mapped_memory(tmp_path, write):
    (tmp_path / "file").write_bytes(write())
    with open(tmp_path / "file", "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert list(load_torch(mapped)) == list(b.VALUES)
        assert not mapped.closed


@pytest.mark.parametrize("mode", ["r", "w", "wb", "ab"])
def test_files_that_are_not_open_for_reading_bytes(tmp_path, mode):
    (tmp_path / "some.pth").write_bytes(b.in_zip())
    with (
        open(tmp_path / "some.pth", mode) as opened,
        pytest.raises(TorchFileError, match=r'some\.pth: it is open .* reading bytes \("rb"\)'),
    ):
        load_torch(opened)


def test_what_is_neither_a_path_nor_an_open_file(tmp_path):
    with pytest.raises(TorchFileError, match="open as text"):
        load_torch(io.StringIO("PK"))
    with pytest.raises(TorchFileError, match="BytesIO"):
        load_torch(b.in_zip())
    with pytest.raises(TorchFileError, match="not a regular file"):
        load_torch("file\0.pth")
    with pytest.raises(TypeError, match="load_torch: expected a path or a file open for reading bytes, got list"):
        load_torch([])
    with open(tmp_path / "closed.pth", "wb+") as opened:
        pass
    with pytest.raises(TorchFileError, match=r"closed\.pth: .*closed file"):
        load_torch(opened)


def test_errors_of_open_files_name_them(tmp_path):
    (tmp_path / "some.pth").write_bytes(b"hello")
    with open(tmp_path / "some.pth", "rb") as opened, pytest.raises(TorchFileError, match=r"some\.pth: not a file of"):
        load_torch(opened)
    with pytest.raises(TorchFileError, match="an open file: not a file of"):
        load_torch(io.BytesIO(b"hello"))


def test_complex_tensors():
    values = np.array([1 + 2j, -3j], np.complex64)
    pickled = b.pickle(b.state_dict({"x": b.tensor("0", 2, (2,), kind="ComplexFloatStorage")}))
    loaded = load_torch(io.BytesIO(b.zip_file(pickled, {"0": values.tobytes()})))
    np.testing.assert_array_equal(loaded["x"], values, strict=True)


@pytest.mark.parametrize("new", [True, False])
def test_checkpoint_of_a_training_script_written_by_pytorch(tmp_path, new):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": np.int64(3), "args": argparse.Namespace(lr=0.1), "model": model.state_dict(),
        "optimizer": optimizer.state_dict(), "old": {140234567891234: torch.ones(2)}, "types": {torch.float16, None},
        "schedule": torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5]).state_dict(), "device": torch.device("cpu"),
        "counts": collections.Counter("abc"), "raw": (b"abc", bytearray(b"abc"), 2**70, 1j), "size": torch.Size([2]),
        "complex": torch.ones(2) * 1j,
    }  # fmt: skip
    torch.save(checkpoint, tmp_path / "checkpoint.pth", _use_new_zipfile_serialization=new)
    loaded = load_torch(tmp_path / "checkpoint.pth")
    assert list(loaded) == ["weight", "bias"]
    np.testing.assert_array_equal(loaded["weight"], model.weight.detach().numpy())
