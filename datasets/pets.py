"""Oxford-IIIT Pet: photos of cats and dogs of 37 breeds, with a box around the head (Parkhi et al., CVPR 2012).

Source: Cats and Dogs, https://www.robots.ox.ac.uk/~vgg/data/pets/
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets import voc
from datasets.archive import FoundFile, find_archive, packed_otherwise, read_archive, read_folder
from datasets.boxes import BoxDataset, split_by_class
from datasets.download import DatasetUnavailable, data_root, fetch
from datasets.photos import IMAGENET_MEAN, IMAGENET_STD, decode_photos
from minigrad.quoting import quoted

URL = "https://thor.robots.ox.ac.uk/datasets/pets/"
MD5 = {"images": "5c4f3ee8e5d25df40f4fd59a7f44e54c", "annotations": "95a8c909bbe2e81eed6a22bccdf3f68f"}
FOLDER = "oxford-iiit-pet"
SPECIES = ("cat", "dog")

_LIST = "annotations/trainval.txt"
_NAME = re.compile(r"[A-Za-z]\w*_\d+", re.ASCII)
_MAX_LIST_BYTES = 2**20  # the official list takes 100 kB
_MAX_ANNOTATION_BYTES = 8 * 2**20  # all together; the official ones take 3 MB


class OxfordPets(BoxDataset):
    """Cats (label 0) and dogs (1) with a box around the head, as pictures of 3×size×size.

    Of the official list `trainval.txt`, every photo whose annotation file has a box is used: 3,680 entries, of which
    a few have none. (The official test photos have labels, but no boxes.) The split is fixed and stratified by species
    and breed. Of several boxes the largest counts, one of the listed species before others. Photos are squeezed to
    squares, see `datasets.photos`; boxes are fractions, see `datasets.boxes`.

    Looked for, in `root` and in its folder `oxford-iiit-pet`: the unpacked folders `images` and `annotations`, or the
    archives `images.tar.gz` and `annotations.tar.gz` (or `.tgz`, `.tar`), which are read without being unpacked.

    Args:
        root: the folder of data sets; by default what `data_root` finds.
        train: the training set, otherwise the validation set.
        download: fetch the archives (810 MB) from their official address when they are not on disk.
        size: side of the pictures, in pixels.
        validation: the share of the photos that is for validation.

    Attributes:
        breeds: the breed of each picture, such as "american bulldog".
        without_box: names of the entries, of both parts, that were left out because they have no box.
        mean, std: ImageNet's, not those of these photos, because pretrained backbones expect them.

    Further attributes: see `BoxDataset`.

    Raises:
        DatasetUnavailable: the files are not on disk, and were not to be or could not be downloaded.
        FileNotFoundError: the list or a listed photo is missing.
        ValueError: a file is damaged, foreign or malicious; the message names it.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        train: bool = True,
        download: bool = False,
        size: int = 128,
        validation: float = 0.2,
    ) -> None:
        folder = _locate(data_root(root), download)
        entries = sorted(_read_list(folder), key=lambda entry: (entry.species, entry.name))
        annotations = _read_annotations(folder, [entry.name for entry in entries])
        self.without_box = [entry.name for entry in entries if entry.name not in annotations]

        usable = [entry for entry in entries if entry.name in annotations]
        if not usable:
            raise ValueError(f"{folder}: none of the {len(entries)} listed photos has a box in annotations/xmls")
        part = [usable[index] for index in split_by_class([entry.species for entry in usable], train, validation)]
        paths = [f"images/{entry.name}.jpg" for entry in part]
        images, frames = decode_photos(_read_files(folder, "images", paths), paths, size, folder)
        boxes = [
            annotations[entry.name].largest_box(SPECIES[entry.species], frame)
            for entry, frame in zip(part, frames, strict=True)
        ]
        self.breeds = [entry.breed for entry in part]
        super().__init__(
            boxes=np.stack(boxes),
            names=[entry.name for entry in part],
            sizes=[frame.upright for frame in frames],
            images=images,
            labels=np.array([entry.species for entry in part]),
            classes=SPECIES,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            train=train,
        )


