"""ResNet18: torchvision's architecture, its files, and PyTorch's numbers."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import minigrad as mg
from datasets import DatasetUnavailable
from minigrad import Tensor
from models import resnet
from models.resnet import ResNet, preprocess, resnet18


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Weights for ten classes, as old files have them: without `num_batches_tracked`."""
    mg.manual_seed(7)
    state = {name: value for name, value in resnet18(num_classes=10).state_dict().items() if "num_batches" not in name}
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(state, path)
    return path, state


def small(num_classes: int = 3) -> ResNet:
    """A network of one block in each stage, for tests that any depth will do for."""
    return ResNet((1, 1, 1, 1), num_classes)


def pictures(rng, size: int = 64, dtype=np.float32) -> np.ndarray:
    return rng.standard_normal((2, 3, size, size)).astype(dtype)


# ---- architecture ------------------------------------------------------------------------------------------------


def torchvision_names() -> list[str]:
    def norm(name):
        return [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]

    names = ["conv1.weight", *norm("bn1")]
    for layer in range(1, 5):
        for block in range(2):
            place = f"layer{layer}.{block}"
            names += [f"{place}.conv1.weight", *norm(f"{place}.bn1"), f"{place}.conv2.weight", *norm(f"{place}.bn2")]
            if layer > 1 and block == 0:
                names += [f"{place}.downsample.0.weight", *norm(f"{place}.downsample.1")]
    return [*names, "fc.weight", "fc.bias"]


def test_names_and_number_of_parameters_are_torchvisions():
    model = resnet18()
    assert len(torchvision_names()) == 122
    assert list(model.state_dict()) == torchvision_names()
    assert sum(parameter.size for parameter in model.parameters()) == 11_689_512


def test_convolutions_start_with_variance_of_two_over_fan_out():
    model = resnet18()
    for layer in (model.conv1, model.layer2[0].conv2, model.layer4[1].conv1, model.layer3[0].downsample[0]):
        out_channels, _, height, width = layer.weight.shape
        expected = math.sqrt(2 / (out_channels * height * width))
        np.testing.assert_allclose(layer.weight.numpy().std(), expected, rtol=0.05)


def test_shapes(rng, device):
    model = small().to(device)
    x = Tensor(pictures(rng, size=72), device=device)  # 72/32 is rounded up
    with mg.no_grad():
        assert model.feature_map(x).shape == (2, 512, 3, 3)
        assert model.features(x).shape == (2, 512)
        assert model(x).shape == (2, 3)


def test_scores_are_the_last_layer_of_the_mean_of_the_feature_map(rng, device):
    model = small().to(device).eval()
    x = Tensor(pictures(rng), device=device)
    features = model.feature_map(x).mean(axis=(2, 3))
    np.testing.assert_allclose(model.features(x).numpy(), features.numpy(), rtol=1e-5)
    np.testing.assert_allclose(model(x).numpy(), model.fc(features).numpy(), rtol=1e-4, atol=1e-5)


def test_frozen_backbone_records_no_graph(rng, device):
    model = small().to(device)
    x = Tensor(pictures(rng), device=device)
    assert model.features(x).node is not None
    model.requires_grad_(False).eval()
    before = model.state_dict()
    features = model.features(x)
    assert features.node is None and not features.requires_grad
    model.fc.requires_grad_(True)
    model(x).sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == [
        "fc.weight",
        "fc.bias",
    ]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


# ---- weights -----------------------------------------------------------------------------------------------------


def test_weights_from_a_file_without_num_batches_tracked(weights_file):
    path, state = weights_file
    loaded = resnet18(weights=path, num_classes=10).state_dict()
    for name, value in state.items():
        np.testing.assert_array_equal(loaded[name], value, err_msg=name)
    assert loaded["bn1.num_batches_tracked"] == 0


def test_another_number_of_classes_replaces_the_last_layer_and_says_so(weights_file, caplog):
    path, state = weights_file
    loaded = resnet18(weights=str(path), num_classes=4).state_dict()
    assert [(record.levelname, str(path) in record.getMessage()) for record in caplog.records] == [("WARNING", True)]
    assert "10 classes, 4 are wanted" in caplog.text
    assert loaded["fc.weight"].shape == (4, 512) and loaded["fc.bias"].shape == (4,)
    for name, value in state.items():
        if not name.startswith("fc."):
            np.testing.assert_array_equal(loaded[name], value, err_msg=name)


