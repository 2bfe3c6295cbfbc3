"""The tour's page in a real browser: every number beside the engine's, every step, every way to use it."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from tests.guided import browser
from tests.guided.browser import Reader, check

pytestmark = [
    pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # selenium's own
]
SIZES = [(1400, 900), (360, 740)]


class Engine(mg.hooks.Hook):
    """What the engine computes while the tour is made: outputs, and the gradients that arrive and leave, in order."""

    def __init__(self):
        self.outputs, self.sweep, self.leaves, self._depth = [], [], [], 0

    def after_forward(self, node, inputs, options, output):
        if hasattr(node, "number") and self._depth == 0:  # recorded: not the sweep's own sums
            self.outputs.append(np.array(output))

    def before_backward(self, node, grad):
        self._depth += 1

    def after_backward(self, node, grad, input_grads):
        self._depth -= 1
        self.sweep.append((np.array(grad), [np.array(g) for g in input_grads if g is not None]))

    def leaf_done(self, leaf, grad):
        self.leaves.append(np.array(grad))


def noise(*shape):
    return mg.Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def polynomial():
    x = mg.Tensor(2.0, requires_grad=True)
    return lambda: x * x + 3 * x


def perceptron():
    x, y = noise(5, 2), mg.Tensor(np.array([0, 1, 1, 0, 1]))
    model, criterion = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), nn.CrossEntropyLoss()
    return lambda: criterion(model(x), y)


def softmax():
    scores = mg.Tensor([[1.0, 2.0, -1.0]], requires_grad=True)
    bias = mg.Tensor([0.5], requires_grad=True)
    return lambda: -(scores + bias).softmax()[0, 0].log()


def convolution():
    picture = noise(1, 1, 6, 6)
    layer = nn.Conv2d(1, 1, 3)
    return lambda: (layer(picture) ** 2).mean()


def lenet():
    picture, y = noise(1, 1, 28, 28), mg.Tensor(np.array([3]))
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    return lambda: criterion(model(picture), y)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def reader(driver):
    """The browser; whatever a test did in it, nothing may have gone wrong, and nothing have been asked for."""
    reader = Reader(driver)
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


@pytest.mark.parametrize("case", [polynomial, perceptron, softmax, convolution, lenet])
def test_every_number_is_the_engines_and_every_step_goes_both_ways(case, page, reader):
    from selenium.webdriver.common.keys import Keys

    with Engine() as engine:
        path = page(case())
    reader.open(path).run("page.openEvery(true)")
    seen = [reader.look()]
    outputs, sweep, leaves, shown = list(engine.outputs), list(engine.sweep), list(engine.leaves), 0
    for step in reader.run("return page.graph.steps.map((step) => step.direction)"):
        reader.press(Keys.ARROW_RIGHT)
        seen.append(reader.look())
        figures = reader.figures()
        out = [figure for figure in figures if figure["side"] == "out"]
        if step == "forward":
            shown += check(out[0], outputs.pop(0))
        elif step == "leaf":
            gradient = leaves.pop(0)
            shown += sum(check(figure, gradient) for figure in out)
        else:
            gradient, shares = sweep.pop(0)
            shown += check(out[0], gradient)
            sent = [figure for figure in figures if figure["side"].startswith("in") and "sum" not in figure["note"]]
            assert len(sent) == len(shares)
            shown += sum(check(figure, share) for figure, share in zip(sent, shares, strict=True))
    assert not outputs and not sweep and not leaves, "a number of the engine was not shown"
    assert shown >= len(seen)
    for before in reversed(seen[:-1]):
        reader.press(Keys.ARROW_LEFT)
        assert reader.look() == before


def test_not_yet_is_never_0(page, reader):
    reader.open(page(polynomial()))
    for label in reader.labels()[1:]:
        assert "gradient not yet" in label or "constant" in label or label.startswith("3")
    assert "0.0" not in reader.texts(".field text")
    reader.run("page.go(4)")
    assert "x: value computed, saved for backward, gradient not yet" in reader.labels()
    reader.run("page.go(page.last)")
    assert not [label for label in reader.labels() if "not yet" in label]


def test_shares_arrive_one_after_the_other_and_add_up(page, reader):
    reader.open(page(polynomial()))
    reader.run("page.go(5)")
    assert [f["note"] for f in reader.figures() if f["side"].startswith("in")] == ["1 of 3 shares: 3.0"]
    assert "waits for the other shares" in reader.text("#sentence")
    assert any("gradient 1 of 3 shares" in label for label in reader.labels())
    reader.run("page.go(6)")
    notes = [figure["note"] for figure in reader.figures()]
    assert "2 of 3: 3.0 + 2.0 = 5.0" in notes and "3 of 3: 3.0 + 2.0 + 2.0 = 7.0" in notes


def test_a_second_backward_adds(page, reader):
    reader.open(page(polynomial(), backwards=2)).run("page.go(8)")
    assert any("gradient not yet" in label for label in reader.labels()), "the second sweep begins without gradients"
    reader.run("page.go(page.last)")
    shown = {figure["title"]: figure["written"][0][1] for figure in reader.figures()}
    assert shown == {"∂L/∂x": "7.0", "x.grad before": "7.0", "x.grad": "14.0"}
    assert "sweep 2 of 2" in reader.text("#where")


def test_the_gradients_own_graph(page, reader):
    x = mg.Tensor(2.0, requires_grad=True)
    reader.open(page(lambda: x * x * x, create_graph=True))
    reader.find("#second").click()
    reader.run("page.go(page.last)")
    assert reader.figures()[0]["written"] == [[0, "12.0"]]  # 6x
    assert "gradient's own graph" in reader.text("#where")


@pytest.mark.parametrize(("answer", "verdict"), [("7", "✓"), ("3", "✗"), ("41", "✗")])
def test_predictions_are_compared(answer, verdict, page, reader):
    from selenium.webdriver.common.keys import Keys

    reader.open(page(polynomial()))
    reader.run("page.go(5)")
    reader.find("#predict").click()
    reader.press(Keys.ARROW_RIGHT)
    assert "7.0" not in reader.text("#panel") and "7.0" not in reader.texts(".field text"), "it shows before it asks"
    assert "∂L/∂x?" in reader.text(".question")
    reader.find(".question input").send_keys("seven", Keys.ENTER)
    assert "A number is asked for" in reader.text(".complaint")
    reader.find(".question input").clear()
    reader.find(".question input").send_keys(answer, Keys.ENTER)
    said = reader.text(".verdict")
    assert said.startswith(verdict)
    if answer == "3":
        assert "one share of 3" in said
    if answer == "41":
        assert "7.0" in said
    assert "7.0" in reader.text("#panel")
    assert not reader.run("return document.querySelector('.question')")


def test_every_question_can_be_answered_rightly(page, reader):
    """Of all kinds: the answer that the page holds is compared as right, and an empty one is not taken."""
    asked = set()
    for case in (softmax, perceptron, convolution):
        reader.open(page(case())).run("page.openEvery(true); page.predict(true)")
        for position in range(1, reader.run("return page.last") + 1):
            reader.run("page.go(arguments[0])", position)
            question = reader.run(
                "const { question } = page; return question && { kind: question.kind, answer: question.answer }"
            )
            if question is None:
                continue
            asked.add(question["kind"])
            if question["kind"] == "choice":
                labels = reader.texts(".choices label")
                reader.run(
                    "document.querySelectorAll('.choices input')[arguments[0]].click()",
                    [t.strip() for t in labels].index(question["answer"]),
                )
            elif question["kind"] == "zeros":
                for flat in question["answer"]:
                    reader.find(f".zeros [data-flat='{flat}']").click()
            else:
                given = question["answer"]
                reader.find(".question .answer").send_keys(
                    ", ".join(map(str, given)) or "()" if isinstance(given, list) else str(given)
                )
            reader.run("document.querySelector('.question [type=submit]').click()")
            assert reader.text(".verdict").startswith("✓"), question
    assert {"number", "choice", "shape", "axis"} <= asked


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


def test_an_entry_shows_where_it_came_from(page, reader):
    reader.open(page(convolution())).run("page.openEvery(true); page.go(1)")
    marked = """
      const figures = [...document.querySelectorAll('#panel figure.value')];
      const out = figures.find((figure) => figure.dataset.side === 'out');
      out.querySelector("td[data-flat='5']").dispatchEvent(new PointerEvent('pointermove', { bubbles: true }));
      const marked = (figure) => [...figure.querySelectorAll('td.marked')].map((cell) => Number(cell.dataset.flat));
      return figures.map(marked);
    """
    window = [7, 8, 9, 13, 14, 15, 19, 20, 21]  # output [1, 1] of a 3×3 window on 6×6
    assert reader.run(marked) == [window, list(range(9)), [0], [5]]
    assert reader.texts(".readout")[-1].startswith("[0, 0, 1, 1]") and "= " in reader.texts(".readout")[-1]


def test_the_weights_gradient_is_assembled_position_by_position(page, reader):
    with Engine() as engine:
        path = page(convolution())
    reader.open(path).run("""
      page.openEvery(true);
      const { steps, nodes } = page.graph;
      const isIt = (step) => step.direction === 'backward' && nodes[step.node].operation === 'conv2d';
      page.go(steps.findIndex(isIt) + 1);
    """)
    slide = """
      const slider = document.querySelector('.positions input');
      slider.value = arguments[0];
      slider.dispatchEvent(new Event('input'));
    """
    sums = []
    for position in (0, 1, 16):
        reader.run(slide, position)
        sums.append([number for _, number in reader.figures()[-1]["written"]])
    assert set(sums[0]) == {"0.0"} and sums[1] != sums[2]
    [weight] = [grad for grad in engine.leaves if grad.shape == (1, 1, 3, 3)]
    check({**reader.figures()[-1]}, weight[0, 0])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_the_screen(size, dark, page, reader):
    reader.open(page(lenet()), *size, dark=dark)
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
