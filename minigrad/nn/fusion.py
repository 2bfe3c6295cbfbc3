"""`nn.fused(model)`: the same model, whose layers that stand together are computed together.

A ReLU right after a convolution is done to its results while they are in the cache. So is batch norm in evaluation,
where it is a scale and a shift per channel; in training it needs all results first, and the addition and the ReLU
behind it are done in its passes over them. A ReLU and the max-pooling behind it change places, since
max(relu(x)) = relu(max(x)): after the pool there is a quarter of the numbers left.

Layers are found in two ways. In a `Sequential` they stand in a row, which is compared with the table `PATTERNS`. What
a module's `forward` calls in its own code cannot be seen from outside: for such a module a subclass is registered
that computes the same in another way, as `models/resnet.py` does for its blocks with `conv_norm`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from minigrad.grad_mode import is_grad_enabled
from minigrad.hooks import watching_modules
from minigrad.nn.layers import BatchNorm2d, Conv2d, MaxPool2d, ReLU
from minigrad.nn.module import Module
from minigrad.nn.sequential import Sequential
from minigrad.ops.conv import ConvNorm, checked_window, conv2d_relu
from minigrad.tensor import Tensor

Model = TypeVar("Model", bound=Module)
Kind = TypeVar("Kind", bound=type[Module])


def conv_norm(conv: Conv2d, norm: BatchNorm2d, x: Tensor, shortcut: Tensor | None = None, relu: bool = False) -> Tensor:
    """Return norm(conv(x)) + shortcut, then its ReLU if `relu`; layer by layer if a hook, or a replaced `forward`,
    needs what is in between.
    """
    if not (_is_plain(conv) and _is_plain(norm)) or watching_modules():
        y = norm(conv(x))
        y = y if shortcut is None else y + shortcut
        return y.relu() if relu else y
    parameters = conv.weight, conv.bias, norm.weight, norm.bias
    recording = is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, shortcut, *parameters))
    if norm.training or recording or isinstance(conv.padding, str):
        return norm.normalised(conv(x), shortcut, relu)
    window = checked_window(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)
    shape = len(x), len(conv.weight), *window.output_size(x.shape[2:])
    if shortcut is not None and shortcut.shape != shape:
        raise ValueError(f"conv_norm: shortcut has shape {shortcut.shape}, the convolution's result {shape}")
    statistics = norm.weight, norm.bias, norm.running_mean, norm.running_var
    return ConvNorm.apply(x, conv.weight, conv.bias, shortcut, *statistics, eps=norm.eps, relu=relu, window=window)


def _conv_relu(conv: Conv2d, _: ReLU, x: Tensor) -> Tensor:
    return conv2d_relu(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


# Layers in a row and what computes them together, given the layers and x; the longest row that fits is taken.
PATTERNS: dict[tuple[type[Module], ...], Callable[..., Tensor]] = {
    (Conv2d, BatchNorm2d, ReLU, MaxPool2d): lambda conv, norm, _, pool, x: pool(conv_norm(conv, norm, x)).relu(),
    (Conv2d, BatchNorm2d, ReLU): lambda conv, norm, _, x: conv_norm(conv, norm, x, relu=True),
    (Conv2d, BatchNorm2d): conv_norm,
    (Conv2d, ReLU, MaxPool2d): lambda conv, _, pool, x: pool(conv(x)).relu(),
    (Conv2d, ReLU): _conv_relu,
    (ReLU, MaxPool2d): lambda _, pool, x: pool(x).relu(),
}
LONGEST = max(map(len, PATTERNS))
BEGINNINGS, NEXT = ({pattern[i] for pattern in PATTERNS} for i in (0, 1))  # most layers need no closer look

# The classes that compute the same as others in another way.
FUSED: dict[type[Module], type[Module]] = {}


def register(kind: type[Module]) -> Callable[[Kind], Kind]:
    """Have `fused` put a subclass in the place of `kind`: `@register(Block)` before `class FusedBlock(Block):`.

    To the outside it goes by the same name.
    """

    def add(subclass: Kind) -> Kind:
        subclass.__name__ = kind.__name__
        FUSED[kind] = subclass
        return subclass

    return add


@register(Sequential)
class FusedSequential(Sequential):
    """A Sequential that computes the patterns among its layers together, also across the Sequentials inside it."""

    def forward(self, x: Any) -> Any:
        """Return the last module's output."""
        if watching_modules():  # then every module is called itself
            return super().forward(x)
        for pattern, modules in _groups(self):
            x = PATTERNS[pattern](*modules, x) if pattern else modules[0](x)
        return x


