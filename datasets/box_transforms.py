"""Transforms of whole batches of pictures that take each picture's box along.

Like those of `datasets.transforms`, but from `(images, boxes)` to `(images, boxes)`: uint8 or floating-point images
`(N, C, H, W)` with boxes `(N, 4)` in fractions, see `datasets.boxes`.

    augment = Compose([RandomHorizontalFlip(), RandomResizedCrop(), OnImages(Normalize(data.mean, data.std))])
    images, boxes = augment(images, boxes, rng)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from datasets import transforms
from datasets.resample import bilinear_weights

Batch = tuple[np.ndarray, np.ndarray]
BoxTransform = Callable[[np.ndarray, np.ndarray, np.random.Generator], Batch]


class Compose:
    """Several transforms, one after the other, drawing from the same generator."""

    def __init__(self, transforms: Sequence[BoxTransform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, images: np.ndarray, boxes: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        """Return the transformed images and boxes."""
        for transform in self.transforms:
            images, boxes = transform(images, boxes, rng)
        return images, boxes

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


class OnImages:
    """A transform of `datasets.transforms` that moves nothing, such as `Normalize` or `Cutout`: boxes stay."""

    def __init__(self, transform: transforms.Transform) -> None:
        self.transform = transform

    def __call__(self, images: np.ndarray, boxes: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        """Return the transformed images and boxes."""
        return self.transform(images, rng), boxes

    def __repr__(self) -> str:
        return f"OnImages({self.transform})"


class OnBatch:
    """A transform of images and boxes as one of whole batches `(images, labels, boxes)`: a `DataLoader`'s
    `batch_transform`.
    """

    def __init__(self, transform: BoxTransform) -> None:
        self.transform = transform

    def __call__(
        self, batch: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the batch with transformed images and boxes."""
        images, labels, boxes = batch
        images, boxes = self.transform(images, boxes, rng)
        return images, labels, boxes

    def __repr__(self) -> str:
        return f"OnBatch({self.transform})"


class RandomHorizontalFlip:
    """Mirror each picture left to right with probability `p`, independently, and its box: x becomes 1 - x."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be a probability, got {p}")
        self.p = p

    def __call__(self, images: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> Batch:
        """Return the transformed images and boxes."""
        _check("RandomHorizontalFlip", images, boxes, rng)
        mirrored = rng.random(len(images)) < self.p
        flipped, moved = images.copy(), boxes.copy()
        flipped[mirrored] = images[mirrored, :, :, ::-1]
        moved[mirrored, 0] = 1 - boxes[mirrored, 2]
        moved[mirrored, 2] = 1 - boxes[mirrored, 0]
        return flipped, moved

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomResizedCrop:
    """Cut a window of random size, shape and place from each picture, and enlarge it to the picture's size.

    After Szegedy et al. (2015, arXiv:1409.4842, §6), with one change: the window is placed, and where necessary made
    larger, so that enough of the box stays inside; the rest of the box is clipped. Where windows may lie is computed,
    not found by trying: along each axis, a window of width w ≥ k·b sees at least the share k of a box of width b from
    x on exactly when its left edge lies between x + k·b - w and x + b - k·b.

    Args:
        scale: smallest and largest share of the picture's area that the window has.
        ratio: smallest and largest width of the window divided by its height, relative to the picture's own.
        keep: share of the box's width, and of its height, that is in the window at least.

    Raises:
        ValueError: an impossible range.
    """

    def __init__(
        self,
        scale: tuple[float, float] = (0.5, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        keep: float = 0.9,
    ) -> None:
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1] < np.inf or not 0 < keep <= 1:
            raise ValueError(f"RandomResizedCrop: impossible scale {scale}, ratio {ratio} or keep {keep}")
        self.scale, self.ratio, self.keep = tuple(scale), tuple(ratio), keep

    def __call__(self, images: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> Batch:
        """Return the transformed images and boxes."""
        _check("RandomResizedCrop", images, boxes, rng)
        start, extent = self._windows(boxes.astype(np.float64), rng)
        moved = (boxes.reshape(-1, 2, 2) - start[:, None]) / extent[:, None]
        return _enlarge(images, start, extent), np.clip(moved, 0, 1).reshape(-1, 4).astype(boxes.dtype)

    def _windows(self, boxes: np.ndarray, rng: np.random.Generator) -> Batch:
        """Left upper corner and extent, as fractions `(N, 2)` in the order x, y, of a window for each box."""
        area = rng.uniform(*self.scale, size=len(boxes))
        ratio = np.exp(rng.uniform(*np.log(self.ratio), size=len(boxes)))
        extent = np.sqrt(np.stack([area * ratio, area / ratio], axis=1))
        near, far = boxes[:, :2], boxes[:, 2:]
        kept = self.keep * (far - near)
        extent = np.clip(extent, kept, 1)
        first = np.maximum(0, near + kept - extent)
        last = np.minimum(1 - extent, far - kept)
        return first + (last - first) * rng.random(first.shape), extent

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(bound, 4) for bound in bounds) for bounds in (self.scale, self.ratio))
        return f"RandomResizedCrop(scale={scale}, ratio={ratio}, keep={self.keep})"


def _enlarge(images: np.ndarray, start: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """The window of each picture at the full size of the pictures, interpolated bilinearly."""
    weights = []
    for axis, pixels in enumerate((images.shape[3], images.shape[2])):
        centre = (np.arange(pixels) + 0.5) / pixels  # of the new pixels, in fractions of the window
        position = (start[:, axis, None] + extent[:, axis, None] * centre) * pixels - 0.5
        weights.append(bilinear_weights(np.clip(position, 0, pixels - 1), pixels)[:, None])
    of_columns, of_rows = weights
    enlarged = of_rows @ images.astype(np.float32, copy=False) @ of_columns.swapaxes(2, 3)
    if images.dtype.kind in "iu":
        enlarged = np.rint(enlarged, out=enlarged)
    return enlarged.astype(images.dtype, copy=False)


def _check(name: str, images: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> None:
    if not isinstance(images, np.ndarray) or images.ndim != 4:
        found = f"shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"{name}: expected a NumPy batch (N, C, H, W), got {found}")
    if not isinstance(boxes, np.ndarray) or boxes.shape != (len(images), 4) or boxes.dtype.kind != "f":
        found = f"{boxes.dtype} {boxes.shape}" if isinstance(boxes, np.ndarray) else type(boxes).__name__
        raise ValueError(f"{name}: expected floating-point boxes {(len(images), 4)} for the images, got {found}")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{name}: draws random numbers, so it needs a np.random.Generator, got {type(rng).__name__}")
