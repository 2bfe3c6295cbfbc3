"""Progress bars show where someone looks."""

from __future__ import annotations

import io
import sys
import types

import pytest

from minigrad.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stderr", "notebook", "shown"),
    [(io.StringIO, False, False), (Terminal, False, True), (io.StringIO, True, True), (lambda: None, False, False)],
)
def test_a_bar_is_shown_in_terminals_and_notebooks(monkeypatch, stderr, notebook, shown):
    monkeypatch.setattr(sys, "stderr", stream := stderr())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    with progress(total=2, desc="reading") as bar:
        bar.update(1)
        assert bar.disable != shown
    assert stream is None or ("reading" in stream.getvalue()) == shown