def _groups(sequential: Sequential) -> Iterator[tuple[tuple[type[Module], ...], list[Module]]]:
    """Yield a pattern and the modules that it is of; or no pattern, and a single module."""
    modules, i = _flattened(sequential), 0
    while i < len(modules):
        goes_on = type(modules[i]) in BEGINNINGS and i + 1 < len(modules) and type(modules[i + 1]) in NEXT
        pattern = _pattern(modules[i : i + LONGEST]) if goes_on else ()
        count = len(pattern) or 1
        yield pattern, modules[i : i + count]
        i += count


def _flattened(sequential: Sequential) -> list[Module]:
    """Return the modules inside, and instead of a Sequential those inside it."""
    modules = []
    for child in sequential.children():
        plain = type(child) in (Sequential, FusedSequential) and "forward" not in vars(child) and not child.hooks
        modules += _flattened(child) if plain else [child]
    return modules


def fused(model: Model, verbose: bool = False) -> Model:
    """Return a model that computes the same as `model`, faster.

    It has the same Parameters and buffers: what trains or loads the one trains or loads the other, and the names in
    `state_dict` are the same. Modes are its own: call its `train()` and `eval()`. A layer with a hook, or whose
    `forward` was replaced, is called by itself; and so is every layer while an `mg.hooks.Hook` watches modules.

    Args:
        model: stays as it is; modules that are put into it later are not in the fused one.
        verbose: print what is computed together, and what is left and why.
    """
    result = _copy(model, {})
    if verbose:
        print("\n".join(_report(result)))
    return result


def _copy(module: Any, copies: dict[int, Any]) -> Any:
    if id(module) not in copies:
        kind = type(module)
        copy = copies[id(module)] = Module.__new__(FUSED.get(kind, kind))
        for name, value in vars(module).items():
            vars(copy)[name] = _copy(value, copies) if isinstance(value, Module) else value
        vars(copy)["_buffers"] = dict(module._buffers)  # the names of each; hooks are those of the model
        if isinstance(copy, FusedSequential) and not any(pattern for pattern, _ in _groups(copy)):
            copy.__class__ = Sequential  # there is nothing to look for at each call
    return copies[id(module)]


def _report(model: Module) -> list[str]:
    """Return a line for each group of layers that are computed together, and each layer that could be but is not."""
    lines, told = [], set()
    names = {id(module): name or "(the model)" for name, module in model.named_modules()}
    for module in model.modules():
        if id(module) in told:
            continue
        said: list[tuple[list[Module], str]] = []  # of which modules, and what
        if isinstance(module, Sequential):
            groups = [(pattern, group) for pattern, group in _groups(module) if id(group[0]) not in told]
            said = [(group, "together" if pattern else _why_not(group[0])) for pattern, group in groups]
        elif type(module) in FUSED.values():
            told.update(id(child) for child in module.children() if type(child) in FORWARD)
            said = [([module], "in its registered form")]
        elif type(module) in BEGINNINGS:
            said = [([module], "left: what calls it is neither a Sequential nor registered")]
        for group, what in said:
            kinds = [type(layer).__name__ for layer in group]
            if what and (len(group) > 1 or type(group[0]) in BEGINNINGS or group == [module]):
                lines.append(f"{names[id(group[0])]}: {' + '.join(kinds)}, {what}")
                told.update(map(id, group))
    return lines


def _why_not(layer: Module) -> str:
    """Return why a layer of a Sequential is in no pattern; nothing, if no pattern begins with such a layer."""
    if type(layer) not in BEGINNINGS:
        return ""
    return "left: no pattern goes on like that" if _is_plain(layer) else "left: it has a hook, or a forward of its own"


def _pattern(modules: Sequence[Module]) -> tuple[type[Module], ...]:
    """Return the longest pattern that these modules begin with.

    Only the layers themselves are recognised: a subclass may compute something else, and so may a layer whose `forward`
    somebody replaced, or that has hooks.
    """
    kinds = tuple([type(module) if _is_plain(module) else None for module in modules])
    return next((kinds[:count] for count in range(len(kinds), 1, -1) if kinds[:count] in PATTERNS), ())


# What these layers compute, so long as nobody puts another function into the class.
FORWARD = {kind: kind.forward for kind in (Conv2d, BatchNorm2d, ReLU, MaxPool2d)}


def _is_plain(module: Module) -> bool:
    """Whether a layer is one of these, with the `forward` of its class, and nobody waits for its own output."""
    kind = type(module)
    return FORWARD.get(kind) is kind.forward and "forward" not in vars(module) and not module.hooks
