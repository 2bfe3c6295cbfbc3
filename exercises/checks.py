"""The checks of exercises 1 to 6. They know the answers, and what the usual mistakes give."""

from __future__ import annotations

from typing import Any

import numpy as np

from exercises.checking import Exercise, Wrong, array_of, compare, parts_of, random_numbers


def check_multiplication(module: Any) -> None:
    """Exercise 1."""
    g, a, b = (random_numbers(seed, 2, 3) for seed in (1, 2, 3))
    names = "∂L/∂a", "∂L/∂b"
    grad_a, grad_b = parts_of(module.multiplication_backward(g.copy(), a.copy(), b.copy()), names)
    own = "an input's gradient is g times the *other* input: a grows, and y grows by b"
    for got, name, right, value in ((grad_a, names[0], g * b, a), (grad_b, names[1], g * a, b)):
        other = b if value is a else a
        mistakes = {
            f"{name}: you multiplied by the input's own value; {own}.": g * value,
            f"{name}: this is the slope of y, not of L: multiply by g, the gradient that arrives.": other,
            f"{name}: this is g itself, as for an addition; {own}.": g,
            f"{name}: this is g·a·b; only the other input belongs there.": g * a * b,
        }
        compare(got, right, name, mistakes)


def check_broadcasting(module: Any) -> None:
    """Exercise 2."""
    for large, shape, axes, keep in (
        ((2, 3), (3,), (0,), False),
        ((2, 3), (2, 1), (1,), True),
        ((4, 2, 3), (2, 1), (0, 2), True),
        ((2, 3), (), (0, 1), False),
        ((2, 3), (2, 3), (), False),
    ):
        g, call = random_numbers(sum(large), *large), f"sum_to(g {large}, {shape})"
        right = g.sum(axes, keepdims=keep).reshape(shape) if axes else g
        mistakes: dict[str, Any] = {}
        if axes:
            first = g[tuple(0 if i in axes else slice(None) for i in range(g.ndim))].reshape(shape)
            mistakes = {
                "not summed at all; an entry that was repeated gets a share from each use.": g,
                "this is the mean; shares add up, they are not averaged.": g.mean(axes).reshape(shape),
                "this is the first repetition only; the others send shares, too.": first,
                "the sum is right, but an axis that was added in front is still there.": g.sum(axes, keepdims=True),
                "the sum is right, but the axis of length 1 has gone; keep it (keepdims=True).": g.sum(axes),
            }
        for axis in set(range(g.ndim)) - set(axes):
            alone = f"you summed over axis {axis}, along which nothing was repeated"
            mistakes[f"{alone}."] = g.sum(axis)
            mistakes[f"{alone}, and kept it."] = g.sum(axis, keepdims=True)
        mistakes["you summed over everything; sum only where entries were repeated."] = g.sum()
        named = {f"{call}: {words}": wrong for words, wrong in mistakes.items()}
        compare(module.sum_to(g.copy(), shape), right, call, named)


def check_relu(module: Any) -> None:
    """Exercise 3."""
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    g = np.array([5.0, -6.0, 7.0, -8.0, 9.0, 10.0])
    mistakes = {
        "This is relu(g): the mask comes from x, so where x is positive a negative gradient passes, too.": np.where(
            g > 0, g, 0
        ),
        "At 0 the slope is chosen to be 0: x > 0, not x >= 0.": np.where(x >= 0, g, 0),
        "At 0 the slope is chosen to be 0, not a half: let g through only where x > 0.": np.where(
            x > 0, g, np.where(x == 0, g / 2, 0)
        ),
        "Negative gradients were lost: the mask comes from x alone, and g may have either sign.": np.where(
            x > 0, np.maximum(g, 0), 0
        ),
        "The mask is turned round: g passes where x is positive.": np.where(x < 0, g, 0),
        "This is g everywhere: where x is negative, y does not change, and nothing comes back.": g,
        "This is g·relu(x): y's slope is 1 where x is positive, not y.": g * np.maximum(x, 0),
        "This is the slope of y; multiply by g, that is: let g through.": (x > 0).astype(float),
        "This is y itself; the backward lets g through where x is positive.": np.maximum(x, 0),
    }
    compare(module.relu_backward(g.copy(), x.copy()), np.where(x > 0, g, 0), "∂L/∂x", mistakes)
    found = array_of(module.relu_backward(np.array([np.inf, np.inf]), np.array([-1.0, 1.0])), "∂L/∂x")
    if np.isnan(found).any():
        raise Wrong("0·∞ is nan: an infinite g beside a mask of 0. Select with np.where instead of multiplying.")


