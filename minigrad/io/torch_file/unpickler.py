"""What the names, calls and persistent ids in a pickle of tensors mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from minigrad.io.pickle_machine import ADMITTED, MAX_NAME, OBJECTS, PickleMachine
from minigrad.io.torch_file.tensors import Elements, Storage, Tensor, checked_storage
from minigrad.quoting import quoted

# Functions that rebuild tensors, and classes of tensors by the custom of their names.
TENSORS = re.compile(
    r"torch\.(_utils|_tensor)\._rebuild.*|torch\.nn\.parameter\..*|torch\b.*(Tensor|Parameter)", re.DOTALL
)


@dataclass(eq=False, slots=True)
class Parameter:
    """A `Parameter` object of an early file: created empty, then given its tensor."""

    data: Tensor | None = None


@dataclass(eq=False, slots=True, frozen=True)
class Skipped:
    """Something that is no tensor, dictionary or plain value: the name of its class, or of what would make it.

    It stays a label, whatever the pickle does with it: calls it, sets its state, its items.
    """

    name: str

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor of a kind that is not read here (sparse, quantized, uninitialized, ...)."""
        return TENSORS.fullmatch(self.name) is not None


class Name(Enum):
    """The names of functions and classes that mean something here."""

    ORDERED_DICT = "collections.OrderedDict"
    DEFAULT_DICT = "collections.defaultdict"
    TENSOR = "torch.Tensor"
    PARAMETER = "torch.nn.parameter.Parameter"
    REBUILD_V1 = "torch._utils._rebuild_tensor"
    REBUILD_V2 = "torch._utils._rebuild_tensor_v2"
    REBUILD_V3 = "torch._utils._rebuild_tensor_v3"
    REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
    REBUILD_PARAMETER_WITH_STATE = "torch._utils._rebuild_parameter_with_state"
    REBUILD_FROM_TYPE = "torch._tensor._rebuild_from_type_v2"


# What PyTorch before 1.6 called the types, and, as `FloatStorage`, still does. Quantized tensors are not read, but the
# rows of numbers beneath them have to be passed over.
OLD_NAMES = {
    "Double": Elements.FLOAT64, "Float": Elements.FLOAT32, "Half": Elements.FLOAT16, "BFloat16": Elements.BFLOAT16,
    "ComplexDouble": Elements.COMPLEX128, "ComplexFloat": Elements.COMPLEX64,
    "Long": Elements.INT64, "Int": Elements.INT32, "Short": Elements.INT16, "Char": Elements.INT8,
    "Byte": Elements.UINT8, "Bool": Elements.BOOL,
    "QInt32": Elements.INT32, "QInt8": Elements.INT8, "QUInt8": Elements.UINT8,
}  # fmt: skip
NAMES: dict[tuple[str, str], object] = {
    **{tuple(name.value.rsplit(".", 1)): name for name in Name},
    **{("torch", elements.value): elements for elements in Elements},
    **{("torch", f"{old}Storage"): elements for old, elements in OLD_NAMES.items()},
    **{("torch.cuda", f"{old}Storage"): elements for old, elements in OLD_NAMES.items()},
    **{("torch", f"{old}Tensor"): elements for old, elements in OLD_NAMES.items()},
    **{("torch.cuda", f"{old}Tensor"): elements for old, elements in OLD_NAMES.items()},
    ("torch.storage", "UntypedStorage"): Elements.UINT8,
}


MIN_INSTRUCTIONS, MAX_INSTRUCTIONS = 1_500_000, 2_000_000


