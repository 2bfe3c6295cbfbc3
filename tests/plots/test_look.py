"""What all pictures share: how they are written, what they import, and how they look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad import plots
from tests.plots.helpers import HISTORY


def test_failure_while_writing_keeps_the_old_picture(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    path = plots.plot_history(HISTORY, tmp_path / "history.png").path
    before = path.read_bytes()

    def fail(self, file, **kwargs):
        file.write_bytes(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.plot_history(HISTORY, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["history.png"]


def test_a_users_own_matplotlib_settings_neither_change_the_picture_nor_are_changed(tmp_path):
    import matplotlib

    expected = plots.plot_history(HISTORY, tmp_path / "a.png").path.read_bytes()
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "black"}):
        assert plots.plot_history(HISTORY, tmp_path / "b.png").path.read_bytes() == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_a_figure_without_a_path_is_shown_and_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = plots.plot_history(HISTORY)
    assert figure.path is None and os.listdir(tmp_path) == []
    assert figure._repr_png_() == plots.plot_history(HISTORY, tmp_path / "a.png").path.read_bytes()


def output_of(code, *arguments):
    """What a fresh interpreter prints when it runs ``code``."""
    command = [sys.executable, "-c", code, *arguments]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_importing_plots_imports_neither_matplotlib_nor_scikit_learn():
    modules = output_of("import sys, minigrad.plots, examples.report; print(*sys.modules)").split()
    assert "minigrad.plots" in modules and not {"matplotlib", "sklearn"} & set(modules)


def test_drawing_needs_no_pyplot(tmp_path):
    code = "import sys, minigrad.plots as p; p.plot_history([{'train_loss': 1}], sys.argv[1]); print(*sys.modules)"
    modules = output_of(code, str(tmp_path / "history.png")).split()
    assert "matplotlib.figure" in modules and "matplotlib.pyplot" not in modules
