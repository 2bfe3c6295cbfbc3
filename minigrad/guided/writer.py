"""The page as one file: the template, its style, its scripts and the data, put together and written at once."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from minigrad.io.files import atomic_path

PAGE = Path(__file__).parent / "page"
# In this order: each uses what stands before it.
SCRIPTS = (
    "dagre.min.js", "data.js", "words.js", "colours.js", "visible.js", "layout.js", "graph.js", "values.js", "maps.js",
    "reach.js", "convolution.js", "predict.js", "panel.js", "details.js", "overview.js", "stepping.js", "main.js",
)  # fmt: skip
# What could end the element that the data stands in, or a line of a script.
ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def page_of(data: dict[str, Any]) -> str:
    """Return the page that shows `data`, in need of nothing else."""
    scripts = "\n".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = (PAGE / "page.css").read_text(encoding="utf-8")
    parts = {"/*CSS*/": style, "/*DATA*/": as_json(data), "/*SCRIPTS*/": scripts}
    template = (PAGE / "page.html").read_text(encoding="utf-8")
    return "".join(parts.get(piece, piece) for piece in re.split(r"(/\*[A-Z]+\*/)", template))


def as_json(data: dict[str, Any]) -> str:
    """Return data as JSON that may stand in an HTML page, whatever texts are in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPED)


def written(data: dict[str, Any], path: str | os.PathLike[str] | None) -> str | None:
    """Write the page to a file, if there is a path, which is returned.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    if path is None:
        return None
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(page_of(data), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error).removeprefix("atomic_path: ")
        said = f"tour: cannot write {os.fspath(path)}: {reason}"
        raise (type(error)(said) if error.errno is None else type(error)(error.errno, said)) from error
    return os.fspath(path)
