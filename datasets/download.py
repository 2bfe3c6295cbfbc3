"""Where data sets live on disk, and how they get there."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class DatasetUnavailable(FileNotFoundError):
    """A data set is neither on disk nor could it be downloaded; the message says what to put where."""


def data_root(argument: str | os.PathLike | None = None) -> Path:
    """The folder for data sets: `argument`, else the environment's `MINIGRAD_DATA`, else the user's cache folder.

    The cache folder is the platform's own, such as `~/.cache/minigrad` on Linux. Nothing is created.
    """
    chosen = argument or os.environ.get("MINIGRAD_DATA")
    if not chosen:
        import pooch

        chosen = pooch.os_cache("minigrad")
    return Path(chosen).expanduser()


def fetch(url: str, known_hash: str, folder: Path) -> Path:
    """Download `url` into `folder`, showing a progress bar, and return the file's path.

    The download goes to a temporary name and gets its own name only when it is complete and its checksum agrees;
    an interrupted download leaves nothing behind and starts afresh the next time. A file that is already there and
    agrees with the checksum is not downloaded again.

    Args:
        url: address of the file; its last part becomes the file's name.
        known_hash: the expected checksum, as `md5:…` or `sha256:…`.
        folder: where to put the file; created when missing.

    Raises:
        DatasetUnavailable: no connection, a wrong checksum, no space, no permission, or pooch is not installed.
    """
    target = folder / url.rsplit("/", 1)[-1]
    if not target.exists():
        print(f"downloading {url} to {target}", file=sys.stderr)
    try:
        # Imported here because only a download needs them.
        import pooch

        downloader = pooch.HTTPDownloader(progressbar=True)
        return Path(pooch.retrieve(url, known_hash, fname=target.name, path=folder, downloader=downloader))
    # requests' exceptions are OSErrors; pooch raises ValueError for a checksum, and for a missing tqdm.
    except (ImportError, OSError, ValueError) as error:
        raise DatasetUnavailable(
            f"could not download {url} to {folder}: {error}\n"
            f"Download it by other means ({known_hash.replace(':', ' ')}) and save it as it is, as {target}"
        ) from error
