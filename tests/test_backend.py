"""Devices, transfers and random numbers; and what is said where a GPU is asked for that is not there."""

from __future__ import annotations

import json
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
    yield strict_cupy.install(monkeypatch)
    backend._generators.clear()


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


# ---- what is missing ---------------------------------------------------------------------------------------------


def test_without_cupy_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # import cupy: ModuleNotFoundError
    for ask in (
        lambda: Tensor([1.0], device="cuda"),
        lambda: Tensor([1.0]).to("cuda:1"),
        lambda: nn.Linear(1, 1).to("cuda"),
        lambda: backend.generator("cuda"),
    ):
        with pytest.raises(
            backend.DeviceError, match=r"needs CuPy.*pip install cupy-cuda12x or .*cupy-cuda13x"
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


# ---- random numbers ----------------------------------------------------------------------------------------------


def draw(device, n=8):
    with backend.use_device(device):
        return backend.to_numpy(backend.generator(device).random(n))


def test_the_same_seed_repeats_the_same_numbers(device):
    mg.manual_seed(3)
    first, more = draw(device), draw(device)
    mg.manual_seed(3)
    np.testing.assert_array_equal(draw(device), first)
    np.testing.assert_array_equal(draw(device), more)
    assert (first != more).any()
    mg.manual_seed(4)
    assert (draw(device) != first).any()


def test_dropout_and_initialisation_repeat_with_the_seed(device):
    def run():
        mg.manual_seed(7)
        layer = nn.Linear(4, 4).to(device)
        return ops.dropout(layer(Tensor(np.ones((5, 4), np.float32), device=device)), 0.5).numpy()

    np.testing.assert_array_equal(run(), run())


def test_models_start_with_the_same_weights_on_every_device(device):
    mg.manual_seed(7)
    expected = nn.Conv2d(2, 3, 3).state_dict()
    mg.manual_seed(7)
    for name, value in nn.Conv2d(2, 3, 3).to(device).state_dict().items():
        np.testing.assert_array_equal(value, expected[name])


def test_each_device_has_its_own_generator(stand_in):
    mg.manual_seed(0)
    expected = [draw("cpu"), draw("cpu")]
    mg.manual_seed(0)
    draw("cuda:0")
    draw("cuda:1")
    np.testing.assert_array_equal([draw("cpu"), draw("cpu")], expected)
    assert backend.generator("cuda:1") is not backend.generator("cuda:0")
    assert backend.generator("cuda") is backend.generator("cuda:0")


def test_unseeded_generators_differ(monkeypatch):
    monkeypatch.setattr(backend, "_seed", None)
    backend._generators.clear()
    first = draw("cpu")
    backend._generators.clear()
    assert (draw("cpu") != first).any()


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_seeds_that_are_no_natural_numbers_are_refused(seed):
    mg.manual_seed(5)
    expected = draw("cpu")
    with pytest.raises((TypeError, ValueError)):
        mg.manual_seed(seed)
    mg.manual_seed(np.int64(5))
    np.testing.assert_array_equal(draw("cpu"), expected)


def test_the_state_of_the_generator_survives_json():
    mg.manual_seed(11)
    draw("cpu", 5)
    backend.generator("cpu").standard_normal(3, dtype=np.float32)  # leaves half a random word behind
    state = json.loads(json.dumps(backend.rng_state()))
    expected = draw("cpu")
    mg.manual_seed(12)
    backend.set_rng_state(state)
    np.testing.assert_array_equal(draw("cpu"), expected)


def test_restoring_the_state_starts_gpu_generators_anew_from_the_seed(device):
    mg.manual_seed(11)
    state = backend.rng_state()
    fresh = draw(device)
    mg.manual_seed(12)
    draw(device)
    backend.set_rng_state(state)
    np.testing.assert_array_equal(draw(device), fresh)


@pytest.mark.parametrize(
    "damage",
    [{}, {"seed": 1}, {"seed": 1, "cpu": {}}, {"seed": "x", "cpu": None}, {"seed": -1, "cpu": None}, {"seed": 1.5}],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(damage):
    mg.manual_seed(5)
    expected = draw("cpu")
    mg.manual_seed(5)
    if damage.get("cpu", {}) is None:
        damage = {**damage, "cpu": backend.rng_state()["cpu"]}
    with pytest.raises(ValueError, match="set_rng_state"):
        backend.set_rng_state(damage)
    np.testing.assert_array_equal(draw("cpu"), expected)
