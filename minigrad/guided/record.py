"""The hook that watches one run: the operations of the forward pass, and what every sweep sends along their edges.

Operations see arrays, not Tensors, so where an input came from is told by where it lies in memory. For this the hook
keeps all arrays alive; none lies where another one lay before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minigrad import backend
from minigrad.function import Function
from minigrad.guided import operations
from minigrad.guided.values import Values
from minigrad.hooks import Hook
from minigrad.ops.broadcasting import SumTo
from minigrad.ops.conv import Conv2d
from minigrad.ops.elementwise import Add
from minigrad.tensor import Tensor
from minigrad.watching import Line, calling_line


@dataclass(eq=False)
class Call:
    """One call of a module, and inside which other call it happened."""

    module: Any
    parent: Call | None


@dataclass(eq=False)
class Record:
    """A value of the run: a leaf, a constant, or what an operation made.

    Attributes:
        array: the value itself, so that its place in memory is not used again; `value` is its index among the Values.
        inputs: the records of an operation's inputs, None for those that are missing (a bias that is None).
        needs: for each input, whether a gradient is sent to it.
        tensor: a leaf's Tensor.
        filters: whether it is the weight of a convolution.
    """

    array: Any
    value: int
    shape: tuple[int, ...]
    dtype: str
    operation: type[Function] | None = None
    inputs: list[Record | None] = field(default_factory=list)
    needs: tuple[bool, ...] = ()
    tensor: Tensor | None = None
    call: Call | None = None
    line: Line | None = None
    options: dict[str, Any] = field(default_factory=dict)
    saved: list[tuple[str, Record | None, tuple[int, ...]]] = field(default_factory=list)
    view_of: Record | None = None
    filters: bool = False

    @property
    def needs_grad(self) -> bool:
        """Whether gradients flow to it."""
        return any(self.needs) if self.operation else self.tensor is not None


@dataclass(eq=False)
class Share:
    """What one use of a value sent back, and the sum of all shares that had arrived by then, as Values."""

    position: int
    to: Record
    share: int
    sum: int
    nth: int
    summed: tuple[tuple[int, ...], tuple[int, ...]] | None  # broadcasting undone: from which shape to which


@dataclass(eq=False)
class Step:
    """A backward step of an operation; or, without shares, a leaf whose gradient is complete and goes to `.grad`."""

    sweep: int
    record: Record
    gradient: int
    shares: list[Share] = field(default_factory=list)
    released: bool = False
    before: int | None = None
    after: int | None = None


class Recorder(Hook):
    """Watches a run. Operations become Records while `recording` is on; gradients become Steps while `sweep` counts.

    Attributes:
        records: all values, in the order in which they appeared.
        steps: of all sweeps, in order.
        calls: of modules, in order.
        gradients: of the leaves, after the first sweep.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.records: list[Record] = []
        self.steps: list[Step] = []
        self.calls: list[Call] = []
        self.gradients: dict[Record, Any] = {}
        self.made_by: dict[Function, Record] = {}
        self.recording, self.sweep = True, 0
        self._at: dict[Any, Record] = {}  # by the place in memory
        self._leaves: dict[Tensor, Record] = {}
        self._inside: list[tuple[str, Any]] = []  # the passes and modules that are going on, outermost first
        self._arrived: dict[Record, int] = {}  # shares, in this sweep
        self._meeting: list[Share] = []  # shares that the sweep is about to add to earlier ones
        self._summed: list[tuple[tuple[int, ...], tuple[int, ...]]] = []  # by SumTo, within one backward pass

    def begin_sweep(self, record: bool) -> None:
        """Take what comes now for the next sweep; `record` says whether its operations become Records, too."""
        self.sweep, self.recording = self.sweep + 1, record
        self._arrived, self._meeting = {}, []

    def leaf(self, tensor: Tensor) -> Record:
        """Return the record of a leaf."""
        if tensor not in self._leaves:
            known = self._at.get(_place(tensor.data))  # used before, where no gradient was needed
            record = known if known and not known.operation and not known.tensor else self._source(tensor.data)
            record.tensor = tensor
            self._leaves[tensor] = record
        return self._leaves[tensor]

    # ---- forwards ------------------------------------------------------------------------------------------------

    def before_module(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """Note that what comes now belongs to a module."""
        if self.recording:
            self.calls.append(Call(module, self._call()))
        self._inside.append(("module", module if not self.recording else self.calls[-1]))

    def after_module(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Note that it does no longer."""
        self._inside.pop()

    def before_forward(self, node: Function, inputs: list[Any], options: dict[str, Any]) -> None:
        """Note that what comes now is a part of this operation."""
        self._inside.append(("forward", node))

    def after_forward(self, node: Function, inputs: list[Any], options: dict[str, Any], output: Any) -> None:
        """Record an operation, or the sum that the sweep makes of two shares."""
        self._inside.pop()
        kinds = [kind for kind, _ in self._inside]
        if "forward" in kinds:
            return
        if self.sweep and kinds == ["backward"] and isinstance(node, SumTo):
            self._summed.append((inputs[0].shape, output.shape))
        if self.sweep and not kinds and self._meeting and isinstance(node, Add):
            self._meeting.pop(0).sum = self.values.add(output)
        if self.recording:
            self._record(node, inputs, options, output)

    def failed(self, owner: Any) -> None:
        """Forget the passes that an exception has ended; a function may go on after it."""
        while self._inside:
            _, ended = self._inside.pop()
            if ended is owner or getattr(ended, "module", None) is owner:
                break

    def _call(self) -> Call | None:
        return next((owner for kind, owner in reversed(self._inside) if kind == "module"), None)

    def _record(self, node: Function, inputs: list[Any], options: dict[str, Any], output: Any) -> None:
        edges = node.edges or [None] * len(inputs)
        found = [self._input(x, edge) for x, edge in zip(inputs, edges, strict=True)]
        record = self._keep(output, operation=type(node), inputs=found, call=self._call(), options=options)
        record.line = None if self.sweep else calling_line()
        if isinstance(node, Conv2d) and found[1] is not None and not found[1].filters:
            found[1].filters, found[1].value = True, self.values.add(found[1].array, filters=True)
        if node.needs:
            record.needs = node.needs
            record.saved = _saved(node, record)
            self.made_by[node] = record
        if node.is_view and found[0] and backend.array_module(output).may_share_memory(output, found[0].array):
            record.view_of = found[0]
        self._at[_place(output)] = record

    def _input(self, x: Any, edge: Any) -> Record | None:
        if isinstance(edge, Function):
            return self.made_by[edge] if edge in self.made_by else self._unseen(x, edge)
        if edge is not None:
            return self.leaf(edge)
        if x is None:
            return None
        known = self._at.get(_place(x)) if backend.is_array(x) else None
        return known or self._source(x)

    def _unseen(self, x: Any, edge: Function) -> Record:
        raise RuntimeError(
            f"tour: the function uses the result of {operations.called(type(edge))}, shape {x.shape}, which was made "
            "before it ran; what passed before cannot be shown: move that line into the function, or use .detach()"
        )

    def _source(self, x: Any) -> Record:
        """Return a new record of a leaf, a constant or a number."""
        record = self._keep(x, call=self._call())
        if backend.is_array(x):
            self._at[_place(x)] = record
        return record

    def _keep(self, array: Any, **what: Any) -> Record:
        shape = tuple(getattr(array, "shape", ()))
        dtype = str(getattr(array, "dtype", type(array).__name__))
        record = Record(array, self.values.add(array), shape, dtype, **what)
        self.records.append(record)
        return record

    # ---- backwards -----------------------------------------------------------------------------------------------

    def before_backward(self, node: Function, grad: Any) -> None:
        """Note that what comes now is a part of this pass."""
        self.look_for_released()
        self._inside.append(("backward", node))
        self._summed = []

    def after_backward(self, node: Function, grad: Any, input_grads: tuple[Any, ...]) -> None:
        """Record what arrived and each share that leaves."""
        self._inside.pop()
        if not self.sweep:  # the function's own: a gradient that the loss is made of
            return
        record = self.made_by[node]
        step = Step(self.sweep, record, self.values.add(grad))
        self._last = node, step
        self.steps.append(step)
        for i, (to, share) in enumerate(zip(record.inputs, input_grads, strict=True)):
            if share is not None and to is not None:
                step.shares.append(self._share(i, to, share))

    def _share(self, i: int, to: Record, share: Any) -> Share:
        nth = self._arrived[to] = self._arrived.get(to, 0) + 1
        value = self.values.add(share, to.filters)
        summed = next((pair for pair in self._summed if pair[1] == to.shape and pair[0] != to.shape), None)
        found = Share(i, to, value, value, nth, summed)
        if nth > 1:
            self._meeting.append(found)
        return found

    def leaf_done(self, leaf: Tensor, grad: Any) -> None:
        """Record that the gradient of a leaf is complete."""
        if self.sweep:
            record = self.leaf(leaf)
            self.steps.append(Step(self.sweep, record, self.values.add(grad, record.filters)))
            if self.sweep == 1:
                self.gradients[record] = grad.copy()

    _last: tuple[Function, Step] | None = None

    def look_for_released(self) -> None:
        """Note whether the last node has forgotten what it had saved."""
        if self._last:
            node, step = self._last
            step.released = node.released


def _saved(node: Function, record: Record) -> list[tuple[str, Record | None, tuple[int, ...]]]:
    """Return what an operation keeps for its backward pass: a word for it, and whose value it is or None, and its
    shape.
    """
    operation = type(node)
    read = sorted({k for i, some in operation.reads.items() if node.needs[i] for k in some})
    found: list[tuple[str, Record | None, tuple[int, ...]]] = []
    for i in read:
        given = record.inputs[i]
        if given is not None:
            found.append((operations.operand_name(operation, i), given, given.shape))
    if operation.reads_output:
        found.append(("y", record, record.shape))
    found += [
        (name, None, value.shape)
        for name, value in vars(node).items()
        if not name.startswith("_") and backend.is_array(value)
    ]
    return found


def _place(array: Any) -> Any:
    """Return where an array lies, and how."""
    start = array.ctypes.data if backend.on_cpu(array) else array.data.ptr
    return start, array.shape, array.strides, array.dtype.str