class _Entry(NamedTuple):
    name: str
    species: int  # index into SPECIES

    @property
    def breed(self) -> str:
        return self.name.rpartition("_")[0].replace("_", " ")


def _locate(root: Path, download: bool) -> Path:
    """The folder that holds both parts of the data set, unpacked or as archives."""
    for folder in (root, root / FOLDER):
        if all(_source(folder, part) for part in MD5):
            return folder
    target = root / FOLDER
    lacking = [part for part in MD5 if not _source(target, part)]
    addresses = {part: f"{URL}{part}.tar.gz" for part in lacking}
    ways = "\n".join(
        f"download {addresses[part]} (md5 {MD5[part]}) and save it, still packed, as {target / part}.tar.gz"
        for part in lacking
    )
    if download:
        try:
            for part in lacking:
                fetch(addresses[part], f"md5:{MD5[part]}", target)
        except DatasetUnavailable as error:
            raise DatasetUnavailable(f"{error}\nAll that is needed:\n{ways}") from error
        return target
    raise DatasetUnavailable(
        f"Oxford-IIIT Pet is not in {root}: expected images and annotations, each as a folder or as .tar.gz, there or "
        f"in {FOLDER}.\nPass download=True, or\n{ways}"
        f"{packed_otherwise([root, target], lacking)}"
    )


def _source(folder: Path, part: str) -> Path | None:
    """Where images or annotations are: the folder itself when they are unpacked in it, an archive, or nowhere."""
    # Other data sets have a folder called annotations, too.
    if (folder / _LIST).is_file() if part == "annotations" else (folder / part).is_dir():
        return folder
    return find_archive(folder, part)


def _read_files(folder: Path, part: str, paths: Collection[str]) -> Iterator[FoundFile]:
    """Those of `paths`, all of one part, that the data set has."""
    source = _source(folder, part)
    return read_folder(folder, paths) if source == folder else read_archive(source, paths)


def _read_list(folder: Path) -> list[_Entry]:
    """The entries of `trainval.txt`, whose lines are `NAME CLASS-ID SPECIES BREED-ID`, with species 1 or 2."""
    found = list(_read_files(folder, "annotations", [_LIST]))
    if not found:
        raise FileNotFoundError(f"{folder}: {_LIST} is missing in this copy of Oxford-IIIT Pet")
    origin, content = found[0].origin, found[0].content
    if len(content) > _MAX_LIST_BYTES:
        raise ValueError(f"{origin}: larger than {_MAX_LIST_BYTES} bytes, so it cannot be the list of Oxford-IIIT Pet")
    entries = {}
    for number, line in enumerate(content.decode("ascii", errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        # Names become paths, so nothing but letters, digits and underscores is accepted in them.
        if len(fields) != 4 or not _NAME.fullmatch(fields[0]) or fields[2] not in ("1", "2"):
            raise ValueError(f"{origin}, line {number}: expected NAME CLASS SPECIES BREED, found {quoted(line)}")
        entries[fields[0]] = _Entry(fields[0], species=int(fields[2]) - 1)
    if not entries:
        raise ValueError(f"{origin}: the list is empty")
    return list(entries.values())


def _read_annotations(folder: Path, names: list[str]) -> dict[str, voc.Annotation]:
    """The annotations of those photos that have a file with at least one object."""
    paths = {f"annotations/xmls/{name}.xml": name for name in names}
    annotations, total = {}, 0
    for file in _read_files(folder, "annotations", paths):
        total += len(file.content)
        if total > _MAX_ANNOTATION_BYTES:
            raise ValueError(f"{file.origin}: with it the annotations are larger than {_MAX_ANNOTATION_BYTES} bytes")
        annotations[paths[file.name]] = voc.parse(file.origin, file.content)
    return {name: annotation for name, annotation in annotations.items() if annotation.objects}
