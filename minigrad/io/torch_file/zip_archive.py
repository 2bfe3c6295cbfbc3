"""The zip archive that `torch.save` writes since PyTorch 1.6.

    NAME/data.pkl      the pickle; persistent ids are ("storage", type, KEY, device, number of elements)
    NAME/data/KEY      the numbers of a storage, as they lie in memory
    NAME/byteorder     "little" or "big"; before 2.1 there was none, and it was little
    NAME/version       3

Entries are stored, not compressed, and have a CRC-32 each. A writer that streams does not know sizes beforehand and
puts them behind the data, into "data descriptors"; the directory at the archive's end has them all the same, and
`zipfile` goes by the directory.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from minigrad.io.torch_file.binary import read_bytes
from minigrad.io.torch_file.tensors import Storage
from minigrad.io.torch_file.unpickler import TensorUnpickler
from minigrad.quoting import quoted

if TYPE_CHECKING:
    import zipfile

MAX_DIRECTORY = 2**22  # bytes, some 80 for each storage
LOCAL_HEADER = 30  # bytes, before an entry's name
ENCRYPTED, UTF8 = 1, 1 << 11  # flags of an entry


class ZipArchive:
    """An open archive; see `Container`."""

    def __init__(self, file: BinaryIO, file_size: int) -> None:
        import zipfile  # only here, because it is slow to import

        with _zip_errors():
            entries = zipfile.ZipFile(_ShortReads(file)).infolist()
        self.file = file
        # A zip bomb needs no compression: many entries can be the same bytes.
        if sum(entry.compress_size for entry in entries) > file_size:
            raise ValueError("damaged zip archive: its entries are larger than the file")
        if not any(entry.CRC for entry in entries):
            for entry in entries:  # torch.serialization.set_crc32_options(False)
                entry.CRC = None
        pickles = [e.filename for e in entries if e.filename.endswith("/data.pkl") and e.filename.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError("a zip archive, but not one of torch.save, which has one entry NAME/data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        self.entries = {e.filename.removeprefix(folder): e for e in entries if e.filename.startswith(folder)}
        order = self.entry("byteorder", limit=8).tobytes() if "byteorder" in self.entries else b"little"
        if order not in (b"little", b"big"):
            raise ValueError(f"its byte order is {quoted(order)}, expected b'little' or b'big'")
        self.byteorder = "<" if order == b"little" else ">"
        unpickler = TensorUnpickler(file_size)
        self.skipped = unpickler.skipped
        # From memory, because its checksum has to be compared first.
        self.content = unpickler.run(io.BytesIO(self.entry("data.pkl", limit=file_size)))
        for storage in unpickler.storages.values():
            entry = self.entries.get(f"data/{storage.key}")
            found = entry.file_size if entry else "no"
            if found != storage.nbytes:
                raise ValueError(f"storage {quoted(storage.key)} has {found} bytes, expected {storage.nbytes}")

    def read(self, storage: Storage) -> np.ndarray:
        """Return the bytes of `storage`."""
        return self.entry(f"data/{storage.key}", limit=storage.nbytes)

    def entry(self, name: str, limit: int) -> np.ndarray:
        """Return the bytes of an entry, and compare them with their CRC-32."""
        entry = self.entries[name]
        if entry.compress_type or entry.compress_size != entry.file_size:
            raise ValueError(f"entry {quoted(name)} of the archive is compressed, expected it stored as it is")
        if entry.file_size > limit:
            raise ValueError(
                f"entry {quoted(name)} of the archive has {entry.file_size} bytes, expected at most {limit}"
            )
        if entry.header_offset < 0:
            raise _damaged("an entry begins before the file does")
        return self._stored(entry)

    def _stored(self, entry: zipfile.ZipInfo) -> np.ndarray:
        """Return the bytes of a stored entry: what `ZipFile.open` does, without all that inflates and deciphers."""
        file = self.file
        file.seek(entry.header_offset)
        header = file.read(LOCAL_HEADER)
        if header[:4] != b"PK\3\4" or len(header) < LOCAL_HEADER:
            raise _damaged(f"{quoted(entry.filename)} does not begin where it should")
        flags, name_size, extra_size = struct.unpack("<6xH18x2H", header)
        if (flags | entry.flag_bits) & ENCRYPTED:
            raise _damaged(f"{quoted(entry.filename)} is encrypted")
        name = file.read(name_size).decode("utf-8" if flags & UTF8 else "cp437", "replace")
        if name != entry.orig_filename:
            raise _damaged(f"{quoted(entry.filename)} is called {quoted(name)} where it begins")
        file.seek(entry.header_offset + LOCAL_HEADER + name_size + extra_size)
        content = read_bytes(file, entry.file_size)
        if entry.CRC is not None and zlib.crc32(content) != entry.CRC:
            raise _damaged(f"Bad CRC-32 for {quoted(entry.filename)}")
        return content


class _ShortReads:
    """The file as `zipfile` sees it, which reads the whole directory at once, however long it claims to be."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            raise ValueError(f"damaged zip archive: its directory has {size} bytes, expected at most {MAX_DIRECTORY}")
        return self.file.read(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


@contextmanager
def _zip_errors() -> Iterator[None]:
    """Make a ValueError of everything that `zipfile` raises for damaged or encrypted archives."""
    import zipfile

    try:
        yield
    # An OSError comes from going to a place before the file's beginning.
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        OverflowError,
        struct.error,
    ) as error:
        reason = str(error) or "it is cut short"
        if reason == "File is not a zip file":  # although it begins as one
            reason = "its directory, which stands at the end, is missing: the file is cut short"
        raise _damaged(reason) from None


def _damaged(reason: str) -> ValueError:
    return ValueError(f"damaged or encrypted zip archive: {reason}")