def test_the_same_number_of_classes_says_nothing(weights_file, caplog):
    resnet18(weights=weights_file[0], num_classes=10)
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: {"weight": state["fc.weight"]}, r"'bn1.bias', .* and 99 more missing, 'weight' unexpected"),
        (
            lambda state: {name: value for name, value in state.items() if name != "fc.bias"},
            "'fc.bias' missing, nothing un",
        ),
        (lambda state: state | {"layer5.weight": state["fc.bias"]}, "nothing missing, 'layer5.weight' unexpected"),
        (lambda state: state | {"bn1.bias": state["fc.bias"]}, r"bn1.bias is \(10,\), expected \(64,\)"),
        (lambda state: state | {"fc.weight": state["fc.bias"]}, r"fc.weight is \(10,\), expected \(10, 512\)"),
    ],
    ids=["something else", "missing", "unexpected", "shape", "last layer"],
)
def test_other_weights_are_refused(weights_file, tmp_path, change, reason):
    path = tmp_path / "other.safetensors"
    save_file(change(weights_file[1]), path)
    with pytest.raises(ValueError, match=reason) as error:
        resnet18(weights=path, num_classes=10)
    assert str(path) in str(error.value)


def test_weights_that_were_saved_in_parallel_and_as_many_classes_as_the_file_has(weights_file, tmp_path, caplog):
    path = tmp_path / "parallel.safetensors"
    save_file({f"module.{name}": value for name, value in weights_file[1].items()}, path)
    loaded = resnet18(path, num_classes=None).state_dict()
    np.testing.assert_array_equal(loaded["fc.weight"], weights_file[1]["fc.weight"])
    assert not caplog.records


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model._orig_mod.", "net.backbone."],
)
def test_names_that_modules_around_the_network_have_changed(weights_file, tmp_path, prefix):
    path = tmp_path / "wrapped.safetensors"
    save_file({f"{prefix}{name}": value for name, value in weights_file[1].items()}, path)
    loaded = resnet18(path, num_classes=10).state_dict()
    for name, value in weights_file[1].items():
        np.testing.assert_array_equal(loaded[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("prefix", "beside"),
    [
        ("module.", "n_averaged"),
        ("model.", "criterion.weight"),
        ("model._orig_mod.", "criterion.fc.weight"),
        ("module.", "loss.conv1.weight"),
    ],
)
def test_what_modules_around_the_network_hold_beside_it_is_left_out(weights_file, tmp_path, caplog, prefix, beside):
    path = tmp_path / "averaged.safetensors"
    save_file({beside: np.zeros(2)} | {f"{prefix}{name}": value for name, value in weights_file[1].items()}, path)
    with caplog.at_level("INFO"):
        loaded = resnet18(path, num_classes=10).state_dict()
    assert f"left out is '{beside}'" in caplog.text
    for name, value in weights_file[1].items():
        np.testing.assert_array_equal(loaded[name], value, err_msg=name)


def test_one_of_several_networks_is_not_chosen_by_chance(weights_file, tmp_path):
    path = tmp_path / "distilled.safetensors"
    save_file({f"{who}.{name}": value for who in "ab" for name, value in weights_file[1].items()}, path)
    with pytest.raises(ValueError, match=r"several networks, expected one: their names begin with 'a\.', 'b\.'"):
        resnet18(path)


def test_weights_from_an_open_file(weights_file):
    with open(weights_file[0], "rb") as opened:
        np.testing.assert_array_equal(resnet18(opened, None).fc.weight.numpy(), weights_file[1]["fc.weight"])


def test_names_of_layers_that_were_compiled_one_by_one(weights_file, tmp_path):
    path = tmp_path / "compiled.safetensors"
    save_file({name.replace("layer1.", "layer1._orig_mod."): value for name, value in weights_file[1].items()}, path)
    np.testing.assert_array_equal(resnet18(path, None).fc.weight.numpy(), weights_file[1]["fc.weight"])


def test_published_weights_are_taken_from_the_data_root(weights_file, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    path, state = weights_file
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    monkeypatch.setattr(resnet, "IMAGENET_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    (tmp_path / "resnet18-f37072fd.pth").write_bytes(path.read_bytes())
    loaded = resnet18(weights="imagenet", num_classes=10).state_dict()
    np.testing.assert_array_equal(loaded["conv1.weight"], state["conv1.weight"])


@pytest.mark.parametrize("there", [False, True], ids=["missing", "damaged"])
def test_without_a_connection_the_error_says_what_to_put_where(tmp_path, monkeypatch, there):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    monkeypatch.setattr(resnet, "IMAGENET_URL", "http://127.0.0.1:9/models/resnet18-f37072fd.pth")
    if there:
        (tmp_path / "resnet18-f37072fd.pth").write_bytes(b"half a file")
    with pytest.raises(DatasetUnavailable) as error:
        resnet18(weights="imagenet")
    for part in ("http://127.0.0.1:9/models/", str(tmp_path / "resnet18-f37072fd.pth"), "f37072fd47e89c5e"):
        assert part in str(error.value)


def test_the_hash_in_the_files_name_begins_its_sha_256():
    assert resnet.IMAGENET_URL == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert len(resnet.IMAGENET_SHA256) == 64 and resnet.IMAGENET_SHA256.startswith("f37072fd")


# ---- PyTorch's numbers -------------------------------------------------------------------------------------------


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest number."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-4), (np.float64, 1e-10)])
def test_training_agrees_with_pytorch(rng, device, dtype, tolerance):
    torch = pytest.importorskip("torch")
    from benchmarks.torch_resnet import ResNet18

    torch.manual_seed(0)
    reference = ResNet18(num_classes=10).to(torch.from_numpy(np.empty(0, dtype)).dtype)
    model = resnet18(num_classes=10)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dtype == np.float32:
            tensor.data = tensor.data.astype(dtype)
    model.load_state_dict({name: value.numpy() for name, value in reference.state_dict().items()})
    model.to(device)
    x, weights = pictures(rng, dtype=dtype), rng.standard_normal((2, 10)).astype(dtype)

    expected = reference(torch.from_numpy(x))
    (expected * torch.from_numpy(weights)).sum().backward()
    actual = model(Tensor(x, device=device))
    (actual * Tensor(weights, device=device)).sum().backward()

    assert difference(actual.numpy(), expected.detach().numpy()) < tolerance
    gradients = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        assert difference(parameter.grad.numpy(), gradients[name].grad.numpy()) < tolerance, name
    state = model.state_dict()
    assert list(state) == list(reference.state_dict())
    for name, value in reference.state_dict().items():
        assert difference(state[name], value.numpy()) < tolerance, name


DATA = Path(os.environ.get("MINIGRAD_DATA") or "no such folder")


@pytest.mark.skipif(not (DATA / "resnet18_cifar10.pth").is_file(), reason="MINIGRAD_DATA has no resnet18_cifar10.pth")
def test_trained_network_agrees_with_pytorch(device):
    model = resnet18(DATA / "resnet18_cifar10.pth", num_classes=10).to(device).eval()
    with np.load(DATA / "resnet18_cifar10_expected.npz") as expected, mg.no_grad():
        x = Tensor(expected["x"], device=device)
        assert difference(model.features(x).numpy(), expected["features"]) < 1e-4
        assert difference(model(x).numpy(), expected["logits"]) < 1e-4


# ---- pictures ----------------------------------------------------------------------------------------------------


def normalised(red: float, green: float, blue: float) -> list[float]:
    return [(red / 255 - 0.485) / 0.229, (green / 255 - 0.456) / 0.224, (blue / 255 - 0.406) / 0.225]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P"])
@pytest.mark.parametrize("size", [(300, 500), (500, 300), (20, 30), (256, 256)])
def test_a_plain_picture(mode, size):
    x = preprocess(Image.new("RGB", size, (255, 0, 51)).convert(mode))
    assert (x.dtype, x.shape) == (np.float32, (3, 224, 224))
    for channel, value in zip(x, normalised(255, 0, 51), strict=True):
        np.testing.assert_allclose(channel, value, rtol=1e-5)


def test_the_middle_is_cut_out():
    """A picture twice as wide as high whose columns are numbered: 256 high it is 512 wide, and 144 to 367 remain."""
    columns = np.tile(np.repeat(np.arange(128, dtype=np.uint8), 4), (256, 1))
    x = preprocess(Image.fromarray(columns))
    np.testing.assert_allclose(x[0, 0], [normalised(column, 0, 0)[0] for column in columns[0, 144:368]], rtol=1e-4)


def test_sixteen_bits_of_grey_keep_their_shades():
    shades = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (256, 1))
    for image in (
        Image.fromarray(shades),
        Image.fromarray(shades.astype(np.int32)),
        Image.fromarray(shades >> 8).convert("I"),
    ):
        x = preprocess(image)
        np.testing.assert_allclose(x[0, 0, [0, 223]], [normalised(16, 0, 0)[0], normalised(239, 0, 0)[0]], rtol=0.02)


def test_resizing_averages_where_it_shrinks():
    """Black and white columns by turns become grey, not a pattern."""
    columns = np.tile(np.array([0, 255], np.uint8), (1024, 512))
    x = preprocess(Image.fromarray(columns))
    np.testing.assert_allclose(x[1], normalised(0, 127.5, 0)[1], atol=0.05)


def test_sizes_can_be_chosen():
    assert preprocess(Image.new("L", (90, 60)), resize=64, crop=48).shape == (3, 48, 48)


@pytest.mark.parametrize(
    ("size", "options"),
    [((60, 60), {"resize": 200}), ((60, 60), {"crop": 0}), ((1, 101), {}), ((0, 5), {}), ((0, 0), {})],
)
def test_pictures_and_sizes_that_are_refused(size, options):
    with pytest.raises(ValueError, match="preprocess: "):
        preprocess(Image.new("RGB", size), **options)
