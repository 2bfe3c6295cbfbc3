"""A folder of one's own photos, with a CSV file that says what is where in them."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.archive import check_inside, check_present, read_folder
from datasets.boxes import BoxDataset, area, check_box, parse_number, split_by_class, to_fractions
from datasets.photos import IMAGENET_MEAN, IMAGENET_STD, decode_photos
from minigrad.quoting import counted, one_line, quoted

COLUMNS = ("file", "label", "xmin", "ymin", "xmax", "ymax")

_OTHER_NAMES = {"file": ("filename", "image"), "label": ("class",)}
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?[,;\t| ]*\r?\n', re.IGNORECASE)

_MAX_BYTES = 8 * 2**20
_MAX_LINES, _MAX_COLUMNS = 50_000, 1_000
_MAX_CLASSES = 10_000
_MAX_LABEL = 100

logger = logging.getLogger(__name__)


class PhotoFolder(BoxDataset):
    """The photos that a CSV file lists, as pictures of 3×size×size with a label and a box each.

    The first line of the CSV names the columns, in any order; further columns are ignored. Separators are commas, tabs
    or, as spreadsheets in some countries write them, semicolons, with decimal commas and a first line `sep=;`:

        file,label,xmin,ymin,xmax,ymax
        garden/tom.jpg,cat,310,95,420,230

    `file` may also be called `filename` or `image`, and `label` `class`, as converters from other formats do. `file` is
    a path below the folder. The box is in pixels of the photo as viewers show it (after the rotation that
    cameras note in EXIF), counted from its left and upper edge; the part beyond an edge is cut off. A photo may have
    several lines: the largest box counts. Lines whose four box columns are empty are left out and counted. Photos are
    squeezed to squares, see `datasets.photos`.

    Labels that differ only in capitals are different classes; a message of the logger says so, because they are hardly
    meant to be.

    The split is fixed and stratified by label: with a share of 0.2, every fifth photo of each label, sorted by name.

    Args:
        folder: where the photos are.
        csv_file: the list; a relative path starts at `folder`.
        train: the training set, otherwise the validation set.
        size: side of the pictures, in pixels.
        validation: the share of the photos that is for validation; with 0 all are for training.

    Attributes:
        classes: the labels that occur, sorted.
        counts: how many photos, of both parts, each class has.
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
        self.counts = dict(sorted(Counter(line.label for line in lines).items()))
        classes = list(self.counts)
        if len(classes) > _MAX_CLASSES:
            raise ValueError(f"{path}: {len(classes)} different labels, expected at most {_MAX_CLASSES}")
        if train:
            _warn_of_lookalikes(path, self.counts)
        number = {label: index for index, label in enumerate(classes)}
        labels = np.array([number[line.label] for line in lines], dtype=np.int64)

        part = split_by_class(labels, train, validation)
        lines = [lines[index] for index in part]
        files = [line.file for line in lines]
        check_present(folder, files)
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
    listed: dict[str, str] = {}
    for line in _read_lines(path):
        path_inside = str(check_inside(line.file))  # ./a.png is a.png
        name = unicodedata.normalize("NFC", path_inside)  # a letter and its accent may be one sign or two
        listed.setdefault(name, line.file)
        known = largest.get(name)
        if line.box is not None and (known is None or area(line.box) > area(known.box)):
            largest[name] = line
    if not largest:
        raise ValueError(f"{path}: no photo with a box is listed")
    return largest, [file for name, file in listed.items() if name not in largest]


def _warn_of_lookalikes(path: Path, counts: dict[str, int]) -> None:
    """Labels that differ only in capitals are mostly one label, misspelled."""
    alike = Counter(label.casefold() for label in counts)
    if alike and max(alike.values()) > 1:
        listed = ", ".join(f"{quoted(label)} ({counted(count, 'photo')})" for label, count in counts.items())
        logger.warning("%s: some labels differ only in capitals; the classes are %s", path, one_line(listed, 1000))


def _read_lines(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a CSV file with the columns {','.join(COLUMNS)}")
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path}: larger than {_MAX_BYTES} bytes")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}: not a text in UTF-8 ({error}); a spreadsheet writes that where it is saved as "CSV UTF-8"'
        ) from error
    before = 0  # lines in front of the names of the columns
    if declared := _SEPARATOR.match(text):  # Excel writes such a line, and obeys it
        text, before = text[declared.end() :], 1
    header = text.partition("\n")[0]
    delimiter = declared.group(1) if declared else max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        places, width = _columns(next(rows, []))
        for row in rows:
            if rows.line_num > _MAX_LINES:
                raise ValueError(f"expected at most {_MAX_LINES} lines")
            if any(map(str.strip, row)):  # spreadsheets like to end in rows without anything
                yield _parse(row, places, width, delimiter, rows.line_num + before)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path}, line {max(rows.line_num, 1) + before}: {one_line(error)}") from error


def _columns(header: list[str]) -> tuple[list[int], int]:
    """Where each of `COLUMNS` is, and how many columns there are, up to the last one that has a name."""
    if len(header) > _MAX_COLUMNS:
        raise ValueError(f"{len(header)} columns, expected at most {_MAX_COLUMNS}")
    names = [name.strip().lower() for name in header]
    named = [
        next((name for name in (column, *_OTHER_NAMES.get(column, ())) if name in names), None) for column in COLUMNS
    ]
    missing = [column for column, name in zip(COLUMNS, named, strict=True) if name is None]
    if missing:
        which = "column {} is" if len(missing) == 1 else "columns {} are"
        raise ValueError(f"the {which.format(', '.join(missing))} missing; expected {','.join(COLUMNS)}")
    if twice := [name for name in named if names.count(name) > 1]:
        raise ValueError(f"the column {twice[0]} is there twice")
    return [names.index(name) for name in named], max(place for place, name in enumerate(names, start=1) if name)


def _parse(row: list[str], places: list[int], width: int, delimiter: str, number: int) -> _Line:
    if any(map(str.strip, row[width:])):
        advice = "; numbers with decimal commas need another separator, such as ;" if delimiter == "," else ""
        raise ValueError(f"{len(row)} fields, but there are {width} columns{advice}")
    file, label, *edges = (row[place].strip() if place < len(row) else "" for place in places)
    if len(label) <= 4 * _MAX_LABEL:  # its time grows with the square of the accents on a letter
        label = unicodedata.normalize("NFC", label)
    check_inside(file)
    if not (label.isprintable() and 0 < len(label) <= _MAX_LABEL):
        raise ValueError(f"expected a printable label of at most {_MAX_LABEL} letters, found {quoted(label)}")
    if not any(edges):
        return _Line(file, label, None, number)
    try:
        box = tuple(parse_number(edge.replace(",", ".") if delimiter != "," else edge) for edge in edges)
    except ValueError:
        raise ValueError(f"expected a box of four numbers, found {quoted(','.join(edges))}") from None
    check_box(box)
    if max(box) <= 1:
        raise ValueError(f"the box {box} fits into one pixel: expected pixels, not fractions of the photo")
    return _Line(file, label, box, number)
