"""Data sets as whole arrays in memory, and the transforms that augment them a batch at a time.

Every picture data set holds `images` (uint8, N×3×H×W), `labels` (int64, N), `classes` (names), and the `mean` and `std`
to normalise them with; those of objects in photos hold `boxes` too. Nothing heavy is imported until a data set asks for
it.
"""

from __future__ import annotations

from datasets import box_transforms, transforms
from datasets.cifar10 import CIFAR10
from datasets.digits import Digits
from datasets.download import DatasetUnavailable, data_root
from datasets.pets import OxfordPets
from datasets.photo_folder import PhotoFolder
from datasets.placed_digits import PlacedDigits

__all__ = [
    "CIFAR10",
    "DatasetUnavailable",
    "Digits",
    "OxfordPets",
    "PhotoFolder",
    "PlacedDigits",
    "box_transforms",
    "data_root",
    "transforms",
]
