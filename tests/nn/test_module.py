"""A Module finds its parts by itself, saves and restores them, and moves them."""

from __future__ import annotations

import copy
import weakref
from collections import deque

import numpy as np
import pytest

from minigrad import Parameter, Tensor, nn, ops, optim


class Net(nn.Module):
    """A parameter of its own, a nested Sequential, a buffer, a frozen parameter, and things that are not state."""

    def __init__(self):
        super().__init__()
        self.scale = Parameter([2.0])
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2, bias=False)))
        self.register_buffer("mean", Tensor([1.0, 2.0]))
        self.frozen = Parameter([0.5], requires_grad=False)
        self.constant = Tensor([3.0])
        self.number, self.nothing = 7, None

    def forward(self, x):
        return self.body(x) * self.scale - self.mean


NAMES = ["scale", "frozen", "mean", "body.0.weight", "body.0.bias", "body.1.1.weight"]


class Shared(nn.Module):
    """One layer under two names, and one parameter under two names."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(2, 2)
        self.layers = nn.Sequential(self.encode, nn.ReLU(), self.encode)
        self.tied = self.encode.weight

    def forward(self, x):
        return self.layers(x)


# ---- finding things ----------------------------------------------------------------------------------------------


def test_parameters_and_buffers_are_found_in_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [name for name in NAMES if name != "mean"]
    assert [name for name, _ in net.named_buffers()] == ["mean"]
    assert list(net.state_dict()) == NAMES
    assert [p.shape for p in net.parameters()] == [(1,), (1,), (4, 3), (4,), (2, 4)]
    assert list(net.buffers()) == [net.mean]


def test_modules_are_found_from_the_outside_in():
    net = Net()
    assert [path for path, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.1.0", "body.1.1"]
    assert next(net.modules()) is net
    assert [name for name, _ in net.named_children()] == ["body"]


def test_what_is_shared_is_found_once_but_saved_under_each_name():
    net = Shared()
    assert [name for name, _ in net.named_parameters()] == ["tied", "encode.bias"]
    assert [type(m).__name__ for m in net.modules()] == ["Shared", "Linear", "Sequential", "ReLU"]
    names = ["weight", "bias"]
    assert list(net.state_dict()) == ["tied", *[f"{m}.{n}" for m in ("encode", "layers.0", "layers.2") for n in names]]
    net.load_state_dict(net.state_dict())


def test_gradients_of_shared_layers_add_up(device):
    net = Shared().to(device)
    net(Tensor([[1.0, 2.0]], device=device)).sum().backward()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    before = net.encode.weight.numpy().copy()
    optimizer.step()
    np.testing.assert_allclose(net.tied.numpy(), before - 0.1 * net.tied.grad.numpy(), rtol=1e-5)


def test_replaced_and_removed_parts_are_followed():
    net = Net()
    net.body = nn.Linear(1, 1)
    net.scale = None
    net.mean = Tensor([5.0])
    del net.frozen
    assert list(net.state_dict()) == ["mean", "body.weight", "body.bias"]
    assert net.state_dict()["mean"] == 5


def test_an_array_becomes_a_buffer_and_never_a_parameter():
    net = Net()
    net.mean = np.array([5.0, 6.0], np.float32)
    assert isinstance(net.mean, Tensor) and net.state_dict()["mean"].tolist() == [5, 6]
    for name, expected, wrong in [
        ("mean", "Tensor", [5.0]),
        ("scale", "Parameter", np.ones(1)),
        ("scale", "Parameter", Tensor([1.0])),
    ]:
        with pytest.raises(
            TypeError, match=rf"Net.{name}: expected a {expected} or None, got .*assign to .{name}.data"
        ):
            setattr(net, name, wrong)
    assert list(net.state_dict()) == NAMES


def test_an_array_takes_a_buffers_place_in_its_dtype_and_on_its_device(device):
    norm = nn.BatchNorm2d(2).to(device)
    norm.running_mean = np.array([3.0, 4.0])
    assert (norm.running_mean.dtype, norm.running_mean.device) == (norm.weight.dtype, norm.weight.device)
    assert norm.eval()(Tensor(np.zeros((1, 2, 1, 1), np.float32), device=device)).numpy().ravel().tolist() == (
        pytest.approx([-3, -4], rel=1e-4)
    )
    with pytest.raises(ValueError, match=r"BatchNorm2d.running_mean: an array of shape \(3,\).*shape \(2,\)"):
        norm.running_mean = np.zeros(3, np.float32)
    norm.running_mean = None
    norm.running_mean = np.zeros(3)
    assert norm.running_mean.shape == (3,) and norm.running_mean.dtype == np.float64


def test_a_parameter_is_no_buffer():
    norm = nn.BatchNorm2d(2)
    with pytest.raises(TypeError, match="BatchNorm2d.running_mean: is a buffer"):
        norm.running_mean = nn.Parameter(np.zeros(2, np.float32))
    with pytest.raises(TypeError, match="register_buffer: mean must be a Tensor or None, got Parameter"):
        norm.register_buffer("mean", nn.Parameter(np.zeros(2, np.float32)))
    assert [name for name, _ in norm.named_parameters()] == ["weight", "bias"]


def test_a_buffer_that_was_replaced_is_held_by_nobody():
    net = Net()
    old = weakref.ref(net.mean)
    net.mean = Tensor([3.0, 4.0])
    assert old() is None and list(net._buffers) == ["mean"]


def test_a_buffer_that_was_deleted_is_gone():
    net = Net()
    del net.mean
    assert list(net.buffers()) == [] and "mean" not in net.state_dict()
    net.mean = "no buffer any more"


@pytest.mark.parametrize(
    "hide",
    [lambda layer: [layer], lambda layer: (layer,), lambda layer: {"a": layer}, lambda layer: [1, [[layer]]],
     lambda layer: {layer}, lambda layer: deque([layer])],
)  # fmt: skip
def test_layers_in_a_plain_list_are_not_found_and_that_is_said(hide):
    """As in PyTorch only attributes count; but there nothing is said."""

    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = []

    inner = Listed()
    net = nn.Sequential(inner)
    inner.layers = hide(layer := nn.Linear(1, 1))
    with pytest.warns(UserWarning, match=r"Listed.layers is a plain \w+, .* use nn.ModuleList"):
        assert list(net.parameters()) == []
    inner.head = layer  # found now, so that the list may keep it, too
    assert len(list(net.parameters())) == 2


@pytest.mark.parametrize("hide", [lambda w: [w], lambda w: {"a": (w,)}, lambda w: {w}, lambda w: deque([w])])
def test_parameters_in_a_plain_container_are_not_found_and_that_is_said(hide):
    net = nn.Module()
    net.weights = hide(weight := nn.Parameter(np.zeros(2, np.float32)))
    for look in (lambda: list(net.parameters()), net.state_dict):
        with pytest.warns(UserWarning, match=r"Module.weights is a plain \w+, in which parameters .* nn.ParameterList"):
            assert not look()
    net.weight = weight  # found now
    assert len(list(net.parameters())) == 1


def test_a_tensor_that_would_learn_but_is_no_parameter_is_named():
    net = nn.Module()
    net.w = Tensor([1.0], requires_grad=True)
    with pytest.warns(UserWarning, match="Module.w is a Tensor that requires a gradient, .* use nn.Parameter"):
        assert list(net.parameters()) == []
    net.w = net.w * 2  # a result that is only kept
    assert list(net.parameters()) == []


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Net2 has no forward"):
        type("Net2", (nn.Module,), {})()(Tensor(1.0))


# ---- Sequential --------------------------------------------------------------------------------------------------


def test_sequential_calls_its_modules_in_order(device):
    double, flat = nn.Linear(1, 1, bias=False), nn.Flatten()
    double.load_state_dict({"weight": [[2.0]]})
    model = nn.Sequential(flat, double, double).to(device)
    np.testing.assert_array_equal(model(Tensor([[[3.0]]], device=device)).numpy(), [[12]])
    assert len(model) == 3 and model[0] is flat and model[-1] is double and list(model) == [flat, double, double]
    x = Tensor(1.0)
    assert nn.Sequential()(x) is x


@pytest.mark.parametrize("wrong", [ops.relu, None, [nn.ReLU()], nn.ReLU])
def test_sequential_takes_modules_only(wrong):
    with pytest.raises(TypeError, match=r"Sequential: argument 1 is a .*, not a Module"):
        nn.Sequential(nn.ReLU(), wrong)


# ---- modes -------------------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_module():
    net = Net()
    assert all(module.training for module in net.modules())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    net.body[1].eval()
    assert net.training and not net.body[1][0].training


def test_freezing_and_forgetting_gradients(device):
    net = Net().to(device)
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    net.body[0].requires_grad_(True)
    net(Tensor(np.ones((1, 3), np.float32), device=device)).sum().backward()
    assert net.body[0].weight.grad is not None and net.scale.grad is None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# ---- state -------------------------------------------------------------------------------------------------------


def test_state_dict_holds_copies(device):
    net = Net().to(device)
    state = net.state_dict()
    assert all(type(value) is np.ndarray for value in state.values())
    state["scale"][0] = 9
    assert net.scale.item() == 2
    np.testing.assert_array_equal(state["body.0.weight"], net.body[0].weight.numpy())


def test_loading_restores_parameters_and_buffers_in_place(device):
    source, target = Net().to(device), Net()
    source.load_state_dict({name: np.full_like(value, 3) for name, value in source.state_dict().items()})
    arrays = [p.data for p in target.parameters()]
    target.load_state_dict(source.state_dict())
    assert all((value == 3).all() for value in target.state_dict().values())
    assert all(p.data is array for p, array in zip(target.parameters(), arrays, strict=True))


@pytest.mark.parametrize(
    "convert",
    [
        lambda a, d: a.tolist(),
        lambda a, d: a.astype(np.float64),
        lambda a, d: Tensor(a),
        lambda a, d: Tensor(a, device=d),
    ],
)
def test_loading_takes_arrays_lists_and_tensors(device, convert):
    net = nn.Linear(2, 2).to(device)
    expected = {"weight": np.array([[1.0, 2.0], [3.0, 4.0]]), "bias": np.array([5.0, 6.0])}
    net.load_state_dict({name: convert(value, device) for name, value in expected.items()})
    for name, value in net.state_dict().items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, expected[name])


def test_loading_keeps_the_memory_layout():
    conv = nn.Conv2d(3, 4, 2)
    strides = conv.weight.data.strides
    conv.load_state_dict(conv.state_dict())
    assert conv.weight.data.strides == strides


def damaged(**changes):
    state = Net().state_dict()
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


@pytest.mark.parametrize(
    "state, error, parts",
    [
        (damaged(scale=None, body__0__bias=None), KeyError, ["missing ['scale', 'body.0.bias']", "unexpected nothing"]),
        (damaged(more=np.ones(1), extra=np.ones(2)), KeyError, ["missing nothing", "unexpected ['more', 'extra']"]),
        (
            damaged(scale=np.ones(2), mean=np.ones((1, 2))),
            ValueError,
            ["scale is (2,), expected (1,)", "mean is (1, 2)"],
        ),
        (
            damaged(scale=None, more=np.ones(1), mean=np.ones(3)),
            KeyError,
            ["missing ['scale']", "unexpected ['more']", "mean is (3,), expected (2,)"],
        ),
        ({}, KeyError, NAMES),
    ],
)
def test_errors_list_every_name_and_change_nothing(state, error, parts):
    net = Net()
    before = net.state_dict()
    for value in before.values():
        value += 1  # what must not be seen afterwards
    before = net.state_dict()
    with pytest.raises(error) as raised:
        net.load_state_dict({name: np.asarray(value) + 100 for name, value in state.items()})
    for part in ["load_state_dict of Net", *parts]:
        assert part in raised.value.args[0]
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("value", ["text", None, np.array(["a"]), np.array([1j]), [[1.0], [1.0, 2.0]], {"a": 1}])
def test_values_that_are_no_numbers_change_nothing(value):
    net = nn.BatchNorm2d(1)
    before = net.state_dict()
    for name in before:
        with pytest.raises((TypeError, ValueError)):
            net.load_state_dict({n: v + 1 for n, v in before.items()} | {name: value})
    for name, kept in net.state_dict().items():
        np.testing.assert_array_equal(kept, before[name])


def test_strict_false_takes_what_fits(device):
    net = Net().to(device)
    net.load_state_dict({"scale": np.array([7.0]), "elsewhere": np.ones(3)}, strict=False)
    assert net.scale.item() == 7
    with pytest.raises(ValueError, match=r"mean is \(5,\), expected \(2,\)"):
        net.load_state_dict({"mean": np.ones(5)}, strict=False)


def test_a_deep_copy_learns_by_itself():
    net = Net()
    twin = copy.deepcopy(net)
    twin.load_state_dict({name: value + 1 for name, value in twin.state_dict().items()})
    assert net.scale.item() == 2 and twin.scale.item() == 3
    assert next(twin.buffers()) is twin.mean


# ---- devices -----------------------------------------------------------------------------------------------------


def test_to_moves_everything_and_keeps_identity(device):
    net = Net()
    parameters = list(net.parameters())
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    before = net.state_dict()
    assert net.to(device) is net
    there = Tensor(0.0, device=device).device
    assert all(a is b for a, b in zip(net.parameters(), parameters, strict=True))
    assert {x.device for x in (*net.parameters(), *net.buffers())} == {there}
    net(Tensor(np.ones((2, 3), np.float32), device=device)).sum().backward()
    optimizer.step()
    assert net.scale.item() != before["scale"]
    gradient = net.scale.grad.numpy()
    net.to("cpu")
    assert net.scale.device == net.scale.grad.device == "cpu"
    np.testing.assert_array_equal(net.scale.grad.numpy(), gradient)


@pytest.mark.parametrize("name, dtype", [("half", np.float16), ("float", np.float32), ("double", np.float64)])
def test_another_dtype_and_back(device, name, dtype):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)).to(device)
    parameters, before = list(net.parameters()), net.state_dict()
    x = Tensor(np.random.default_rng(0).random((8, 3, 4, 4)).astype(dtype), device=device)
    assert getattr(net, name)() is net
    y = net(x)
    y.sum().backward()
    optim.SGD(net.parameters(), lr=0.1).step()
    floating = [t for t in (y, *net.parameters(), *net.buffers()) if t.dtype != np.int64]
    assert {t.dtype for t in floating} == {p.grad.dtype for p in parameters} == {np.dtype(dtype)}
    assert all(a is b for a, b in zip(net.parameters(), parameters, strict=True))
    net.to(np.float32)
    assert {t.dtype for t in (*net.parameters(), *(p.grad for p in parameters))} == {np.dtype(np.float32)}
    assert {key: value.dtype for key, value in net.state_dict().items()} == {k: v.dtype for k, v in before.items()}


@pytest.mark.parametrize("target", [np.int64, bool, None, "float64", 3])
def test_a_target_that_is_neither_a_device_nor_a_floating_dtype(target):
    net = Net()
    with pytest.raises((TypeError, ValueError), match="to: expected a device or a floating dtype|device: expected"):
        net.to(target)
    assert net.scale.dtype == np.float32


# ---- showing -----------------------------------------------------------------------------------------------------


def test_repr_shows_the_tree():
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (1): Sequential(\n"
        "      (0): ReLU()\n"
        "      (1): Linear(in_features=4, out_features=2, bias=False)\n"
        "    )\n"
        "  )\n"
        ")"
    )


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 4, bias=False),
        nn.Conv2d(2, 4, 3),
        nn.Conv2d(4, 4, (1, 3), stride=(2, 1), padding=(0, 1), dilation=2, groups=2, bias=False),
        nn.BatchNorm2d(3, eps=1e-3, momentum=0.2, affine=False),
        nn.MaxPool2d(2, stride=(1, 2), padding=1),
        nn.AvgPool2d((2, 3)),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Flatten(2),
        nn.ReLU(),
        nn.Identity(),
        nn.CrossEntropyLoss(),
        nn.MSELoss(),
        nn.SmoothL1Loss(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_repr_of_a_layer_is_the_call_that_makes_it(layer):
    twin = eval(repr(layer), vars(nn))
    assert type(twin) is type(layer) and repr(twin) == repr(layer)
    assert {n: v.shape for n, v in twin.state_dict().items()} == {n: v.shape for n, v in layer.state_dict().items()}


def test_state_without_num_batches_tracked_is_loaded_as_in_pytorch():
    layer = nn.BatchNorm2d(2)
    state = {name: value + 1 for name, value in layer.state_dict().items() if name != "num_batches_tracked"}
    assert layer.load_state_dict(state) == ([], [])
    assert layer.running_mean.numpy().tolist() == [1, 1] and layer.num_batches_tracked.item() == 0


def test_values_of_pytorch_are_read_or_refused_in_words():
    torch = pytest.importorskip("torch")
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": torch.ones(1, 2)})
    assert layer.weight.numpy().tolist() == [[1, 1]]
    for value in (torch.nn.Parameter(torch.ones(1, 2)), torch.ones(1, 2, dtype=torch.bfloat16)):
        with pytest.raises(
            TypeError, match=r"load_state_dict: 'weight' is a torch.* Of PyTorch's tensors pass value.detach"
        ):
            layer.load_state_dict({"weight": value})


def test_a_state_dict_may_have_single_numbers():
    norm = nn.BatchNorm2d(2)
    norm.load_state_dict({**norm.state_dict(), "num_batches_tracked": np.int64(7)})
    assert norm.num_batches_tracked.item() == 7
