"""The tour's page in a real browser: every number beside the engine's, every step, every way to use it."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from examples import tour
from tests.guided import browser
from tests.guided.browser import check
from tests.guided.graphs import convolution, perceptron, polynomial, softmax

pytestmark = [
    pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),  # selenium's own
]


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


@pytest.mark.parametrize("make", tour.TOURS, ids=lambda make: make.__name__)
def test_every_number_is_the_engines_and_every_step_goes_both_ways(make, tmp_path, reader, quick_tours):
    from selenium.webdriver.common.keys import Keys

    with Engine() as engine:
        make(tmp_path / "tour.html")
    reader.open(tmp_path / "tour.html").run("page.openEvery(true)")
    seen, sums, shown = [reader.look()], {}, 0
    for step in reader.run("return page.graph.steps"):
        reader.press(Keys.ARROW_RIGHT)
        seen.append(reader.look())
        figures = reader.figures()
        out = [figure for figure in figures if figure["side"] == "out"]
        if step["direction"] == "forward":
            shown += check(out[0], engine.outputs.pop(0))
        elif step["direction"] == "leaf":
            gradient = engine.leaves.pop(0)
            before = sums.get(step["node"])
            sums[step["node"]] = gradient if before is None else before + gradient
            expected = [gradient, before, sums[step["node"]]] if before is not None else [gradient, gradient]
            shown += sum(check(figure, array) for figure, array in zip(out, expected, strict=True))
        else:
            gradient, shares = engine.sweep.pop(0)
            sent = [figure for figure in figures if figure["side"].startswith("in") and "sum" not in figure["note"]]
            shown += check(out[0], gradient)
            shown += sum(check(figure, share) for figure, share in zip(sent, shares, strict=True))
    assert not (engine.outputs or engine.sweep or engine.leaves), "a number of the engine was not shown"
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