def check_softmax(module: Any) -> None:
    """Exercise 4."""

    def right(x: np.ndarray, axis: Any = 1) -> np.ndarray:
        e = np.exp(x - x.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)

    x = random_numbers(5, 2, 3)
    mistakes = {
        "All entries together add up to 1; each *row* should: sum along axis 1.": right(x, (0, 1)),
        "Columns add up to 1; each row should: sum along axis 1.": right(x, 0),
        "These are exponentials; divide each row by its sum.": np.exp(x),
        "These are exponentials of x less its maximum; divide each row by its sum.": np.exp(
            x - x.max(1, keepdims=True)
        ),
        "Divided by the sum of the scores; divide by the sum of the exponentials.": np.exp(x) / x.sum(1, keepdims=True),
        "These are logarithms of probabilities.": np.log(right(x)),
        "Above the line the largest score was subtracted, below it was not: use the same exponentials.": right(x)
        * np.exp(-x.max(1, keepdims=True)),
        "Each *column's* largest score was subtracted; it has to be one number for a row (axis 1).": right(
            x - x.max(0)
        ),
    }
    compare(module.softmax(x.copy()), right(x), "softmax(x)", mistakes)
    for large in ([[1000.0, 1001.0]], [[0.0, 1.0], [-1000.0, -1001.0]], [[0.0, 3000.0]]):
        scores, what = np.array(large), f"softmax({large})"
        found = array_of(module.softmax(scores.copy()), what)
        if not np.isfinite(found).all():
            raise Wrong(
                f"{what} is {found.tolist()}: exponentials overflow, or all of a row vanish. "
                "Subtract each row's own largest score first."
            )
        compare(found, right(scores), what, {
            f"{what}: clipped scores lose their differences; subtract each row's largest score instead.": np.full_like(
                scores, 1 / scores.shape[1]
            ),
            f"{what}: a row vanished, and something small in the denominator hides it. Subtract each row's own largest "
            "score, and it cannot.": np.where(scores < -500, 0, right(scores)),
        })  # fmt: skip


def check_cross_entropy(module: Any) -> None:
    """Exercise 5."""
    x, targets = random_numbers(7, 4, 3), np.array([0, 2, 1, 2])
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    rows, hot = np.arange(4), np.eye(3)[targets]
    losses = -np.log(p[rows, targets])
    loss, grad = parts_of(module.cross_entropy(x.copy(), targets.copy()), ("the loss", "∂L/∂x"))
    all_pairs = "x[:, t] takes the columns t of *every* row; one entry of each row is x[np.arange(N), t]."
    compare(loss, losses.mean(), "the loss", {
        "The loss is the sum of the rows' losses; take the mean.": losses.sum(),
        "The loss has the wrong sign: −ln p is positive.": -losses.mean(),
        "These are the losses of all rows; take their mean.": losses,
        "This is the mean of p, without a logarithm.": p[rows, targets].mean(),
        "Averaged over all entries; a row has one loss, that of its class.": losses.sum() / x.size,
        "The logarithm has base 2 (log2); take the natural one.": losses.mean() / np.log(2),
        "The loss and ∂L/∂x are exchanged: return the loss first.": (p - hot) / 4,
        f"The loss: {all_pairs}": -np.log(p)[:, targets].mean(),
        "The loss: ln p of all classes was averaged; a row's loss is that of its own class.": -np.log(p).mean(),
        "The loss: m was subtracted below the logarithm only; x_t loses it, too.": (losses - x.max(1)).mean(),
        "The loss is −x_t alone; the logarithm of the sum is missing.": -x[rows, targets].mean(),
    })  # fmt: skip
    compare(grad, (p - hot) / 4, "∂L/∂x", {
        "∂L/∂x is that of the sum; the mean divides it by N.": p - hot,
        "∂L/∂x is p alone; where the class is right, subtract 1.": p / 4,
        "∂L/∂x has the wrong sign: p − [c = t], so that a step downhill raises the right score.": (hot - p) / 4,
        "∂L/∂x is divided by all entries; the mean is over N rows.": (p - hot) / x.size,
        "∂L/∂x is −1/p at the class: that is ∂L/∂p; go on to the scores.": np.where(hot == 1, -1 / p, 0) / 4,
        f"∂L/∂x: {all_pairs}": (p - np.isin(np.arange(3), targets)) / 4,
    })  # fmt: skip
    for target in (0, 1):
        got = module.cross_entropy(np.array([[1000.0, 0.0]]), np.array([target]))
        loss, grad = parts_of(got, ("the loss", "∂L/∂x"))
        what = f"for scores [[1000, 0]] and class {target}"
        if np.isnan(loss).any() or np.isnan(grad).any():
            raise Wrong(f"There is a nan {what}: subtract each row's largest score first (exercise 4).")
        if np.isinf(loss) and target == 0:
            raise Wrong(
                f"The loss is infinite {what}: e^1000 is. Subtract each row's largest score first (exercise 4)."
            )
        if np.isinf(loss):
            raise Wrong(
                f"The loss is infinite {what}: p is rounded to 0, and so −ln p is ∞. Do not take the logarithm of p; "
                "write ln p_t = (x_t − m) − ln Σ_k e^(x_k − m), with m the row's largest score."
            )
        if target == 1 and 5 < loss < 1000:
            raise Wrong(
                f"The loss is {loss:.4g} {what}, expected 1000: something small was added to p, or p was clipped. "
                "Write ln p_t without p: (x_t − m) − ln Σ_k e^(x_k − m), with m the row's largest score."
            )
        compare(loss, 1000.0 * target, f"the loss {what}")
        compare(grad, [[0, 0]] if target == 0 else [[1, -1]], f"∂L/∂x {what}")


