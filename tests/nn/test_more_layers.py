"""Layers for everyday networks, by hand; `test_torch_parity.py` compares them with PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, optim


def test_layer_norm_by_hand(device):
    layer = nn.LayerNorm(4, eps=0.0).to(device)
    y = layer(Tensor([[1.0, 1.0, 3.0, 3.0]], device=device))
    np.testing.assert_allclose(y.numpy(), [[-1, -1, 1, 1]], rtol=1e-6)
    layer.weight.data *= 2
    layer.bias.data += 1
    np.testing.assert_allclose(layer(Tensor([[0.0, 0, 1, 1]], device=device)).numpy(), [[-1, -1, 3, 3]], rtol=1e-6)


def test_group_norm_by_hand(device):
    y = nn.GroupNorm(2, 4, eps=0.0).to(device)(Tensor([[1.0, 3.0, 10.0, 30.0]], device=device))
    np.testing.assert_allclose(y.numpy(), [[-1, 1, -1, 1]], rtol=1e-6)


def test_same_padding_keeps_the_size_also_when_computed_together(device, rng):
    model = nn.Sequential(nn.Conv2d(1, 2, 2, padding="same"), nn.BatchNorm2d(2), nn.ReLU()).to(device).eval()
    x = Tensor(rng.random((1, 1, 3, 4), np.float32), device=device)
    with mg.no_grad():
        y = model(x)
        alone = model[2](model[1](model[0](x)))
    assert y.shape == (1, 2, 3, 4)
    np.testing.assert_allclose(y.numpy(), alone.numpy(), rtol=1e-5)


def test_dropout2d_drops_whole_channels(device):
    y = nn.Dropout2d(0.5).to(device)(Tensor(np.ones((8, 8, 2, 2), np.float32), device=device)).numpy()
    assert set(np.unique(y)) == {0, 2} and (y == y[:, :, :1, :1]).all()


def test_embedding_by_hand(device):
    layer = nn.Embedding(3, 2).to(device)
    layer.weight.data[...] = layer.weight.data * 0 + 1
    y = layer(Tensor([[2, 0]], device=device))
    assert y.shape == (1, 2, 2)
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [0, 0], [1, 1]]
    with pytest.raises(TypeError, match="Embedding: expected integers, got float32"):
        layer(Tensor([1.0], device=device))


@pytest.mark.parametrize(
    "make",
    [lambda **o: nn.Linear(2, 1, **o), lambda **o: nn.Conv2d(1, 1, 1, **o), lambda **o: nn.BatchNorm2d(2, **o),
     lambda **o: nn.LayerNorm(2, **o), lambda **o: nn.GroupNorm(1, 2, **o), lambda **o: nn.Embedding(2, 1, **o)],
)  # fmt: skip
def test_layers_are_made_where_and_as_they_are_asked_for(device, make):
    layer = make(device=device, dtype=np.float64)
    assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float64)}
    assert {p.device.partition(":")[0] for p in (*layer.parameters(), *layer.buffers())} == {device}


def test_a_model_changes_its_dtype_but_not_its_counters(device):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).to(device)
    weight = model[0].weight
    model(Tensor([[1.0, 2.0], [3.0, 5.0]], device=device)).sum().backward()
    assert model.double() is model and model[0].weight is weight
    assert {p.dtype for p in model.parameters()} == {weight.grad.dtype} == {np.dtype(np.float64)}
    assert model[1].running_mean.dtype == np.float64 and model[1].num_batches_tracked.dtype == np.int64
    assert model.half()[0].bias.dtype == np.float16 and model.float()[0].bias.dtype == np.float32
    assert model.to(dtype=np.float64)[0].bias.dtype == np.float64 and model.cpu()[0].bias.device == "cpu"
    with pytest.raises(TypeError, match="Sequential.to: expected a device or a floating dtype, got int64"):
        model.to(np.int64)


@pytest.mark.parametrize("layer", [nn.ReLU, nn.SiLU, nn.LeakyReLU, nn.ELU, nn.Dropout, nn.Dropout2d])
def test_inplace_is_taken_and_leaves_the_input_as_it_is(layer):
    x = Tensor([[-1.0, 2.0]])
    layer(inplace=True)(x)
    assert x.tolist() == [[-1, 2]]


def test_apply_reaches_every_module():
    seen = []
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Sequential", "ReLU", "Sequential", "Tanh"]


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_are_forgotten_or_zeroed(device, set_to_none):
    model = nn.Linear(1, 1).to(device)
    optimizer = optim.SGD(model.parameters(), 0.1)
    for forget in (model.zero_grad, optimizer.zero_grad):
        (model(Tensor([[np.inf]], device=device))).sum().backward()
        forget(set_to_none=set_to_none)
        assert model.bias.grad is None if set_to_none else model.weight.grad.tolist() == [[0]]


def test_weights_of_classes_move_with_the_loss(device):
    loss = nn.CrossEntropyLoss(Tensor([1.0, 3.0]), label_smoothing=0.1).to(device)
    logits = Tensor([[0.0, 0.0], [0.0, 0.0]], device=device)
    assert loss(logits, [0, 1]).item() == pytest.approx(np.log(2), rel=1e-6)
    assert repr(loss) == "CrossEntropyLoss(ignore_index=-100, label_smoothing=0.1)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.GroupNorm(2, 3), "GroupNorm: 2 groups must divide 3 channels"),
        (lambda: nn.GroupNorm(1, 3)(Tensor([[1.0]])), r"GroupNorm: expected shape \(N, 3, ...\), got \(1, 1\)"),
        (lambda: nn.LayerNorm((2, 3))(Tensor([[1.0]])), r"LayerNorm: expected the last axes \(2, 3\)"),
        (lambda: nn.BatchNorm1d(2)(Tensor(np.ones((1, 2, 1, 1), np.float32))), r"BatchNorm1d: expected shape \(N, C\)"),
        (lambda: nn.Conv2d(1, 1, 3, padding="same", stride=2), "Conv2d: padding='same' needs stride 1"),
        (lambda: nn.Conv2d(1, 1, 3, padding="half"), "Conv2d: padding must be numbers, 'same' or 'valid', got 'half'"),
        (lambda: nn.AdaptiveAvgPool2d((None, 0)), "AdaptiveAvgPool2d: output_size"),
        (lambda: nn.ZeroPad2d((1, 2)), "ZeroPad2d: expected"),
        (lambda: nn.MSELoss("average"), "MSELoss: reduction must be 'mean', 'sum' or 'none', got 'average'"),
        (lambda: nn.CrossEntropyLoss([1.0])(Tensor([[0.0, 1.0]]), [0]), "expected a weight for each of 2 classes"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
