from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops, optim
from models import CifarCNN, LeNet

MODELS = [LeNet, CifarCNN]


def pictures(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize(("model", "parameters"), [(LeNet, 62_006), (CifarCNN, 298_666)])
def test_number_of_parameters_is_the_documented_one(model, parameters):
    assert sum(p.size for p in model().parameters()) == parameters
    assert f"{round(parameters, -3):,} parameters" in " ".join(model.__doc__.split())


def test_state_dict_keys_of_lenet_are_the_documented_ones():
    names = [f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3") for kind in ("weight", "bias")]
    assert list(LeNet().state_dict()) == names


@pytest.mark.parametrize("model", MODELS)
def test_forward_gives_a_score_for_each_class_and_every_parameter_a_gradient(model, device):
    net = model(num_classes=7).to(device)
    scores = net(Tensor(pictures(3), device=device))
    assert scores.shape == (3, 7) and scores.dtype == np.float32
    ops.cross_entropy(scores, Tensor(np.array([0, 3, 6]), device=device)).backward()
    for name, parameter in net.named_parameters():
        assert np.abs(parameter.grad.numpy()).max() > 0, name


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_gives_the_same_network(model):
    states = []
    for _ in range(2):
        mg.manual_seed(11)
        states.append(model().state_dict())
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)


def test_pictures_of_another_size_are_refused():
    for model in MODELS:
        with pytest.raises(ValueError, match="linear"):
            model()(Tensor(np.zeros((1, 3, 40, 40), np.float32)))


def test_summary_names_every_layer():
    text = nn.summary(CifarCNN(), (3, 32, 32))
    assert all(kind in text for kind in ("Conv2d", "BatchNorm2d", "MaxPool2d", "Dropout", "Linear", "298,666"))


def torch_twin(torch, model):
    """The same layers in PyTorch, with the same keys."""
    if isinstance(model, CifarCNN):
        t = torch.nn

        def block(a, b):
            return t.Sequential(t.Conv2d(a, b, 3, padding=1, bias=False), t.BatchNorm2d(b), t.ReLU())

        twin = t.Module()
        twin.features = t.Sequential(
            block(3, 32), t.MaxPool2d(2), block(32, 64), block(64, 64), t.MaxPool2d(2),
            block(64, 128), block(128, 128), t.MaxPool2d(2),
        )  # fmt: skip
        twin.classifier = t.Sequential(t.Flatten(), t.Dropout(0.0), t.Linear(2048, 10))
        forward = t.Sequential(twin.features, twin.classifier)
    else:
        t = torch.nn
        twin = t.Module()
        twin.conv1, twin.conv2 = t.Conv2d(3, 6, 5), t.Conv2d(6, 16, 5)
        twin.fc1, twin.fc2, twin.fc3 = t.Linear(400, 120), t.Linear(120, 84), t.Linear(84, 10)
        pool, relu = t.MaxPool2d(2), t.ReLU()
        first = t.Sequential(twin.conv1, relu, pool, twin.conv2, relu, pool, t.Flatten())
        forward = t.Sequential(first, twin.fc1, relu, twin.fc2, relu, twin.fc3)
    weights = {name: torch.tensor(np.array(value)) for name, value in model.state_dict().items()}
    twin.load_state_dict(weights, strict=False)
    return twin, forward


@pytest.mark.parametrize("model", [LeNet, lambda: CifarCNN(dropout=0.0)], ids=["LeNet", "CifarCNN"])
def test_training_agrees_with_torch_step_for_step(model):
    torch = pytest.importorskip("torch")
    net = model()
    twin, forward = torch_twin(torch, net)
    options = {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}
    ours = optim.SGD(list(net.parameters()), **options)
    theirs = torch.optim.SGD(twin.parameters(), **options)
    labels = np.random.default_rng(1).integers(0, 10, 16)
    for step in range(6):
        images = pictures(16, seed=step)
        loss = ops.cross_entropy(net(Tensor(images)), Tensor(labels))
        expected = torch.nn.functional.cross_entropy(forward(torch.tensor(images)), torch.tensor(labels))
        assert loss.item() == pytest.approx(expected.item(), rel=2e-3), step
        for optimizer, value in ((ours, loss), (theirs, expected)):
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    state = {name: value.numpy() for name, value in twin.state_dict().items() if "num_batches" not in name}
    for name, value in net.state_dict().items():
        if "num_batches" not in name:
            np.testing.assert_allclose(value, state[name], rtol=1e-2, atol=2e-3, err_msg=name)
