"""The call itself: what is refused, in which words, and the file that is written."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops
from minigrad.guided.writer import PAGE, SCRIPTS

LEAF = Tensor([1.0, 2.0], requires_grad=True)
BEFORE = LEAF * 2


def backward_inside():
    loss = LEAF.sum()
    loss.backward()
    return loss


def silent():
    with mg.no_grad():
        return LEAF.sum()


@pytest.mark.parametrize(
    ("fn", "error", "words"),
    [
        (LEAF.sum(), TypeError, "got a Tensor, expected a function that computes it: what passed before cannot"),
        (3, TypeError, "expected a function that takes nothing and returns the loss, got int"),
        (lambda x, y=1, *rest: x, TypeError, r"takes nothing, got one that needs x. Write mg.tour\(lambda: "),
        (nn.Linear(2, 1), TypeError, "takes nothing, got one that needs x"),
        (lambda: None, TypeError, "returns a Tensor, the loss; it returned None"),
        (lambda: 1.0, TypeError, "it returned a float"),
        (lambda: LEAF * 2, ValueError, r"returned a Tensor of shape \(2,\): take its mean or its sum"),
        (lambda: Tensor([1.0, 2.0]).sum(), RuntimeError, "nothing that the result was made from requires a gradient"),
        (silent, RuntimeError, "do not compute inside mg.no_grad"),
        (lambda: LEAF.grad or Tensor(1.0, requires_grad=True), RuntimeError, "returned a leaf"),
        (backward_inside, RuntimeError, "has called backward itself"),
        (lambda: BEFORE.sum(), RuntimeError, r"uses the result of mul, shape \(2,\), which was made before it ran"),
    ],
)
def test_errors_in_words(fn, error, words):
    LEAF.grad = None
    with pytest.raises(error, match=f"tour: .*{words}"):
        mg.tour(fn)
    LEAF.grad = None


@pytest.mark.parametrize("backwards", [0, -1, 1.5, True, "2"])
def test_backwards_is_a_number_from_1(backwards):
    with pytest.raises(ValueError, match="tour: backwards: expected"):
        mg.tour(lambda: LEAF.sum(), backwards=backwards)


def test_names_are_of_tensors_arrays_and_modules():
    with pytest.raises(TypeError, match="tour: names: expected Tensors, arrays or modules by name, got list for 'x'"):
        mg.tour(lambda: LEAF.sum(), names={"x": [1]})
    with pytest.raises(TypeError, match="tour: names: expected a dict such as {'x': x}, got list"):
        mg.tour(lambda: LEAF.sum(), names=["x"])


def test_names_in_the_place_of_the_path():
    with pytest.raises(TypeError, match="tour: path: expected the name of a file, got dict"):
        mg.tour(lambda: LEAF.sum(), {"x": LEAF})


def test_an_error_of_the_function_is_its_own():
    def broken():
        LEAF.exp()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        mg.tour(broken)
    assert mg.hooks.in_use == 0


def test_the_file_is_one_page_that_asks_for_nothing(tmp_path):
    path = tmp_path / "new" / "tour.html"
    tour = mg.tour(lambda: LEAF.sum(), path)
    page = path.read_text(encoding="utf-8")
    assert tour.path == str(path) and page == tour.html
    assert [p.name for p in path.parent.iterdir()] == ["tour.html"]
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page.partition("<script")[0])
    assert not re.search(r"@import|url\((?!data:)", page.partition("</style>")[0])
    assert not any(mark in page for mark in ("/*CSS*/", "/*DATA*/", "/*SCRIPTS*/"))


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="tour">(.*?)</script>', page, re.S).group(1))


def test_the_data_come_through_the_page_as_they_are():
    tour = mg.tour(lambda: (LEAF * float("inf")).sum(), check=False)
    assert data_of(tour.html) == json.loads(json.dumps(tour.data))


def test_all_files_of_the_page_are_used():
    assert {p.name for p in PAGE.glob("*.js")} == set(SCRIPTS)
    assert {p.name for p in PAGE.iterdir()} - set(SCRIPTS) == {"page.html", "page.css", "dagre.LICENSE"}


def test_the_users_text_stays_text():
    bad = "</script><script>alert(1)</script>&\u2028/*SCRIPTS*/"
    layer = nn.Linear(2, 1)
    tour = mg.tour(lambda: layer(LEAF[None]).sum() * len("</script><!--"), names={bad: LEAF, "<b>": layer})
    assert bad in {n["name"] for n in tour.data["nodes"]}
    data = data_of(tour.html)
    assert bad in {n["name"] for n in data["nodes"]} and "</script><!--" in data["title"]
    text = tour.html.partition('id="tour">')[2].partition("</script>")[0]
    assert not set("<>&\u2028") & set(text)
    assert tour.html.count("alert(1)") == tour.html.count("\\u003cscript\\u003ealert(1)")


def test_a_notebook_shows_the_page_itself():
    tour = mg.tour(lambda: LEAF.sum())
    shown = tour._repr_html_()
    source = re.fullmatch(r'<iframe srcdoc="([^"]*)"[^>]*></iframe>', shown).group(1)
    assert unescape(source) == tour.html and tour.path is None
    assert repr(tour) == "Tour of LEAF.sum(): 2 nodes, 3 steps"


@pytest.mark.parametrize("kind", ["folder", "below a file"])
def test_a_path_that_cannot_be_written(tmp_path, kind):
    path = tmp_path / "there"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("")
        path = path / "tour.html"
    with pytest.raises(OSError, match=f"tour: cannot write {re.escape(str(path))}: ") as caught:
        mg.tour(lambda: LEAF.sum(), path)
    assert "Errno None" not in str(caught.value) and "atomic_path" not in str(caught.value)


def test_a_page_that_is_there_stays_whole_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "tour.html"
    path.write_text("before")

    def full(self, *_, **__):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"tour: cannot write .*tour.html: .*[Ss]pace"):
        mg.tour(lambda: LEAF.sum(), path)
    monkeypatch.undo()
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["tour.html"]


def test_gradients_that_were_there_stay():
    leaf = Tensor([1.0, 2.0], requires_grad=True)
    leaf.grad = before = Tensor([5.0, 6.0])
    tour = mg.tour(lambda: (leaf * leaf).sum(), backwards=2, create_graph=True)
    assert leaf.grad is before and before.tolist() == [5, 6]
    assert tour.data["backwards"] == 2


def test_a_failing_sweep_gives_the_gradients_back():
    class Broken(mg.Function):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            raise ArithmeticError("in the sweep")

    leaf = Tensor(1.0, requires_grad=True)
    leaf.grad = before = Tensor(5.0)
    with pytest.raises(ArithmeticError, match="in the sweep"):
        mg.tour(lambda: Broken.apply(leaf * 2))
    assert leaf.grad is before and mg.hooks.in_use == 0


def test_the_page_says_how_it_was_made():
    mg.manual_seed(11)
    made_by = mg.tour(lambda: LEAF.sum()).data["made_by"]
    assert made_by["minigrad"] == mg.__version__ and made_by["numpy"] == np.__version__
    assert made_by["seed"] == "11" and "/" not in made_by["command"]


def test_lenet_is_small():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    x = Tensor(np.random.default_rng(0).normal(size=(1, 1, 32, 32)).astype(np.float32))
    assert len(mg.tour(lambda: ops.cross_entropy(model(x), [3])).html.encode()) <= 2e6


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e18])
def test_numbers_that_are_none_reach_the_page(number):
    x = Tensor([number, 1.0], requires_grad=True)
    tour = mg.tour(lambda: (x * x).sum(), create_graph=True)
    assert data_of(tour.html)["title"] == "(x * x).sum()"
