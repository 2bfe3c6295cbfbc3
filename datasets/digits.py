"""Handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

import numpy as np

from datasets.images import ImageDataset

_SIDE = 32
_INK_LEVELS = 16  # the source counts inked dots in 4×4 blocks: 0 to 16


class Digits(ImageDataset):
    """1797 handwritten digits (UCI optdigits, as bundled with scikit-learn), shown as 3×32×32 pictures.

    The 8×8 counts of ink (0 to 16) are enlarged smoothly to 32×32, scaled to 0..255, white ink on black, and
    repeated in three equal channels, so that a network for CIFAR-10 takes them unchanged.

    The split is fixed and stratified: of each class, in the order of the source, every fifth picture belongs to
    the test set (355 pictures), the others to the training set (1442). Both parts contain digits by the same
    writers, so the test accuracy says nothing about handwriting never seen before.

    A mirrored digit is not a digit: do not train with horizontal flips.

    Args:
        train: the training set, otherwise the test set.

    Raises:
        ImportError: scikit-learn is not installed.
    """

    def __init__(self, train: bool = True) -> None:
        # Imported here because scikit-learn takes a second to load, and only this data set needs it.
        from sklearn.datasets import load_digits

        source = load_digits()
        pictures = _enlarge(source.images)
        labels = source.target
        in_test = _every_fifth_of_each_class(labels)

        training_pixels = pictures[~in_test] / 255.0
        part = in_test if not train else ~in_test
        images = np.repeat(pictures[part][:, None], 3, axis=1)
        super().__init__(
            images=images,
            labels=labels[part],
            classes=[str(name) for name in source.target_names],
            mean=[training_pixels.mean()] * 3,
            std=[training_pixels.std()] * 3,
            train=train,
        )


def _enlarge(ink: np.ndarray) -> np.ndarray:
    """Bilinear enlargement of `(N, 8, 8)` counts to `(N, 32, 32)` uint8, pixel centres aligned.

    Target pixel i lies at position p = (i + ½)·8/32 - ½ of the source, clamped to its edge, and takes source pixel
    j with weight max(0, 1 - |p - j|). Rows and columns separate: Y = W·X·Wᵀ. The weights are multiples of ⅛, so
    float64 holds every product exactly and the pictures are the same on all machines.
    """
    side = ink.shape[-1]
    position = np.clip((np.arange(_SIDE) + 0.5) * side / _SIDE - 0.5, 0, side - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(side)))
    return np.rint(weights @ ink @ weights.T * (255 / _INK_LEVELS)).astype(np.uint8)


def _every_fifth_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Boolean mask of the pictures 5, 10, 15, … of each class."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[4::5]] = True
    return chosen
