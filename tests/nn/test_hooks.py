"""Forward hooks see each layer's own output, whatever is computed together without them."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn
from minigrad.nn.fusion import conv_norm


def net():
    block = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU())
    return nn.fused(nn.Sequential(block, nn.MaxPool2d(2), nn.Flatten()))


def step_by_step(model, x):
    """The outputs of conv, norm, ReLU and pool, each called alone."""
    outputs = []
    for layer in (*model[0], model[1]):
        x = layer.forward(x)
        outputs.append(x.numpy())
    return outputs


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("which", range(4))
def test_a_hook_sees_the_layers_own_output_once(device, rng, training, which):
    model, x = net().to(device).train(training), Tensor(rng.random((2, 1, 4, 4), np.float32), device=device)
    seen = []
    layer = (*model[0], model[1])[which]
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs, output)))
    with mg.no_grad():
        expected = step_by_step(model, x)
        result = model(x)
    ((module, inputs, output),) = seen
    assert module is layer and isinstance(inputs, tuple) and len(inputs) == 1
    np.testing.assert_allclose(output.numpy(), expected[which], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.numpy(), expected[3].reshape(2, -1), rtol=1e-5, atol=1e-6)
    handle.remove()
    handle.remove()
    model(x)
    assert len(seen) == 1


def test_a_hook_on_a_sequential_inside_another_is_called():
    model, seen = net(), []
    model[0].register_forward_hook(lambda *call: seen.append(call[2].shape))
    model(Tensor(np.zeros((1, 1, 4, 4), np.float32)))
    assert seen == [(1, 2, 4, 4)]


@pytest.mark.parametrize("hooked", ["conv", "norm"])
def test_conv_norm_with_a_shortcut_shows_each_layer_its_own_output(rng, hooked):
    layers = {"conv": nn.Conv2d(2, 2, 1).eval(), "norm": nn.BatchNorm2d(2).eval()}
    x, seen = Tensor(rng.standard_normal((1, 2, 2, 2), np.float32)), []
    with mg.no_grad():
        fused = conv_norm(layers["conv"], layers["norm"], x, x, relu=True)
        layers[hooked].register_forward_hook(lambda *call: seen.append(call[2]))
        alone = conv_norm(layers["conv"], layers["norm"], x, x, relu=True)
        expected = layers["conv"].forward(x)
        expected = layers["norm"].forward(expected) if hooked == "norm" else expected
    np.testing.assert_allclose(alone.numpy(), fused.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(seen[0].numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_what_a_hook_returns_takes_the_outputs_place():
    layer = nn.ReLU()
    with layer.register_forward_hook(lambda module, inputs, output: output * 2):
        layer.register_forward_hook(lambda module, inputs, output: output + 1)
        assert layer(Tensor([1.0])).item() == 3
    assert layer(Tensor([1.0])).item() == 2


def test_a_hook_is_a_function():
    with pytest.raises(TypeError, match="register_forward_hook: expected a function, got int"):
        nn.ReLU().register_forward_hook(3)
