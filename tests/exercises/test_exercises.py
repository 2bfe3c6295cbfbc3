"""Right answers pass, blanks stay blank, and wrong answers are told what is wrong with them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from exercises import checks, checks_of_layers, suspects
from exercises.__main__ import EXERCISES, main
from exercises.checking import checked, same
from minigrad import Tensor, nn
from tests.exercises import answers

FOLDER = Path(__file__).parents[2] / "exercises"


def result(number, **functions):
    return checked(EXERCISES[number - 1], lambda: SimpleNamespace(**functions))


@pytest.mark.parametrize(
    ("number", "answer"), [(number, answer) for number, several in answers.RIGHT.items() for answer in several]
)
def test_right_answers_pass_also_when_written_differently(number, answer):
    assert result(number, **answer) == ("done", "")


def in_float32(function):
    """The same answer, computed and returned in float32."""

    def narrow(x):
        return x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype == np.float64 else x

    def answer(*arguments):
        given = function(*map(narrow, arguments))
        return (
            tuple(map(narrow, map(np.asarray, given)))
            if isinstance(given, (tuple, list)) and len(given) < 4
            else narrow(np.asarray(given))
        )

    return answer


@pytest.mark.parametrize("number", range(1, 10))
def test_float32_will_do(number):
    for answer in answers.RIGHT[number]:
        assert result(number, **{name: in_float32(function) for name, function in answer.items()}) == ("done", "")


def test_there_is_an_answer_to_every_exercise():
    assert [exercise.number for exercise in EXERCISES] == list(range(1, 13)) == list(answers.RIGHT)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8, 9, 11])
def test_no_mistake_gives_the_right_answer_or_that_of_another_mistake(number, monkeypatch):
    def compare(got, right, what, mistakes=None):
        wrong = {}
        for words, value in (mistakes or {}).items():
            value, known = np.asarray(value, np.float64), words.removeprefix(f"{what}: ")
            shows[known] = shows.get(known, False) or not same(value, np.asarray(right, np.float64))
            if not same(value, np.asarray(right, np.float64)):  # in special cases it may be right
                assert not any(same(value, other) for other in wrong.values()), words
                wrong[words] = value

    shows = {}
    monkeypatch.setattr(checks, "compare", compare)
    monkeypatch.setattr(checks_of_layers, "compare", compare)
    assert result(number, **answers.RIGHT[number][0]) == ("done", "")
    assert len(shows) >= 3 and all(shows.values()), shows


def test_gradcheck_finds_one_culprit():
    x = Tensor(np.array([-1.5, -0.5, 0.5, 1.5]), requires_grad=True)
    found = []
    for operation in (suspects.Cube, suspects.Bump, suspects.Hinge, suspects.Swish):
        try:
            mg.gradcheck(operation.apply, [x])
        except mg.GradcheckError:
            found.append(operation)
    assert found == [suspects.Bump]


# ---- wrong answers that learners give --------------------------------------------------------------------------------


def cross_entropy(loss=lambda losses: losses.mean(), grad=lambda p, hot: (p - hot) / len(p)):
    def wrong(x, targets):
        p, hot = answers.softmax(x), np.eye(x.shape[1])[targets]
        return loss(-np.log((p * hot).sum(1))), grad(p, hot)

    return {"cross_entropy": wrong}


def cross_entropy_by_log_p(add):
    def wrong(x, targets):
        p, rows = answers.softmax(x), np.arange(len(x))
        return -np.log(p[rows, targets] + add).mean(), answers.cross_entropy(x, targets)[1]

    return wrong


def cross_entropy_without_a_shift(x, targets):
    scores = x[np.arange(len(x)), targets]
    return (np.log(np.exp(x).sum(1)) - scores).mean(), answers.cross_entropy(x, targets)[1]


def softmax_less(what, add=0.0):
    def wrong(x):
        e = np.exp(x - what(x))
        return e / (e.sum(1, keepdims=True) + add)

    return wrong


def normalised(x, eps, ddof=0):
    r = 1 / np.sqrt(x.var(0, ddof=ddof) + eps)
    return (x - x.mean(0)) * r, r


def biased_by_one(g, x, eps):
    normal, r = normalised(x, eps, ddof=1)
    return r * (g - g.mean(0) - normal * (g * normal).mean(0))


def adam_without_correction(p, g, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return p - lr * m / (np.sqrt(v) + eps), m, v


def adam_without_squares(p, g, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g
    return p, m, v


class Lines(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.b(self.a(x))


class NoParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = np.random.default_rng(0).standard_normal((2, 2)).astype(np.float32)

    def forward(self, x):
        return x @ Tensor(self.weight)


class AllAlike(answers.XorNet):
    def __init__(self, number=0.0):
        super().__init__()
        for p in self.parameters():
            p.data[...] = number


class HiddenFromZero(nn.Module):
    """All its gradients are 0 at the beginning."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.zeros((2, 8), np.float32))
        self.out = nn.Parameter(np.random.default_rng(0).standard_normal((8, 2)).astype(np.float32))

    def forward(self, x):
        return (x @ self.weight).tanh() @ self.out


