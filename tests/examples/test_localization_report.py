from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from datasets import PhotoFolder
from datasets.boxes import BoxDataset
from examples.localization_report import format_localization, localization_report, overlap, write_predictions

NAMES = ["cat", "dog"]
TARGETS = np.array([0, 1, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
TRUE = np.array([[0.0, 0.0, 0.5, 0.5]] * 4)
# IoU 1, a half, 0.4 by the width alone, and none
BOXES = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.25], [0, 0, 0.2, 0.5], [0.5, 0.5, 1, 1]])


@pytest.fixture
def report():
    return localization_report(TARGETS, PROBABILITIES, TRUE, BOXES, NAMES, ["tom", "rex", "fido", "pug"])


def test_measures_by_hand(report):
    assert report["samples"] == 4 and report["accuracy"] == 0.75
    assert report["mean_iou"] == pytest.approx(1.9 / 4)
    assert report["median_iou"] == pytest.approx(0.45)
    assert report["found"] == 0.5  # an IoU of exactly a half counts
    assert report["correct_and_found"] == 0.5
    assert [report["per_class"][name]["mean_iou"] for name in NAMES] == pytest.approx([1, 0.9 / 3])


def test_right_box_of_a_wrong_class_is_found_but_not_correct():
    report = localization_report(1 - TARGETS, PROBABILITIES, TRUE, BOXES, NAMES, list("abcd"))
    assert report["found"] == 0.5 and report["correct_and_found"] == 0


def test_baselines_look_at_no_picture(report):
    assert report["baselines"] == {"accuracy": 0.75, "mean_iou": pytest.approx(1)}
    true = np.array([[0, 0, 0.4, 1], [0, 0, 0.8, 1]] * 2)
    report = localization_report(TARGETS, PROBABILITIES, true, BOXES, NAMES, list("abcd"))
    assert report["baselines"]["mean_iou"] == pytest.approx((4 / 6 + 6 / 8) / 2)


def test_best_and_worst_are_named(report):
    assert [entry["picture"] for entry in report["best"]] == ["tom", "rex", "fido", "pug"]
    worst = report["worst"][0]
    assert worst == {"picture": "pug", "iou": 0, "true": "dog", "predicted": "dog", "confidence": 0.6,
                     "true_box": TRUE[3].tolist(), "box": BOXES[3].tolist()}  # fmt: skip


def test_report_is_json(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_class_without_pictures_has_no_iou():
    report = localization_report(TARGETS * 0, PROBABILITIES, TRUE, BOXES, NAMES, list("abcd"))
    assert report["per_class"]["dog"]["mean_iou"] is None
    assert "dog" not in format_localization(report)


def test_text_gives_the_measures_beside_the_baselines(report):
    text = format_localization(report)
    for words in ("of 4 pictures", "75.0%  75.0%  always the same class", "0.475  1.000  always the mean box",
                  "cat 1.000 (1), dog 0.300 (3)", "worst boxes: pug (0.00), fido (0.40)"):  # fmt: skip
        assert words in " ".join(text.split(" ")).replace("     ", " ") or words in text, words
    assert max(map(len, text.splitlines())) <= 100


def test_overlap_of_arrays():
    assert overlap(TRUE, BOXES).tolist() == pytest.approx([1, 0.5, 0.4, 0])


FORMULAS = ["=1+1.png", "+1.png", "-1.png", "@a.png"]


def test_names_are_no_formulas_for_a_spreadsheet_and_stay_names_for_a_folder(tmp_path):
    images = np.zeros((4, 3, 8, 8), np.uint8)
    pictures = BoxDataset(
        TRUE, FORMULAS, images=images, labels=TARGETS, classes=["=A1", "@b"], mean=(0,) * 3, std=(1,) * 3, train=True
    )
    path = write_predictions(tmp_path / "boxes.csv", pictures, PROBABILITIES, TRUE, np.ones(4))
    lines = path.read_text("utf-8").splitlines()[1:]
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line.split(","))
    for name, image in zip(FORMULAS, images, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / name)
    again = PhotoFolder(tmp_path, size=8, validation=0)
    assert sorted(again.names) == sorted(FORMULAS) and again.classes == ["=A1", "@b"]


def test_names_in_the_text_are_escaped():
    report = localization_report(TARGETS, PROBABILITIES, TRUE, BOXES, NAMES, ["a", "b", "c", "\x1b]0;x\x07.png"])
    assert all(line.isprintable() for line in format_localization(report).splitlines())
