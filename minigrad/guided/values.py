"""How arrays go into a page: as numbers, a heat map, pictures, filters, or a histogram where there are too many."""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Any

import numpy as np

from minigrad import backend

FEW = 16  # entries that are shown as numbers
MANY = 4096  # entries of a matrix, and channels times pixels of pictures, that are kept
BUDGET = 2_500_000  # entries that one page keeps in all; more are histograms
BINS = 24


class Values:
    """The arrays of one page, each different one once. A field of a node or a step holds the index that `add` returns.

    An array is looked at when it is added, so that it may change afterwards.

    Attributes:
        entries: how the page holds them, see `described`.
        left_out: how many arrays had their numbers left out because the page was full.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.entries: list[dict[str, Any]] = []
        self.left_out = 0
        self._budget = budget
        self._known: dict[tuple[Any, ...], int] = {}

    def add(self, array: Any, filters: bool = False) -> int:
        """Return the index of an array, which may lie on a GPU; `filters` says that it is a convolution's weight."""
        array = np.asarray(backend.to_numpy(array)) if backend.is_array(array) else np.asarray(array)
        row_major = np.ascontiguousarray(array).reshape(array.shape)
        digest = hashlib.blake2b(row_major.tobytes(), digest_size=16).digest()
        key = (array.shape, array.dtype.str, filters, digest)
        if key not in self._known:
            self._known[key] = len(self.entries)
            self.entries.append(self._within_budget(row_major, filters))
        return self._known[key]

    def _within_budget(self, array: np.ndarray, filters: bool) -> dict[str, Any]:
        entry = described(array, filters)
        if entry["data"] is None or array.size <= FEW:
            return entry
        kept = math.prod(entry["part"]) * math.prod(array.shape[2:]) if "part" in entry else array.size
        if kept > self._budget:
            self.left_out += 1
            return {"shape": entry["shape"], "dtype": entry["dtype"], **histogram(array)}
        self._budget -= kept
        return entry


def described(array: np.ndarray, filters: bool = False) -> dict[str, Any]:
    """Return an array as a page holds it: shape, dtype, how it is to be shown, and its numbers or their statistics.

    Up to 16 entries are numbers, as precise as they are. Vectors and matrices of up to 4,096 entries are float32. Of
    pictures, (N, C, H, W), the first ones are kept, or if a single one is too large, its first channels: `part` says
    how many of each. The rest is statistics and a histogram.
    """
    entry: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.size <= FEW:
        show = "numbers" if array.ndim else "number"
        return entry | {"show": show, "data": [plain(x) for x in array.reshape(-1)], "stats": None}
    if array.ndim in (1, 2) and array.size <= MANY:
        return entry | {"show": "matrix", "data": _float32(array), "stats": statistics(array)}
    if array.ndim == 4 and array.shape[2] * array.shape[3] <= MANY:
        pictures, channels, *size = array.shape
        pixels = math.prod(size)
        n = min(pictures, max(1, MANY // (channels * pixels)))
        c = min(channels, max(1, MANY // pixels))
        show = {"show": "filters" if filters else "pictures", "stats": statistics(array)}
        whole = (n, c) == (pictures, channels)
        return entry | show | {"data": _float32(array[:n, :c])} | ({} if whole else {"part": [n, c]})
    return entry | histogram(array)


def histogram(array: np.ndarray) -> dict[str, Any]:
    """Return how an array is shown whose numbers are left out."""
    return {"show": "histogram", "data": None, "stats": statistics(array, bins=True)}


def statistics(array: np.ndarray, bins: bool = False) -> dict[str, Any]:
    """Return mean, standard deviation, smallest, largest and the share of zeros, and with `bins` a histogram, of those
    entries that are finite.
    """
    finite = np.asarray(array[np.isfinite(array)], np.float64)
    if not finite.size:
        return {"mean": "nan", "std": "nan", "min": "nan", "max": "nan", "zeros": 0.0, "bins": None}
    found = {"mean": finite.mean(), "std": finite.std(), "min": finite.min(), "max": finite.max()}
    rounded: dict[str, Any] = {name: float(f"{value:.7g}") for name, value in found.items()}
    rounded["zeros"] = round(float((finite == 0).mean()), 6)
    rounded["bins"] = None
    if bins:
        counts, edges = np.histogram(finite, BINS)
        rounded["bins"] = [[float(f"{edge:.5g}") for edge in edges], counts.tolist()]
    return rounded


def plain(number: Any) -> Any:
    """Return a number as JSON knows it: the shortest that stands for it in its dtype; "nan", "inf", "-inf" as text."""
    number = np.asarray(number)[()]
    if number.dtype.kind != "f":
        return int(number)
    return float(str(number)) if np.isfinite(number) else str(float(number))


def _float32(array: np.ndarray) -> dict[str, str]:
    with np.errstate(over="ignore"):  # float64 beyond float32's range becomes infinite
        return {"f32": base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")}