class Backwards(nn.Module):
    """`forward` is misspelt."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def foward(self, x):
        return self.layer(x)


class OneScore(answers.XorNet):
    def forward(self, x):
        return super().forward(x)[:, 0]


def pooled(share):
    def wrong(g, x):
        out = np.zeros_like(x)
        for (i, j), value in np.ndenumerate(g):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            out[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = share(window) * value
        return out

    return {"max_pool_backward": wrong}


def overwritten(g, w):
    out = np.zeros((g.shape[0] + w.shape[0] - 1, g.shape[1] + w.shape[1] - 1))
    for (i, j), value in np.ndenumerate(g):
        out[i : i + w.shape[0], j : j + w.shape[1]] = value * w
    return out


def gradient(f, x):
    return mg.grad(f(x), x, create_graph=True)[0]


def twice_backward(f, x, v):
    f(x).backward(create_graph=True)
    (x.grad * v).sum().backward()
    return x.grad


WRONG = [
    (1, {"multiplication_backward": lambda g, a, b: (g * a, g * b)}, "the input's own value"),
    (1, {"multiplication_backward": lambda g, a, b: (b, a)}, "multiply by g"),
    (1, {"multiplication_backward": lambda g, a, b: (g, g)}, "as for an addition"),
    (1, {"multiplication_backward": lambda g, a, b: g * b}, "expected 2 results"),
    (2, {"sum_to": lambda g, shape: g}, "not summed at all"),
    (2, {"sum_to": lambda g, shape: g.mean(0) if shape == (3,) else answers.sum_to(g, shape)}, "not averaged"),
    (2, {"sum_to": lambda g, shape: g[0] if shape == (3,) else answers.sum_to(g, shape)}, "the first repetition"),
    (2, {"sum_to": lambda g, shape: g.sum(1) if shape == (2, 1) else answers.sum_to(g, shape)}, "keepdims=True"),
    (2, {"sum_to": lambda g, shape: g.sum(0, keepdims=True)}, "added in front is still there"),
    (2, {"sum_to": lambda g, shape: g.sum()}, "you summed over everything"),
    (2, {"sum_to": lambda g, shape: g.sum(1)}, "along which nothing was repeated"),
    (3, {"relu_backward": lambda g, x: np.where(g > 0, g, 0)}, "the mask comes from x"),
    (3, {"relu_backward": lambda g, x: np.where(x >= 0, g, 0)}, "x > 0, not x >= 0"),
    (3, {"relu_backward": lambda g, x: g * (x > 0)}, "0·∞ is nan"),
    (3, {"relu_backward": lambda g, x: np.where(x > 0, g, np.where(x == 0, g / 2, 0))}, "not a half"),
    (3, {"relu_backward": lambda g, x: np.where((x > 0) & (g > 0), g, 0)}, "Negative gradients were lost"),
    (3, {"relu_backward": lambda g, x: (x > 0) * 1.0}, "the slope of y"),
    (3, {"relu_backward": lambda g, x: np.maximum(x, 0)}, "y itself"),
    (4, {"softmax": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)}, "overflow"),
    (4, {"softmax": lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(1, keepdims=True)}, "each row's own"),
    (4, {"softmax": lambda x: np.exp(x) / np.exp(x).sum(0)}, "Columns add up"),
    (4, {"softmax": lambda x: np.exp(x) / np.exp(x).sum()}, "All entries together"),
    (4, {"softmax": softmax_less(lambda x: x.mean(1, keepdims=True))}, "overflow"),
    (4, {"softmax": softmax_less(lambda x: x - np.clip(x, -500, 500))}, "clipped scores"),
    (4, {"softmax": softmax_less(lambda x: x.max(), add=1e-12)}, "a row vanished"),
    (5, {"cross_entropy": cross_entropy_by_log_p(0)}, "p is rounded to 0"),
    (5, {"cross_entropy": cross_entropy_by_log_p(1e-12)}, "something small was added"),
    (5, {"cross_entropy": cross_entropy_without_a_shift}, "infinite for scores [[1000, 0]] and class 0: e^1000 is"),
    (5, {"cross_entropy": lambda x, t: answers.cross_entropy(x, t)[::-1]}, "exchanged"),
    (5, {"cross_entropy": lambda x, t: (-np.log(answers.softmax(x))[:, t].mean(), x)}, "columns t of *every* row"),
    (5, cross_entropy(grad=lambda p, hot: (p - (hot.sum(0) > 0)) / len(p)), "columns t of *every* row"),
    (5, cross_entropy(loss=np.sum), "take the mean"),
    (5, cross_entropy(grad=lambda p, hot: p - hot), "the mean divides it by N"),
    (5, cross_entropy(grad=lambda p, hot: p / len(p)), "subtract 1"),
    (5, cross_entropy(grad=lambda p, hot: (hot - p) / len(p)), "wrong sign"),
    (6, pooled(lambda window: window == window.max()), "only the first one"),
    (6, pooled(lambda window: np.full((2, 2), 0.25)), "the average's backward"),
    (6, pooled(lambda window: np.ones((2, 2))), "All four of a window got g"),
    (6, {"max_pool_backward": lambda g, x: answers.max_pool(g.T, x.T).T}, "read column by column"),
    (6, {"max_pool_backward": lambda g, x: answers.max_pool(g, np.maximum(x, 0))}, "must not begin with 0"),
    (7, {"convolution_input_grad": lambda g, w: answers.convolution(g, w[::-1, ::-1])}, "turned by 180°"),
    (7, {"convolution_input_grad": overwritten}, "shares add up"),
    (7, {"convolution_input_grad": lambda g, w: g}, "has shape"),
    (7, {"convolution_input_grad": lambda g, w: answers.convolution(g, np.ones_like(w))}, "without w"),
    (8, {"batch_norm_backward": lambda g, x, eps: g * normalised(x, eps)[1]}, "taken for constants"),
    (8, {"batch_norm_backward": lambda g, x, eps: normalised(x, eps)[1] * (g - g.mean(0))}, "through the variance"),
    (
        8,
        {"batch_norm_backward": lambda g, x, eps: answers.batch_norm(g, x, eps) / normalised(x, eps)[1]},
        "The factor r",
    ),
    (8, {"batch_norm_backward": lambda g, x, eps: answers.batch_norm(g, x, 0)}, "ε is missing"),
    (8, {"batch_norm_backward": lambda g, x, eps: answers.batch_norm(g.T, x.T, eps).T}, "along axis 1"),
    (8, {"batch_norm_backward": biased_by_one}, "divided by N − 1"),
    (9, {"momentum_step": lambda p, g, v, lr, m: answers.momentum(p, g, v, lr, m)[::-1]}, "p and v are exchanged"),
    (9, {"momentum_step": lambda p, g, v, lr, m: (p, m * v + lr * g)}, "not into v"),
    (9, {"momentum_step": lambda p, g, v, lr, m: (p, m * v + (1 - m) * g)}, "a running mean"),
    (9, {"momentum_step": lambda p, g, v, lr, m: (p + lr * (m * v + g), m * v + g)}, "uphill"),
    (9, {"momentum_step": lambda p, g, v, lr, m: (p - lr * v, m * v + g)}, "the old velocity"),
    (9, {"momentum_step": lambda p, g, v, lr, m: (p + m * v - lr * g, m * v - lr * g)}, "in some books"),
    (9, {"momentum_step": answers.momentum, "adam_step": adam_without_correction}, "bias correction"),
    (9, {"momentum_step": answers.momentum, "adam_step": adam_without_squares}, "running mean of g²"),
    (10, {"culprit": lambda: suspects.Cube}, "Cube's 3x² is right"),
    (10, {"culprit": lambda: suspects.Hinge}, "kink"),
    (10, {"culprit": lambda: suspects.Swish}, "product rule"),
    (10, {"culprit": lambda: "Bump"}, "return the class itself"),
    (11, {"hessian_vector_product": lambda f, x, v: gradient(f, x)}, "This is the gradient of f"),
    (11, {"hessian_vector_product": twice_backward}, "adds to what .grad holds"),
    (11, {"hessian_vector_product": lambda f, x, v: gradient(f, x) * v}, "a first derivative"),
    (11, {"hessian_vector_product": lambda f, x, v: mg.grad(gradient(f, x).sum(), x)[0]}, "v is missing"),
    (11, {"hessian_vector_product": lambda f, x, v: mg.grad(mg.grad(f(x), x)[0].sum(), x)[0]}, "create_graph=True"),
    (12, {"XorNet": Lines}, "linear function"),
    (12, {"XorNet": NoParameters}, "no parameters"),
    (12, {"XorNet": AllAlike}, "begin with the same number"),
    (12, {"XorNet": lambda: AllAlike(0.5)}, "begin with the same number"),
    (12, {"XorNet": HiddenFromZero}, "Training got stuck"),
    (12, {"XorNet": Backwards}, "Backwards has no forward"),
    (12, {"XorNet": OneScore}, "expected scores (4, 2)"),
]


@pytest.mark.parametrize(("number", "answer", "words"), WRONG, ids=[f"{n}: {words}" for n, _, words in WRONG])
def test_wrong_answers_are_told_what_is_wrong(number, answer, words):
    state, said = result(number, **answer)
    assert state == "wrong" and words in said, said


def test_every_exercise_knows_at_least_three_wrong_answers():
    numbers = [number for number, _, _ in WRONG]
    assert all(numbers.count(number) >= 3 for number in range(1, 13))


def test_an_unknown_mistake_is_told_where_it_shows():
    state, said = result(3, relu_backward=lambda g, x: g * 2.5)
    assert (state, said) == ("wrong", "∂L/∂x is wrong at (0,): got 12.5, expected 0")


def test_what_is_no_array_is_said_so():
    assert "is there a `return`?" in result(3, relu_backward=lambda g, x: None).words
    assert "expected an array of numbers" in result(3, relu_backward=lambda g, x: "g").words


def test_an_exception_becomes_words():
    said = result(4, softmax=lambda x: x.nothing).words
    assert said.startswith("Your code raised AttributeError:") and "Traceback" not in said


# ---- the command line ------------------------------------------------------------------------------------------------


def test_the_list_names_all_twelve(capsys):
    assert main([]) == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if line[:3].strip().isdecimal()]) == 12


def run_in_a_copy(tmp_path, content, *arguments):
    """Run the exercises in a copy of their folder, in which e03 holds `content`."""
    copy = tmp_path / "exercises"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    reader = copy / "e03_relu.py"
    reader.write_text(content, encoding="utf-8")
    before = hashlib.sha256(reader.read_bytes()).hexdigest()
    path = os.pathsep.join([str(tmp_path), str(FOLDER.parent)])
    done = subprocess.run(
        [sys.executable, "-m", "exercises", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        encoding="utf-8", env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert hashlib.sha256(reader.read_bytes()).hexdigest() == before
    return done.returncode, done.stdout + done.stderr


BLANK = "def relu_backward(g, x):\n    raise NotImplementedError\n"
RIGHT = "import numpy as np\ndef relu_backward(g, x):\n    return np.where(x > 0, g, 0)\n"


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (BLANK, 1, "Still blank: relu_backward in exercises/e03_relu.py"),
        (RIGHT, 0, "Right!"),
        ("def relu_backward(g, x):\n    return g.wrong\n", 1, "line 2 of e03_relu.py: return g.wrong"),
        ("def relu_backward(g, x)\n", 1, "SyntaxError"),
        ("def relu_backward(g, x)\n", 1, "line 1 of e03_relu.py: def relu_backward(g, x)"),
        ("import numpy as np\nnp.nothing\n", 1, "line 2 of e03_relu.py: np.nothing"),
        ("def relu_backward(g, x):\n    exit()\n", 1, "line 2 of e03_relu.py: exit()"),
        ("def relu_backward(g, x):\n    return relu_backward(g, x)\n", 1, "RecursionError"),
        ("def relu(g, x):\n    return g\n", 1, "has no attribute 'relu_backward'"),
        ("", 1, "has no attribute 'relu_backward'"),
    ],
)
def test_a_readers_file_is_checked_and_never_changed(tmp_path, content, status, words):
    returned, said = run_in_a_copy(tmp_path, content, "3")
    assert returned == status and words in said and "Traceback" not in said, said


@pytest.mark.parametrize(("content", "sign"), [(BLANK, "  blank"), (RIGHT, "✓ done"), ("1 +", "✗ wrong")])
def test_the_list_shows_what_is_done(tmp_path, content, sign):
    returned, said = run_in_a_copy(tmp_path, content)
    assert returned == 0 and f"  3  {sign}" in said


def test_a_number_out_of_range_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["13"])
    assert "expected a number from 1 to 12, got 13" in capsys.readouterr().err
