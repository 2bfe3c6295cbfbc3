"""Devices, transfers and random numbers; and what is said where a GPU is asked for that is not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, backend, nn, ops
from tests import strict_cupy

pytestmark = pytest.mark.quick


@pytest.fixture
def stand_in(monkeypatch):
    """The stand-in for CuPy, with its two GPUs, on which device 0 is current."""
    return strict_cupy.install(monkeypatch)


# ---- array modules and device names ------------------------------------------------------------------------------


def test_array_module_of_arrays_and_tensors(device):
    x = Tensor([1.0], device=device)
    xp = mg.array_module(x)
    assert xp.__name__ == ("numpy" if device == "cpu" else "cupy")
    assert mg.array_module(x.data) is xp
    assert mg.array_module(np.ones(1)) is np


@pytest.mark.parametrize("x", [1.0, [1.0], "text", None, np.float32(1)])
def test_array_module_of_anything_else_is_an_error(x):
    with pytest.raises(TypeError, match=f"got {type(x).__name__}"):
        mg.array_module(x)


@pytest.mark.parametrize(
    "name", ["gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1.0", " cpu", "cpu:0", "", 0, None, ("cpu",)]
)
def test_strings_that_name_no_device_are_refused(name):
    for use in (lambda: Tensor([1.0]).to(name), lambda: backend.use_device(name), lambda: nn.Linear(1, 1).to(name)):
        with pytest.raises(ValueError, match="expected 'cpu', 'cuda' or 'cuda:<index>', got"):
            use()
    if name is not None:
        with pytest.raises(ValueError, match="device"):
            Tensor([1.0], device=name)


def test_device_names_have_one_spelling():
    assert [backend.parse_device(name) for name in ("cpu", "cuda", "cuda:0", "cuda:1", "cuda:01", "cuda:10")] == [
        "cpu",
        "cuda:0",
        "cuda:0",
        "cuda:1",
        "cuda:1",
        "cuda:10",
    ]


def test_transfers(device):
    array = np.arange(6.0).reshape(2, 3).T
    there = backend.to_device(array, device)
    assert backend.device_of(there) == ("cpu" if device == "cpu" else "cuda:0")
    assert backend.to_device(there, device) is there
    np.testing.assert_array_equal(backend.to_numpy(there), array)
    assert backend.to_numpy(array) is array


def layouts():
    """An array's views, by name: with and without gaps, in other memory orders, repeated, empty."""
    pictures = np.arange(2 * 3 * 4 * 5.0).reshape(2, 4, 5, 3)
    return {
        "0-d": np.array(3.0),
        "row-major": pictures,
        "column-major": pictures.T,
        "channels-last": pictures.transpose(0, 3, 1, 2),
        "with gaps": pictures.transpose(0, 3, 1, 2)[:, ::2, 1:3],
        "backwards": pictures[:, ::-1],
        "repeated": np.broadcast_to(pictures[0, :, :1, :1], (2, 4, 5, 1)),
        "empty": pictures[:0].transpose(0, 3, 1, 2),
    }


def order_of(array):
    """The axes of an array that are longer than 1, outermost in memory first."""
    return [a for a in sorted(range(array.ndim), key=lambda a: -abs(array.strides[a])) if array.shape[a] > 1]


@pytest.mark.parametrize("name", layouts())
def test_an_array_keeps_its_memory_order_wherever_it_goes(stand_in, name):
    array = layouts()[name]
    places = ["cpu", "cuda:0", "cuda:1", "cuda:0", "cpu"]
    for place in places[1:]:
        array = backend.to_device(array, place)
        assert backend.device_of(array) == place
        np.testing.assert_array_equal(backend.to_numpy(array), layouts()[name])
        if name not in ("repeated", "empty"):
            assert order_of(array) == order_of(layouts()[name])
            assert array.transpose(backend.memory_order(array)).flags.c_contiguous


