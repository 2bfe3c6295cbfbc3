"""Containers find the parameters of what they hold, under PyTorch's names, and behave as lists and dicts do."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from minigrad import Parameter, Tensor, nn


def row(*widths):
    return [nn.Linear(n, m) for n, m in zip(widths, widths[1:], strict=False)]


def test_a_module_list_finds_parameters_and_is_iterated_over():
    layers = nn.ModuleList(row(2, 3, 4))
    assert [name for name, _ in layers.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    x = Tensor([[1.0, 2.0]])
    for layer in layers:
        x = layer(x)
    assert x.shape == (1, 4) and len(layers) == 2 and layers[-1] is list(layers)[1]


def test_a_module_list_is_changed_as_a_list():
    a, b, c, d = row(1, 1, 1, 1, 1)
    layers = nn.ModuleList([a]).append(b).extend([c])
    layers[1] = d
    assert list(layers) == [a, d, c]
    layers.insert(1, b)
    layers += []
    assert list(layers) == [a, b, d, c]
    del layers[0]
    assert list(layers) == [b, d, c] and list(layers.state_dict())[::2] == ["0.weight", "1.weight", "2.weight"]
    assert isinstance(layers[1:], nn.ModuleList) and list(layers[1:]) == [d, c]
    assert layers.pop() is c and layers.pop(0) is b and list(layers.state_dict()) == ["0.weight", "0.bias"]
    named = nn.ModuleDict({"a": a, "b": b})
    assert named.pop("a") is a and named.keys() == ["b"]
    with pytest.raises(KeyError, match="a"):
        named.pop("a")


def test_a_sequential_is_sliced_and_its_layers_replaced():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    part = net[1:]
    assert isinstance(part, nn.Sequential) and part[1] is net[2]
    assert list(part.state_dict()) == ["2.weight", "2.bias"]  # the names stay, as in PyTorch
    assert len(part.append(nn.Linear(1, 1))) == 3 and part[1] is net[2]  # "2" was taken
    net[-1] = nn.Linear(2, 5)
    assert net(Tensor([[1.0, 2.0]])).shape == (1, 5)
    del net[1]
    net.append(nn.ReLU())
    assert [type(module) for module in net] == [nn.Linear, nn.Linear, nn.ReLU]
    assert net(Tensor([[1.0, 2.0]])).shape == (1, 5)


def test_a_sequential_has_named_layers():
    net = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 1, 3), act=nn.ReLU()))
    assert list(net.state_dict()) == ["conv.weight", "conv.bias"] and isinstance(net.act, nn.ReLU)
    assert net[0] is net.conv and net(Tensor([[[[1.0] * 3] * 3]])).shape == (1, 1, 1, 1)


def test_a_module_dict_holds_modules_by_name():
    heads = nn.ModuleDict({"box": nn.Linear(2, 4)})
    heads["cls"] = nn.Linear(2, 3)
    assert heads["box"](Tensor([[1.0, 2.0]])).shape == (1, 4)
    assert list(heads) == heads.keys() == ["box", "cls"] and "cls" in heads and len(heads) == 2
    assert [name for name, _ in heads.named_parameters()][::2] == ["box.weight", "cls.weight"]
    del heads["box"]
    assert heads.items() == [("cls", heads["cls"])] and heads.values() == [heads.cls]
    with pytest.raises(KeyError):
        heads["box"]


def test_a_parameter_list_holds_parameters():
    scales = nn.ParameterList([Parameter([1.0]), Parameter([2.0, 3.0])]).append(Parameter([4.0]))
    assert len(scales) == 3 and [p.shape for p in scales] == [(1,), (2,), (1,)] and scales[-1].item() == 4
    assert [name for name, _ in scales.named_parameters()] == ["0", "1", "2"]
    assert repr(scales) == "ParameterList((1,), (2,), (1,))"


@pytest.mark.parametrize("name", ["", "a.b", "forward", "keys", "hooks"])
def test_names_that_cannot_be_are_refused(name):
    with pytest.raises(KeyError, match="cannot be the name of a module"):
        nn.ModuleDict({name: nn.ReLU()})


@pytest.mark.parametrize("container", [nn.ModuleList, lambda x: nn.ModuleDict({"a": x[0]}), nn.ParameterList])
def test_something_else_is_refused(container):
    with pytest.raises(TypeError, match="int"):
        container([3])
