"""`Module`: a tree of layers that knows its parameters."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import backend, hooks
from minigrad.backend import Array
from minigrad.nn.hooks import Hook, HookHandle
from minigrad.ops.casting import place
from minigrad.optim.optimizer import forget_gradients
from minigrad.quoting import one_line, quoted
from minigrad.tensor import Parameter, Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

CONTAINERS = (list, tuple, dict, set, frozenset, deque)  # in which nothing is looked for


class Module:
    """Base of all layers and models.

    A subclass creates parameters and layers as attributes in `__init__` and computes in `forward`. Attributes that are
    Parameters or Modules are found by themselves, in the order of assignment. Those in plain lists, dicts and sets are
    not, which gives a warning: use `Sequential`, `ModuleList`, `ModuleDict`, `ParameterList`. Other state, such as
    running statistics, is announced with `register_buffer`.

    Attributes:
        training: True in training, False in evaluation; set by `train()` and `eval()`.
        hooks: what is called after `forward`; see `register_forward_hook`.
    """

    training: bool = True

    hooks: dict[int, Hook]
    _buffers: dict[str, None]  # their names, in order; the Tensors are attributes

    def __new__(cls, *_: Any, **__: Any) -> Self:
        module = super().__new__(cls)
        vars(module)["_buffers"] = {}  # here, so that nothing breaks in a subclass that forgets super().__init__()
        vars(module)["hooks"] = {}
        return module

    def __init__(self) -> None:
        pass

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output. Call the module itself, not this."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if self.hooks or hooks.in_use:
            return hooks.around_module(self, inputs, options)
        return self.forward(*inputs, **options)

    def _run(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        output = self.forward(*inputs, **options)
        for hook in tuple(self.hooks.values()):
            replaced = hook(self, inputs, output)
            output = output if replaced is None else replaced
        return output

    if TYPE_CHECKING:  # what a Module has beside this is its subclass's own business

        def __getattr__(self, name: str) -> Any: ...

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Have `hook(module, inputs, output)` called after each forward pass, with the inputs as a tuple.

        What it returns takes the place of the output, unless it is None. A layer that has hooks is called by itself
        where it would otherwise be computed together with its neighbours. Returns a handle: `handle.remove()` ends it,
        and so does leaving `with module.register_forward_hook(hook):`. To watch all modules, or the operations inside
        them, without changing anything, see `minigrad.hooks`.
        """
        if not callable(hook):
            raise TypeError(f"register_forward_hook: expected a function, got {type(hook).__name__}")
        return HookHandle(self.hooks, hook)

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep buffers Tensors and parameters Parameters: an array in their place would not be found any more."""
        is_buffer, is_parameter = name in self._buffers, isinstance(vars(self).get(name), Parameter)
        if is_buffer and backend.is_array(value):
            value = self._like_buffer(name, value)
        if is_buffer and isinstance(value, Parameter):
            raise TypeError(f"{type(self).__name__}.{name}: is a buffer, and would be a parameter as well")
        expected = Tensor if is_buffer else Parameter if is_parameter else object
        if value is not None and not isinstance(value, expected):
            raise TypeError(
                f"{type(self).__name__}.{name}: expected a {expected.__name__} or None, got {type(value).__name__}; to "
                f"change only the values, assign to .{name}.data"
            )
        super().__setattr__(name, value)

    def _like_buffer(self, name: str, array: Array) -> Tensor:
        """Return an array as a Tensor that can take the place of the buffer `name`, if there is a Tensor yet."""
        old = vars(self).get(name)
        if old is None:
            return Tensor(array)
        if array.shape != old.shape:
            raise ValueError(
                f"{type(self).__name__}.{name}: an array of shape {array.shape} cannot take the place of a buffer of "
                f"shape {old.shape}"
            )
        return Tensor(array, device=old.device).astype(old.dtype)

    def __delattr__(self, name: str) -> None:
        self._buffers.pop(name, None)
        super().__delattr__(name)

    # ---- finding things --------------------------------------------------------------------------------------------

    def add_module(self, name: str, module: Module) -> None:
        """Make `module` the attribute `name`, which may also be a number.

        Raises:
            TypeError: `module` is no Module, or `name` no string.
            KeyError: `name` is empty, has a dot, or is an attribute of another kind already.
        """
        kind = type(self).__name__
        if not isinstance(module, Module):
            raise TypeError(f"{kind}: argument {name} is a {type(module).__name__}, not a Module")
        if not isinstance(name, str):
            raise TypeError(f"{kind}: expected a string as the name of a module, got {name!r}")
        taken = hasattr(type(self), name) or not isinstance(vars(self).get(name, module), Module)
        if not name or "." in name or taken:
            raise KeyError(f"{kind}: {name!r} cannot be the name of a module")
        setattr(self, name, module)

    def register_buffer(self, name: str, value: Tensor | None) -> None:
        """Announce a Tensor that belongs to the state but is not learned."""
        if (value is not None and not isinstance(value, Tensor)) or isinstance(value, Parameter):
            raise TypeError(f"register_buffer: {name} must be a Tensor or None, got {type(value).__name__}")
        self._buffers[name] = None
        setattr(self, name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the modules directly inside this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the modules directly inside this one."""
        return iter([value for value in vars(self).values() if isinstance(value, Module)])

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield (path, module) for this module and all inside it, outermost first. A module used twice is yielded
        once. What would learn, but lies where it is not found, gives a warning: Modules and Parameters in plain lists,
        dicts or sets and nowhere else, Tensors that require a gradient but are no Parameters.
        """
        seen: dict[int, Module] = {}
        hidden: list[tuple[Module, str]] = []
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen[id(module)] = module
            yield path, module
            stack.extend(
                reversed([(f"{path}.{name}" if path else name, child) for name, child in module.named_children()])
            )
            hidden += [
                (module, name)
                for name, value in vars(module).items()
                if isinstance(value, CONTAINERS) or (type(value) is Tensor and name not in module._buffers)
            ]
        lost = [(*at, x) for at in hidden for x in _learners_in(getattr(*at)) if id(x) not in seen]
        found = {id(x) for m in seen.values() for x in vars(m).values() if isinstance(x, Parameter)} if lost else set()
        for text in dict.fromkeys(_advice(*at, x) for *at, x in lost if id(x) not in found):
            warnings.warn(text, stacklevel=2)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside it."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter); a parameter that is shared is yielded once."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def parameters(self) -> Iterator[Parameter]:
        """Yield all parameters."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Yield (path, buffer)."""
        for path, module in self.named_modules():
            for name in module._buffers:
                value = getattr(module, name)
                if value is not None:
                    yield f"{path}.{name}" if path else name, value

    def buffers(self) -> Iterator[Tensor]:
        """Yield all buffers."""
        for _, buffer in self.named_buffers():
            yield buffer

    # ---- state -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters and buffers as NumPy arrays, keyed as in PyTorch: `layer.0.weight`."""
        list(self.modules())  # warns of what is not found
        return {name: np.array(backend.to_numpy(x.data), order="C") for name, x in self._state()}

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> tuple[list[str], list[str]]:
        """Copy values from `state` (arrays or Tensors by name) into the parameters and buffers.

        Nothing is changed unless everything fits.

        Args:
            state: as `state_dict` returns it. `num_batches_tracked`, which PyTorch before 0.4.1 did not have, may be
                missing: it stays as it is.
            strict: False ignores missing and unexpected names; shapes must fit all the same.

        Returns:
            The missing and the unexpected names.

        Raises:
            KeyError: names are missing or unexpected; lists them all, and every name whose shape differs.
            ValueError: lists every name whose shape differs.
            TypeError: a value is not an array of numbers.
        """
        own = dict(self._state())
        missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
        unexpected = [name for name in state if name not in own]
        values = {name: _numbers(name, state[name]) for name in own if name in state}
        wrong = [f"{n} is {v.shape}, expected {own[n].shape}" for n, v in values.items() if v.shape != own[n].shape]
        shapes = f"shapes differ: {'; '.join(wrong)}" if wrong else ""
        title = f"load_state_dict of {type(self).__name__}"
        if strict and (missing or unexpected):
            names = f"missing {missing or 'nothing'}, unexpected {unexpected or 'nothing'}"
            raise KeyError(f"{title}: {names}" + (f", {shapes}" if wrong else ""))
        if wrong:
            raise ValueError(f"{title}: {shapes}")
        for name, value in values.items():
            tensor = own[name]
            with backend.use_device(tensor.device):
                tensor.data[...] = backend.to_device(value, tensor.device).astype(tensor.dtype)
            tensor._bump_version()
        return missing, unexpected

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield parameters and buffers, module by module, in PyTorch's order; what is shared under each name."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name in self._buffers:
            if getattr(self, name) is not None:
                yield prefix + name, getattr(self, name)
        for name, child in self.named_children():
            yield from child._state(f"{prefix}{name}.")

    # ---- modes -----------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training (or, with False, to evaluation). Returns itself."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: batch norm uses its running statistics, dropout does nothing. Returns itself."""
        return self.train(False)

    def requires_grad_(self, flag: bool = True) -> Self:
        """Freeze (False) or free all parameters. Returns itself."""
        for parameter in self.parameters():
            parameter.requires_grad = flag
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients: set them to None, or else to zeros."""
        forget_gradients(self.parameters(), set_to_none)

    def to(self, device: Any = None, dtype: Any = None) -> Self:
        """Bring parameters, buffers and gradients to `device` and, those of floating point, to `dtype`, in place, so
        that optimizers keep their hold. A dtype may come alone: `model.to(np.float64)`. Returns itself.

        Raises:
            TypeError: `dtype` is no floating type.
        """
        for tensor in (*self.parameters(), *self.buffers()):
            target, kind = place(tensor, device, dtype)
            if kind.kind != "f" and kind != tensor.dtype:
                raise TypeError(f"{type(self).__name__}.to: expected a device or a floating dtype, got {kind}")
            kind = kind if tensor.dtype.kind == "f" else tensor.dtype
            if tensor.device != backend.parse_device(target) or tensor.dtype != kind:
                tensor.data = _moved(tensor.data, target, kind)
            if tensor.grad is not None:
                tensor.grad = Tensor._wrap(_moved(tensor.grad.data, target, kind))
        return self

    def _made_on(self, device: str | None, dtype: Any) -> None:
        """Bring a new layer where its arguments say, None for nowhere."""
        if device is not None or dtype is not None:
            self.to(device, dtype)

    def cpu(self) -> Self:
        """Bring it to the CPU; see `to`."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """Bring it to the GPU; see `to`."""
        return self.to("cuda")

    def float(self) -> Self:
        """Make it float32; see `to`."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Make it float64; see `to`."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Make it float16; see `to`."""
        return self.to(np.float16)

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call `function` on this module and all inside it. Returns itself."""
        for module in self.modules():
            function(module)
        return self

    # ---- showing ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return the arguments that `repr` shows."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inner = "\n  ".join(children)
        return f"{type(self).__name__}({self.extra_repr()}" + (f"\n  {inner}\n)" if inner else ")")


