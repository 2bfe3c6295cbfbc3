"""Convolution, batch norm, shortcut and ReLU computed together give what they give one after the other."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, optim
from minigrad.hooks import Hook
from minigrad.kernels import conv as conv_kernels
from minigrad.nn.fusion import conv_norm
from models import CifarCNN, LeNet, ResNet

CONVOLUTIONS = {
    "3x3": (4, 12, 3, {"padding": 1}),
    "strided": (4, 12, 3, {"stride": 2, "padding": 1}),
    "1x1": (4, 12, 1, {}),
    "groups": (4, 12, 3, {"groups": 2}),
    "few filters": (4, 5, 3, {"padding": 1}),
}
every_convolution = pytest.mark.parametrize("arguments", CONVOLUTIONS.values(), ids=CONVOLUTIONS)


def layers(arguments, bias=True, affine=True, device="cpu"):
    """A convolution and a batch norm whose numbers are all different, and pictures for them."""
    mg.manual_seed(3)
    channels, filters, size, options = arguments
    conv, norm = nn.Conv2d(channels, filters, size, bias=bias, **options), nn.BatchNorm2d(filters, affine=affine)
    rng = np.random.default_rng(0)
    for tensor in (*norm.parameters(), norm.running_mean, norm.running_var):
        tensor.data[...] = rng.uniform(0.5, 2, filters)
    x = Tensor(rng.standard_normal((2, channels, 17, 18), dtype=np.float32), device=device)
    return conv.to(device), norm.to(device), x


def one_after_the_other(conv, norm, x, shortcut, relu):
    y = norm(conv(x))
    y = y if shortcut is None else y + shortcut
    return y.relu() if relu else y


@every_convolution
@pytest.mark.parametrize("bias, affine, with_shortcut, relu", [(1, 1, 0, 1), (0, 0, 1, 1), (0, 1, 0, 0), (1, 0, 1, 0)])
@pytest.mark.parametrize("training", [True, False])
def test_the_same_numbers(device, arguments, bias, affine, with_shortcut, relu, training):
    conv, norm, x = layers(arguments, bool(bias), bool(affine), device)
    conv.train(training), norm.train(training)
    shape = conv(x).shape
    values = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    shortcut = Tensor(values, device=device) if with_shortcut else None
    with mg.no_grad():
        expected = one_after_the_other(conv, norm, x, shortcut, relu).numpy()
        for _ in range(2):
            together = conv_norm(conv, norm, x, shortcut, bool(relu)).numpy()
            np.testing.assert_allclose(together, expected, rtol=1e-4, atol=1e-5)


@every_convolution
@pytest.mark.parametrize("training", [True, False])
def test_the_same_gradients(device, arguments, training):
    conv, norm, x = layers(arguments, device=device)
    conv.train(training), norm.train(training)
    weights = Tensor(np.random.default_rng(1).standard_normal(conv(x).shape).astype(np.float32), device=device)
    found = []
    for function in (one_after_the_other, conv_norm):
        inputs = [Tensor(x, requires_grad=True), Tensor(weights, requires_grad=True)]
        loss = (function(conv, norm, inputs[0], inputs[1], True) * weights).sum()
        found.append(mg.grad(loss, [*inputs, *conv.parameters(), *norm.parameters()]))
    for expected, together in zip(*found, strict=True):
        scale = abs(expected.numpy()).max()
        np.testing.assert_allclose(together.numpy(), expected.numpy(), atol=2e-5 * scale)


def test_weights_changed_in_any_way_are_used():
    conv, norm, _ = layers((64, 64, 3, {"padding": 1}))
    x = Tensor(np.random.default_rng(0).standard_normal((4, 64, 16, 16), dtype=np.float32))
    conv.eval(), norm.eval()
    with mg.no_grad(), conv_kernels.recorded() as calls:
        conv_norm(conv, norm, x)
    assert (calls[0].algorithm, calls[0].problem.cache_weights) == ("winograd", True)

    def answer():
        with mg.no_grad():
            return conv_norm(conv, norm, x).numpy().copy()

    answers = [answer()]
    conv.weight.data[0, 0, 0, 0] += 1  # behind the Tensor's back
    answers.append(answer())
    conv.weight.data *= 2
    answers.append(answer())
    norm.running_mean.data[...] = 0
    answers.append(answer())
    conv.load_state_dict({name: value * 3 for name, value in conv.state_dict().items()})
    answers.append(answer())
    for before, after in zip(answers, answers[1:], strict=False):
        assert abs(before - after).max() > 1e-3
    with mg.no_grad():
        expected = norm(conv(x)).numpy()
    np.testing.assert_allclose(answers[-1], expected, rtol=1e-3, atol=1e-3)


class Loud(nn.BatchNorm2d):
    """A layer of a user's own that computes something else."""

    def forward(self, x):
        return super().forward(x) + 100


