"""Complete twins of torchvision's two published ResNet18 files: their containers byte for byte, with known values.

They are too large for the repository (47 MB each), so these tests run where MINIGRAD_DATA has a folder `twins`.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from models import resnet18

TWINS = Path(os.environ.get("MINIGRAD_DATA") or "no such folder") / "twins"
FILES = ("resnet18-f37072fd.pth", "resnet18-5c106cde.pth")  # a streamed zip archive; the tar archive of early 2017

pytestmark = pytest.mark.skipif(not TWINS.is_dir(), reason="MINIGRAD_DATA has no twins of the published files")


def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What the tensor `name` of a twin holds: numbers drawn with a seed that is the CRC-32 of its name."""
    numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if len(shape) > 1:
        return numbers * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    positive = name.endswith("running_var") or (name.endswith("weight") and "fc" not in name)
    return 1 + np.float32(0.1) * np.abs(numbers) if positive else np.float32(0.1) * numbers


@pytest.mark.parametrize("file", FILES)
def test_every_value_is_read_exactly(file):
    state = mg.load_torch(TWINS / file)
    assert len(state) == 102
    for name, array in state.items():
        np.testing.assert_array_equal(array, value(name, array.shape), err_msg=name, strict=True)


@pytest.mark.parametrize("file", FILES)
def test_the_network_takes_them(file):
    model = resnet18(TWINS / file)
    for name in ("conv1.weight", "layer4.1.bn2.running_var", "fc.bias"):
        array = model.state_dict()[name]
        np.testing.assert_array_equal(array, value(name, array.shape), err_msg=name)