class TensorUnpickler(PickleMachine):
    """Runs the pickle of an object with tensors in it; each becomes a `Tensor`, a description without numbers.

    Training leaves much beside the weights: arguments, schedules, random numbers' states. What is made of names that
    mean nothing here becomes `Skipped`, and a dictionary's entry under anything but a text is left out.

    Args:
        file_size: of the whole file, in bytes; a large one may have more instructions.

    Attributes:
        storages: every storage that was mentioned, whole, by key.
        skipped: what stands for each name without a meaning, by module and name.
    """

    names = NAMES
    expected = "tensors, containers, plain values and objects"
    admitted = ADMITTED | OBJECTS

    max_literal = 4 * MAX_NAME  # bytes; nothing longer describes a tensor

    def __init__(self, file_size: int = 0) -> None:
        # torch.save writes 3,000 for a ResNet18, a million for the state of AdamW with 20,000 parameters. The rule for
        # all files would give a large one more time, but no more memory: its size may be that of its tensors.
        self.max_instructions = min(MIN_INSTRUCTIONS + file_size // 10, MAX_INSTRUCTIONS)
        self.storages: dict[str, Storage] = {}
        self.skipped: dict[tuple[str, str], Skipped] = {}

    def unknown(self, module: str, name: str) -> Skipped:
        return self.skipped.setdefault((module, name), Skipped(f"{module}.{name}"))

    def key(self, key: object) -> str | None:
        return key if isinstance(key, str) and len(key) <= MAX_NAME else None

    def set_items(self, target: object, values: list) -> None:
        if not isinstance(target, Skipped):
            super().set_items(target, values)

    def extend(self, target: object, values: list) -> None:
        if not isinstance(target, Skipped):
            super().extend(target, values)

    def persistent_load(self, identifier: object) -> Storage | Skipped:
        """Return the storage. Before there were zip files, ids had one entry more: for a part of another storage."""
        match identifier:
            case ("storage", Skipped() as kind, *_) | (
                "module",
                Skipped() as kind,
                *_,
            ):  # "module": a class, with its source
                return kind
            case ("storage", elements, key, str(), count) | ("storage", elements, key, str(), count, None):
                found = checked_storage(key, elements, count)
            case ("storage", elements, key, str(), count, (_, first, part)):
                found = checked_storage(key, elements, count, (first, part))
            case _:
                raise ValueError("the pickle refers to something outside it that is no storage")
        whole = found if found.count == found.size else Storage(found.key, found.elements, found.size, 0, found.size)
        if self.storages.setdefault(found.key, whole) != whole:
            raise ValueError(f"storage {quoted(found.key)} is described in two ways")
        return found

    def call(self, function: object, arguments: object) -> object:
        """Return the tensor or dictionary that a call makes. Flags and hooks for training have no meaning here."""
        match function, arguments:
            case Name.ORDERED_DICT, ():
                return {}
            case Name.DEFAULT_DICT, () | (_,):
                return {}
            case Name.ORDERED_DICT, (list(items),):  # Python 2
                return self.dictionary(items)
            case Name.REBUILD_V1, (Storage() as row, offset, shape, strides):
                return self.tensor(row, offset, shape, strides)
            # One more argument would say that the numbers are to be conjugated or negated.
            case Name.REBUILD_V2, (Storage() as row, offset, shape, strides, _, _):
                return self.tensor(row, offset, shape, strides)
            case Name.REBUILD_V3, (Storage() as row, offset, shape, strides, _, _, Elements() as kind):
                return self.tensor(row, offset, shape, strides, kind)
            case Name.REBUILD_PARAMETER, (Tensor() | Skipped() as data, _, _):
                return data
            case Name.REBUILD_PARAMETER_WITH_STATE, (Tensor() | Skipped() as data, _, _, _):
                return data
            case Name.REBUILD_FROM_TYPE, (Name() | Skipped() as rebuild, _, tuple(inner), _) if rebuild not in (
                Name.REBUILD_FROM_TYPE,
                Name.ORDERED_DICT,
            ):
                return self.call(rebuild, inner)
            case Name.PARAMETER, ():
                return Parameter()
            case Name.PARAMETER, (Tensor() as data, *_):
                return Parameter(data)
            case Name.PARAMETER, (Skipped() as data, *_):
                return data
            case Name(), tuple():
                module, _, name = function.value.rpartition(".")
                return self.unknown(module, name)
            case Elements(), tuple():
                return self.unknown("torch", function.value)
            case Skipped(), tuple():
                return function
        raise ValueError("forbidden call: the pickle calls something that is no function")

    def dictionary(self, items: list) -> dict:
        """Return an OrderedDict that is made of a list of pairs; the list is used up.

        One that is recalled again and again must not cost its length each time.
        """
        if not all(isinstance(item, list) and len(item) == 2 for item in items):
            raise ValueError("damaged pickle: an OrderedDict is made of something other than items")
        pairs: dict = {}
        self.set_items(pairs, [part for item in items for part in item])
        items.clear()
        return pairs

    def tensor(self, row: Storage, offset: object, shape: object, strides: object, kind: object = None) -> Tensor:
        """Return a tensor, at a price: each axis will be looked at."""
        self.charge(4 + (len(shape) // 4 if isinstance(shape, tuple) else 0))
        return Tensor(row, row.elements if kind is None else kind, offset, shape, strides)

    def set_state(self, target: object, state: object) -> None:
        """Give an early `Parameter` its tensor; the attributes of others (`_metadata`) have no meaning here."""
        match target, state:
            case Parameter(data=None), (Tensor() as data, *_):
                target.data = data
            case Parameter(data=Tensor()), tuple():
                pass
            case ((Skipped() | dict() | list()), _):
                pass
            case _:
                raise ValueError("damaged pickle: it sets the state of something that has none to set")
