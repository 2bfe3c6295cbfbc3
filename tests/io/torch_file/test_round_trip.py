"""Weights go to PyTorch and back, as README says, and give the same answers there."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn

torch = pytest.importorskip("torch")


def network(m):
    return m.Sequential(m.Conv2d(3, 4, 3), m.BatchNorm2d(4), m.ReLU(), m.Flatten(), m.Linear(16, 2)).eval()


@pytest.mark.parametrize("back", ["weights.safetensors", "weights.pth"])
def test_weights_go_to_pytorch_and_back(tmp_path, rng, back):
    from safetensors.torch import load_file, save_file

    ours, theirs, again = network(nn), network(torch.nn), network(nn)
    for name in ("running_mean", "running_var"):
        getattr(ours[1], name).data[...] = rng.random(4)
    x = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    mg.save(tmp_path / "ours.safetensors", ours.state_dict())
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    with mg.no_grad(), torch.no_grad():
        np.testing.assert_allclose(theirs(torch.tensor(x)).numpy(), ours(Tensor(x)).numpy(), rtol=1e-4, atol=1e-6)
    save = save_file if back.endswith("safetensors") else torch.save
    save(theirs.state_dict(), tmp_path / back)
    again.load_state_dict(mg.load_torch(tmp_path / back))
    for name, value in again.state_dict().items():
        np.testing.assert_array_equal(value, ours.state_dict()[name])
