"""Masks from a hash: the published numbers, the same on every device and in whatever parts."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels import random

pytestmark = pytest.mark.quick


def test_the_hash_is_splitmix64():
    """The first numbers of the generator's reference implementation from the seeds 0 and 1234567."""
    assert list(random.hashed(0, 1, 3)) == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert list(random.hashed(1234567, 1, 2)) == [6457827717110365317, 3203168211198807973]


def by_definition(count, share, key):
    """The mask in Python's integers."""
    bits, mask = 2**64 - 1, []
    for n in range(count):
        z = (key + (n // 2 + 1) * 0x9E3779B97F4A7C15) & bits
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & bits
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & bits
        z ^= z >> 31
        mask.append((z >> 32 if n % 2 else z & 0xFFFFFFFF) < round(share * 2**32))
    return mask


def mask(shape, share, key, device="cpu"):
    with backend.use_device(device):
        return backend.to_numpy(random.mask(shape, share, key, device))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize(("share", "key"), [(0.5, 0), (0.1, 2**64 - 1), (0.9, 2**63 + 12345)])
def test_a_mask_is_what_the_definition_says(device, count, share, key):
    assert mask((count,), share, key, device).tolist() == by_definition(count, share, key)


def test_elements_are_numbered_in_row_major_order(device):
    flat = mask((24,), 0.5, 5, device)
    np.testing.assert_array_equal(mask((2, 3, 4), 0.5, 5, device), flat.reshape(2, 3, 4))
    assert mask((), 0.5, 5, device) == flat[0]


@pytest.mark.parametrize("count", [2 * random.BLOCK - 1, 2 * random.BLOCK, 2 * random.BLOCK + 1, 3_000_001])
def test_large_masks_are_the_same_in_blocks_and_threads(device, count):
    key = 2**64 - 99
    whole = random.hashed(key, 1, 1)  # and so on: in one piece, with nothing shared
    z = np.uint64(key) + np.arange(1, count // 2 + 2, dtype=np.uint64) * np.uint64(random.GAMMA)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(random.MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(random.MIX_2)
    z ^= z >> np.uint64(31)
    assert z[0] == whole[0]
    words = np.stack([z & np.uint64(0xFFFFFFFF), z >> np.uint64(32)], axis=1).reshape(-1)[:count]
    np.testing.assert_array_equal(mask((count,), 0.3, key, device), words < round(0.3 * 2**32))


@pytest.mark.parametrize("share", [0.0, 1e-12, 1 - 1e-12, 1.0])
def test_shares_at_the_ends(device, share):
    assert (mask((1000,), share, 1, device) == (share > 0.5)).all()


def test_masks_are_evenly_spread_and_those_of_neighbouring_keys_have_nothing_in_common():
    a, b = (mask((1_000_000,), 0.5, key).astype(float) for key in (6, 7))
    for x in (a, a[::2], a[1::2], a.reshape(1000, 1000)[:, 3]):
        assert abs(x.mean() - 0.5) < 4 * 0.5 / np.sqrt(x.size)
    for x, y in ((a, b), (a[:-1], a[1:]), (a[:-2], a[2:])):
        assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(x.size)


def test_on_a_gpu_a_mask_is_one_launch(monkeypatch):
    from tests import strict_cupy

    strict_cupy.install(monkeypatch)
    mask((10,), 0.5, 1, "cuda")
    with strict_cupy.launches.counted() as counted, strict_cupy.host_reads.forbidden():
        random.mask((1000,), 0.5, 1, "cuda")
    assert (counted.count, counted.bytes) == (1, 1000 + 12)
