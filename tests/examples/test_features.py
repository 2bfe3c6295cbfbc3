from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from datasets.transforms import Normalize
from examples import features
from examples.features import feature_maps, fingerprint
from minigrad import Tensor
from models.localizer import SmallBackbone

NORMALIZE = Normalize([0.5] * 3, [0.25] * 3)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)


@pytest.fixture
def computed(monkeypatch):
    """A list that gets an entry for every time that maps are computed."""
    calls, compute = [], features._compute
    monkeypatch.setattr(features, "_compute", lambda *arguments: calls.append(1) or compute(*arguments))
    return calls


def test_maps_are_those_of_the_backbone_in_evaluation_mode(images, tmp_path, device):
    backbone = SmallBackbone().to(device)
    maps = feature_maps(backbone, images, NORMALIZE, device, tmp_path)
    assert maps.dtype == np.float32 and maps.shape == (40, 128, 2, 2) and maps.flags.c_contiguous
    assert backbone.training
    with mg.no_grad():
        expected = backbone.eval().feature_map(Tensor(NORMALIZE(images[-5:]), device=device)).numpy()
    np.testing.assert_allclose(maps[-5:], expected, rtol=1e-4, atol=1e-5)


def test_maps_are_computed_once(images, tmp_path, computed):
    backbone = SmallBackbone()
    first = feature_maps(backbone, images, NORMALIZE, folder=tmp_path)
    second = feature_maps(backbone, images, NORMALIZE, folder=tmp_path)
    assert len(computed) == 1
    np.testing.assert_array_equal(first, second)
    assert len(list(tmp_path.iterdir())) == 1


def test_random_numbers_of_a_run_do_not_depend_on_whether_there_is_a_file(images, tmp_path):
    backbone = SmallBackbone()
    states = []
    for _ in range(2):
        mg.manual_seed(1)
        feature_maps(backbone, images, NORMALIZE, folder=tmp_path)
        states.append(mg.rng.rng_state())
    assert states[0] == states[1]


def test_default_folder_is_in_that_of_the_data_sets(images, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    feature_maps(SmallBackbone(), images, NORMALIZE)
    assert len(list((tmp_path / "features").iterdir())) == 1


def test_whatever_the_maps_depend_on_changes_the_fingerprint(images):
    backbone = SmallBackbone()
    prints = [fingerprint(backbone, images, NORMALIZE)]
    prints.append(fingerprint(backbone, images[:-1], NORMALIZE))
    prints.append(fingerprint(backbone, images.reshape(40, 3, 8, 32), NORMALIZE))
    prints.append(fingerprint(backbone, images, Normalize([0.5] * 3, [0.3] * 3)))
    changed = images.copy()
    changed[-1, -1, -1, -1] ^= 1
    prints.append(fingerprint(backbone, changed, NORMALIZE))
    assert fingerprint(backbone, images.copy(), NORMALIZE) == prints[0]
    backbone.stage3[0][1].running_mean.data[0] += 0.001
    prints.append(fingerprint(backbone, images, NORMALIZE))
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(p.read_bytes()[:-9]), lambda p: mg.save(p, {"other": 1}),
                                    lambda p: mg.save(p, np.zeros((3, 1, 1, 1)))])  # fmt: skip
def test_file_that_is_damaged_or_foreign_is_replaced(images, tmp_path, computed, damage):
    backbone = SmallBackbone()
    expected = feature_maps(backbone, images, NORMALIZE, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    damage(path)
    for _ in range(2):
        np.testing.assert_array_equal(feature_maps(backbone, images, NORMALIZE, folder=tmp_path), expected)
    assert len(computed) == 2


def test_folder_that_cannot_be_written_is_no_error(images, tmp_path, capsys):
    (tmp_path / "file").touch()
    maps = feature_maps(SmallBackbone(), images, NORMALIZE, folder=tmp_path / "file" / "features")
    assert maps.shape[0] == 40
    assert "could not be kept for the next run" in capsys.readouterr().out
