"""Right answers to the exercises. Who still wants to solve them reads on elsewhere."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from exercises import suspects
from minigrad import nn, ops


def multiplication(g, a, b):
    return g * b, g * a


def sum_to(g, shape):
    added = g.ndim - len(shape)
    g = g.sum(tuple(range(added)))
    return g.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True) if shape else g


def sum_to_in_loops(g, shape):
    out = np.zeros(shape)
    for index, value in np.ndenumerate(g):
        place = index[len(index) - len(shape) :]
        out[tuple(0 if n == 1 else i for i, n in zip(place, shape, strict=True))] += value
    return out


def relu(g, x):
    return np.where(x > 0, g, 0)


def relu_in_place(g, x):
    g[~(x > 0)] = 0
    return g.astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_by_rows(x):
    return [list(np.exp(row - np.logaddexp.reduce(row))) for row in x]


def cross_entropy(x, targets):
    shifted, rows = x - x.max(1, keepdims=True), np.arange(len(x))
    e = np.exp(shifted)
    sums = e.sum(1, keepdims=True)
    change = e / sums
    change[rows, targets] -= 1
    return (np.log(sums[:, 0]) - shifted[rows, targets]).mean(), change / len(x)


def cross_entropy_by_rows(x, targets):
    losses = [np.logaddexp.reduce(row) - row[t] for row, t in zip(x, targets, strict=True)]
    return sum(losses) / len(x), (softmax(x) - np.eye(x.shape[1])[targets]) / len(x)


def cross_entropy_by_the_engine(x, targets):
    scores = mg.Tensor(x, requires_grad=True)
    loss = ops.cross_entropy(scores, targets)
    loss.backward()
    return loss, scores.grad


def max_pool(g, x):
    out = np.zeros_like(x)
    for (i, j), value in np.ndenumerate(g):
        window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        u, v = np.unravel_index(window.argmax(), window.shape)
        out[2 * i + u, 2 * j + v] = value
    return out


def max_pool_in_loops(g, x):
    out = np.zeros(x.shape)
    for i, j in np.ndindex(g.shape):
        best = max((x[u, v], -u, -v) for u in (2 * i, 2 * i + 1) for v in (2 * j, 2 * j + 1))
        out[-best[1], -best[2]] += g[i, j]
    return out


def convolution(g, w):
    out = np.zeros((g.shape[0] + w.shape[0] - 1, g.shape[1] + w.shape[1] - 1))
    for (i, j), value in np.ndenumerate(g):
        for (u, v), weight in np.ndenumerate(w):
            out[i + u, j + v] += value * weight
    return out


def convolution_turned(g, w):
    kh, kw = w.shape
    wide = np.pad(g, ((kh - 1, kh - 1), (kw - 1, kw - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, w.shape)
    return (windows * w[::-1, ::-1]).sum((2, 3))


def batch_norm(g, x, eps):
    r = 1 / np.sqrt(x.var(0) + eps)
    normal = (x - x.mean(0)) * r
    return r * (g - g.mean(0) - normal * (g * normal).mean(0))


def batch_norm_in_two_steps(g, x, eps):
    """By the gradients of the variance and the mean, as the paper has it."""
    n, centred, r = len(x), x - x.mean(0), 1 / np.sqrt(x.var(0) + eps)
    grad_variance = (g * centred).sum(0) * -0.5 * r**3
    grad_mean = -(g * r).sum(0)
    return g * r + grad_variance * 2 * centred / n + grad_mean / n


def momentum(p, g, v, lr, m):
    v = m * v + g
    return p - lr * v, v


def adam(p, g, m, v, t, lr, beta1, beta2, eps):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def momentum_in_place(p, g, v, lr, m):
    v *= m
    v += g
    p -= lr * v
    return [p, v]


def adam_in_the_papers_order(p, g, m, v, t, lr, beta1, beta2, eps):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    root = np.sqrt(1 - beta2**t)
    p -= lr * root / (1 - beta1**t) * m / (np.sqrt(v) + root * eps)
    return p, m, v


def culprit():
    return suspects.Bump


def hessian_vector_product(f, x, v):
    (slope,) = mg.grad(f(x), x, create_graph=True)
    return mg.grad((slope * v).sum(), x)[0]


def hessian_vector_product_by_differences(f, x, v):
    def gradient(at):
        leaf = mg.Tensor(at, requires_grad=True)
        return mg.grad(f(leaf), leaf)[0].numpy()

    step = 1e-4 * v.numpy()
    return (gradient(x.numpy() + step) - gradient(x.numpy() - step)) / 2e-4


class XorNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.hidden(x).tanh())


class Quadratic(nn.Module):
    """Parameters of its own, and x₁·x₂ as a third input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32))
        self.bias = nn.Parameter(np.zeros(2, np.float32))

    def forward(self, x):
        return ops.cat([x, x[:, :1] * x[:, 1:]], axis=1) @ self.weight + self.bias


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.left(x) * self.right(x)


RIGHT = {
    1: [{"multiplication_backward": multiplication}],
    2: [{"sum_to": sum_to}, {"sum_to": sum_to_in_loops}],
    3: [{"relu_backward": relu}, {"relu_backward": relu_in_place}],
    4: [{"softmax": softmax}, {"softmax": softmax_by_rows}],
    5: [{"cross_entropy": f} for f in (cross_entropy, cross_entropy_by_rows, cross_entropy_by_the_engine)],
    6: [{"max_pool_backward": max_pool}, {"max_pool_backward": max_pool_in_loops}],
    7: [{"convolution_input_grad": convolution}, {"convolution_input_grad": convolution_turned}],
    8: [{"batch_norm_backward": batch_norm}, {"batch_norm_backward": batch_norm_in_two_steps}],
    9: [
        {"momentum_step": momentum, "adam_step": adam},
        {"momentum_step": momentum_in_place, "adam_step": adam_in_the_papers_order},
    ],
    10: [{"culprit": culprit}],
    11: [
        {"hessian_vector_product": hessian_vector_product},
        {"hessian_vector_product": hessian_vector_product_by_differences},
    ],
    12: [{"XorNet": XorNet}, {"XorNet": Product}, {"XorNet": Quadratic}],
}
