"""The tables and their rows. To add a row, add it to the list of its table, in the module that prepares it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import data_path, networks, operations
from benchmarks.rows import Row


@dataclass(frozen=True)
class Table:
    """Rows that are shown together.

    Attributes:
        title: what they are about.
        rows: see `Row`.
        unit: what the times are of.
        alone: whether each row gets processes of its own, which alone tells its memory. Otherwise all rows of one
            number of threads share them, which is much quicker.
        rounds: processes per framework, unless told otherwise.
        extra: what is shown beside times and speeds, keys of `report.EXTRA`.
        note: how to read it.
    """

    title: str
    rows: list[Row]
    unit: str = "step"
    alone: bool = False
    rounds: int = 3
    extra: tuple[str, ...] = ()
    note: str = ""

    def groups(self, rows: list[Row]) -> list[list[Row]]:
        """Return `rows`, which are of this table, as groups that share processes."""
        if self.alone:
            return [[row] for row in rows]
        threads = dict.fromkeys(row.threads for row in rows)
        return [[row for row in rows if row.threads == number] for number in threads]


TABLES = {
    "main": Table(
        "whole networks",
        networks.MAIN_ROWS,
        alone=True,
        rounds=5,
        extra=("step_memory", "process_memory"),
        note="memory is the peak, in each framework: of the step, above what the process held when network and data "
        "were built; of the process, with Python and all libraries",
    ),
    "ops": Table(
        "single operations",
        operations.ROWS,
        extra=("share",),
        note="peak is the fastest matrix product in any framework; a convolution's share counts the multiply-adds of "
        "the direct algorithm, so one that needs fewer (Winograd's) may exceed 100 %",
    ),
    "scaling": Table("batch size, picture size and threads", networks.SCALING_ROWS, unit="picture"),
    "gpu": Table(
        "networks at a GPU's batch sizes",
        networks.GPU_ROWS,
        rounds=1,
        extra=("device_memory", "launches"),
        note="PyTorch as it comes: it multiplies float32 in convolutions as TF32, which minigrad does not; memory and "
        "launches are those of the GPU, in each framework",
    ),
    "data": Table(
        "the data path",
        [data_path.STEP, data_path.LOOP],
        unit="picture",
        note="the loop should reach 95 % of the step's pictures per second",
    ),
}
ROWS = {row.name: row for table in TABLES.values() for row in table.rows}
