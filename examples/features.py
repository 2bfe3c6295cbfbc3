"""Feature maps of a frozen backbone: computed once, kept on disk.

A frozen backbone makes the same map of the same picture every time, so the maps are computed once and the heads learn
from them in seconds. The name of the file is a hash of everything that the maps depend on: the weights, the pictures
and the version of minigrad. So a file never has to be brought up to date, only found or not found; deleting the folder
is safe at any time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

import minigrad as mg
from datasets import data_root
from datasets.transforms import Normalize
from examples.data_folder import check_data_folder
from examples.errors import in_words
from minigrad import backend, nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.io.checkpoints import CheckpointError
from minigrad.io.files import remove_leftovers
from minigrad.progress import progress

BATCH = 32


def feature_maps(
    backbone: nn.Module,
    images: np.ndarray,
    normalize: Normalize,
    device: str = "cpu",
    folder: Path | None = None,
    title: str = "features",
) -> np.ndarray:
    """Return the backbone's maps of all pictures, read from `folder` or computed and written there.

    A file that is damaged is computed anew. If nothing can be written, a message says so and the maps are returned all
    the same.

    Args:
        backbone: a module with `feature_map`, on `device`.
        images: uint8 pictures (N, 3, H, W), N at least 1.
        normalize: what the backbone wants done to them first.
        folder: where the files are; `features` in the folder for data sets by default.
        title: names the progress bar.

    Returns:
        float32 (N, channels, height, width).

    Raises:
        UsageError: the folder for data sets is mistyped.
    """
    if folder is None:
        check_data_folder()
        folder = data_root() / "features"
    path = folder / f"{fingerprint(backbone, images, normalize)}.safetensors"
    try:
        maps = mg.load(path)
        if isinstance(maps, np.ndarray) and maps.ndim == 4 and len(maps) == len(images):
            return maps
    except (OSError, CheckpointError):
        pass  # not there, or damaged
    maps = _compute(backbone, images, normalize, device, title)
    remove_leftovers(folder, seconds=3600)  # of runs that were killed; others may be writing now
    try:
        mg.save(path, maps)
    except OSError as error:
        tqdm.write(f"the {title} could not be kept for the next run: {in_words(error)}")
    return maps


def fingerprint(backbone: nn.Module, images: np.ndarray, normalize: Normalize) -> str:
    """Return a hash, 32 letters, of all that the maps depend on."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"minigrad {mg.__version__} {type(backbone).__name__} {normalize!r}".encode())
    for name, array in (*backbone.state_dict().items(), ("images", images)):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@mg.no_grad()
def _compute(backbone: nn.Module, images: np.ndarray, normalize: Normalize, device: str, title: str) -> np.ndarray:
    was_training = backbone.training
    backbone.eval()
    # A seed, although nothing is random: drawing one would change a run's random numbers when there is no file yet.
    loader = DataLoader(TensorDataset(images), BATCH, transform=normalize, seed=0, num_workers=1, device=device)
    maps = []
    try:
        with progress(total=len(images), desc=title, unit="img") as bar:
            for (batch,) in loader:
                maps.append(backend.to_numpy(backbone.feature_map(batch).data))
                bar.update(len(batch))
    finally:
        backbone.train(was_training)
    return np.ascontiguousarray(np.concatenate(maps))
