"""The tour's page in a real browser: boxes, keys, small and dark screens, hostile names, paper."""

from __future__ import annotations

import pytest

import minigrad as mg
from examples import tour
from tests.guided import browser
from tests.guided.graphs import perceptron, polynomial

pytestmark = [
    pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # selenium's own
]
SIZES = [(1400, 900), (360, 740)]


def test_a_box_is_one_step_until_it_is_opened(page, reader):
    from selenium.webdriver.common.keys import Keys

    reader.open(page(perceptron()))
    assert reader.run("return [...page.track.open].length < page.graph.modules.size")
    reader.press(Keys.ARROW_RIGHT)
    assert "values pass through, 3 steps in one" in reader.text("#sentence")
    reader.press(Keys.ARROW_LEFT)
    assert reader.text("#where").startswith("step 0 ")
    reader.press(Keys.ARROW_RIGHT)
    reader.find("#panel [data-open]").click()
    assert any(label.startswith("relu") for label in reader.labels())


def test_the_keyboard_is_enough(page, reader):
    from selenium.webdriver.common.keys import Keys

    reader.open(page(perceptron()))
    where = "const a = document.activeElement; return a.getAttribute('aria-label') || a.id"
    visited = []
    for _ in range(40):
        reader.press(Keys.TAB)
        visited.append(reader.run(where))
    assert set(reader.labels()) <= set(visited), "every node is reached"
    reader.run("document.querySelector('.card.module').focus()")
    reader.press(Keys.ENTER)
    assert not reader.run("return document.querySelector('.card.module')"), "Enter opens a box"
    reader.press(Keys.BACKSPACE)
    reader.press(Keys.BACKSPACE)
    assert reader.run("return document.querySelector('.card.module')"), "Backspace closes it"
    reader.press(Keys.END)
    assert reader.run("return page.track.position === page.last")
    reader.press(Keys.HOME)
    assert reader.text("#where").startswith("step 0 ")
    reader.press("?")
    assert reader.run("return document.getElementById('help').open")
    reader.press(Keys.ESCAPE)
    assert not reader.run("return document.getElementById('help').open")
    reader.press("p")
    assert reader.run("return page.predicting")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_the_screen(size, dark, tmp_path, reader, quick_tours):
    tour.lenet(tmp_path / "lenet.html")
    reader.open(tmp_path / "lenet.html", *size, dark=dark)
    for opened in ("false", "true"):
        reader.run(f"page.openEvery({opened})")
        for position in range(reader.run("return page.last") + 1):
            reader.run("page.go(arguments[0])", position)
            assert reader.overflow() <= 0, position
    r, g, b = reader.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[:3]
    assert (max(r, g, b) < 60) if dark else (min(r, g, b) > 200)
    reader.find("#theme").click()
    turned = reader.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[:3]
    assert (min(turned) > 200) if dark else (max(turned) < 60)


def test_what_the_user_wrote_stays_text(page, reader):
    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    name = "</script><script>document.title='broken'</script><img src=x onerror=document.title='broken'>"
    reader.open(page(lambda: (x * x).sum(), names={name: x}))  # <script>document.title='broken'</script>
    for position in range(reader.run("return page.last") + 1):
        reader.run("page.go(arguments[0])", position)
        reader.run("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    assert name in reader.text("#panel") and name in reader.text("#sentence")
    assert "broken" not in reader.driver.title.split("tour of:")[0]
    assert reader.run("return [document.scripts.length, document.images.length]") == [2, 0]


def test_on_paper_there_are_no_controls(page, reader):
    reader.open(page(polynomial())).run("page.go(6)")
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not reader.find("#controls").is_displayed()
        assert reader.find("#panel").is_displayed() and reader.find("#paper svg").is_displayed()
    finally:
        reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
