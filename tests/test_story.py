"""The story runs from top to bottom, on what is bundled, without a warning, and shows its figures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("jupytext", "nbclient", "nbformat", "ipykernel", "ipywidgets", "matplotlib", "sklearn")
pytestmark = [
    pytest.mark.skipif(any(importlib.util.find_spec(n) is None for n in NEEDED), reason="needs the extra notebook"),
    # Jupyter's own: sockets that Python finds open at its end, a loop that Windows lacks, a path that will move.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning"),
]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    import jupytext
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("story")
    notebook = jupytext.read(ROOT / "examples" / "story.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYTHONWARNINGS", "default")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("MINIGRAD_DATA", str(folder / "nothing"))
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_nothing_warns(story):
    said = [o.text for o in outputs(story) if o.output_type == "stream" and o.name == "stderr"]
    assert [text for text in said if "arning" in text] == []


def test_every_section_shows_something(story):
    sections, heading = {}, ""
    for cell in story.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading = cell.source.splitlines()[0]
        elif cell.cell_type == "code" and heading:
            sections.setdefault(heading, []).extend(cell.outputs)
    assert len(sections) == 8
    assert [heading for heading, shown in sections.items() if not shown] == []


def test_figures_bars_and_tables_are_inline(story):
    kinds = [kind for output in outputs(story) for kind in output.get("data", {})]
    assert kinds.count("image/png") == 7
    assert "application/vnd.jupyter.widget-view+json" in kinds
    assert kinds.count("text/html") >= 2


def test_the_engine_and_the_hand_agree(story):
    text = "".join(output.get("text", "") for output in outputs(story))
    assert "L = 10.0, ∂L/∂x = 7.0, slope of the secant = 7.000000" in text
