"""What the tests of data share."""

from __future__ import annotations

import numpy as np

from minigrad.data import Dataset, TensorDataset


def numbered(size=10):
    """Pictures (size, 1, 2, 2) filled with their number, and the numbers as labels."""
    labels = np.arange(size)
    return TensorDataset(np.broadcast_to(labels[:, None, None, None], (size, 1, 2, 2)).astype(np.float32), labels)


class Items(Dataset):
    """A data set that has items only, so that `batch` must collate them."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]
