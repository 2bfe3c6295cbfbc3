"""What the localization example says about its predictions: how often the name is right, and how well the box fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from examples.report import classification_report
from minigrad import Tensor
from models.localizer import iou

THRESHOLD = 0.5  # of the IoU: a box that fits at least so well counts as found (ILSVRC, PASCAL VOC)
EXTREMES = 10


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
        (f"box is found (IoU ≥ {THRESHOLD})", f"{report['found']:.1%}", ""),
        (f"class is right and IoU ≥ {THRESHOLD}", f"{report['correct_and_found']:.1%}", ""),
    ]
    lines = [f"{'of ' + format(report['samples'], ',') + ' pictures':<30}  {'network':>8}  without looking", "-" * 64]
    lines += [f"{name:<30}  {value:>8}  {baseline}".rstrip() for name, value, baseline in rows]
    lines += ["", "mean IoU of each class: " + ", ".join(
        f"{name} {row['mean_iou']:.3f} ({row['support']:,})"
        for name, row in report["per_class"].items() if row["mean_iou"] is not None
    )]  # fmt: skip
    worst = ", ".join(f"{entry['picture']} ({entry['iou']:.2f})" for entry in report["worst"][:5])
    return "\n".join([*lines, f"worst boxes: {worst}"])
