"""A mistyped folder for data sets is refused where it is needed, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.transforms import Normalize
from examples import cifar10, localization_parts
from examples.data_folder import check_data_folder
from examples.errors import UsageError
from examples.features import feature_maps
from minigrad import nn


@pytest.mark.parametrize("by_variable", [True, False])
def test_mistyped_data_folder_is_refused(tmp_path, monkeypatch, by_variable):
    def check(path):
        monkeypatch.setenv("MINIGRAD_DATA", str(path) if by_variable else "")
        check_data_folder(None if by_variable else path)

    check(tmp_path)
    check(tmp_path / "new")
    name = "MINIGRAD_DATA" if by_variable else "--data-dir"
    with pytest.raises(UsageError, match=rf"{name} .*mistyped/data: neither it nor .*mistyped is there"):
        check(tmp_path / "mistyped" / "data")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=rf"{name} .*file: it is a file"):
        check(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


CONFIG = {"data": "pets", "size": 16, "limit": 2, "classes": [], "backbone": "resnet18"}


@pytest.mark.parametrize(
    "look",
    [
        lambda: cifar10.load_pictures("cifar10", None, train=True),
        lambda: localization_parts.load_pictures(CONFIG, None, train=True),
        lambda: localization_parts.build_model(CONFIG | {"classes": ["cat"]}, "imagenet"),
        lambda: feature_maps(nn.Identity(), np.zeros((1, 3, 2, 2), np.uint8), Normalize([0.5] * 3, [1.0] * 3)),
    ],
    ids=["CIFAR-10", "pets", "weights", "features"],
)
def test_mistyped_folder_is_told_wherever_something_is_looked_for_there(tmp_path, monkeypatch, look):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "mistyped" / "data"))
    with pytest.raises(UsageError, match="MINIGRAD_DATA .*neither it nor"):
        look()
    assert list(tmp_path.iterdir()) == []


def test_mistyped_folder_stops_nothing_that_needs_no_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "mistyped" / "data"))
    small = ["--data", "digits", "--model", "lenet", "--limit", "20", "--epochs", "1"]
    assert cifar10.main([*small, "--out", str(tmp_path / "run")]) == 0
