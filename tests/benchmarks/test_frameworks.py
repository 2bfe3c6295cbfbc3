from __future__ import annotations

import importlib.util

import pytest

from benchmarks import frameworks
from benchmarks.rows import noise


def test_both_forms_of_pytorch_need_pytorch(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else name)
    assert frameworks.installed() == ["minigrad", "minigrad-plain"]


def test_tensors_have_the_arrays_numbers(framework):
    for shape in ((2, 3), (2, 3, 4, 5)):
        assert (framework.tensor(noise(*shape)).numpy() == noise(*shape)).all()


def test_channels_last_holds_for_pictures_and_weights():
    torch = pytest.importorskip("torch")
    framework = frameworks.LOADERS["torch-channels-last"]()
    pictures, layer = framework.tensor(noise(2, 3, 8, 8)), framework.placed(framework.nn.Conv2d(3, 4, 3))
    for tensor in (pictures, layer.weight, layer(pictures)):
        assert tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()
