"""What the examples say about a trained classifier: metrics, a readable text, and the files of a run."""

from __future__ import annotations

import csv
import json
import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.io.files import atomic_path
from minigrad.plots.look import room, shorten

WIDTH = 100  # columns of what is printed
LETTERS = 40  # of a class name in the table
CONFUSED_PAIRS = 5
CALIBRATION_BINS = 10
SCORES = ("precision", "recall", "f1")


def classification_report(targets: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str]) -> dict[str, Any]:
    """Measure a classifier's predictions; counting and averaging are scikit-learn's.

    A class that is never predicted has no precision, and one without pictures no recall; both count as 0, also in the
    macro averages (scikit-learn's ``zero_division=0``), which are plain means over all K classes.

    Args:
        targets: (N,) true classes as integers in 0..K-1.
        probabilities: (N, K), each row summing to 1; the largest is the prediction, and its value the confidence.
        class_names: K different names.

    Returns:
        Plain Python numbers, lists and dictionaries: ``samples``, ``accuracy``, ``macro`` (precision, recall, f1),
        ``per_class`` (name -> precision, recall, f1, support), ``classes`` (the names in order), ``confusion_matrix``
        (rows = true, columns = predicted), ``most_confused`` (directed pairs, most frequent first), ``mean_confidence``
        (of ``right`` and ``wrong`` predictions, None where there are none) and ``expected_calibration_error``.

    Raises:
        ValueError: shapes do not match, there are no samples, a target is out of range, rows are not probabilities
            (logits, say), or a class name occurs twice.
    """
    from sklearn.metrics import precision_recall_fscore_support

    targets, probabilities = np.asarray(targets), np.asarray(probabilities)
    _check(targets, probabilities, class_names)
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1).astype(np.float64)
    right = predictions == targets
    labels = np.arange(len(class_names))
    pairs = len(labels) * targets + predictions
    matrix = np.bincount(pairs, minlength=len(labels) ** 2).reshape(len(labels), -1)
    options: Any = {"labels": labels, "zero_division": 0}  # any, because scikit-learn says nothing of its types
    scores: Any = precision_recall_fscore_support(targets, predictions, **options)
    precision, recall, f1, _ = (values.tolist() for values in scores)
    support = matrix.sum(axis=1).tolist()  # scikit-learn's are floats where a class has no pictures
    per_class = {
        name: {"precision": p, "recall": r, "f1": f, "support": n}
        for name, p, r, f, n in zip(class_names, precision, recall, f1, support, strict=True)
    }
    return {
        "samples": len(targets),
        "accuracy": float(right.mean()),
        "macro": {key: math.fsum(row[key] for row in per_class.values()) / len(labels) for key in SCORES},
        "per_class": per_class,
        "classes": list(class_names),
        "confusion_matrix": matrix.tolist(),
        "most_confused": _most_confused(matrix, class_names),
        "mean_confidence": {
            "right": float(confidences[right].mean()) if right.any() else None,
            "wrong": float(confidences[~right].mean()) if not right.all() else None,
        },
        "expected_calibration_error": expected_calibration_error(confidences, right),
    }


