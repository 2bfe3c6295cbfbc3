from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest

from examples.report import classification_report, expected_calibration_error, format_report, write_report

NAMES = ["cat", "dog", "owl"]
# Three cats, of which two are called cats and one a dog; one dog, called a cat; no owl at all.
TARGETS = np.array([0, 0, 0, 1])
PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.4, 0.6, 0.0], [0.8, 0.1, 0.1]])


@pytest.fixture
def report():
    return classification_report(TARGETS, PROBABILITIES, NAMES)


def test_report_matches_hand_count(report):
    assert report["samples"] == 4
    assert report["accuracy"] == 0.5
    assert report["confusion_matrix"] == [[2, 1, 0], [1, 0, 0], [0, 0, 0]]
    cat = {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3}
    assert report["per_class"]["cat"] == pytest.approx(cat)
    assert report["per_class"]["dog"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert report["macro"] == pytest.approx({"precision": 2 / 9, "recall": 2 / 9, "f1": 2 / 9})


def test_undefined_metrics_count_as_zero_without_a_warning(report):
    assert report["per_class"]["owl"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_most_confused_pairs_are_directed_and_sorted(report):
    assert report["most_confused"] == [
        {"true": "cat", "predicted": "dog", "count": 1, "share": pytest.approx(1 / 3)},
        {"true": "dog", "predicted": "cat", "count": 1, "share": 1.0},
    ]


def test_mean_confidence_of_right_and_wrong_predictions(report):
    assert report["mean_confidence"] == pytest.approx({"right": 0.8, "wrong": 0.7})


def test_calibration_error_matches_hand_count():
    # Bin 0.5..0.6: mean confidence 0.55, all right. Bin 0.9..1 (with 1): mean 0.95, half right. Both gaps are 0.45.
    confidences = np.array([0.52, 0.58, 0.9, 1.0])
    right = np.array([True, True, True, False])
    assert expected_calibration_error(confidences, right) == pytest.approx(0.45)


def test_perfect_predictions_have_no_wrong_confidence_and_no_confusions():
    report = classification_report([0, 1], np.eye(2), ["a", "b"])
    assert report["mean_confidence"] == {"right": 1.0, "wrong": None}
    assert report["most_confused"] == []
    assert report["expected_calibration_error"] == 0.0
    assert "100.0%" in format_report(report)


@pytest.mark.parametrize(
    ("targets", "probabilities", "names", "message"),
    [
        ([0, 1], np.eye(2), ["a"], r"1 class names need .* got \(2,\) and \(2, 2\)"),
        ([0, 1, 1], np.eye(2), ["a", "b"], r"got \(3,\) and \(2, 2\)"),
        ([], np.zeros((0, 2)), ["a", "b"], "N >= 1"),
        (0, np.eye(2), ["a", "b"], r"got \(\) and"),
        ([0, 2], np.eye(2), ["a", "b"], r"integers in 0\.\.1, got int64 from 0 to 2"),
        ([0.0, 1.0], np.eye(2), ["a", "b"], "got float64"),
        ([0, 1], 5 * np.eye(2), ["a", "b"], "softmax of the logits"),
        ([0, 1], np.full((2, 2), np.nan), ["a", "b"], "must be probabilities"),
        ([0, 1], np.eye(2), ["a", "a"], "class names must differ"),
    ],
)
def test_rejects_what_does_not_fit(targets, probabilities, names, message):
    with pytest.raises(ValueError, match=message):
        classification_report(targets, probabilities, names)


def test_table_has_aligned_columns(report):
    table = format_report(report).split("\n\n")[0].splitlines()
    assert len({len(line) for line in table}) == 1
    assert table[2].split() == ["cat", "66.7%", "66.7%", "66.7%", "3"]
    assert table[-1].split() == ["macro", "average", "22.2%", "22.2%", "22.2%", "4"]


def test_sentences_carry_the_numbers_of_the_run(report):
    text = " ".join(format_report(report).split())
    assert "50.0% of the 4 pictures are named correctly" in text
    assert "of the 1 pictures called 'dog', 0.0% really are" in text
    assert "Never predicted: 'owl'" in text
    assert "of the 1 pictures of 'dog', 0.0% are found" in text
    assert "Macro-F1: 22.2%" in text
    assert "'dog' taken for 'cat': 1 (100.0% of all 'dog')" in text
    assert "80.0% when right and 70.0% when wrong" in text


def test_written_report_is_read_back_unchanged(report, tmp_path):
    history = [{"epoch": 1, "val_loss": None}, {"epoch": 2, "val_loss": 0.5, "lr": 0.1}]
    paths = write_report(tmp_path / "run", report, history)
    assert [path.name for path in paths] == sorted(os.listdir(tmp_path / "run"), reverse=True)
    assert json.loads(paths[0].read_text()) == report
    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"epoch": "1", "val_loss": "", "lr": ""}, {"epoch": "2", "val_loss": "0.5", "lr": "0.1"}]


def test_written_report_is_strict_json(tmp_path):
    path, *_ = write_report(
        tmp_path, {"loss": np.float32("nan"), "best": [np.float64(0.5), float("inf")], "n": np.int64(3)}
    )

    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    assert json.loads(path.read_text(), parse_constant=refuse) == {"loss": None, "best": [0.5, None], "n": 3}


def test_without_history_only_the_report_is_written(report, tmp_path):
    write_report(tmp_path, report)
    assert os.listdir(tmp_path) == ["report.json"]


def test_report_that_json_cannot_express_leaves_the_old_one(report, tmp_path):
    path, *_ = write_report(tmp_path, report)
    with pytest.raises(TypeError):
        write_report(tmp_path, {"model": object()})
    assert json.loads(path.read_text()) == report


def test_a_single_class_is_no_special_case(recwarn):
    report = classification_report([0, 0, 0], np.ones((3, 1)), ["cat"])
    assert report["confusion_matrix"] == [[3]]
    assert not recwarn.list
