"""The checks of exercises 7 to 12."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from exercises import suspects
from exercises.checking import Exercise, Wrong, array_of, compare, parts_of, random_numbers
from minigrad import Function, Tensor, ops, optim

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
ANSWERS = [0, 1, 1, 0]
SEEDS, STEPS = (0, 1, 2), 500


def _scattered(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    x = np.zeros((g.shape[0] + w.shape[0] - 1, g.shape[1] + w.shape[1] - 1))
    for (u, v), weight in np.ndenumerate(w):
        x[u : u + g.shape[0], v : v + g.shape[1]] += weight * g
    return x


def check_convolution(module: Any) -> None:
    """Exercise 7."""
    for g, w in (
        (random_numbers(0, 3, 4), random_numbers(1, 2, 3)),
        (random_numbers(2, 1, 1), random_numbers(3, 3, 2)),
        (random_numbers(4, 4, 4), random_numbers(5, 2, 2)),
    ):
        right = _scattered(g, w)
        mistakes = {
            "The kernel is turned by 180° where it should not be: g[i, j]·w[u, v] belongs to x[i+u, j+v].": _scattered(
                g, w[::-1, ::-1]
            ),
            "The kernel is mirrored up and down.": _scattered(g, w[::-1]),
            "The kernel is mirrored left and right.": _scattered(g, w[:, ::-1]),
            "Each g went to the pixel at its window's corner only: the whole window gets shares.": _corner(g, w),
            "Where windows overlap, the last one wrote over the others: shares add up (+=).": _overwritten(g, w),
            "This is g in the size of x, without w: a pixel gets g times the w that it met.": _scattered(
                g, np.ones_like(w)
            ),
        }
        if w.shape[0] == w.shape[1]:
            mistakes["The kernel is transposed: u runs over rows, v over columns."] = _scattered(g, w.T)
        mistakes["g[i, j]·w[u, v] went to x[i−u, j−v]; it belongs to x[i+u, j+v]."] = _backwards(g, w)
        compare(module.convolution_input_grad(g.copy(), w.copy()), right, "∂L/∂x", mistakes)


def _corner(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    corner = np.zeros_like(w)
    corner[0, 0] = w[0, 0]
    return _scattered(g, corner)


def _overwritten(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    x = np.zeros((g.shape[0] + w.shape[0] - 1, g.shape[1] + w.shape[1] - 1))
    for (i, j), value in np.ndenumerate(g):
        x[i : i + w.shape[0], j : j + w.shape[1]] = value * w
    return x


def _backwards(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    x = np.zeros((g.shape[0] + w.shape[0] - 1, g.shape[1] + w.shape[1] - 1))
    for (i, j), value in np.ndenumerate(g):
        for (u, v), weight in np.ndenumerate(w):
            x[i - u, j - v] += value * weight  # a negative place counts from the end
    return x


def check_batch_norm(module: Any) -> None:
    """Exercise 8."""
    g, x, eps = random_numbers(0, 5, 3), 3 + 2 * random_numbers(1, 5, 3), 0.5
    centred, r = x - x.mean(0), 1 / np.sqrt(x.var(0) + eps)
    normal = centred * r
    of_mean, of_variance = g.mean(0), normal * (g * normal).mean(0)

    def with_factor(factor: np.ndarray) -> np.ndarray:
        own = centred * factor
        return factor * (g - of_mean - own * (g * own).mean(0))

    mistakes = {
        "μ and σ² were taken for constants: each x moves them, and so all the others.": r * g,
        "The part through the mean is missing: subtract the mean of g.": r * (g - of_variance),
        "The part through the variance is missing: subtract x̂ times the mean of g·x̂.": r * (g - of_mean),
        "The variance is divided by N − 1; batch norm's is biased, divided by N.": with_factor(
            1 / np.sqrt(x.var(0, ddof=1) + eps)
        ),
        "ε is missing under the root.": with_factor(1 / np.sqrt(x.var(0))),
        "ε was added to σ; it stands under the root, beside σ².": with_factor(1 / (x.std(0) + eps)),
        "r is 1 over the *root* of σ² + ε; the root is missing.": with_factor(1 / (x.var(0) + eps)),
        "The factor r = 1/√(σ² + ε) is missing.": g - of_mean - of_variance,
        "x̂·mean of g·x̂ has x in the place of x̂.": r * (g - of_mean - x * (g * x).mean(0)),
        "x̂ is missing before the last mean: x̂·mean of g·x̂.": r * (g - of_mean - (g * normal).mean(0)),
        "Sums instead of means: divide them by N.": r * (g - g.sum(0) - normal * (g * normal).sum(0)),
        "The part through the variance has the wrong sign: both parts are subtracted.": r * (g - of_mean + of_variance),
        "The means run along axis 1, over a row; each column has its own (axis 0).": _normalised_grad(g.T, x.T, eps).T,
        "This is x̂, the way forwards; g belongs into it.": normal,
        "The means run over the whole array; each column has its own.": r
        * (g - g.mean() - normal * (g * normal).mean()),
    }
    compare(module.batch_norm_backward(g.copy(), x.copy(), eps), r * (g - of_mean - of_variance), "∂L/∂x", mistakes)


def _normalised_grad(g: np.ndarray, x: np.ndarray, eps: float) -> np.ndarray:
    r = 1 / np.sqrt(x.var(0) + eps)
    normal = (x - x.mean(0)) * r
    return r * (g - g.mean(0) - normal * (g * normal).mean(0))


def check_optimizers(module: Any) -> None:
    """Exercise 9."""
    p, g, v, m2 = (random_numbers(seed, 4) for seed in range(4))
    lr, m = 0.04, 0.9
    new = m * v + g
    got_p, got_v = parts_of(module.momentum_step(p.copy(), g.copy(), v.copy(), lr, m), ("p", "v"))
    compare(got_v, new, "v after a step of momentum", {
        "p and v are exchanged: return the new p first.": p - lr * new,
        "v: this is a running mean, (1 − m)·g; momentum adds the whole gradient.": m * v + (1 - m) * g,
        "v: the learning rate belongs to the step of p, not into v.": m * v + lr * g,
        "v: the old velocity is forgotten.": g,
        "v: in some books it is the step, m·v − lr·g; here it collects gradients, and p − lr·v is the step.": m * v
        - lr * g,
        "v: it has the wrong sign; v collects gradients, and p − lr·v goes against them.": m * v - g,
    })  # fmt: skip
    compare(got_p, p - lr * new, "p after a step of momentum", {
        "p: uphill! Subtract lr·v.": p + lr * new,
        "p: the step used the old velocity; renew v first.": p - lr * v,
        "p: the step went by g, as without momentum.": p - lr * g,
        "p: the learning rate is missing.": p - new,
        "p: this is Nesterov's step, g + m·v once more; the plain one goes by v.": p - lr * (g + m * new),
    })  # fmt: skip
    first, second, t, beta1, beta2, eps = 0.1 * g, 0.01 * m2**2, 3, 0.9, 0.99, 0.03
    a, b = beta1 * first + (1 - beta1) * g, beta2 * second + (1 - beta2) * g**2
    given = p.copy(), g.copy(), first.copy(), second.copy(), t, lr, beta1, beta2, eps
    got_p, got_m, got_v = parts_of(module.adam_step(*given), ("p", "m", "v"))
    compare(got_m, a, "m after a step of Adam", {
        "Adam's m is a running mean: (1 − β₁)·g, not g.": beta1 * first + g,
        "Adam's p, m and v are exchanged: return p first, then m, then v.": b,
        "Adam's m has β₁ and 1 − β₁ exchanged.": (1 - beta1) * first + beta1 * g,
        "Adam's m was corrected before it was returned: m̂ is for the step only.": a / (1 - beta1**t),
    })  # fmt: skip
    compare(got_v, b, "v after a step of Adam", {
        "Adam's v is the running mean of g², not of g.": beta2 * second + (1 - beta2) * g,
        "Adam's v: (1 − β₂)·g², not g².": beta2 * second + g**2,
        "Adam's v was corrected before it was returned: v̂ is for the step only.": b / (1 - beta2**t),
    })  # fmt: skip
    m_hat, v_hat = a / (1 - beta1**t), b / (1 - beta2**t)
    compare(got_p, p - lr * m_hat / (np.sqrt(v_hat) + eps), "p after a step of Adam", {
        "Adam's means begin at 0: the bias correction, 1 − βᵗ, is missing.": p - lr * a / (np.sqrt(b) + eps),
        "Adam's ε stands beside the root, not under it: √v̂ + ε.": p - lr * m_hat / np.sqrt(v_hat + eps),
        "Adam's ε is missing: √v̂ + ε.": p - lr * m_hat / np.sqrt(v_hat),
        "Adam's step goes by m̂, not by g.": p - lr * g / (np.sqrt(v_hat) + eps),
        "Adam's bias correction is 1 − βᵗ, a power; this has 1 − β, as in the first step.": p
        - lr * (a / (1 - beta1)) / (np.sqrt(b / (1 - beta2)) + eps),
        "Adam divides by √v̂, not by v̂.": p - lr * m_hat / (v_hat + eps),
        "Adam's bias correction has t − 1 in it; t is 1 in the first step.": p
        - lr * (a / (1 - beta1 ** (t - 1))) / (np.sqrt(b / (1 - beta2 ** (t - 1))) + eps),
        "Adam's bias correction has t + 1 in it; t is counted already, 1 in the first step.": p
        - lr * (a / (1 - beta1 ** (t + 1))) / (np.sqrt(b / (1 - beta2 ** (t + 1))) + eps),
        "Only m was corrected; v begins at 0, too.": p - lr * m_hat / (np.sqrt(b) + eps),
        "Adam goes downhill, too: subtract.": p + lr * m_hat / (np.sqrt(v_hat) + eps),
    })  # fmt: skip


def check_culprit(module: Any) -> None:
    """Exercise 10."""
    found = module.culprit()
    hints = {
        suspects.Cube: "Cube's 3x² is right: no slope differs. Check the others with the same x.",
        suspects.Hinge: "Hinge is right away from its kink at 1; at x = 1 exactly any check fails, which is no fault "
        "of the formula. Choose other points.",
        suspects.Swish: "Swish is right: s + x·s·(1 − s) is the product rule.",
    }
    if found is suspects.Bump:
        return
    for wrong, words in hints.items():
        if found is wrong:
            raise Wrong(words)
    if isinstance(found, str):
        raise Wrong(f"{found!r} is a name; return the class itself, without quotes.")
    if isinstance(found, Function):
        raise Wrong("That is an instance; return the class itself, without brackets.")
    if found == suspects.Bump.apply:
        raise Wrong("That is the right one's `apply`; return the class itself.")
    raise Wrong(f"expected one of the four classes, such as `return Cube`, got {found!r}")


def check_double_backward(module: Any) -> None:
    """Exercise 11."""

    def f(x: Tensor) -> Tensor:
        return (x * x * x).sum() + x[0] * x[1] * x[2]

    at, along = np.array([1.0, -2.0, 0.5]), np.array([0.5, 1.0, -1.5])
    hessian = np.diag(6 * at) + np.array([[0, at[2], at[1]], [at[2], 0, at[0]], [at[1], at[0], 0]])
    gradient = 3 * at**2 + np.array([at[1] * at[2], at[0] * at[2], at[0] * at[1]])
    x, v = Tensor(at, requires_grad=True), Tensor(along)
    try:
        got = module.hessian_vector_product(f, x, v)
    except RuntimeError as error:
        if "no graph" in str(error):
            raise Wrong("The gradient has no graph of its own: mg.grad(..., create_graph=True) records one.") from None
        raise
    got = got[0] if isinstance(got, list) and len(got) == 1 else got
    compare(got, hessian @ along, "H·v", {
        "This is the gradient of f; differentiate (gradient · v) once more.": gradient,
        "This is H·v + gradient: a second backward() adds to what .grad holds already. Use mg.grad, or set x.grad to "
        "None in between.": hessian @ along + gradient,
        "This is gradient·v, entry by entry: a first derivative. Sum it, and differentiate the sum.": gradient * along,
        "This is gradient · v, one number: differentiate it with respect to x.": gradient @ along,
        "v is missing: these are the sums of H's rows. Multiply the gradient by v before you sum.": hessian.sum(0),
        "v came after the second derivative: multiply the gradient by v *before* you sum.": hessian.sum(0) * along,
        "Only H's diagonal: the other entries of x change a slope, too.": np.diag(hessian) * along,
    })  # fmt: skip


def check_xor(module: Any) -> None:
    """Exercise 12."""
    mg.manual_seed(SEEDS[0])
    model = module.XorNet()
    if not list(model.parameters()):
        raise Wrong("The module has no parameters: assign layers or nn.Parameter to self, not to a plain list.")
    scores = array_of(model(Tensor(XOR)), "forward(x)")
    if scores.shape != (4, 2):
        raise Wrong(f"forward(x) of points (4, 2) has shape {scores.shape}, expected scores (4, 2)")
    reached = [_learned(module, seed) for seed in SEEDS]
    if sum(right == 4 for right, _ in reached) >= 2:
        return
    if all(np.ptp(p.numpy()) == 0 for p in module.XorNet().parameters()):
        raise Wrong(
            "All its weights begin with the same number, and hidden numbers that begin alike get the same gradient and "
            "stay alike: begin with random numbers."
        )
    if all(is_affine for _, is_affine in reached) and not _is_affine(_with_random_parameters(module)):
        raise Wrong(
            "Training got stuck: it gives the same scores as a linear function. Weights that begin at 0 or far from it "
            "let no gradient pass: begin with small random numbers."
        )
    if all(is_affine for _, is_affine in reached):
        raise Wrong(
            "It is a linear function, whatever its parameters: f(0,0) + f(1,1) = f(0,1) + f(1,0). Two linear layers in "
            "a row are one; put a nonlinearity between them."
        )
    best = ", ".join(f"{right} of 4" for right, _ in reached)
    raise Wrong(f"After {STEPS} steps it knew {best}, from three seeds: perhaps it has too few hidden numbers.")


def _learned(module: Any, seed: int) -> tuple[int, bool]:
    """Train from a seed; return how many of the four are right, and whether the function is affine."""
    mg.manual_seed(seed)
    model = module.XorNet()
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    x = Tensor(XOR)
    for _ in range(STEPS):
        loss = ops.cross_entropy(model(x), ANSWERS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return int((model(x).numpy().argmax(1) == ANSWERS).sum()), _is_affine(model)


def _with_random_parameters(module: Any) -> Any:
    """Return a model of the reader's, whatever its parameters begin with."""
    model = module.XorNet()
    for seed, p in enumerate(model.parameters()):
        p.data[...] = random_numbers(seed, *p.shape)
    return model


def _is_affine(model: Any) -> bool:
    scores = array_of(model(Tensor(XOR)), "forward(x)")
    return np.allclose(scores[0] + scores[3], scores[1] + scores[2], atol=1e-4 * (1 + np.abs(scores).max()))


SECOND = (
    Exercise(7, "e07_convolution", "the input gradient of a convolution", check_convolution),
    Exercise(8, "e08_batch_norm", "batch normalisation, backwards", check_batch_norm),
    Exercise(9, "e09_optimizers", "momentum and Adam", check_optimizers),
    Exercise(10, "e10_gradcheck", "find the wrong gradient", check_culprit),
    Exercise(11, "e11_double_backward", "differentiating a gradient", check_double_backward),
    Exercise(12, "e12_xor", "a layer of your own that learns XOR", check_xor),
)
