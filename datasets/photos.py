"""From photo files of any kind to one uint8 array of equal pictures.

Photos are squeezed to a square whatever their shape. That distorts them a little and in return leaves a box, given
as fractions of width and height, as it was: nothing about the photo's shape has to be remembered.

The files are hostile until proven otherwise: only common formats are tried, whatever the name's ending (Pillow's
reader for PostScript would start a program), Pillow gets nothing but what decoding needs (`datasets/picture_files.py`),
and the memory that a picture takes is estimated from its header before a pixel is unpacked. All threads together share
one budget for it.
"""

from __future__ import annotations

import io
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from datasets.archive import FoundFile
from datasets.picture_files import FORMATS, PictureFile, examine
from minigrad.quoting import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
Runner = Callable[[Callable[[], T]], T]

# What backbones pretrained on ImageNet expect, on the 0..1 scale: https://pytorch.org/vision/stable/models.html
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

MAX_PIXELS = 2**26  # 67 million; more than Pillow warns about are safe here, because so much memory is not taken
MAX_PIXELS_JPEG = 2**28  # telephones take 200 million, and a JPEG can be decoded at an eighth of its size
MAX_ELONGATION = 100  # times as long as wide: what resizing needs grows with the longer side alone
MAX_SCANS = 40  # of a JPEG, over the whole picture each; cameras and programs write about 10
MAX_MEMORY = 256 * 2**20  # bytes for all pictures that are decoded at a time; a large file may take twice its size more
LARGE = 16 * 2**20  # bytes for one picture from which on pictures are decoded one at a time

# Bytes that a pixel takes in Pillow, by mode; and what it takes more until it is small and RGB.
_DECODED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
_COPIES = {"1": 1, "P": 4, "LA": 8, "PA": 8, "RGBA": 4, "CMYK": 4, "I": 8, "I;16": 8, "I;16B": 8}
_TRANSPARENT_COPIES = 8  # where one colour stands for transparency
_WEBP_COPIES = 12  # its decoder keeps two pictures beside the one it makes, and hands over a copy

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
        ValueError: not a picture of a known format, cut off, damaged, of more than 67 million pixels (a JPEG: 268),
            over 100 times as long as wide, or one that takes too much memory to decode.
        ImportError: Pillow is not installed.
    """
    try:
        found = examine(file.content)
        with ExitStack() as held:  # the memory, until Pillow's picture is gone
            small, frame = _decode(found, size, 2 * len(file.content), held)
    except ImportError:
        raise
    # Any exception: Pillow's decoders raise very different ones on damaged files.
    except Exception as error:
        raise ValueError(
            f"{file.origin}: not a picture that can be used; expected {', '.join(FORMATS)} ({one_line(error)})"
        ) from error
    return turn_pixels(np.asarray(small).transpose(2, 0, 1), frame.orientation), frame


def _decode(found: PictureFile, size: int, extra: int, held: ExitStack) -> tuple[Image, Frame]:
    """The picture as stored, `size` pixels wide and high; what it takes from the budget goes to `held`."""
    if found.size is None:
        return _opened(found, size, extra, held, _alone)
    _check_size(*found.size, found)
    needed = found.size[0] * found.size[1] * (4 + _WEBP_COPIES)
    _MEMORY.check(needed, extra)
    run = _alone if needed > LARGE else _call
    return run(lambda: _opened(found, size, extra, held, _call))


def _opened(found: PictureFile, size: int, extra: int, held: ExitStack, run_large: Runner) -> tuple[Image, Frame]:
    from PIL import Image

    with _plugins()[found.format](io.BytesIO(found.content)) as image:
        width, height = image.size
        _check_size(width, height, found)
        # Lets a JPEG be decoded at a half, a quarter, … of its size, as long as that is no less than asked for.
        image.draft(None, (size, size))
        needed = _bytes_needed(image, width * height, found)

        def shrink() -> Image:
            held.enter_context(_MEMORY.of(needed, extra))
            return _to_small_rgb(image, (size, size), Image.Resampling.BILINEAR)

        # Who waits for its turn holds no memory yet: whose turn it is may be waiting for that.
        small = (run_large if needed > LARGE else _call)(shrink)
        return small, Frame(width, height, found.orientation)


_ONE_AT_A_TIME = threading.Lock()


def _alone(work: Callable[[], T]) -> T:
    """Call `work` in a new thread, one at a time.

    Each thread has a store of memory of its own, and GNU's C library keeps up to 64 MB there after they were freed,
    where no other thread gets at them. A new thread takes over the store of one that has ended: so there is one for
    all large pictures, not one for each worker.
    """
    with _ONE_AT_A_TIME, ThreadPoolExecutor(1, thread_name_prefix="photo") as pool:
        return pool.submit(work).result()


def _call(work: Callable[[], T]) -> T:
    return work()


@cache
def _plugins() -> dict[str, type[Image]]:
    """Pillow's classes by format. `Image.open` would warn of, or refuse, sizes that are checked here."""
    from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    # Blocks of up to 32 MB are kept for later by the C library when they are given back, by each thread for itself.
    Image.core.set_block_size(64 * 2**20)
    return {
        "JPEG": JpegImagePlugin.JpegImageFile,
        "PNG": PngImagePlugin.PngImageFile,
        "GIF": GifImagePlugin.GifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
    }


