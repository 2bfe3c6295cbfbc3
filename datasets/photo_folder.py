"""A folder of one's own photos, with a CSV file that says what is where in them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.archive import check_inside, read_folder
from datasets.boxes import BoxDataset, area, check_box, split_by_class, to_fractions
from datasets.photos import IMAGENET_MEAN, IMAGENET_STD, decode_photos

COLUMNS = ("file", "label", "xmin", "ymin", "xmax", "ymax")

_MAX_BYTES = 16 * 2**20
_MAX_LABEL = 100


class PhotoFolder(BoxDataset):
    """The photos that a CSV file lists, as pictures of 3×size×size with a label and a box each.

    The first line of the CSV names the columns, in any order; further columns are ignored. Separators are commas or,
    as spreadsheets in some countries write them, semicolons:

        file,label,xmin,ymin,xmax,ymax
        garden/tom.jpg,cat,310,95,420,230

    `file` is a path below the folder. The box is in pixels of the photo as viewers show it (after the rotation that
    cameras note in EXIF), counted from its left and upper edge; the part beyond an edge is cut off. A photo may have
    several lines: the largest box counts. Lines whose four box columns are empty are left out and counted. Photos are
    squeezed to squares, see `datasets.photos`.

    The split is fixed and stratified by label: with a share of 0.2, every fifth photo of each label, sorted by name.

    Args:
        folder: where the photos are.
        csv_file: the list; a relative path starts at `folder`.
        train: the training set, otherwise the validation set.
        size: side of the pictures, in pixels.
        validation: the share of the photos that is for validation; with 0 all are for training.

    Attributes:
        classes: the labels that occur, sorted.
        names: `file` of each picture.
        without_box: `file` of the photos, of both parts, that were left out because they have no box.
        mean, std: ImageNet's, because pretrained backbones expect them.

    Further attributes: see `BoxDataset`.

    Raises:
        FileNotFoundError: the CSV file or a photo is missing.
        ValueError: a file is damaged or a line is wrong; the message names file and line.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        csv_file: str | os.PathLike = "boxes.csv",
        train: bool = True,
        size: int = 128,
        validation: float = 0.2,
    ) -> None:
        folder = Path(folder).expanduser()
        path = folder / Path(csv_file).expanduser()
        largest, self.without_box = _largest_boxes(path)
        lines = sorted(largest.values())
        classes = sorted({line.label for line in lines})
        labels = np.array([classes.index(line.label) for line in lines], dtype=np.int64)

        part = split_by_class(labels, train, validation)
        lines = [lines[index] for index in part]
        files = [line.file for line in lines]
        images, frames = decode_photos(read_folder(folder, files), files, size, folder)
        boxes = []
        for line, frame in zip(lines, frames, strict=True):
            try:
                boxes.append(to_fractions(line.box, *frame.upright))
            except ValueError as error:
                raise ValueError(f"{path}, line {line.number}: {error}") from error
        super().__init__(
            boxes=np.stack(boxes),
            names=files,
            sizes=[frame.upright for frame in frames],
            images=images,
            labels=labels[part],
            classes=classes,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            train=train,
        )


class _Line(NamedTuple):
    file: str
    label: str
    box: tuple[float, ...] | None
    number: int


def _largest_boxes(path: Path) -> tuple[dict[str, _Line], list[str]]:
    """For each photo with a box the line with its largest one; and the photos without."""
    largest: dict[str, _Line] = {}
    listed = []
    for line in _read_lines(path):
        listed.append(line.file)
        known = largest.get(line.file)
        if line.box is not None and (known is None or area(line.box) > area(known.box)):
            largest[line.file] = line
    if not largest:
        raise ValueError(f"{path}: no photo with a box is listed")
    return largest, [file for file in dict.fromkeys(listed) if file not in largest]


def _read_lines(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a CSV file with the columns {','.join(COLUMNS)}")
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path}: larger than {_MAX_BYTES} bytes")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error})") from error
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        missing = [column for column in COLUMNS if column not in rows.fieldnames]
        if missing:
            raise ValueError(f"the columns {', '.join(missing)} are missing; expected {','.join(COLUMNS)}")
        for row in rows:
            yield _parse(row, rows.line_num)
    except csv.Error as error:
        raise ValueError(f"{path}, after line {rows.line_num}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}, line {max(rows.line_num, 1)}: {error}") from error


def _parse(row: dict[str, str | None], number: int) -> _Line:
    file, label, *edges = ((row[column] or "").strip() for column in COLUMNS)
    check_inside(file)
    if not (label.isprintable() and 0 < len(label) <= _MAX_LABEL):
        raise ValueError(f"expected a printable label of at most {_MAX_LABEL} letters, found {label[:_MAX_LABEL]!r}")
    if not any(edges):
        return _Line(file, label, None, number)
    try:
        box = tuple(float(edge) for edge in edges)
    except ValueError:
        raise ValueError(f"expected a box of four numbers, found {','.join(edges)[:80]!r}") from None
    check_box(box)
    if max(box) <= 1:
        raise ValueError(f"the box {box} fits into one pixel: expected pixels, not fractions of the photo")
    return _Line(file, label, box, number)
