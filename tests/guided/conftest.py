"""The browser of the tests, and pages for it."""

from __future__ import annotations

import pytest

import minigrad as mg
from tests.guided import browser


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def reader(driver):
    """The browser; whatever a test did in it, nothing may have gone wrong, and nothing have been asked for."""
    reader = browser.Reader(driver)
    reader.complaints(), reader.requests()
    yield reader
    assert reader.complaints() == []
    assert reader.requests() == []


@pytest.fixture
def page(tmp_path):
    """Make a page of a function, and return where it is."""

    def make(fn, **options):
        return tmp_path / mg.tour(fn, tmp_path / "tour.html", **{"check": False, **options}).path

    return make


@pytest.fixture
def quick_tours(monkeypatch):
    """Tours run their function once: without finite differences, and without the gradient's own graph."""
    made = mg.tour
    monkeypatch.setattr(
        mg, "tour", lambda fn, path, **options: made(fn, path, **{**options, "check": False, "create_graph": False})
    )
