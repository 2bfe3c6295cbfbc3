"""Data sets as whole arrays in memory, and the transforms that augment them a batch at a time.

Every picture data set holds `images` (uint8, N×3×32×32), `labels` (int64, N), `classes` (names), and the
`mean` and `std` of its training pictures. Nothing heavy is imported until a data set asks for it.
"""

from __future__ import annotations

from datasets import transforms
from datasets.cifar10 import CIFAR10
from datasets.digits import Digits
from datasets.download import DatasetUnavailable, data_root

__all__ = ["CIFAR10", "DatasetUnavailable", "Digits", "data_root", "transforms"]
