"""Transforms of whole batches: `(N, C, H, W)` arrays in, arrays of the same kind out, no loop over pictures.

Each transform is called with a batch and a NumPy generator, never alters its input, and gives the same result for
the same state of the generator. Random transforms keep the dtype; they are cheapest on uint8, so `Normalize`, which
makes float32 of it, comes last:

    augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), Normalize(data.mean, data.std)])
    inputs = augment(images, rng)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Compose:
    """Several transforms, one after the other, drawing from the same generator."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, images: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        for transform in self.transforms:
            images = transform(images, rng)
        return images

    def __repr__(self) -> str:
        return f"Compose({self.transforms})"


class Normalize:
    """From uint8 0..255 to float32 with mean 0 and deviation 1: `(images / 255 - mean) / std`.

    Computed as one multiply-add, `images · 1/(255·std) - mean/std`, with constants worked out beforehand.

    Args:
        mean, std: per channel, on the 0..1 scale, such as a data set's `mean` and `std`.

    Raises:
        ValueError: `std` is not positive; on call: not a uint8 batch with as many channels as `mean`.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        if len(self.mean) != len(self.std) or not all(deviation > 0 for deviation in self.std):
            raise ValueError(f"Normalize: one mean and one positive std for each channel, got {mean} and {std}")
        deviation = np.array(self.std).reshape(-1, 1, 1)
        self._scale = (1 / (255 * deviation)).astype(np.float32)
        self._shift = (-np.array(self.mean).reshape(-1, 1, 1) / deviation).astype(np.float32)

    def __call__(self, images: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        _check_batch("Normalize", images)
        if images.dtype != np.uint8 or images.shape[1] != len(self.mean):
            raise ValueError(
                f"Normalize: expected uint8 images with {len(self.mean)} channels, got {images.dtype} {images.shape}"
            )
        normalized = np.multiply(images, self._scale, dtype=np.float32)
        normalized += self._shift
        return normalized

    def __repr__(self) -> str:
        return f"Normalize(mean={_rounded(self.mean)}, std={_rounded(self.std)})"


class RandomHorizontalFlip:
    """Mirror each picture left to right with probability `p`, independently."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be a probability, got {p}")
        self.p = p

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        _check_batch("RandomHorizontalFlip", images)
        _check_generator("RandomHorizontalFlip", rng)
        mirrored = rng.random(len(images)) < self.p
        flipped = images.copy()
        flipped[mirrored] = images[mirrored, :, :, ::-1]
        return flipped

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop:
    """Pad each picture on all sides, then cut out a window of `size` at a random place.

    Args:
        size: height and width of the window, or one number for both.
        padding: pixels added on each side.
        padding_mode: `"zero"` adds black (0), `"reflect"` mirrors the picture at its outermost pixels.

    Raises:
        ValueError: an unknown mode; on call: the window is larger than the padded picture, or a picture too small
            to be reflected that far.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0, padding_mode: str = "zero") -> None:
        self.size = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
        self.padding = padding
        self.padding_mode = padding_mode
        if len(self.size) != 2 or min(self.size) < 1 or padding < 0:
            raise ValueError(f"RandomCrop: impossible size {size} or padding {padding}")
        if padding_mode not in ("zero", "reflect"):
            raise ValueError(f'RandomCrop: padding_mode must be "zero" or "reflect", got {padding_mode!r}')

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        _check_batch("RandomCrop", images)
        _check_generator("RandomCrop", rng)
        padded = self._pad(images)
        places = np.array(padded.shape[2:]) - self.size + 1
        if places.min() < 1:
            raise ValueError(f"RandomCrop: no window of {self.size} in images {images.shape} padded by {self.padding}")
        top, left = rng.integers(places[:, None], size=(2, len(images)))
        # A view of all windows at all places, (N, C, places, places, *size), of which one per picture is copied.
        windows = sliding_window_view(padded, self.size, axis=(2, 3))
        return np.ascontiguousarray(windows[np.arange(len(images)), :, top, left])

    def _pad(self, images: np.ndarray) -> np.ndarray:
        if self.padding_mode == "reflect" and self.padding >= min(images.shape[2:]):
            raise ValueError(f"RandomCrop: cannot reflect images {images.shape} by {self.padding} pixels")
        mode = "constant" if self.padding_mode == "zero" else "reflect"
        return np.pad(images, [(0, 0), (0, 0), (self.padding,) * 2, (self.padding,) * 2], mode=mode)

    def __repr__(self) -> str:
        return f'RandomCrop({self.size}, padding={self.padding}, padding_mode="{self.padding_mode}")'


class Cutout:
    """Paint over one square in each picture, at a random place (DeVries & Taylor, 2017, arXiv:1708.04552, §3).

    The centre is drawn evenly from all pixels, so the square may reach over the edge, and often less than all of it
    is seen. Rows `centre - size // 2` to `centre - size // 2 + size - 1` are painted, and columns likewise.

    Args:
        size: side of the square, in pixels.
        fill: what to paint, one value or one per channel, in the images' own units (rounded when those are integers).
            The square carries no information when it is zero after normalising: give the mean colour,
            `[255 * m for m in data.mean]`, before `Normalize`.

    Raises:
        ValueError: `size` is negative; on call: `fill` fits neither the channels nor the dtype of the images.
    """

    def __init__(self, size: int, fill: float | Sequence[float] = 0.0) -> None:
        if size < 0:
            raise ValueError(f"Cutout: size must not be negative, got {size}")
        self.size = size
        self.fill = tuple(map(float, np.atleast_1d(fill)))

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        _check_batch("Cutout", images)
        _check_generator("Cutout", rng)
        count, _, height, width = images.shape
        in_rows = self._covered(rng.integers(height, size=count), height)
        in_columns = self._covered(rng.integers(width, size=count), width)
        square = in_rows[:, None, :, None] & in_columns[:, None, None, :]
        return np.where(square, self._colour(images), images)

    def _covered(self, centre: np.ndarray, extent: int) -> np.ndarray:
        """For each centre `(N,)` the mask `(N, extent)` of rows or columns that its square covers."""
        offset = np.arange(extent) - (centre[:, None] - self.size // 2)
        return (offset >= 0) & (offset < self.size)

    def _colour(self, images: np.ndarray) -> np.ndarray:
        colour = np.array(self.fill).reshape(-1, 1, 1)
        if len(colour) not in (1, images.shape[1]):
            raise ValueError(f"Cutout: fill has {len(colour)} values for images with {images.shape[1]} channels")
        if images.dtype.kind in "iu":
            colour, limits = np.rint(colour), np.iinfo(images.dtype)
            if not ((limits.min <= colour) & (colour <= limits.max)).all():  # in this form NaN is refused too
                raise ValueError(f"Cutout: fill {self.fill} is outside the range of {images.dtype}")
        return colour.astype(images.dtype)

    def __repr__(self) -> str:
        return f"Cutout({self.size}, fill={_rounded(self.fill)})"


def _check_batch(name: str, images: np.ndarray) -> None:
    if not isinstance(images, np.ndarray) or images.ndim != 4:
        found = f"shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"{name}: expected a NumPy batch (N, C, H, W), got {found}")


def _check_generator(name: str, rng: np.random.Generator) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{name}: draws random numbers, so it needs a np.random.Generator, got {type(rng).__name__}")


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)
