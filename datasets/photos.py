"""From photo files of any kind to one uint8 array of equal pictures.

Photos are squeezed to a square whatever their shape. That distorts them a little and in return leaves a box, given
as fractions of width and height, as it was: nothing about the photo's shape has to be remembered.

The files are hostile until proven otherwise: only common formats are tried, whatever the name's ending (Pillow's
reader for PostScript would start a program), and the size in the header is checked before a pixel is unpacked.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets.archive import FoundFile

if TYPE_CHECKING:
    from PIL.Image import Image

# What backbones pretrained on ImageNet expect, on the 0..1 scale: https://pytorch.org/vision/stable/models.html
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
MAX_PIXELS = 2**26  # 67 million, 200 MB unpacked: more than most cameras take, less than Pillow warns about

_EXIF_ORIENTATION = 0x0112
_BACKGROUND = (255, 255, 255)  # behind transparent pixels, as viewers show them


class Frame(NamedTuple):
    """Width and height of a photo as stored, and its EXIF orientation: 1 to 8, 1 for upright."""

    width: int
    height: int
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """Width and height in the file."""
        return self.width, self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as viewers show the photo."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


# EXIF 2.3, tag 0x0112, as three steps: swap rows and columns (5 to 8), then mirror left to right, and top to bottom.
_LEFT_TO_RIGHT = (2, 3, 6, 7)
_TOP_TO_BOTTOM = (3, 4, 7, 8)


def turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels `(C, H, W)` as stored, turned upright: a view."""
    if orientation >= 5:
        pixels = pixels.swapaxes(1, 2)
    if orientation in _LEFT_TO_RIGHT:
        pixels = pixels[:, :, ::-1]
    if orientation in _TOP_TO_BOTTOM:
        pixels = pixels[:, ::-1]
    return pixels


def turn_box(box: np.ndarray, orientation: int) -> np.ndarray:
    """The box `(4,)`, fractions of the photo as stored, turned upright together with the photo's pixels."""
    xmin, ymin, xmax, ymax = box
    if orientation >= 5:
        xmin, ymin, xmax, ymax = ymin, xmin, ymax, xmax
    if orientation in _LEFT_TO_RIGHT:
        xmin, xmax = 1 - xmax, 1 - xmin
    if orientation in _TOP_TO_BOTTOM:
        ymin, ymax = 1 - ymax, 1 - ymin
    return np.array([xmin, ymin, xmax, ymax], dtype=box.dtype)


def decode_photo(file: FoundFile, size: int) -> tuple[np.ndarray, Frame]:
    """The first picture in `file`: upright uint8 pixels `(3, size, size)`, and the frame it was stored in.

    Grey, palette and CMYK pictures become RGB; transparent ones get a white background.

    Raises:
        ValueError: not a picture of a known format, cut off, damaged, or of more than 67 million pixels.
        ImportError: Pillow is not installed.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(file.content), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"{width}×{height} pixels, expected at most {MAX_PIXELS}")
            # Lets a JPEG be decoded at a half, a quarter, … of its size, as long as that is no less than asked for.
            image.draft(None, (size, size))
            small = _to_rgb(image).resize((size, size), Image.Resampling.BILINEAR)
            frame = Frame(width, height, _orientation(image))
    # Any exception: Pillow's decoders raise very different ones on damaged files, and its own on bombs.
    except Exception as error:
        reason = "of no known format" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(
            f"{file.origin}: not a picture that can be used; expected {', '.join(FORMATS)} ({reason})"
        ) from error
    return turn_pixels(np.asarray(small).transpose(2, 0, 1), frame.orientation), frame


def _to_rgb(image: Image) -> Image:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 8
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        shown = image.convert("RGBA")
        background = Image.new("RGBA", shown.size, _BACKGROUND)
        return Image.alpha_composite(background, shown).convert("RGB")
    return image.convert("RGB")


def _orientation(image: Image) -> int:
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF is common, harmless, and raises as variously as damaged pixels
        return 1
    return orientation if orientation in range(1, 9) else 1


def decode_photos(
    files: Iterable[FoundFile], names: Sequence[str], size: int, folder: Path
) -> tuple[np.ndarray, list[Frame]]:
    """All photos at once, on all cores and with a progress bar: uint8 pictures `(N, 3, size, size)` and their frames.

    Args:
        files: the photos `names`, in any order.
        names: fixes the order of the result.
        size: side of the pictures, in pixels.
        folder: where the photos come from, for messages.

    Raises:
        FileNotFoundError: a photo is missing among `files`.
        ValueError: a photo cannot be used; the message names it.
    """
    if size < 1:
        raise ValueError(f"decode_photos: expected a size of at least 1 pixel, got {size}")
    place = {name: index for index, name in enumerate(names)}
    pictures = np.empty((len(names), 3, size, size), dtype=np.uint8)
    frames: dict[str, Frame] = {}
    for name, (pixels, frame) in _decode_ahead(files, size, total=len(names)):
        pictures[place[name]] = pixels
        frames[name] = frame
    missing = [name for name in names if name not in frames]
    if missing:
        raise FileNotFoundError(
            f"{folder}: {missing[0]} is missing ({len(missing)} of the {len(names)} photos that are needed)"
        )
    return pictures, [frames[name] for name in names]


def _decode_ahead(files: Iterable[FoundFile], size: int, total: int) -> Iterator[tuple[str, tuple[np.ndarray, Frame]]]:
    """Decode in threads (Pillow releases the GIL), never holding more than a few packed photos."""
    from tqdm import tqdm

    workers = min(os.cpu_count() or 1, 8)
    pending = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="photos") as pool:
        for file in tqdm(files, "decoding photos", total, leave=False, disable=None):
            pending.append((file.name, pool.submit(decode_photo, file, size)))
            if len(pending) > 2 * workers:
                name, decoded = pending.popleft()
                yield name, decoded.result()
        for name, decoded in pending:
            yield name, decoded.result()