def check_max_pool(module: Any) -> None:
    """Exercise 6."""
    x = np.array([[1.0, 5, 2, 0, 2, 9], [3, 4, 8, 1, 9, 4], [7, 7, -2, -4, 4, 1], [6, 7, -1, -3, 3, 4]])
    g = np.array([[10.0, 20, -30], [40, 50, 60]])
    windows = x.reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(2, 3, 4)

    def put(shares: np.ndarray) -> np.ndarray:
        return (shares * g[..., None]).reshape(2, 3, 2, 2).transpose(0, 2, 1, 3).reshape(4, 6)

    def place(which: np.ndarray) -> np.ndarray:
        return put(np.eye(4)[which])

    ties, by_columns = windows == windows.max(2, keepdims=True), np.array([0, 2, 1, 3])
    right, below_zero = place(windows.argmax(2)), windows.max(2) < 0
    mistakes = {
        "Where several are largest, all of them got g: only the first one does.": put(ties.astype(float)),
        "Where several are largest, they shared g: the first one gets all of it.": put(
            ties / ties.sum(2, keepdims=True)
        ),
        "Where several are largest, the last one got g: the first one does.": place(3 - windows[..., ::-1].argmax(2)),
        "Of equals the first one *row by row* gets g; here windows were read column by column.": place(
            by_columns[windows[..., by_columns].argmax(2)]
        ),
        "All four of a window got a quarter of g: that is the average's backward.": put(np.full((2, 3, 4), 0.25)),
        "All four of a window got g: only the largest one does.": put(np.ones((2, 3, 4))),
        "g was multiplied by the maximum: its slope is 1.": right * x,
        "This marks the places; g belongs there.": (right != 0).astype(float),
        "A window of negative numbers got nothing: the search for the largest must not begin with 0.": put(
            np.eye(4)[windows.argmax(2)] * ~below_zero[..., None]
        ),
        "In a window of negative numbers the corner got g: the search for the largest must not begin with 0.": place(
            np.where(below_zero, 0, windows.argmax(2))
        ),
        "Each g went to its window's corner: it goes to the largest one.": place(np.zeros((2, 3), int)),
        "The smallest of each window got g: argmin for argmax.": place(windows.argmin(2)),
    }
    compare(module.max_pool_backward(g.copy(), x.copy()), right, "∂L/∂x", mistakes)


FIRST = (
    Exercise(1, "e01_multiplication", "the backward of a multiplication", check_multiplication),
    Exercise(2, "e02_broadcasting", "undoing broadcasting", check_broadcasting),
    Exercise(3, "e03_relu", "ReLU at its kink", check_relu),
    Exercise(4, "e04_softmax", "a softmax that does not overflow", check_softmax),
    Exercise(5, "e05_cross_entropy", "cross-entropy and its gradient", check_cross_entropy),
    Exercise(6, "e06_max_pool", "max-pooling, backwards", check_max_pool),
)
