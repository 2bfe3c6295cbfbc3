"""The data root, and downloads from a server on this machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datasets import DatasetUnavailable, data_root
from datasets.download import fetch

CONTENT = b"pictures" * 1000
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


class QuietHandler(SimpleHTTPRequestHandler):
    requests: list[str] = []

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()


@pytest.fixture
def url(tmp_path, monkeypatch):
    """Address of a file on a local server; a proxy, where one is set, is passed by."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(QuietHandler, "requests", [])
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data.tar.gz").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/data.tar.gz"
    server.shutdown()
    server.server_close()


def test_file_is_downloaded_once(url, tmp_path):
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        assert fetch(url, MD5, folder) == folder / "data.tar.gz"
    assert (folder / "data.tar.gz").read_bytes() == CONTENT
    assert QuietHandler.requests == ["/data.tar.gz"]


def test_damaged_download_leaves_nothing_behind(url, tmp_path):
    with pytest.raises(DatasetUnavailable) as error:
        fetch(url, f"md5:{'0' * 32}", tmp_path / "cache")
    for part in (url, "0" * 32, str(tmp_path / "cache" / "data.tar.gz")):
        assert part in str(error.value)
    assert not list((tmp_path / "cache").iterdir())


def test_unreachable_address(url, tmp_path):
    with pytest.raises(DatasetUnavailable, match="404"):
        fetch(url.replace("data.tar", "nothing.tar"), MD5, tmp_path / "cache")
    with pytest.raises(DatasetUnavailable, match="could not download"):
        fetch("http://127.0.0.1:1/data.tar.gz", MD5, tmp_path / "cache")


def test_folder_that_cannot_be_made(url, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetUnavailable, match="could not download"):
        fetch(url, MD5, tmp_path / "file" / "cache")


def test_data_root_argument_comes_first(monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", "/from/environment")
    assert data_root("/from/argument") == Path("/from/argument")
    assert data_root() == Path("/from/environment")


@pytest.mark.parametrize("value", [None, ""])
def test_data_root_falls_back_to_the_user_cache(monkeypatch, value):
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("MINIGRAD_DATA", value)
    root = data_root()
    assert root.is_absolute() and "minigrad" in root.parts


def test_data_root_expands_the_home_folder(monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", "~/pictures")
    assert data_root() == Path.home() / "pictures"


def test_importing_data_sets_loads_nothing_heavy():
    program = "import sys, datasets; print(sorted({'sklearn', 'pooch', 'requests', 'tqdm', 'PIL'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