def test_sequential_leaves_other_layers_alone():
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    loud = Loud(12)
    loud.load_state_dict(norm.state_dict())
    with mg.no_grad():
        plain, changed = (nn.fused(nn.Sequential(conv, layer, nn.ReLU()).eval())(x).numpy() for layer in (norm, loud))
    np.testing.assert_allclose(changed, norm.eval()(conv(x)).numpy() + 100, rtol=1e-5)
    np.testing.assert_allclose(plain, np.maximum(norm(conv(x)).numpy(), 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_a_forward_that_was_replaced_is_called(which, training, nested):
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    net = nn.fused(nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(2)).train(training))
    outer = nn.fused(nn.Sequential(net)) if nested else net
    net = outer[0] if nested else net
    expected, calls, original = outer(x).numpy(), [], net[which].forward

    def watched(x):
        calls.append(x.shape)
        return original(x)

    net[which].forward = watched
    with mg.no_grad():
        np.testing.assert_allclose(outer(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert len(calls) == 1


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d])
@pytest.mark.parametrize("training", [True, False])
def test_a_forward_that_was_replaced_in_the_class_is_called(monkeypatch, kind, training):
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    net = nn.fused(nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(2)).train(training))
    calls, original = [], kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, x: calls.append(1) or original(self, x))
    with mg.no_grad():
        net(x)
    assert calls == [1]


def test_a_sequential_whose_forward_was_replaced_is_called():
    inner = nn.Sequential(nn.ReLU())
    inner.forward = lambda x: x + 1
    assert nn.fused(nn.Sequential(inner, nn.ReLU()))(Tensor([1.0])).item() == 2


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("training", [True, False])
def test_a_block_calls_a_forward_that_was_replaced(which, training):
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    conv.train(training), norm.train(training)
    shortcut, calls, layer = conv(x) * 2, [], (conv, norm)[which]
    expected = conv_norm(conv, norm, x, shortcut, True).numpy()
    original = layer.forward
    layer.forward = lambda x: calls.append(1) or original(x)
    with mg.no_grad():
        found = conv_norm(conv, norm, x, shortcut, True).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert calls == [1]


class Seen(Hook):
    def __init__(self):
        self.modules = []

    def after_module(self, module, inputs, output):
        self.modules.append(type(module).__name__)


def test_every_layer_is_seen_by_who_wants_to():
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    with mg.no_grad(), Seen() as seen:
        nn.fused(nn.Sequential(conv, norm, nn.ReLU()).eval())(x)
    assert seen.modules == ["Conv2d", "BatchNorm2d", "ReLU", "Sequential"]


def test_pictures_that_do_not_fit_are_named():
    conv, norm, _ = layers(CONVOLUTIONS["3x3"])
    with mg.no_grad(), pytest.raises(ValueError, match="conv2d: input has 3 channels"):
        conv_norm(conv.eval(), norm.eval(), Tensor(np.zeros((1, 3, 8, 8), np.float32)))


@pytest.mark.parametrize("training", [True, False])
def test_a_shortcut_that_does_not_fit_is_named(training):
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    conv.train(training), norm.train(training)
    with mg.no_grad(), pytest.raises(ValueError, match=r"shortcut has shape \(2, 12, 1, 1\)"):
        conv_norm(conv, norm, x, Tensor(np.zeros((2, 12, 1, 1), np.float32)))


@every_convolution
def test_a_relu_after_a_convolution(device, arguments):
    conv, _, x = layers(arguments, device=device)
    x.requires_grad = True
    together = nn.fused(nn.Sequential(conv, nn.ReLU()))(x)
    apart = conv(x).relu()
    np.testing.assert_allclose(together.numpy(), apart.numpy(), rtol=1e-5, atol=1e-6)
    assert together.node.name == "Conv2dReLU"
    inputs = [x, *conv.parameters()]
    found = (mg.grad((y * y).sum(), inputs) for y in (together, apart))
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours.numpy(), expected.numpy(), atol=1e-5 * abs(expected.numpy()).max())


def test_a_relu_and_the_pool_behind_it(device):
    conv, norm, x = layers(CONVOLUTIONS["3x3"], device=device)
    x.requires_grad = True
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    for block in ([conv], [conv, norm]):
        together = nn.fused(nn.Sequential(nn.Sequential(*block, nn.ReLU()), pool))(x)
        y = x
        for layer in block:
            y = layer(y)
        apart = pool(y.relu())
        np.testing.assert_allclose(together.numpy(), apart.numpy(), rtol=1e-5, atol=1e-6)
        assert together.node.name == "ReLU"
        inputs = [x, *(p for layer in block for p in layer.parameters())]
        found = (mg.grad((y * y).sum(), inputs) for y in (together, apart))
        for ours, expected in zip(*found, strict=True):
            np.testing.assert_allclose(ours.numpy(), expected.numpy(), atol=1e-5 * abs(expected.numpy()).max())


def test_modules_within_modules_are_seen_by_who_wants_to():
    conv, norm, x = layers(CONVOLUTIONS["3x3"])
    with mg.no_grad(), Seen() as seen:
        nn.fused(nn.Sequential(nn.Sequential(conv, norm, nn.ReLU()), nn.MaxPool2d(2)).eval())(x)
    assert seen.modules == ["Conv2d", "BatchNorm2d", "ReLU", "Sequential", "MaxPool2d", "Sequential"]


