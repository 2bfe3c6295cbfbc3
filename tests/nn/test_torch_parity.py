"""The same layers in PyTorch: the same keys, the same numbers, the same gradients, over several steps."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, nn

torch = pytest.importorskip("torch")
TOLERANCE = 2e-4  # of the largest element


def assert_close(ours, theirs, what=""):
    ours = ours.numpy() if isinstance(ours, Tensor) else ours
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, what
    if theirs.size:
        error = np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-30)
        assert error < TOLERANCE, f"{what}: relative error {error:.1e}"


def twins(make, device="cpu"):
    """The same architecture in both frameworks, with PyTorch's weights."""
    torch.manual_seed(0)  # the same weights, whatever ran before: near a kink, a rounding turns into another gradient
    ours, theirs = make(nn), make(torch.nn)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours.to(device), theirs


def lenet(m):
    return m.Sequential(
        m.Conv2d(3, 6, 5), m.ReLU(), m.MaxPool2d(2), m.Conv2d(6, 16, 5), m.ReLU(), m.MaxPool2d(2), m.Flatten(),
        m.Linear(400, 120), m.ReLU(), m.Linear(120, 84), m.ReLU(), m.Linear(84, 10),
    )  # fmt: skip


def vgg(m):
    def block(inputs, outputs):
        return m.Sequential(m.Conv2d(inputs, outputs, 3, padding=1, bias=False), m.BatchNorm2d(outputs), m.ReLU())

    return m.Sequential(
        block(3, 8), block(8, 8), m.MaxPool2d(2), m.Sequential(block(8, 16), m.AvgPool2d(2)),
        m.AdaptiveAvgPool2d((2, 3)), m.Flatten(), m.Dropout(0.0), m.Linear(96, 10),
    )  # fmt: skip


