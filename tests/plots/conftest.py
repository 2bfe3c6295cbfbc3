from __future__ import annotations

import pytest


@pytest.fixture
def figures(monkeypatch):
    """A list that gets every figure that is written; figures can still be measured then."""
    from matplotlib.figure import Figure

    written, savefig = [], Figure.savefig

    def save(self, file, **options):
        written.append(self)
        savefig(self, file, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    return written