def _moved(array: Array, device: str, dtype: np.dtype) -> Array:
    array = backend.to_device(array, device)
    with backend.use_device(device):
        return array.astype(dtype, copy=False)


def _learners_in(value: Any) -> Iterator[Any]:
    """Yield what would learn: Modules, Parameters and other leaves, also in nested containers."""
    is_leaf = isinstance(value, Tensor) and value.requires_grad and value.is_leaf
    if is_leaf or isinstance(value, (Module, Parameter)):
        yield value
    elif isinstance(value, CONTAINERS):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _learners_in(item)


def _advice(module: Module, name: str, learner: Any) -> str:
    value, place = vars(module)[name], f"{type(module).__name__}.{name}"
    if learner is value:
        return f"{place} is a Tensor that requires a gradient, but is not found, so does not learn: use nn.Parameter"
    what, instead = "parameters", "nn.ParameterList"
    if isinstance(learner, Module):
        what, instead = "modules", "nn.ModuleList, nn.ModuleDict or nn.Sequential"
    kind = type(value).__name__
    return f"{place} is a plain {kind}, in which {what} are not found, and so do not learn: use {instead}"


def _numbers(name: str, value: Any) -> Array:
    """Return an entry of a state dict as an array, after making sure that it holds numbers."""
    value = value.data if isinstance(value, Tensor) else value
    try:
        array = value if backend.is_array(value) else np.asarray(value)  # NumPy's single numbers, too
    except (TypeError, ValueError, RuntimeError) as error:  # PyTorch's, of a Parameter, of bfloat16, on a GPU
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(
            f"load_state_dict: {quoted(name)} is a {kind} that NumPy cannot read ({one_line(error)}). "
            "Of PyTorch's tensors pass value.detach().float().cpu().numpy()"
        ) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"load_state_dict: {quoted(name)} is not an array of numbers but a {type(value).__name__} of {array.dtype}"
        )
    return array