def residual(m):
    class Block(m.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = m.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
            self.bn1 = m.BatchNorm2d(6)
            self.relu = m.ReLU()
            self.conv2 = m.Conv2d(6, 6, 3, padding=1, groups=2)
            self.downsample = m.Sequential(m.Conv2d(3, 6, 1, stride=2, bias=False), m.BatchNorm2d(6, affine=False))
            self.fc = m.Linear(6, 4)

        def forward(self, x):
            y = self.conv2(self.relu(self.bn1(self.conv1(x)))) + self.downsample(x)
            return self.fc(self.relu(y).mean((2, 3)))

    return Block()


def shared(m):
    layer = m.Linear(4, 4)
    return m.Sequential(layer, m.ReLU(), m.Sequential(layer, m.Identity()), m.Linear(4, 2))


MODELS = {"lenet": (lenet, (4, 3, 32, 32)), "vgg": (vgg, (4, 3, 16, 18)), "residual": (residual, (4, 3, 9, 10)),
          "shared": (shared, (4, 4))}  # fmt: skip
every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_names_and_shapes(name):
    make, _ = MODELS[name]
    ours, theirs = make(nn), make(torch.nn)
    for kind in ("named_parameters", "named_buffers"):
        assert [(n, v.shape) for n, v in getattr(ours, kind)()] == [
            (n, tuple(v.shape)) for n, v in getattr(theirs, kind)()
        ]
    assert [(n, v.shape, str(v.dtype)) for n, v in ours.state_dict().items()] == [
        (n, tuple(v.shape), str(v.dtype).removeprefix("torch.")) for n, v in theirs.state_dict().items()
    ]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


@every_model
def test_states_travel_in_both_directions(name):
    make, _ = MODELS[name]
    ours, theirs = twins(make)
    twin = make(torch.nn)
    twin.load_state_dict({name: torch.tensor(value) for name, value in ours.state_dict().items()})
    for a, b in zip(twin.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    ours.load_state_dict(twin.state_dict())  # PyTorch's own tensors


@every_model
def test_five_training_steps(device, name):
    """Losses, outputs, gradients and all state, running statistics included; then evaluation."""
    make, shape = MODELS[name]
    ours, theirs = twins(make, device)
    rng = np.random.default_rng(0)
    for step in range(5):
        x = rng.standard_normal(shape).astype(np.float32)
        a, b = Tensor(x, requires_grad=True, device=device), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        targets = rng.integers(0, y.shape[1], len(x))
        loss, torch_loss = (
            nn.CrossEntropyLoss()(y, Tensor(targets, device=device)),
            torch.nn.CrossEntropyLoss()(z, torch.tensor(targets)),
        )
        ours.zero_grad()
        theirs.zero_grad()
        loss.backward()
        torch_loss.backward()
        assert_close(y, z, f"output in step {step}")
        assert_close(loss, torch_loss, f"loss in step {step}")
        assert_close(a.grad, b.grad, f"input gradient in step {step}")
        for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert_close(p.grad, q.grad, f"gradient of {n} in step {step}")
            p.data[...] -= 0.05 * p.grad.data
            p._bump_version()
            q.data -= 0.05 * q.grad
    for (n, value), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_close(value, expected.numpy(), n)
    assert_close(ours.eval()(Tensor(x, device=device)), theirs.eval()(torch.tensor(x)), "evaluation")


def conv(*args, **options):
    return lambda m: m.Conv2d(*args, **options)


LAYERS = {
    "linear": (lambda m: m.Linear(5, 3), (4, 5)),
    "linear on more axes": (lambda m: m.Linear(5, 3, bias=False), (2, 3, 4, 5)),
    "linear on a vector": (lambda m: m.Linear(5, 3), (5,)),
    "conv": (conv(3, 4, 3), (2, 3, 7, 8)),
    "conv 1x1": (conv(3, 4, 1, bias=False), (2, 3, 5, 4)),
    "conv strided": (conv(3, 4, 3, stride=2, padding=1), (2, 3, 8, 7)),
    "conv uneven": (conv(2, 3, (1, 4), stride=(3, 2), padding=(0, 2), dilation=(1, 2)), (2, 2, 7, 9)),
    "conv dilated": (conv(2, 3, 3, dilation=3, padding=3), (1, 2, 7, 7)),
    "conv padded beyond its kernel": (conv(2, 3, 2, padding=4), (1, 2, 3, 3)),
    "conv depthwise": (conv(4, 8, 3, groups=4), (2, 4, 6, 6)),
    "conv grouped and strided": (conv(4, 6, 3, groups=2, stride=2, padding=1), (2, 4, 7, 7)),
    "conv of one pixel": (conv(5, 1, 1), (1, 5, 1, 1)),
    "batch norm": (lambda m: m.BatchNorm2d(3, eps=1e-3, momentum=0.3), (4, 3, 5, 2)),
    "batch norm of one picture": (lambda m: m.BatchNorm2d(3), (1, 3, 2, 2)),
    "batch norm in evaluation": (lambda m: m.BatchNorm2d(3).eval(), (1, 3, 2, 2)),
    "batch norm without affine": (lambda m: m.BatchNorm2d(3, affine=False), (4, 3, 1, 2)),
    "max pool": (lambda m: m.MaxPool2d(2), (2, 3, 6, 7)),
    "max pool overlapping": (lambda m: m.MaxPool2d(3, stride=2, padding=1), (2, 3, 7, 8)),
    "max pool uneven": (lambda m: m.MaxPool2d((2, 3), stride=(1, 2), padding=(1, 0)), (1, 2, 5, 6)),
    "avg pool": (lambda m: m.AvgPool2d(2), (2, 3, 6, 7)),
    "avg pool overlapping": (lambda m: m.AvgPool2d(3, stride=1, padding=1), (2, 3, 5, 4)),
    "adaptive pool": (lambda m: m.AdaptiveAvgPool2d(1), (2, 3, 5, 4)),
    "adaptive pool uneven": (lambda m: m.AdaptiveAvgPool2d((3, 4)), (2, 3, 7, 5)),
    "adaptive pool that enlarges": (lambda m: m.AdaptiveAvgPool2d(5), (2, 3, 2, 3)),
    "relu": (lambda m: m.ReLU(), (3, 4)),
    "flatten": (lambda m: m.Flatten(), (2, 3, 4)),
    "conv that keeps the size": (conv(2, 3, 3, padding="same"), (2, 2, 4, 5)),
    "conv with an even kernel that keeps the size": (conv(2, 3, (2, 4), padding="same", dilation=(1, 2)), (2, 2, 4, 7)),
    "conv without padding": (conv(2, 3, 3, padding="valid"), (2, 2, 4, 5)),
    "batch norm of rows": (lambda m: m.BatchNorm1d(3), (4, 3)),
    "batch norm of sequences": (lambda m: m.BatchNorm1d(3), (4, 3, 5)),
    "layer norm": (lambda m: m.LayerNorm(5), (2, 3, 5)),
    "layer norm over two axes": (lambda m: m.LayerNorm((3, 5), eps=1e-3), (2, 3, 5)),
    "layer norm without affine": (lambda m: m.LayerNorm(5, elementwise_affine=False), (2, 5)),
    "layer norm without bias": (lambda m: m.LayerNorm(5, bias=False), (2, 5)),
    "group norm": (lambda m: m.GroupNorm(2, 4), (2, 4, 3, 3)),
    "group norm of rows, no affine": (lambda m: m.GroupNorm(2, 6, affine=False), (2, 6)),
    "avg pool that does not count padding": (
        lambda m: m.AvgPool2d(3, 2, padding=1, count_include_pad=False),
        (2, 3, 5, 4),
    ),
    "adaptive pool of one axis": (lambda m: m.AdaptiveAvgPool2d((None, 2)), (2, 3, 5, 4)),
    "sigmoid": (lambda m: m.Sigmoid(), (3, 4)),
    "tanh": (lambda m: m.Tanh(), (3, 4)),
    "softplus": (lambda m: m.Softplus(), (3, 4)),
    "silu": (lambda m: m.SiLU(), (3, 4)),
    "leaky relu": (lambda m: m.LeakyReLU(0.2), (3, 4)),
    "elu": (lambda m: m.ELU(0.7), (3, 4)),
    "softmax": (lambda m: m.Softmax(dim=1), (3, 4)),
    "log softmax": (lambda m: m.LogSoftmax(dim=0), (3, 4)),
    "flatten some axes": (lambda m: m.Flatten(start_dim=0, end_dim=1), (2, 3, 4)),
    "unflatten": (lambda m: m.Unflatten(1, (2, 3)), (2, 6, 4)),
    "zero padding": (lambda m: m.ZeroPad2d((1, 2, 0, 3)), (1, 2, 3, 3)),
    "dropout in evaluation": (lambda m: m.Dropout2d(0.5, inplace=True).eval(), (2, 3, 2, 2)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_their_gradients(device, name, layout):
    make, shape = LAYERS[name]
    ours, theirs = twins(make, device)
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype(np.float32)
    if layout == "channels last":
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)  # any order but C
    a, b = Tensor(x, requires_grad=True, device=device), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    assert_close(y, z, "output")
    g = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(Tensor(g, device=device))
    z.backward(torch.tensor(g))
    assert_close(a.grad, b.grad, "input gradient")
    for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_close(p.grad, q.grad, n)
    for (n, value), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_close(value, expected.numpy(), n)


def floats(m, n):
    """Different positive numbers, of the framework of `m`."""
    return (Tensor if m is nn else torch.tensor)([0.5 * (i + 1) for i in range(n)])


LOSSES = {
    "cross entropy": (lambda m, r: m.CrossEntropyLoss(reduction=r), True),
    "cross entropy smoothed": (lambda m, r: m.CrossEntropyLoss(reduction=r, label_smoothing=0.2), True),
    "cross entropy with options": (lambda m, r: m.CrossEntropyLoss(floats(m, 5), ignore_index=2, reduction=r), True),
    "nll": (lambda m, r: m.NLLLoss(floats(m, 5), reduction=r), True),
    "bce with logits": (lambda m, r: m.BCEWithLogitsLoss(reduction=r, pos_weight=floats(m, 5)), False),
    "l1": (lambda m, r: m.L1Loss(reduction=r), False),
    "huber": (lambda m, r: m.HuberLoss(reduction=r, delta=0.3), False),
    "mse": (lambda m, r: m.MSELoss(reduction=r), False),
    "smooth l1": (lambda m, r: m.SmoothL1Loss(reduction=r), False),
    "smooth l1 with beta": (lambda m, r: m.SmoothL1Loss(reduction=r, beta=0.3), False),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(device, name, reduction):
    make, classes = LOSSES[name]
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((6, 5)) * 20).astype(np.float32)
    targets = rng.integers(0, 5, 6) if classes else rng.standard_normal((6, 5)).astype(np.float32)
    a, b = Tensor(x, requires_grad=True, device=device), torch.tensor(x, requires_grad=True)
    y = make(nn, reduction).to(device)(a, Tensor(targets, device=device))
    z = make(torch.nn, reduction)(b, torch.tensor(targets))
    assert_close(y, z, "loss")
    y.sum().backward()
    z.sum().backward()
    assert_close(a.grad, b.grad, "gradient")


def test_embedding_and_its_gradient(device):
    ours, theirs = twins(lambda m: m.Embedding(7, 3), device)
    numbers = np.array([[0, 6, 0], [2, 2, 2]])
    y, z = ours(Tensor(numbers, device=device)), theirs(torch.tensor(numbers))
    assert_close(y, z)
    (y * y).sum().backward()
    (z * z).sum().backward()
    assert_close(ours.weight.grad, theirs.weight.grad)


def test_bce_of_probabilities(device):
    p = np.array([0.1, 0.9, 0.5], np.float32)
    y, z = nn.BCELoss()(Tensor(p, device=device), Tensor(p, device=device)), torch.nn.BCELoss()(*[torch.tensor(p)] * 2)
    assert_close(y, z)


def test_batch_norm_over_many_steps_and_then_in_evaluation(device):
    ours, theirs = twins(lambda m: m.BatchNorm2d(4, momentum=0.2), device)
    rng = np.random.default_rng(3)
    for _ in range(10):
        x = (
            rng.standard_normal((8, 4, 3, 3)) * [[[[1.0]], [[5.0]], [[0.1]], [[1.0]]]]
            + [[[[0.0]], [[3.0]], [[-9.0]], [[50.0]]]]
        ).astype(np.float32)
        assert_close(ours(Tensor(x, device=device)), theirs(torch.tensor(x)))
    for (n, value), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_close(value, expected.numpy(), n)
    assert ours.num_batches_tracked.item() == 10
    assert_close(ours.eval()(Tensor(x, device=device)), theirs.eval()(torch.tensor(x)))
