"""What the names, calls and persistent ids in a pickle of tensors mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from minigrad.pickle_machine import PickleMachine, quoted
from minigrad.torch_file.tensors import Elements, Storage, Tensor, checked_storage, checked_tensor


@dataclass(eq=False)
class Parameter:
    """A `Parameter` object of an early file: created empty, then given its tensor."""

    data: Tensor | None = None


class Name(Enum):
    """The names of functions and classes that a pickle of tensors may mention."""

    ORDERED_DICT = "collections.OrderedDict"
    TENSOR = "torch.Tensor"
    PARAMETER = "torch.nn.parameter.Parameter"
    REBUILD_V1 = "torch._utils._rebuild_tensor"
    REBUILD_V2 = "torch._utils._rebuild_tensor_v2"
    REBUILD_V3 = "torch._utils._rebuild_tensor_v3"
    REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
    REBUILD_PARAMETER_WITH_STATE = "torch._utils._rebuild_parameter_with_state"
    REBUILD_FROM_TYPE = "torch._tensor._rebuild_from_type_v2"


# What PyTorch before 1.6 called the types, and, as `FloatStorage`, still does.
OLD_NAMES = {
    "Double": Elements.FLOAT64, "Float": Elements.FLOAT32, "Half": Elements.FLOAT16, "BFloat16": Elements.BFLOAT16,
    "Long": Elements.INT64, "Int": Elements.INT32, "Short": Elements.INT16, "Char": Elements.INT8,
    "Byte": Elements.UINT8, "Bool": Elements.BOOL,
}  # fmt: skip
NAMES: dict[tuple[str, str], object] = {
    **{tuple(name.value.rsplit(".", 1)): name for name in Name},
    **{("torch", elements.value): elements for elements in Elements},
    **{("torch", f"{old}Storage"): elements for old, elements in OLD_NAMES.items()},
    **{("torch", f"{old}Tensor"): elements for old, elements in OLD_NAMES.items()},
    **{("torch.cuda", f"{old}Tensor"): elements for old, elements in OLD_NAMES.items()},
    ("torch.storage", "UntypedStorage"): Elements.UINT8,
}


class TensorUnpickler(PickleMachine):
    """Runs the pickle of an object with tensors in it; each becomes a `Tensor`, a description without numbers.

    Attributes:
        storages: every storage that was mentioned, whole, by key.
    """

    names = NAMES
    expected = "a state dict of tensors alone (a whole model, or training arguments? Save the model's state_dict())"

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}

    def persistent_load(self, identifier: object) -> Storage:
        """Return the storage; the last part of the id was there before zip files, for a part of another storage."""
        match identifier:
            case ("storage", elements, key, str(), count) | ("storage", elements, key, str(), count, None):
                found = checked_storage(key, elements, count)
            case ("storage", elements, key, str(), count, (_, first, part)):
                found = checked_storage(key, elements, count, (first, part))
            case _:
                raise ValueError("the pickle refers to something outside it that is no storage")
        whole = Storage(found.key, found.elements, found.size, 0, found.size)
        if self.storages.setdefault(found.key, whole) != whole:
            raise ValueError(f"storage {quoted(found.key)} is described in two ways")
        return found

    def call(self, function: object, arguments: object) -> object:
        """Return the tensor or dictionary that a call makes. Flags and hooks for training have no meaning here."""
        match function, arguments:
            case Name.ORDERED_DICT, ():
                return {}
            case Name.ORDERED_DICT, (list(items),):  # Python 2
                if not all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in items):
                    raise ValueError("damaged pickle: an OrderedDict is made of something other than named items")
                pairs = dict(items)
                items.clear()  # a list that is used again and again must not cost its length each time
                return pairs
            case Name.REBUILD_V1, (Storage() as row, offset, shape, strides):
                return checked_tensor(row, offset, shape, strides)
            # One more argument would say that the numbers are to be conjugated or negated.
            case Name.REBUILD_V2, (Storage() as row, offset, shape, strides, _, _):
                return checked_tensor(row, offset, shape, strides)
            case Name.REBUILD_V3, (Storage() as row, offset, shape, strides, _, _, kind):
                return checked_tensor(row, offset, shape, strides, kind)
            case Name.REBUILD_PARAMETER, (Tensor() as data, _, _):
                return data
            case Name.REBUILD_PARAMETER_WITH_STATE, (Tensor() as data, _, _, _):
                return data
            case Name.REBUILD_FROM_TYPE, (Name() as rebuild, Name.TENSOR | Name.PARAMETER, tuple(inner), _) if (
                rebuild in (Name.REBUILD_V2, Name.REBUILD_V3, Name.REBUILD_PARAMETER)
            ):
                return self.call(rebuild, inner)
            case Name.PARAMETER, ():
                return Parameter()
            case Name.PARAMETER, (Tensor() as data, *_):
                return Parameter(data)
        what = function.value if isinstance(function, Name) else "something that is no function"
        raise ValueError(f"forbidden call: the pickle calls {what} in a way that makes no tensor")

    def set_state(self, target: object, state: object) -> None:
        """Give an early `Parameter` its tensor; the attributes of a dictionary (`_metadata`) have no meaning here."""
        match target, state:
            case Parameter(data=None), (Tensor() as data, *_):
                target.data = data
            case Parameter(data=Tensor()), tuple():
                pass
            case dict(), dict():
                pass
            case _:
                raise ValueError("damaged pickle: it sets the state of something that has none to set")