def _check_size(width: int, height: int, found: PictureFile) -> None:
    limit = MAX_PIXELS_JPEG if found.format == "JPEG" else MAX_PIXELS
    if width * height > limit:
        raise ValueError(f"{width}×{height} pixels, expected at most {limit}")
    if max(width, height) > MAX_ELONGATION * min(width, height):
        raise ValueError(f"{width}×{height} pixels, over {MAX_ELONGATION} times as long as wide")
    if found.scans > MAX_SCANS:
        raise ValueError(f"{found.scans} passes over the picture, expected at most {MAX_SCANS}")


def _bytes_needed(image: Image, pixels: int, found: PictureFile) -> int:
    """Estimate the memory for decoding and shrinking; `pixels` are those in the file, not those of a JPEG's draft."""
    each = _DECODED.get(image.mode, 4) + _COPIES.get(image.mode, 0)
    if "transparency" in image.info:
        each = max(each, _DECODED.get(image.mode, 4) + _TRANSPARENT_COPIES)
    if found.format == "WEBP":
        each += _WEBP_COPIES
    needed = each * image.size[0] * image.size[1]
    if found.scans > 1:  # all coefficients are kept from pass to pass, 2 bytes each
        needed += 2 * len(image.getbands()) * pixels
    return needed


class _Budget:
    """Memory that threads share: who needs more than is left waits for the others."""

    def __init__(self, total: int) -> None:
        self._total, self._used, self._changed = total, 0, threading.Condition()

    def check(self, needed: int, extra: int) -> None:
        """Raise unless `needed` bytes are within the budget and the `extra` that the size of a file allows."""
        if needed > self._total + extra:
            raise ValueError(
                f"decoding takes {needed >> 20} MB of memory, expected at most {self._total + extra >> 20}"
            )

    @contextmanager
    def of(self, needed: int, extra: int) -> Iterator[None]:
        """Hold `needed` bytes; waits until no more than the budget is in use, or nobody else uses any."""
        self.check(needed, extra)
        with self._changed:
            self._changed.wait_for(lambda: self._used == 0 or self._used + needed <= self._total)
            self._used += needed
        try:
            yield
        finally:
            with self._changed:
                self._used -= needed
                self._changed.notify_all()


_MEMORY = _Budget(MAX_MEMORY)


def _to_small_rgb(image: Image, size: tuple[int, int], resample: int) -> Image:
    """The picture at `size`, as RGB; made small first, because what follows makes copies."""
    from PIL import Image

    image = eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        shown = (image if image.mode == "RGBA" else image.convert("RGBA")).resize(size, resample)
        background = Image.new("RGBA", size, _BACKGROUND)
        return Image.alpha_composite(background, shown).convert("RGB")
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.resize(size, resample, reducing_gap=3.0).convert("RGB")


def eight_bits(image: Image) -> Image:
    """A picture whose grey has 16 bits with the upper 8 of them: Pillow's own conversion makes all but black white."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    pixels = np.asarray(image)
    # "I" has room for 32 bits, and often holds 8.
    shift = 0 if image.mode == "I" and pixels.max(initial=0) < 256 else 8
    return Image.fromarray((pixels >> shift).astype(np.uint8))


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
            f"{folder}: {one_line(missing[0])} is missing ({len(missing)} of the {len(names)} photos that are needed)"
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
