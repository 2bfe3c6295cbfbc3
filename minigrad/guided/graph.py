"""From what was recorded to what a page shows: nodes, boxes of modules, and steps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from minigrad.guided import operations
from minigrad.guided.names import Names, shown_file
from minigrad.guided.record import Call, Record, Share, Step
from minigrad.ops.broadcasting import repeated_axes
from minigrad.tensor import Parameter

LIMIT = 2_000  # nodes that a page shows; of larger graphs those nearest to the output


class Graph:
    """The part of a run that an output is made of, numbered for the page.

    Attributes:
        nodes: as the page has them, without questions and finite differences.
        left_out: sentences about what is not shown.
    """

    def __init__(
        self, records: list[Record], output: Record, names: Names, steps: list[Step], symbol: str = "L"
    ) -> None:
        self._names, self._symbol, self._output = names, symbol, output
        self.left_out: list[str] = []
        self._records = self._kept(records, output)
        self._ids = {record: i for i, record in enumerate(self._records)}
        self._steps = [step for step in steps if step.record in self._ids]
        self._uses = Counter(share.to for step in steps if step.sweep == steps[0].sweep for share in step.shares)
        self._calls = self._numbered_calls()
        self.modules = self._modules()
        self._symbols: Counter[str] = Counter()
        self.nodes = [self._node(record) for record in self._records]
        self.steps = self._all_steps()

    def id_of(self, record: Record) -> int | None:
        """Return the number of a node, None if it is left out."""
        return self._ids.get(record)

    def as_json(self) -> dict[str, Any]:
        """Return what the page holds of this graph."""
        return {"nodes": self.nodes, "modules": self.modules, "steps": self.steps}

    # ---- nodes ---------------------------------------------------------------------------------------------------

    def _kept(self, records: list[Record], output: Record) -> list[Record]:
        """Return the records that the output is made of, at most `LIMIT`, in the order in which they were made."""
        below, stack = {output}, [output]
        while stack:
            for given in stack.pop().inputs:
                if given is not None and given not in below:
                    below.add(given)
                    stack.append(given)
        found = [record for record in records if record in below]
        unused = sum(1 for record in records if record.operation and record not in below)
        if unused and self._symbol == "L":
            what = "1 operation, whose result" if unused == 1 else f"{unused:,} operations, whose results"
            self.left_out.append(f"{what} the loss is not made of.")
        near = _nearest(found)
        if len(near) < len(found):
            which = "" if self._symbol == "L" else " of the gradient's own graph"
            self.left_out.append(
                f"{len(found) - len(near):,} of {len(found):,} nodes{which}: the page shows the {len(near):,} nearest "
                f"to {'the loss' if self._symbol == 'L' else 'its result'}. The numbers are those of the whole run."
            )
        return [record for record in found if record in near]

    def _node(self, record: Record) -> dict[str, Any]:
        name, is_variable = self._names.of(record.array, record.tensor) if not record.operation else (None, False)
        call = record.call if record.operation or not is_variable else None
        inputs = [self._ids[given] for given in record.inputs if given in self._ids]
        operation = record.operation
        return {
            "id": self._ids[record],
            "kind": _kind(record),
            "operation": operations.called(operation) if operation else None,
            "class": operation.__name__ if operation else None,
            "name": name,
            "symbol": self._symbol_of(record),
            "module": self._calls.get(call),
            "inputs": inputs,
            "cut": any(given is not None and given not in self._ids for given in record.inputs),
            "uses": self._uses[record],
            "needs_grad": record.needs_grad,
            "is_output": record is self._output,
            "shape": list(record.shape),
            "dtype": record.dtype,
            "value": record.value,
            "view_of": self._ids.get(record.view_of) if record.view_of else None,
            "options": operations.options_text(record.options),
            "line": self._line(record),
            "saved": [
                {"label": label, "node": self._ids.get(of) if of else None, "shape": list(shape)}
                for label, of, shape in record.saved
            ],
            "reach": operations.reach_of(operation, record.options) if operation else None,
            "question": None,
            "belief": None,
        }

    def _symbol_of(self, record: Record) -> str:
        if record is self._output:
            return self._symbol
        if not record.operation and not hasattr(record.array, "shape"):
            return f"{record.array:g}" if isinstance(record.array, float) else str(record.array)
        letter = "z" if record.operation else "a" if record.tensor is not None else "c"
        self._symbols[letter] += 1
        return f"{letter}{self._symbols[letter]}"

    @staticmethod
    def _line(record: Record) -> dict[str, Any] | None:
        if record.line is None:
            return None
        return {"file": shown_file(record.line.file), "number": record.line.number, "text": record.line.text}

    # ---- modules -------------------------------------------------------------------------------------------------

    def _numbered_calls(self) -> dict[Call | None, int]:
        """Return a number for each call of a module in which something happened that is shown."""
        found: dict[Call | None, int] = {}
        for record in self._records:
            chain, call = [], record.call
            while call is not None:
                chain.append(call)
                call = call.parent
            for outer in reversed(chain):  # so that a box has a higher number than the one it is in
                found.setdefault(outer, len(found))
        return found

    def _modules(self) -> list[dict[str, Any]]:
        calls = [call for call in self._calls if call is not None]
        parents = {call.parent for call in calls}
        of_blocks = {call.parent for call in calls if call in parents}
        times: Counter[int] = Counter()
        boxes: list[dict[str, Any]] = []
        for call in calls:
            times[id(call.module)] += 1
            parent = self._calls.get(call.parent)
            boxes.append(
                {
                    "id": self._calls[call],
                    "path": self._names.of_module(call.module, None if parent is None else boxes[parent]["path"]),
                    "type": type(call.module).__name__,
                    "parent": parent,
                    "call": times[id(call.module)],
                    "open": call not in parents or call in of_blocks,
                }
            )
        return boxes

    # ---- steps ---------------------------------------------------------------------------------------------------

    def _all_steps(self) -> list[dict[str, Any]]:
        forward = [{"direction": "forward", "node": self._ids[r]} for r in self._records if r.operation]
        return forward + [self._backward(step) if step.record.operation else self._leaf(step) for step in self._steps]

    def _backward(self, step: Step) -> dict[str, Any]:
        node = self._ids[step.record]
        return {
            "direction": "backward",
            "sweep": step.sweep,
            "node": node,
            "gradient": step.gradient,
            "shares": [self._share(step.record, share) for share in step.shares if share.to in self._ids],
            "released": [node] if step.released else [],
        }

    def _share(self, record: Record, share: Share) -> dict[str, Any]:
        listed = [i for i, given in enumerate(record.inputs) if given in self._ids]
        return {
            "input": listed.index(share.position),
            "to": self._ids[share.to],
            "nth": share.nth,
            "of": self._uses[share.to],
            "share": share.share,
            "sum": share.sum,
            "broadcast": _broadcast(*share.summed) if share.summed else None,
        }

    def _leaf(self, step: Step) -> dict[str, Any]:
        return {
            "direction": "leaf",
            "sweep": step.sweep,
            "node": self._ids[step.record],
            "gradient": step.gradient,
            "before": step.before,
            "after": step.after,
        }


def _nearest(records: list[Record]) -> set[Record]:
    """Return the last operations, with the leaves and constants that go into them: `LIMIT` records, or all."""
    near: set[Record] = set()
    for record in reversed(records):
        if record.operation:
            group = {record, *(given for given in record.inputs if given is not None and not given.operation)}
            if len(near) + len(group - near) > LIMIT:
                break
            near |= group
    return near


def _kind(record: Record) -> str:
    if record.operation:
        return "view" if record.view_of else "operation"
    if record.tensor is None:
        return "constant"
    return "parameter" if isinstance(record.tensor, Parameter) else "leaf"


def _broadcast(shape: tuple[int, ...], to: tuple[int, ...]) -> dict[str, Any]:
    return {"from": list(shape), "to": list(to), "axes": list(repeated_axes(to, shape))}
