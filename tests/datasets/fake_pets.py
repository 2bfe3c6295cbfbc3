"""A tiny Oxford-IIIT Pet in the official layout: each photo shows a bright rectangle, and its box is the rectangle."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

EXIF_ORIENTATION = 0x0112
BREEDS = {"Abyssinian": 1, "Russian_Blue": 1, "american_bulldog": 2, "pug": 2}
PER_BREED = 5
NAMES = [f"{breed}_{number}" for breed in BREEDS for number in range(1, PER_BREED + 1)]


def picture(width: int = 60, height: int = 40, box: tuple[int, int, int, int] = (12, 8, 36, 20)) -> Image.Image:
    """Dark, with a bright rectangle: columns box[0] to box[2] - 1, rows box[1] to box[3] - 1."""
    pixels = np.full((height, width, 3), 20, np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 240
    return Image.fromarray(pixels)


def encode(image: Image.Image, kind: str = "JPEG", orientation: int | None = None, **options) -> bytes:
    if orientation is not None:
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        options["exif"] = exif
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0} | options
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def find_box(pixels: np.ndarray) -> np.ndarray:
    """The box of the bright rectangle in uint8 pixels (3, H, W), as fractions."""
    bright = pixels.mean(axis=0) > 130
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    height, width = bright.shape
    return np.array([columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height])


def xml_object(xmin=13, ymin=9, xmax=36, ymax=20, name="cat") -> str:
    """By default the rectangle of `picture`, its first and last pixels counted from 1."""
    corners = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object><name>{name}</name><pose>Frontal</pose><bndbox>{corners}</bndbox></object>"


def xml(*objects: str, width=60, height=40) -> bytes:
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><folder>OXIIIT</folder>{size}{''.join(objects or [xml_object()])}</annotation>".encode()


def line(name: str) -> str:
    return f"{name} 1 {BREEDS[name.rpartition('_')[0]]} 1\n"


def files() -> dict[str, bytes]:
    """All files by path; the rectangle of each photo is shifted by its number."""
    contents = {
        "annotations/trainval.txt": ("#Image CLASS-ID SPECIES BREED ID\n" + "".join(map(line, NAMES))).encode(),
        "annotations/test.txt": b"pug_99 1 2 1\n",
        "annotations/README": b"hello",
        "images/Abyssinian_1.mat": b"the official archive has some of these",
    }
    for name in NAMES:
        shift = int(name.rpartition("_")[2])
        box = (12 + shift, 8, 36 + shift, 20)
        contents[f"images/{name}.jpg"] = encode(picture(box=box))
        contents[f"annotations/xmls/{name}.xml"] = xml(xml_object(13 + shift, 9, 36 + shift, 20))
    return contents


def write_folder(root: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_archives(root: Path, contents: dict[str, bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for part in ("images", "annotations"):
        chosen = {name: content for name, content in contents.items() if name.startswith(part)}
        (root / f"{part}.tar.gz").write_bytes(tar(chosen))
    return root


def tar(contents: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None, mode: str = "w:gz") -> bytes:
    """An archive with the members `extra`, without content, in front."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for member in extra or []:
            archive.addfile(member)
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()
