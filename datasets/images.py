"""What all picture data sets share: one array of pictures, one of labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.data import Dataset


class ImageDataset(Dataset):
    """Labelled pictures held in memory.

    Attributes:
        images: uint8 array `(N, 3, H, W)`, C-contiguous, values 0 to 255.
        labels: int64 array `(N,)`, an index into `classes` for each picture.
        classes: the names of the classes.
        mean, std: per-channel mean and standard deviation of the *training* pictures on the 0..1 scale,
            the same numbers for the training and the test set.
        train: whether this is the training set.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        train: bool,
    ) -> None:
        self.images = np.ascontiguousarray(images, dtype=np.uint8)
        self.labels = np.ascontiguousarray(labels, dtype=np.int64)
        self.classes = list(classes)
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self.train = train

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64]:
        """Picture `(3, H, W)` and label at `index`; the picture is a view of `images`."""
        return self.images[index], self.labels[index]

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures `(B, 3, H, W)` and labels `(B,)` at `indices`, copied together in one gather each."""
        return self.images.take(indices, axis=0), self.labels.take(indices)

    def __repr__(self) -> str:
        part = "training" if self.train else "test"
        shape = "×".join(map(str, self.images.shape[1:]))
        return f"{type(self).__name__}({part} set: {len(self)} pictures of {shape}, {len(self.classes)} classes)"
