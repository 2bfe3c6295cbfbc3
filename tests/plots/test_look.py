"""What all pictures share: how they are written, what they import, and how they look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad import plots
from minigrad.plots import fonts
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


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "letters", "shown"),
    [("cat", 5, "cat"), ("abcdefghi", 9, "abcdefghi"), ("abcdefghij", 9, "abcde…hij"), ("猫犬鳥魚虫", 9, "猫犬…虫"),
     ("猫犬", 4, "猫犬"), ("e\u0301" * 5, 5, "e\u0301" * 5)],
)  # fmt: skip
def test_names_are_shortened_to_the_room_they_may_take(name, letters, shown):
    assert plots.shorten(name, letters) == shown


@pytest.fixture
def font_with_a_cat(tmp_path):
    """A font that has one letter, 猫, a square; Matplotlib knows it while the test runs."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from matplotlib.font_manager import fontManager

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 1000), (1000, 1000), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "cat": (1000, 0)})
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Cat Font", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "cat.ttf")
    before = list(fontManager.ttflist)
    fontManager.addfont(tmp_path / "cat.ttf")
    fonts._family_with.cache_clear()
    yield "Cat Font"
    fontManager.ttflist[:] = before
    fonts._family_with.cache_clear()


def test_letters_that_the_usual_font_lacks_are_drawn_in_one_that_has_them(tmp_path, figures, caplog, font_with_a_cat):
    plots.plot_confusion_matrix([[1, 2], [3, 4]], ["猫", "dog"], tmp_path / "a.png")
    cat, dog = figures[0].axes[0].get_yticklabels()
    assert cat.get_fontfamily() == [fonts.FAMILY, font_with_a_cat] and dog.get_fontfamily() == [fonts.FAMILY]
    assert not caplog.records


def test_letters_that_no_font_has_are_said_once_and_end_no_run(tmp_path, monkeypatch, caplog, recwarn):
    monkeypatch.setattr(fonts, "_said", set())
    monkeypatch.setattr(fonts, "_family_with", lambda letter: None)
    for _ in range(2):
        plots.plot_confusion_matrix([[1, 2], [3, 4]], ["猫", "猫 कुत्ता"], tmp_path / "a.png")
    (record,) = caplog.records
    assert "no font on this machine has" in record.getMessage() and "猫" in record.getMessage()
    assert not recwarn.list


def test_scripts_that_the_usual_font_has_need_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_family_with", lambda letter: pytest.fail(f"another font for {letter!r}"))
    plots.plot_confusion_matrix([[1, 2], [3, 4]], ["кошка γάτα\n✓", "قطة 😀\u200d"], tmp_path / "a.png")
