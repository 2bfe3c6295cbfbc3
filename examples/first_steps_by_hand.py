"""`examples.first_steps` once more in bare NumPy: every gradient derived by hand, every line of it ours.

    python -m examples.first_steps_by_hand

The same network, weights, pictures, order and optimizer, and so the same printed lines. (The last digits of float32 are
rounded in another order. Such a difference grows as training goes on, and a larger learning rate makes it show.) What
`loss.backward()` does there is the function `gradients` here: the forward pass read from its end to its beginning.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from datasets import Digits
from examples.first_steps import normalized
from minigrad import nn
from minigrad.data import DataLoader

Arrays = list[np.ndarray]


def windows_of(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Return what a kernel sees at each position of pictures (N, C, H, W): a view (N, C, OH, OW, kernel, kernel)."""
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def padded(x: np.ndarray, padding: int) -> np.ndarray:
    """Return pictures with a border of zeros."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def convolution(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """y[n,o,i,j] = b[o] + Σ w[o,c,u,v]·x[n,c,i·s+u,j·s+v]."""
    seen = windows_of(padded(x, padding), w.shape[2], stride)
    return np.einsum("ncijuv,ocuv->noij", seen, w, optimize=True) + b[:, None, None]


def convolution_backward(g: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> Arrays:
    """∂L/∂w: what each entry of w met, times g. ∂L/∂b: g, summed. ∂L/∂x: each g times w, added where the window lay."""
    wide, kernel = padded(x, padding), w.shape[2]
    grad_w = np.einsum("noij,ncijuv->ocuv", g, windows_of(wide, kernel, stride), optimize=True)
    grad_wide, (oh, ow) = np.zeros_like(wide), g.shape[2:]
    for u in range(kernel):
        for v in range(kernel):
            share = np.einsum("noij,oc->ncij", g, w[:, :, u, v], optimize=True)
            grad_wide[:, :, u : u + stride * oh : stride, v : v + stride * ow : stride] += share
    h, width = x.shape[2:]
    return [grad_w, g.sum((0, 2, 3)), grad_wide[:, :, padding : padding + h, padding : padding + width]]


def pooling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest of each 2×2 window, and which of the four it was: the first of equals."""
    windows = windows_of(x, 2, 2).reshape(*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2, 4)
    return windows.max(4), windows.argmax(4)


def pooling_backward(g: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Each g goes to the one of its four that was the largest."""
    n, c, h, w = g.shape
    shares = np.where(which[..., None] == np.arange(4), g[..., None], 0).reshape(n, c, h, w, 2, 2)
    return shares.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w).astype(g.dtype)


def loss_and_scores(parameters: Arrays, x: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, tuple]:
    """Go forwards; return the loss, the scores, and what the way back needs."""
    w1, b1, w2, b2, w3, b3 = parameters
    a1 = np.maximum(convolution(x, w1, b1, stride=2, padding=2), 0)
    p1, which1 = pooling(a1)
    a2 = np.maximum(convolution(p1, w2, b2, stride=1, padding=1), 0)
    p2, which2 = pooling(a2)
    rows = p2.reshape(len(p2), -1)
    scores = rows @ w3.T + b3
    shifted = scores - scores.max(1, keepdims=True)  # so that no exponential overflows
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_p[np.arange(len(x)), labels].mean()
    return float(loss), scores, (x, a1, p1, which1, a2, which2, rows, log_p, labels)


def gradients(parameters: Arrays, kept: tuple) -> Arrays:
    """Go backwards; return the gradient of each parameter."""
    w1, _, w2, _, w3, _ = parameters
    x, a1, p1, which1, a2, which2, rows, log_p, labels = kept
    g = np.exp(log_p)  # cross-entropy of a softmax: p − [c is the target], and 1/N for the mean
    g[np.arange(len(x)), labels] -= 1
    g /= len(x)
    grad_w3, grad_b3, g = g.T @ rows, g.sum(0), g @ w3  # the linear layer
    g = pooling_backward(g.reshape(len(x), -1, *(n // 2 for n in a2.shape[2:])), which2)
    g = np.where(a2 > 0, g, 0)  # ReLU
    grad_w2, grad_b2, g = convolution_backward(g, p1, w2, stride=1, padding=1)
    g = np.where(a1 > 0, pooling_backward(g, which1), 0)
    grad_w1, grad_b1, _ = convolution_backward(g, x, w1, stride=2, padding=2)
    return [grad_w1, grad_b1, grad_w2, grad_b2, grad_w3, grad_b3]


def main(epochs: int = 3) -> float:
    """Train, print what happens, and return the share of the test pictures that were recognised."""
    mg.manual_seed(0)
    layers = nn.Conv2d(3, 16, 5), nn.Conv2d(16, 32, 3), nn.Linear(32 * 4 * 4, 10)  # only for their first weights
    parameters = [array.copy() for layer in layers for array in layer.state_dict().values()]
    velocities = [np.zeros_like(p) for p in parameters]
    training = DataLoader(Digits(train=True), batch_size=32, shuffle=True, transform=normalized)
    test = DataLoader(Digits(train=False), batch_size=100, transform=normalized)
    for epoch in range(1, epochs + 1):
        for images, labels in training:
            loss, _, kept = loss_and_scores(parameters, images.numpy(), labels.numpy())
            for p, v, grad in zip(parameters, velocities, gradients(parameters, kept), strict=True):
                v *= 0.9  # momentum
                v += grad
                p -= 0.02 * v  # one step downhill
        batches = [(images.numpy(), labels.numpy()) for images, labels in test]
        right = sum((loss_and_scores(parameters, *batch)[1].argmax(1) == batch[1]).sum() for batch in batches)
        accuracy = right / len(test.dataset)
        print(f"epoch {epoch}: loss of the last batch {loss:.3f}, test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
