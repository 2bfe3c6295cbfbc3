"""How arrays go into a page: as numbers, a heat map, pictures, filters, or a histogram where there are too many."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad import backend

FEW = 16  # entries that are shown as numbers
MANY = 4096  # entries of a matrix that is shown
PICTURED = 8192  # entries of pictures that are kept
PAGE = 2_500_000  # entries that one page holds in all; what comes later is histograms
MEMORY = 25_000_000  # entries that are kept while a function runs
BINS = 24


class Values:
    """The arrays of one page, each different one once. A field of a node or a step holds the index that `add` returns.

    An array is looked at when it is added, so that it may change afterwards.

    Attributes:
        entries: how the page holds them, see `described`.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._kept = 0
        self._known: dict[tuple[Any, ...], int] = {}

    def add(self, array: Any, filters: bool = False) -> int:
        """Return the index of an array, which may lie on a GPU; `filters` says that it is a convolution's weight."""
        array = np.asarray(backend.to_numpy(array)) if backend.is_array(array) else np.asarray(array)
        row_major = np.ascontiguousarray(array).reshape(array.shape)
        digest = hashlib.blake2b(row_major.tobytes(), digest_size=16).digest()
        key = (array.shape, array.dtype.str, filters, digest)
        if key not in self._known:
            self._known[key] = len(self.entries)
            entry = described(row_major, filters)
            self._kept += held(entry)
            self.entries.append(entry if self._kept < MEMORY else without_numbers(entry))
        return self._known[key]

    def used(self, graphs: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
        """Return the entries that nodes and steps of graphs speak of, and of how many the numbers had to be left out
        because the page was full. The indices in the graphs become those in the returned list.
        """
        numbers: dict[int, int] = {}
        for graph in graphs:
            for place in _places(graph):
                for field in INDICES & place.keys():
                    if place[field] is not None:
                        place[field] = numbers.setdefault(place[field], len(numbers))
        entries, total, left_out = [self.entries[i] for i in numbers], 0, 0
        for i, entry in enumerate(entries):
            total += held(entry)
            if total > PAGE and held(entry) > FEW:
                total, left_out = total - held(entry), left_out + 1
                entries[i] = without_numbers(entry)
        return entries, left_out


INDICES = {"value", "gradient", "before", "after", "share", "sum"}  # the fields that hold an index


def _places(graph: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what has such fields, in the order in which a reader comes to it."""
    yield from graph["nodes"]
    for step in graph["steps"]:
        yield step
        yield from step.get("shares", ())


def described(array: np.ndarray, filters: bool = False) -> dict[str, Any]:
    """Return an array as a page holds it: shape, dtype, how it is to be shown, its numbers, and their statistics.

    Up to 16 entries are numbers, as precise as they are. Vectors and matrices of up to 4,096 entries are float32. Of
    pictures, (N, C, H, W), the first ones are kept, or if a single one is too large, its first channels: `part` says
    how many of each. Of the rest the page holds the statistics only, among them a histogram.
    """
    entry: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.size <= FEW:
        show = "numbers" if array.ndim else "number"
        return entry | {"show": show, "data": [plain(x) for x in array.reshape(-1)], "stats": None}
    entry["stats"] = statistics(array)
    if array.ndim in (1, 2) and array.size <= MANY:
        return entry | {"show": "matrix", "data": _float32(array)}
    if array.ndim == 4 and array.shape[2] * array.shape[3] <= PICTURED:
        pictures, channels, *size = array.shape
        pixels = math.prod(size)
        n = min(pictures, max(1, PICTURED // (channels * pixels)))
        c = min(channels, max(1, PICTURED // pixels))
        part = {} if (n, c) == (pictures, channels) else {"part": [n, c]}
        return entry | {"show": "filters" if filters else "pictures", "data": _float32(array[:n, :c])} | part
    return entry | {"show": "histogram", "data": None}


def without_numbers(entry: dict[str, Any]) -> dict[str, Any]:
    """Return how an array is shown whose numbers are left out."""
    kept = {name: value for name, value in entry.items() if name != "part"}
    return kept if entry["stats"] is None else kept | {"show": "histogram", "data": None}


def held(entry: dict[str, Any]) -> int:
    """Return how many numbers of an array are held."""
    if entry["data"] is None:
        return 0
    n, c = entry.get("part", (1, 1))
    return n * c * math.prod(entry["shape"][2:]) if "part" in entry else math.prod(entry["shape"])


def statistics(array: np.ndarray) -> dict[str, Any]:
    """Return mean, standard deviation, smallest, largest, the share of zeros and a histogram of those entries that are
    finite.
    """
    finite = np.asarray(array[np.isfinite(array)], np.float64)
    if not finite.size:
        return {"mean": "nan", "std": "nan", "min": "nan", "max": "nan", "zeros": 0.0, "bins": [[0.0, 1.0], [0]]}
    with np.errstate(over="ignore", invalid="ignore"):
        found = {"mean": finite.mean(), "std": finite.std(), "min": finite.min(), "max": finite.max()}
    return {name: rounded(value) for name, value in found.items()} | {
        "zeros": round(float((finite == 0).mean()), 6),
        "bins": _histogram(finite),
    }


def _histogram(numbers: np.ndarray) -> list[list[Any]]:
    """Return edges and counts; a single bin, where float64 has no room for more."""
    low, high = float(numbers.min()), float(numbers.max())
    if not max(1e-300, 1e-12 * abs(low), 1e-12 * abs(high)) < high - low < math.inf:
        return [[low, high], [numbers.size]]
    counts, edges = np.histogram(numbers, BINS)
    return [[float(f"{edge:.4g}") for edge in edges], counts.tolist()]


def plain(number: Any) -> Any:
    """Return a number as JSON knows it: the shortest that stands for it in its dtype; "nan", "inf", "-inf" as text."""
    number = np.asarray(number)[()]
    if number.dtype.kind != "f":
        return int(number)
    return float(str(number)) if np.isfinite(number) else str(float(number))


def rounded(number: float) -> Any:
    """Return a number with seven digits, as JSON knows it."""
    return plain(np.float64(f"{number:.7g}"))


def _float32(array: np.ndarray) -> dict[str, str]:
    with np.errstate(over="ignore"):  # float64 beyond float32's range becomes infinite
        return {"f32": base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")}
