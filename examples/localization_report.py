"""What the localization example says about its predictions: how often the name is right, and how well the box fits."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.boxes import BoxDataset
from examples.report import WIDTH, classification_report
from minigrad import Tensor
from minigrad.io.files import atomic_path
from minigrad.quoting import one_line
from models.localizer import iou

THRESHOLD = 0.5  # of the IoU: a box that fits at least so well counts as found (ILSVRC, PASCAL VOC)
EXTREMES = 10
PREDICTION_COLUMNS = ("file", "label", "predicted", "confidence", "iou", "xmin", "ymin", "xmax", "ymax")


def localization_report(
    targets: np.ndarray,
    probabilities: np.ndarray,
    true_boxes: np.ndarray,
    boxes: np.ndarray,
    class_names: Sequence[str],
    names: Sequence[str],
) -> dict[str, Any]:
    """Measure predicted classes and boxes.

    Args:
        targets, probabilities: true classes (N,) and predictions (N, K), as for `classification_report`.
        true_boxes, boxes: (N, 4), fractions of the pictures.
        class_names: K names.
        names: what to call each of the N pictures.

    Returns:
        A `classification_report` (``per_class`` has ``mean_iou`` too) and, as plain numbers, ``mean_iou``,
        ``median_iou``, ``found`` (the share of boxes with an IoU of at least THRESHOLD), ``correct_and_found`` (those
        whose class is right as well: the ILSVRC localization criterion, Russakovsky et al. 2015, arXiv:1409.0575,
        section 4.2), ``baselines`` (what those reach that look at no picture: the ``accuracy`` of always naming the
        most frequent class of these pictures, and the ``mean_iou`` of always answering their mean box), and ``best``
        and ``worst``, the pictures whose boxes fit best and worst.
    """
    report = classification_report(targets, probabilities, class_names)
    overlaps = overlap(true_boxes, boxes)
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right, found = predictions == targets, overlaps >= THRESHOLD
    for label, name in enumerate(class_names):
        of_class = overlaps[targets == label]
        report["per_class"][name]["mean_iou"] = float(of_class.mean()) if of_class.size else None
    mean_box = np.broadcast_to(true_boxes.mean(axis=0), true_boxes.shape)
    order = np.argsort(-overlaps, kind="stable")

    def described(index: int) -> dict[str, Any]:
        return {
            "picture": names[index],
            "iou": float(overlaps[index]),
            "true": class_names[targets[index]],
            "predicted": class_names[predictions[index]],
            "confidence": float(confidences[index]),
            "true_box": true_boxes[index].tolist(),
            "box": boxes[index].tolist(),
        }

    return report | {
        "mean_iou": float(overlaps.mean()),
        "median_iou": float(np.median(overlaps)),
        "found": float(found.mean()),
        "correct_and_found": float((right & found).mean()),
        "baselines": {
            "accuracy": float(np.bincount(targets).max() / len(targets)),
            "mean_iou": float(overlap(true_boxes, mean_box).mean()),
        },
        "best": [described(index) for index in order[:EXTREMES]],
        "worst": [described(index) for index in order[::-1][:EXTREMES]],
    }


def write_predictions(
    path: Path, pictures: BoxDataset, probabilities: np.ndarray, boxes: np.ndarray, overlaps: np.ndarray
) -> Path:
    """Write one line for each picture: its name and label, the answer, its probability, the IoU, and the box.

    Boxes are in pixels of the upright photo, in the columns of `boxes.csv`, so that a spreadsheet, or a labelling
    program, can go on from there. A name that a spreadsheet would compute gets a blank in front; `PhotoFolder` ignores
    it.

    Args:
        path: of the CSV file, in UTF-8.
        pictures: what was asked about.
        probabilities: (N, K).
        boxes: (N, 4), the answers, in fractions of the pictures.
        overlaps: (N,) IoU with the true boxes.
    """
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PREDICTION_COLUMNS)
        corners = boxes * np.tile(pictures.sizes, 2)
        for name, label, row, iou_, box in zip(
            pictures.names, pictures.labels, probabilities, overlaps, corners, strict=True
        ):
            answer = int(row.argmax())
            names = (_no_formula(text) for text in (name, pictures.classes[label], pictures.classes[answer]))
            writer.writerow([*names, f"{row[answer]:.4f}", f"{iou_:.4f}", *(f"{edge:.1f}" for edge in box)])
    return path


def _no_formula(text: str) -> str:
    return f" {text}" if text.startswith(("=", "+", "-", "@")) else text


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the IoU of pairs of boxes (N, 4), arrays, as an array (N,)."""
    return iou(Tensor(a), Tensor(b)).numpy()


def format_localization(report: Mapping[str, Any]) -> str:
    """Write the measures as a table, beside those of answers that look at no picture, and name the worst boxes."""
    baselines = report["baselines"]
    same_class, mean_box = f"{baselines['accuracy']:.1%}", f"{baselines['mean_iou']:.3f}"
    rows = [
        ("class is right (accuracy)", f"{report['accuracy']:.1%}", f"{same_class}  always the same class"),
        ("mean IoU of the boxes", f"{report['mean_iou']:.3f}", f"{mean_box}  always the mean box"),
        ("median IoU", f"{report['median_iou']:.3f}", ""),
        (f"box is found (IoU >= {THRESHOLD})", f"{report['found']:.1%}", ""),
        (f"class is right and IoU >= {THRESHOLD}", f"{report['correct_and_found']:.1%}", ""),
    ]
    lines = [f"{'of ' + format(report['samples'], ',') + ' pictures':<30}  {'network':>8}  without looking", "-" * 64]
    lines += [f"{name:<30}  {value:>8}  {baseline}".rstrip() for name, value, baseline in rows]
    each = (
        f"{name} {row['mean_iou']:.3f} ({row['support']:,})"
        for name, row in report["per_class"].items()
        if row["mean_iou"] is not None
    )
    worst = (f"{one_line(entry['picture'])} ({entry['iou']:.2f})" for entry in report["worst"][:5])
    texts = {"mean IoU of each class": each, "worst boxes": worst}
    return "\n".join([*lines, "", *(_filled(topic, entries) for topic, entries in texts.items())])


def _filled(topic: str, entries: Iterable[str]) -> str:
    """Return lines of at most WIDTH columns that break between entries only, unless one is longer."""
    unbroken = ", ".join(entry.replace(" ", "\xa0") for entry in entries)
    return textwrap.fill(f"{topic}: {unbroken}", WIDTH, subsequent_indent="  ").replace("\xa0", " ")