def _check(targets: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> None:
    classes = len(class_names)
    if targets.ndim != 1 or targets.size == 0 or probabilities.shape != (len(targets), classes):
        raise ValueError(
            f"classification_report: {classes} class names need targets (N,) and probabilities (N, {classes}) with "
            f"N >= 1, got {targets.shape} and {probabilities.shape}"
        )
    if len(set(class_names)) < classes:
        raise ValueError(f"classification_report: class names must differ, got {list(class_names)}")
    if targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= classes:
        found = f"{targets.dtype} from {targets.min()} to {targets.max()}"
        raise ValueError(f"classification_report: targets must be integers in 0..{classes - 1}, got {found}")
    sums = probabilities.sum(axis=1, dtype=np.float64)
    # Written so that nan fails too; float16 softmax is off by about 1e-3.
    if not (probabilities.min() >= 0 and (np.abs(sums - 1) < 1e-2).all()):
        found = f"values from {probabilities.min():.4g}, sums from {sums.min():.4g} to {sums.max():.4g}"
        raise ValueError(f"classification_report: rows must be probabilities (softmax of the logits), got {found}")


def _most_confused(matrix: np.ndarray, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """The most frequent errors, each as true class, predicted class, count, and share of the true class."""
    errors = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-errors, axis=None, kind="stable")[:CONFUSED_PAIRS]
    pairs = zip(*np.unravel_index(order, errors.shape), strict=True)
    return [
        {
            "true": class_names[true],
            "predicted": class_names[predicted],
            "count": int(errors[true, predicted]),
            "share": float(errors[true, predicted] / matrix[true].sum()),
        }
        for true, predicted in pairs
        if errors[true, predicted] > 0
    ]


def expected_calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    """How far confidence and accuracy lie apart: Σ_b (n_b / N) · |accuracy_b - mean confidence_b| over equal bins b.

    0 means that of the predictions made with 80 % confidence 80 % are right, and so on (Guo et al., "On Calibration of
    Modern Neural Networks", 2017, eq. 3).

    Args:
        confidences: (N,) in 0..1.
        right: (N,) booleans, whether the prediction was right.
    """
    bins = np.minimum((confidences * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidences)
    return float(np.abs(gaps).sum() / len(confidences))


def format_report(report: Mapping[str, Any]) -> str:
    """Write a :func:`classification_report` as a table and a few sentences on what the accuracy alone hides."""
    average = ("macro average", {**report["macro"], "support": report["samples"]})
    shown = {name: shorten(name, LETTERS) for name in [average[0], *report["classes"]]}
    width = max(map(room, shown.values()))
    header = f"{'class':<{width}}  precision   recall       F1  pictures"
    lines = [
        f"{shown[name]}{' ' * (width - room(shown[name]))}  "
        f"{row['precision']:>9.1%}  {row['recall']:>7.1%}  {row['f1']:>7.1%}  {row['support']:>8,}"
        for name, row in [*report["per_class"].items(), average]
    ]
    rule = "-" * len(header)
    sentences = [
        textwrap.fill(f"{topic + ':':<12}{text}", width=WIDTH, subsequent_indent=" " * 12)
        for topic, text in _sentences(report).items()
    ]
    return "\n".join([header, rule, *lines[:-1], rule, lines[-1], "", *sentences]) + "\n"


def _sentences(report: Mapping[str, Any]) -> dict[str, str]:
    """What each metric tells, said with this report's own numbers; topic -> text."""
    names, per_class, macro = report["classes"], report["per_class"], report["macro"]
    called = dict(zip(names, np.sum(report["confusion_matrix"], axis=0).tolist(), strict=True))
    # A 0 that stands for "undefined" is no finding about a class.
    doubtful = min((name for name in names if called[name]), key=lambda name: per_class[name]["precision"])
    missed = min((name for name in names if per_class[name]["support"]), key=lambda name: per_class[name]["recall"])
    worst, best = (choose(names, key=lambda name: per_class[name]["f1"]) for choose in (min, max))
    text = {
        "Accuracy": (
            f"{report['accuracy']:.1%} of the {report['samples']:,} pictures are named correctly: "
            "one number for all classes, which hides where the errors are and of what kind."
        ),
        "Precision": (
            f"whether an answer can be trusted. Lowest: of the {called[doubtful]:,} pictures called {doubtful!r}, "
            f"{per_class[doubtful]['precision']:.1%} really are."
        ),
        "Recall": (
            f"how much of a class is found. Lowest: of the {per_class[missed]['support']:,} pictures of {missed!r}, "
            f"{per_class[missed]['recall']:.1%} are found."
        ),
        "F1": (
            "the harmonic mean of the two, high only if both are: "
            f"{per_class[worst]['f1']:.1%} ({worst!r}) to {per_class[best]['f1']:.1%} ({best!r})."
        ),
        "Macro-F1": (
            f"{macro['f1']:.1%}, the mean over the classes. A rare class counts as much as a frequent one, "
            "so a network that neglects it cannot hide behind a high accuracy."
        ),
    }
    if never := [name for name in names if not called[name]]:
        text["Precision"] += f" Never predicted: {', '.join(map(repr, never))}."
    if pairs := report["most_confused"]:
        text["Confused"] = "; ".join(
            "{true!r} taken for {predicted!r}: {count:,} ({share:.1%} of all {true!r})".format(**pair) for pair in pairs
        )
    means = [f"{value:.1%} when {kind}" for kind, value in report["mean_confidence"].items() if value is not None]
    text["Confidence"] = (
        f"on average {' and '.join(means)}; it misses the accuracy by "
        f"{100 * report['expected_calibration_error']:.1f} points (expected calibration error; 0 is best)."
    )
    return text


def write_report(
    folder: str | os.PathLike[str], report: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()
) -> list[Path]:
    """Write ``report.json`` and, unless the history is empty (nothing was trained), ``history.csv``.

    The JSON is strict: NumPy scalars become plain numbers, and NaN and infinities, which JSON lacks, become null. The
    CSV file has one line per epoch; a missing value or None is an empty field. Both files are replaced atomically.

    Returns:
        The paths of the files written.

    Raises:
        TypeError: the report holds something that JSON cannot express.
    """
    folder = Path(folder)
    paths = [folder / "report.json"]
    text = json.dumps(_plain(report), indent=2, allow_nan=False)
    with atomic_path(paths[0]) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    if history:
        paths.append(folder / "history.csv")
        columns = list(dict.fromkeys(key for row in history for key in row))
        with atomic_path(paths[1]) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(history)
    return paths


def _plain(value: Any) -> Any:
    """The same value in the types that strict JSON knows; what it does not know is left for json to refuse."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
