"""`Module`: a tree of layers that knows its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import Array
from minigrad.quoting import one_line, quoted
from minigrad.tensor import Parameter, Tensor

_observers: list[Callable[[Module, Any], None]] = []


@contextmanager
def observed(observe: Callable[[Module, Any], None]) -> Iterator[None]:
    """Inside this context, call `observe(module, output)` after each module's forward pass."""
    _observers.append(observe)
    try:
        yield
    finally:
        _observers.remove(observe)


def is_observed() -> bool:
    """Whether someone is waiting for the output of every single module."""
    return bool(_observers)


class Module:
    """Base of all layers and models.

    A subclass creates parameters and layers as attributes in `__init__` and computes in `forward`. Attributes that are
    Parameters or Modules are found by themselves, in the order of assignment (those in plain lists are not: use
    `Sequential`); other state, such as running statistics, is announced with `register_buffer`.

    Attributes:
        training: True in training, False in evaluation; set by `train()` and `eval()`.
    """

    training: bool = True

    _buffers: dict[str, Tensor | None]

    def __new__(cls, *_: Any, **__: Any) -> Module:
        module = super().__new__(cls)
        module._buffers = {}  # here, so that nothing breaks in a subclass that forgets super().__init__()
        return module

    def __init__(self) -> None:
        pass

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output. Call the module itself, not this."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        output = self.forward(*inputs, **options)
        for observe in _observers:
            observe(self, output)
        return output

    # ---- finding things --------------------------------------------------------------------------------------------

    def register_buffer(self, name: str, value: Tensor | None) -> None:
        """Announce a Tensor that belongs to the state but is not learned."""
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"register_buffer: {name} must be a Tensor or None, got {type(value).__name__}")
        self._buffers[name] = value
        setattr(self, name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the modules directly inside this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the modules directly inside this one."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield (path, module) for this module and all inside it, outermost first. A module used twice is yielded
        once.
        """
        seen: set[int] = set()
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            stack.extend(
                reversed([(f"{path}.{name}" if path else name, child) for name, child in module.named_children()])
            )

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

    def train(self, mode: bool = True) -> Module:
        """Switch this module and all inside it to training (or, with False, to evaluation). Returns itself."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation: batch norm uses its running statistics, dropout does nothing. Returns itself."""
        return self.train(False)

    def requires_grad_(self, flag: bool = True) -> Module:
        """Freeze (False) or free all parameters. Returns itself."""
        for parameter in self.parameters():
            parameter.requires_grad = flag
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, device: str) -> Module:
        """Move all parameters, buffers and gradients to `device`, in place, so that optimizers keep their hold.
        Returns itself.
        """
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.device != backend.parse_device(device):
                tensor.data = backend.to_device(tensor.data, device)
                tensor._bump_version()
            if tensor.grad is not None:
                tensor.grad = Tensor._wrap(backend.to_device(tensor.grad.data, device))
        return self

    # ---- showing ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return the arguments that `repr` shows."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inner = "\n  ".join(children)
        return f"{type(self).__name__}({self.extra_repr()}" + (f"\n  {inner}\n)" if inner else ")")


def _numbers(name: str, value: Any) -> Array:
    """Return an entry of a state dict as an array, after making sure that it holds numbers."""
    value = value.data if isinstance(value, Tensor) else value
    try:
        array = value if hasattr(value, "strides") else np.asarray(value)
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
