"""Photos of all kinds become equal pictures, and what is no photo is refused by name."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from datasets import photos
from datasets.archive import FoundFile
from datasets.photos import Frame, decode_photo, decode_photos, turn_box, turn_pixels
from tests.datasets.damage import damage, damages, fuzz
from tests.datasets.fake_pets import encode, find_box, picture

BOX = np.array([12 / 60, 8 / 40, 36 / 60, 20 / 40])


def decode(content: bytes, size: int = 120) -> tuple[np.ndarray, Frame]:
    return decode_photo(FoundFile("tom.jpg", "photos/tom.jpg", content), size)


KINDS = {
    "colour JPEG": lambda image: encode(image),
    "progressive JPEG": lambda image: encode(image, progressive=True),
    "grey JPEG": lambda image: encode(image.convert("L")),
    "CMYK JPEG": lambda image: encode(image.convert("CMYK")),
    "PNG": lambda image: encode(image, "PNG"),
    "palette PNG": lambda image: encode(image.convert("P"), "PNG"),
    "palette PNG with transparency": lambda image: encode(image.convert("P"), "PNG", transparency=b"\xff\xfe"),
    "black and white PNG": lambda image: encode(image.convert("1", dither=Image.Dither.NONE), "PNG"),
    "16-bit PNG": lambda image: encode(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256), "PNG"),
    "PNG with opacity": lambda image: encode(image.convert("RGBA"), "PNG"),
    "grey PNG with opacity": lambda image: encode(image.convert("LA"), "PNG"),
    "GIF": lambda image: encode(image, "GIF"),
    "moving GIF": lambda image: encode(image, "GIF", save_all=True, append_images=[ImageOps.mirror(image)]),
    "BMP": lambda image: encode(image, "BMP"),
    "WebP": lambda image: encode(image, "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_picture_whatever_it_is_called(kind):
    pixels, frame = decode(KINDS[kind](picture()))
    assert pixels.shape == (3, 120, 120) and pixels.dtype == np.uint8
    assert frame == Frame(60, 40, 1)
    np.testing.assert_allclose(find_box(pixels), BOX, atol=1.5 / 120)


def test_colours_are_red_green_blue():
    pixels, _ = decode(encode(Image.new("RGB", (9, 7), (200, 100, 30)), "PNG"), size=5)
    assert np.unique(pixels.reshape(3, -1), axis=1).ravel().tolist() == [200, 100, 30]


def test_transparent_pixels_are_white():
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert (decode(encode(image, "PNG"), size=4)[0] == 255).all()


def test_large_photos_are_shrunk_smoothly():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    for kind in ("JPEG", "PNG"):
        pixels, frame = decode(encode(Image.fromarray(stripes), kind), size=32)
        assert abs(pixels.astype(int) - 127).max() <= 3
        assert frame.stored == (512, 512)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_photo_and_box_are_turned_upright_as_viewers_do(orientation, kind):
    content = encode(picture(), kind, orientation)
    pixels, frame = decode(content)
    assert frame == Frame(60, 40, orientation)
    with ImageOps.exif_transpose(Image.open(io.BytesIO(content))) as upright:
        assert frame.upright == upright.size
        expected = np.asarray(upright.convert("RGB").resize((120, 120), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert abs(pixels.astype(int) - expected).max() <= 2
    np.testing.assert_allclose(find_box(pixels), turn_box(BOX, orientation), atol=1.5 / 120)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_box_follows_its_pixels_exactly(orientation):
    pixels = np.asarray(picture(60, 40, (0, 8, 36, 20))).transpose(2, 0, 1)
    turned = turn_box(np.array([0, 8 / 40, 36 / 60, 20 / 40]), orientation)
    np.testing.assert_allclose(find_box(turn_pixels(pixels, orientation)), turned)


@pytest.mark.filterwarnings("ignore:.*EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_exif_is_no_reason_to_refuse(exif):
    assert decode(encode(picture(), exif=exif))[1].orientation == 1


@pytest.mark.parametrize("orientation", [0, 9, 1000])
def test_unknown_orientation_is_upright(orientation):
    assert decode(encode(picture(), orientation=orientation))[1].orientation == 1


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


# The largest ones Pillow refuses itself; it only warns about those between, and warnings are errors here.
@pytest.mark.parametrize("side", [8200, 10_000, 20_000, 2**31 - 1])
def test_decompression_bombs_are_refused(side):
    with pytest.raises(ValueError, match=r"photos/tom.jpg: not a picture that can be used"):
        decode(png_that_claims(side, side))


def test_bomb_that_pillow_only_warns_about():
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(ValueError, match="10000×10000 pixels"):
        decode(png_that_claims(10_000, 10_000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0.1, 0.6, 0.9])
def test_truncated_pictures_are_refused(kind, keep):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    content = KINDS[kind](image)
    if kind == "moving GIF" and keep > 0.5:
        pytest.skip("its first picture is complete")
    with pytest.raises(ValueError, match=r"photos/tom.jpg: not a picture"):
        decode(content[: int(keep * len(content))])


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) (w) file closefile\n"


@pytest.mark.parametrize("content", [b"", b"hello", POSTSCRIPT, b"II*\0\x08\0\0\0\0\0", b"P6 1 1 255 abc", b"\xff\xd8"])
def test_other_formats_are_refused(content):
    with pytest.raises(ValueError, match="expected JPEG, PNG"):
        decode(content)


@fuzz
@given(changes=damages, kind=st.sampled_from(["colour JPEG", "palette PNG with transparency", "GIF", "BMP", "WebP"]))
def test_damaged_pictures_give_only_clean_errors(changes, kind):
    try:
        pixels, frame = decode(damage(KINDS[kind](picture()), changes), size=8)
    except ValueError as error:
        assert str(error).startswith("photos/tom.jpg: ")
    else:
        assert pixels.shape == (3, 8, 8) and frame.orientation in range(1, 9)


def found(names: list[str]) -> list[FoundFile]:
    shades = {f"{shade}.png": encode(Image.new("L", (4, 4), shade), "PNG") for shade in range(100)}
    return [FoundFile(name, name, shades[name]) for name in names]


def test_many_photos_come_in_the_order_of_the_names():
    names = [f"{shade}.png" for shade in range(100)]
    pictures, frames = decode_photos(iter(found(names[::-1])), names, 2, Path("photos"))
    assert pictures.shape == (100, 3, 2, 2) and pictures.dtype == np.uint8
    assert pictures[:, 0, 0, 0].tolist() == list(range(100))
    assert frames == [Frame(4, 4)] * 100


def test_missing_photo_is_named():
    with pytest.raises(FileNotFoundError, match=r"photos: 7.png is missing \(1 of the 2 photos"):
        decode_photos(found(["3.png"]), ["3.png", "7.png"], 2, Path("photos"))


def test_size_must_be_positive():
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        decode_photos([], [], 0, Path("photos"))


def test_the_limit_is_below_pillows_own():
    assert photos.MAX_PIXELS < Image.MAX_IMAGE_PIXELS
