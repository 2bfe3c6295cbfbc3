"""README's code in a notebook: it shows bars while it trains, a table and a figure."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests import readme

NEEDED = ("nbclient", "nbformat", "ipykernel", "ipywidgets")
pytestmark = [
    pytest.mark.skipif(any(importlib.util.find_spec(n) is None for n in NEEDED), reason="needs the extra notebook"),
    # Jupyter's own: sockets that Python finds open at its end, a loop that Windows lacks, a path that will move.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning"),
]


def cells(block):
    """Parts of a block between blank lines, where the code after them is not indented."""
    return [part for part in re.split(r"\n\n+(?=[^\s])", block) if part.strip()]


def executed(blocks, folder):
    """The outputs of all cells, by MIME type, and the text that was printed."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(part) for block in blocks for part in cells(block)]
    )
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    shown = {kind: value for output in outputs for kind, value in output.get("data", {}).items()}
    return shown, "".join(output.get("text", "") for output in outputs)


def test_readme_in_a_notebook_shows_figure_bar_and_table(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shown, text = executed(readme.blocks(), tmp_path)
    assert shown["image/png"].startswith("iVBORw0KGgo")  # the signature of PNG, in base 64
    assert "<td>Linear</td>" in shown["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "epoch 1/30" in text