# ---- the pass ----------------------------------------------------------------------------------------------------


def small_resnet():
    mg.manual_seed(0)
    return ResNet((1, 2, 1, 1), num_classes=3)


MODELS = {"CifarCNN": lambda: CifarCNN(dropout=0.0), "LeNet": LeNet, "ResNet": small_resnet}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def pictures(count=3):
    return Tensor(np.random.default_rng(0).standard_normal((count, 3, 32, 32), np.float32))


@every_model
@pytest.mark.parametrize("training", [True, False])
def test_whole_models_give_the_same_numbers_gradients_and_statistics(make, training):
    found = []
    for fuse in (False, True):
        mg.manual_seed(0)
        model = make().train(training)
        used = nn.fused(model) if fuse else model
        scores = used(pictures())
        (scores * scores).sum().backward()
        found.append([scores, *(p.grad for p in model.parameters()), *model.buffers()])
    assert len(found[0]) == len(found[1]) > 5
    for plain, together in zip(*found, strict=True):
        scale = abs(plain.numpy()).max()
        np.testing.assert_allclose(together.numpy(), plain.numpy(), atol=1e-4 * scale)


@pytest.mark.parametrize("training", [True, False])
def test_second_derivatives_are_the_same(training):
    conv, norm, x = layers((2, 3, 3, {"padding": 1}))
    plain = nn.Sequential(conv.double(), norm.double(), nn.ReLU(), nn.MaxPool2d(2)).train(training)
    small = Tensor(x.numpy()[:, :, :4, :4].astype(np.float64), requires_grad=True)
    assert mg.gradgradcheck(lambda x: nn.fused(plain)(x), [small])


@every_model
def test_parameters_and_buffers_are_the_same_objects(make):
    model = make()
    fused = nn.fused(model)
    for ours, theirs in ((model.named_parameters, fused.named_parameters), (model.named_buffers, fused.named_buffers)):
        assert [(name, id(t)) for name, t in ours()] == [(name, id(t)) for name, t in theirs()]
    assert list(model.state_dict()) == list(fused.state_dict())
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    fused(pictures()).sum().backward()
    before = fused(pictures()).numpy()
    optimizer.step()
    assert abs(fused(pictures()).numpy() - before).max() > 1e-3
    fused.load_state_dict({name: value * 0 for name, value in model.state_dict().items()})
    assert not any(p.numpy().any() for p in model.parameters())


def test_modes_are_its_own_and_the_model_stays_as_it_is():
    model = CifarCNN()
    kinds = [type(module) for module in model.modules()]
    fused = nn.fused(model.eval())
    assert not any(module.training for module in fused.modules())
    fused.train()
    assert all(module.training for module in fused.modules()) and not model.features[0].training
    assert [type(module) for module in model.modules()] == kinds


def test_a_module_that_is_used_twice_is_one_module_still():
    block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    fused = nn.fused(nn.Sequential(block, block))
    assert fused[0] is fused[1] and len(list(fused.parameters())) == 2


@every_model
def test_hooks_see_the_same_calls_and_the_summary_is_the_same(make):
    seen = []
    for fuse in (False, True):
        model = make()
        used = nn.fused(model) if fuse else model
        with mg.no_grad(), Seen() as hook:
            used.eval()(pictures())
        seen.append(hook.modules)
    assert seen[0] == seen[1]
    assert nn.summary(make(), (3, 32, 32)) == nn.summary(nn.fused(make()), (3, 32, 32))


def test_a_hook_of_the_model_is_one_of_the_fused_model():
    model, seen = CifarCNN().eval(), []
    fused = nn.fused(model)
    with mg.no_grad():
        expected = fused(pictures()).numpy()
        with model.features[0][0].register_forward_hook(lambda *call: seen.append(call[2].shape)):
            np.testing.assert_allclose(fused(pictures()).numpy(), expected, atol=1e-5)
        fused(pictures())
    assert seen == [(3, 32, 32, 32)]


def test_the_pass_tells_what_it_did(capsys):
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3), nn.Dropout(0.5), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()),
    )
    net[7].register_forward_hook(lambda *call: None)
    nn.fused(net, verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        "0: Conv2d + BatchNorm2d + ReLU + MaxPool2d, together",
        "4: Conv2d, left: no pattern goes on like that",
        "6: ReLU, left: no pattern goes on like that",
        "7: Conv2d, left: it has a hook, or a forward of its own",
        "8: ReLU, left: no pattern goes on like that",
    ]
    nn.fused(LeNet(), verbose=True)
    left = "left: what calls it is neither a Sequential nor registered"
    assert capsys.readouterr().out.splitlines() == [f"conv1: Conv2d, {left}", f"conv2: Conv2d, {left}"]
    nn.fused(small_resnet(), verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["(the model): ResNet, in its registered form", "layer1.0: BasicBlock, in its registered form"]
    assert "layer2.0.downsample.0: Conv2d + BatchNorm2d, together" in lines and len(lines) == 9
