"""A real browser, headless, and what the tests read off the tour's page in it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from contextlib import contextmanager

import numpy as np

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = (
    "needs the extra browser (selenium)"
    if importlib.util.find_spec("selenium") is None
    else "needs chromium and chromedriver"
    if not (BROWSER and DRIVER)
    else None
)
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Every figure of the panel: its title, what is written in it, and, entry by entry, what pointing at it says.
FIGURES = """
return [...document.querySelectorAll('#panel figure.value')].map((figure) => {
  const cells = [...figure.querySelectorAll('td[data-flat]')];
  const written = cells.map((cell) => [Number(cell.dataset.flat), cell.textContent]);
  const pointed = [];
  const map = figure.querySelector('.map');
  for (let k = 0; map && k < arguments[0]; k++) {
    map.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
    pointed.push(figure.querySelector('.readout').textContent);
  }
  const stated = [...figure.querySelectorAll('dd[data-fact]')].map((fact) => [fact.dataset.fact, fact.textContent]);
  const facts = Object.fromEntries(stated);
  const title = figure.querySelector('figcaption strong').textContent;
  const note = figure.querySelector('.note') ? figure.querySelector('.note').textContent : '';
  return { title, note, side: figure.dataset.side, written, pointed: [...new Set(pointed)], facts };
});
"""


@contextmanager
def chromium(profile):
    """Start a browser with its own, empty profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


class Reader:
    """One page in the browser, as a reader has it: what is seen, and what is pressed."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, width=1400, height=900, dark=False):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        wishes = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(path.as_uri())
        return self

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def labels(self):
        """What each card of the graph says to a screen reader."""
        return self.run("return [...document.querySelectorAll('.card')].map((c) => c.getAttribute('aria-label'))")

    def figures(self, entries=24):
        return self.run(FIGURES, entries)

    def look(self):
        """All that is seen: the sentence, the graph and the panel."""
        return self.text("#where"), self.text("#sentence"), self.labels(), self.text("#panel")

    def overflow(self):
        return self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """The addresses that the browser asked for, but for the page itself."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in sent]
        return [url for url in urls if not url.startswith(("data:", "file:", "chrome:"))]


def number(text):
    return float(text.replace("−", "-").replace("∞", "inf").replace("True", "1").replace("False", "0"))


def agrees(text, x):
    """Whether a number as shown is `x`, rounded to the four digits that are shown."""
    shown, x = number(text), float(x)
    if not np.isfinite(x) or x == 0:
        return shown == x or (np.isnan(shown) and np.isnan(x))
    half = 0.5 * 10 ** (np.floor(np.log10(abs(x))) - 3)
    return abs(shown - x) <= half * (1 + 1e-6) + abs(x) * 1e-7


def check(figure, array):
    """Assert that a figure shows the numbers of `array`; return how many it shows."""
    flat = np.asarray(array).ravel()
    for place, text in figure["written"]:
        assert agrees(text, flat[place]), (figure["title"], place, text, flat[place])
    for said in figure["pointed"]:
        index, _, text = said.partition("]")
        place = np.ravel_multi_index([int(i) for i in index.strip("[").split(",")], np.shape(array))
        assert agrees(text.split()[0], flat[place]), (figure["title"], said, flat[place])
    if figure["facts"]:
        wide = flat.astype(np.float64)
        facts = {"mean": wide.mean(), "deviation": wide.std(), "smallest": wide.min(), "largest": wide.max()}
        for name, x in facts.items():
            assert agrees(figure["facts"][name], x), (figure["title"], name, figure["facts"][name], x)
        assert agrees(figure["facts"]["zeros"].removesuffix(" %"), 100 * np.mean(wide == 0))
    return len(figure["written"]) + len(figure["pointed"]) + len(figure["facts"])