def test_what_convolution_and_pooling_return_moves_between_gpus(stand_in):
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 6, 6)), requires_grad=True, device="cuda:0")
    w = Tensor(np.random.default_rng(1).standard_normal((4, 3, 3, 3)), device="cuda:0")
    y = ops.max_pool2d(ops.conv2d(x, w), 2)
    moved = y.to("cuda:1")
    np.testing.assert_array_equal(moved.numpy(), y.numpy())
    moved.sum().backward()
    assert x.grad.device == "cuda:0"


def test_a_models_weights_keep_their_memory_order(stand_in):
    model = nn.Conv2d(4, 5, 3)
    model.weight.data = np.ascontiguousarray(model.weight.data.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    strides = model.weight.data.strides
    assert model.to("cuda").weight.data.strides == strides
    assert model.to("cpu").weight.data.strides == strides


# ---- what is missing ---------------------------------------------------------------------------------------------


def test_without_cupy_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # import cupy: ModuleNotFoundError
    for ask in (
        lambda: Tensor([1.0], device="cuda"),
        lambda: Tensor([1.0]).to("cuda:1"),
        lambda: nn.Linear(1, 1).to("cuda"),
        lambda: backend.use_device("cuda"),
    ):
        with pytest.raises(
            backend.DeviceError, match=r"needs CuPy.*pip install 'cupy-cuda12x\[ctk\]' or .*'cupy-cuda13x\[ctk\]'"
        ) as error:
            ask()
        assert "minigrad[cuda12]" in str(error.value)
    assert not mg.cuda_is_available()
    assert (Tensor([1.0]) * 2).to("cpu").item() == 2


def test_a_cupy_that_cannot_be_loaded_is_quoted(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    for name in list(sys.modules):
        if name.partition(".")[0] == "cupy":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(backend.DeviceError, match=r"libcudart\.so\.13.*cupy-cuda13x"):
        Tensor([1.0], device="cuda")


def test_cupy_without_a_gpu_says_so(monkeypatch, stand_in):
    def no_device():
        raise stand_in.cuda.runtime.CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")

    monkeypatch.setattr(stand_in.cuda.runtime, "getDeviceCount", no_device)
    with pytest.raises(backend.DeviceError, match=r"installed but finds no usable GPU .*cudaErrorNoDevice.*nvidia-smi"):
        Tensor([1.0], device="cuda")
    assert not mg.cuda_is_available()


def test_the_installed_cupy_without_a_gpu_says_so():
    cupy = pytest.importorskip("cupy")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pass
    else:
        pytest.skip("there is a GPU")
    with pytest.raises(backend.DeviceError, match=r"CuPy .* is installed but finds no usable GPU"):
        Tensor([1.0], device="cuda")
    assert not mg.cuda_is_available()


def test_a_cupy_that_cannot_compile_says_what_is_missing(stand_in):
    with strict_cupy.launches.without_compiler():
        with pytest.raises(backend.DeviceError, match=r"cannot compile for it \(Failed to find CUDA headers.*\[ctk\]"):
            Tensor([1.0], device="cuda")
        assert not mg.cuda_is_available()
    assert mg.cuda_is_available()


def test_a_gpu_is_looked_for_and_tried_once(stand_in, monkeypatch):
    assert mg.cuda_is_available()
    monkeypatch.setattr(stand_in.cuda.runtime, "getDeviceCount", lambda: pytest.fail("looked for again"))
    with strict_cupy.launches.counted() as counted:
        Tensor(np.ones(3), device="cuda").to("cpu")
        assert mg.cuda_is_available()
    assert counted.count == 0


def test_a_gpu_that_does_not_exist_is_an_error(stand_in):
    assert mg.cuda_is_available()
    with pytest.raises(backend.DeviceError, match=r"'cuda:2': this machine has 2 GPU\(s\), numbered from cuda:0"):
        Tensor([1.0], device="cuda:2")


# ---- the second GPU ----------------------------------------------------------------------------------------------


def everything(x, w, bias, pictures, filters):
    """One number through every kind of operation."""
    maps = ops.conv2d(pictures, filters, bias, padding=1, stride=2)
    maps = ops.batch_norm(maps, bias + 1, bias, None, None, True)
    maps = ops.relu(maps) + ops.sigmoid(maps) + ops.tanh(maps)
    maps = ops.max_pool2d(ops.conv2d(maps, filters.reshape(6, 1, 3, 3)[:3], groups=3, padding=1), 2, 1)
    maps = ops.avg_pool2d(ops.pad(maps, [(0, 0), (0, 0), (1, 1), (0, 0)]), 2) + ops.adaptive_avg_pool2d(maps, (2, 1))
    y = ops.linear(x, w, bias) @ w + (x.T @ x).sum(0)[:3].mean()
    y = ops.where(y > 0, y, y * y) + ops.maximum(y, 0.1) + ops.minimum(y, x[:, :2]) + y.clip(-1, 1) + abs(y)
    y = ops.concat([y, ops.stack([y, y], axis=1).flatten(1)], axis=1) / (1 + y.var(1, keepdims=True))
    y = (
        y.softmax() * y.log_softmax()
        + y.logsumexp(keepdims=True)
        + y.max(0)
        - y.min(1, keepdims=True)
        + (y * y + 1).sqrt()
    )
    y = y + y[[2, 0, 1, 0]] + (y**2 + 1).log() + y.sin() * y.cos() + 2.0 ** y.tanh()
    loss = ops.cross_entropy(y, Tensor([0, 1, 2, 3], device=x.device), label_smoothing=0.1)
    loss = loss + ops.mse_loss(y, y * 0.5) + ops.smooth_l1_loss(y, y * 0.5)
    return loss + maps.mean() + y.transpose(0, 1).broadcast_to((2, 6, 4)).tanh().exp().mean()


def run_everything(device):
    rng = np.random.default_rng(0)
    shapes = (4, 2), (3, 2), (3,), (2, 2, 5, 6), (3, 2, 3, 3)
    inputs = [Tensor(rng.standard_normal(shape) * 0.5, requires_grad=True, device=device) for shape in shapes]
    loss = everything(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4])
    first = mg.grad(loss, inputs, create_graph=True)
    second = mg.grad(sum((g * g).sum() for g in first), inputs)
    return [loss, *first, *second]


def test_operations_run_where_their_tensors_lie_whatever_the_current_device(stand_in):
    assert stand_in.cuda.runtime.getDevice() == 0
    for result, expected in zip(run_everything("cuda:1"), run_everything("cpu"), strict=True):
        assert result.device == "cuda:1" and np.isfinite(expected.numpy()).all()
        np.testing.assert_allclose(result.numpy(), expected.numpy(), rtol=1e-9, atol=1e-9)
    assert stand_in.cuda.runtime.getDevice() == 0


def test_a_model_trains_on_the_second_gpu(stand_in):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(8, 2)).to(
        "cuda:1"
    )
    optimizer = mg.optim.Adam(model.parameters(), lr=0.1)
    before = model.state_dict()
    x = Tensor(np.random.default_rng(0).standard_normal((4, 1, 4, 4), np.float32), device="cuda:1")
    ops.cross_entropy(model(x), Tensor([0, 1, 0, 1], device="cuda:1")).backward()
    mg.optim.clip_grad_norm(model.parameters(), 1.0)
    optimizer.step()
    model.eval()(x)
    assert {p.device for p in model.parameters()} == {p.grad.device for p in model.parameters()} == {"cuda:1"}
    for name, value in model.state_dict().items():
        assert (value != before[name]).any(), name
    model.load_state_dict(before)
    np.testing.assert_array_equal(model[0].weight.numpy(), before["0.weight"])


def test_gradients_flow_between_gpus(stand_in):
    x = Tensor([1.0, 2.0], requires_grad=True, device="cuda:0")
    y = (x * x).to("cuda:1")
    assert y.device == "cuda:1"
    (y * y).sum().backward()
    assert x.grad.device == "cuda:0"
    np.testing.assert_allclose(x.grad.numpy(), [4, 32])


def test_two_gpus_in_one_operation_are_named(stand_in):
    with pytest.raises(backend.DeviceError, match=r"(?i)mul: inputs on different devices, cuda:0 and cuda:1"):
        Tensor([1.0], device="cuda") * Tensor([1.0], device="cuda:1")
