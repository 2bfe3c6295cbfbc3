"""Optimizers take the steps that their formulas say, as PyTorch does; so does clipping. Wrong options are named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import optim
from minigrad.tensor import Parameter, Tensor
from tests import strict_cupy
from tests.optimizers import OPTIMIZERS, every_optimizer, gradients, make_params, train, values

pytestmark = pytest.mark.quick

# One parameter, one number: the optimizer, its options, the first value, and after each gradient the value it leads to.
# Adam's β = (1/2, 3/4) and gradients 2, -2, 4 give m̂ = 2, -2/3, 2 and v̂ = 4, 4, 340/37.
ADAM = {"lr": 0.1, "betas": (0.5, 0.75)}
THIRD = 0.1 * 2 / math.sqrt(340 / 37)
BY_HAND = {
    "sgd": (optim.SGD, {"lr": 0.1}, 1.0, [(2, 0.8), (-1, 0.9)]),
    "decay": (optim.SGD, {"lr": 0.1, "weight_decay": 0.5}, 2.0, [(1, 1.8), (0, 1.71)]),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}, 1.0, [(1, 0.9), (1, 0.71), (0, 0.539)]),
    "dampening, but of the first step": (
        optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}, 1.0, [(1, 0.9), (1, 0.76), (2, 0.534)],
    ),
    "dampening without momentum": (optim.SGD, {"lr": 0.1, "dampening": 0.5}, 1.0, [(2, 0.8), (-1, 0.9)]),
    "momentum, dampening and decay": (
        optim.SGD, {"lr": 0.1, "momentum": 0.5, "dampening": 0.5, "weight_decay": 0.5}, 2.0, [(1, 1.8), (1, 1.605)],
    ),
    "nesterov": (
        optim.SGD, {"lr": 0.1, "momentum": 0.5, "nesterov": True}, 1.0, [(1, 0.85), (1, 0.675), (0, 0.6375)],
    ),
    "nesterov with decay": (
        optim.SGD, {"lr": 0.1, "momentum": 0.5, "nesterov": True, "weight_decay": 0.5}, 2.0, [(1, 1.7), (1, 1.3725)],
    ),
    "adam": (
        optim.Adam, {**ADAM, "eps": 0}, 1.0, [(2, 0.9), (-2, 0.9 + 0.1 / 3), (4, 0.9 + 0.1 / 3 - THIRD)],
    ),
    "adam with a large epsilon": (optim.Adam, {**ADAM, "eps": 2}, 1.0, [(2, 0.95), (-2, 0.95 + 0.1 / 6)]),
    "adam with decay: gradients 2 and -2": (
        optim.Adam, {**ADAM, "eps": 2, "weight_decay": 0.5}, 2.0, [(1, 1.95), (-2.975, 1.95 + 0.1 / 6)],
    ),
    "adamw": (
        optim.AdamW, {**ADAM, "eps": 2, "weight_decay": 0.5}, 2.0, [(2, 1.85), (-2, 1.7575 + 0.1 / 6)],
    ),
    "adamw without decay": (
        optim.AdamW, {**ADAM, "eps": 2, "weight_decay": 0}, 2.0, [(2, 1.95), (-2, 1.95 + 0.1 / 6)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BY_HAND)
def test_steps_computed_by_hand(device, kind):
    optimizer_class, options, start, steps = BY_HAND[kind]
    p = Parameter(np.array([start]), device=device)
    optimizer = optimizer_class([p], **options)
    for grad, expected in steps:
        p.grad = Tensor(np.array([grad], np.float64), device=device)
        optimizer.step()
        np.testing.assert_allclose(p.numpy(), [expected], rtol=1e-12)


def test_each_group_steps_with_its_own_options():
    a, b, c = [Parameter(np.array([2.0])) for _ in range(3)]
    groups = [{"params": [a]}, {"params": [b], "lr": 0.5, "momentum": 0.0}, {"params": c, "weight_decay": 0}]
    optimizer = optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.5)
    for expected in ([1.8, 1.0, 1.9], [1.43, 0.25, 1.71]):  # a: v = 2, 3.7; b: g + λθ = 2, 1.5; c: v = 1, 1.9
        for p in (a, b, c):
            p.grad = Tensor(np.array([1.0]))
        optimizer.step()
        np.testing.assert_allclose([a.item(), b.item(), c.item()], expected, rtol=1e-12)


def test_each_parameter_has_momentum_of_its_own_and_counts_its_own_steps():
    a, b = Parameter(np.array([1.0])), Parameter(np.array([1.0]))
    optimizer = optim.Adam([a, b], **ADAM, eps=0)
    a.grad = Tensor(np.array([2.0]))
    optimizer.step()
    a.grad, b.grad = Tensor(np.array([-2.0])), Tensor(np.array([-3.0]))
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item()], [0.9 + 0.1 / 3, 1.1], rtol=1e-12)
    assert [optimizer.state[p]["step"] for p in (a, b)] == [2, 1]


@pytest.mark.parametrize(
    "make, defaults",
    [
        (
            lambda p: optim.SGD(p, 0.1),
            {"lr": 0.1, "momentum": 0, "weight_decay": 0, "nesterov": False, "dampening": 0},
        ),
        (
            lambda p: optim.SGD(p, 0.1, 0.2, 0.3, True),
            {"lr": 0.1, "momentum": 0.2, "weight_decay": 0.3, "nesterov": True, "dampening": 0},
        ),
        (optim.Adam, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        (optim.AdamW, {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
        (
            lambda p: optim.AdamW(p, 0.1, [0.2, 0.3], 0.4, 0.5),
            {"lr": 0.1, "betas": (0.2, 0.3), "eps": 0.4, "weight_decay": 0.5},
        ),
    ],
)
def test_options_and_their_defaults(make, defaults):
    (group,) = make(make_params(shapes=[(2,)])).param_groups
    group.pop("params")
    assert group == defaults


@every_optimizer
@pytest.mark.parametrize("dtype, rtol", [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_20_steps_as_pytorch(device, kind, dtype, rtol):
    torch = pytest.importorskip("torch")
    ours, theirs, options = OPTIMIZERS[kind]
    params = make_params(device, dtype)
    torch_params = [torch.nn.Parameter(torch.tensor(array)) for array in values(params)]
    optimizer, torch_optimizer = ours(params, **options), getattr(torch.optim, theirs)(torch_params, **options)
    for step in range(20):
        train(optimizer, params, [step])
        for p, grad in zip(torch_params, gradients(step, dtype), strict=True):
            p.grad = torch.tensor(grad)
        torch_optimizer.step()
        for p, expected in zip(params, torch_params, strict=True):
            assert p.dtype == dtype
            np.testing.assert_allclose(p.numpy(), expected.detach().numpy(), rtol=rtol, atol=rtol)


def test_groups_have_their_own_options(device):
    torch = pytest.importorskip("torch")
    params = make_params(device)
    torch_params = [torch.nn.Parameter(torch.tensor(array)) for array in values(params)]

    def groups(ps):
        return [{"params": ps[:1], "lr": 0.5}, {"params": ps[1:], "weight_decay": 0.0}]

    optimizer = optim.SGD(groups(params), lr=0.1, weight_decay=0.2)
    torch_optimizer = torch.optim.SGD(groups(torch_params), lr=0.1, weight_decay=0.2)
    for p, t, grad in zip(params, torch_params, gradients(0), strict=True):
        p.grad, t.grad = Tensor(grad, device=device), torch.tensor(grad)
    optimizer.step()
    torch_optimizer.step()
    for p, t in zip(params, torch_params, strict=True):
        np.testing.assert_allclose(p.numpy(), t.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "make, error, reason",
    [
        (lambda p: optim.SGD([p], lr=0.1, momentum=-1), ValueError, "momentum"),
        (lambda p: optim.SGD([p], lr=0.1, nesterov=True), ValueError, "nesterov"),
        (lambda p: optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True, dampening=0.1), ValueError, "nesterov"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError, "betas"),
        (lambda p: optim.Adam([p], betas=(-0.1, 0.9)), ValueError, "betas"),
        (lambda p: optim.Adam([p], betas=(0.9, 0.9, 0.9)), ValueError, "betas"),
        (lambda p: optim.Adam([p], betas=0.9), ValueError, "betas"),
        (lambda p: optim.AdamW([p], eps=-1e-8), ValueError, "eps"),
    ],
)
def test_wrong_arguments_are_named(make, error, reason):
    with pytest.raises(error, match=reason):
        make(Parameter(np.ones(2, np.float32)))


# ---- clipping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_norm", [0.5, 1000.0, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_grad_norm_as_pytorch(device, max_norm, dtype):
    torch = pytest.importorskip("torch")
    params = [*make_params(device, dtype), Parameter(np.ones(2, dtype), device=device)]  # the last has no gradient
    torch_params = [torch.nn.Parameter(torch.tensor(array)) for array in values(params)]
    for p, t, grad in zip(params, torch_params, gradients(0, dtype), strict=False):
        p.grad, t.grad = Tensor(grad, device=device), torch.tensor(grad)
    norm = optim.clip_grad_norm(iter(params), max_norm)
    torch_norm = torch.nn.utils.clip_grad_norm_(torch_params, max_norm)
    assert (norm.shape, norm.dtype, norm.device) == ((), dtype, params[0].device)
    np.testing.assert_allclose(norm.item(), torch_norm.item(), rtol=1e-6)
    for p, t in zip(params[:-1], torch_params, strict=False):
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-5)


def test_clip_scales_a_shared_gradient_once(device):
    a, b = make_params(device, shapes=[(2,), (2,)])
    a.grad = b.grad = Tensor(np.array([3.0, 4.0], np.float32), device=device)
    norm = optim.clip_grad_norm([a, b], 1.0)
    np.testing.assert_allclose(norm.item(), math.sqrt(50), rtol=1e-6)
    np.testing.assert_allclose(a.grad.numpy(), np.array([3, 4]) / math.sqrt(50), rtol=1e-5)
    np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy())


def clipped(grads, max_norm):
    """Gradients of one number each, or None, clipped: the norm before, and what became of them."""
    params = [Parameter(np.zeros(1)) for _ in grads]
    for p, grad in zip(params, grads, strict=True):
        p.grad = None if grad is None else Tensor(np.array([float(grad)]))
    norm = optim.clip_grad_norm(params, max_norm)
    return norm.item(), [None if p.grad is None else p.grad.item() for p in params]


def test_clip_scales_all_gradients_to_the_common_norm():
    norm, grads = clipped([3, None, -4], 1)
    assert norm == 5
    assert grads == [3 / (5 + 1e-6), None, -4 / (5 + 1e-6)]


def test_clip_leaves_gradients_that_are_small_enough():
    assert clipped([3, -4], 6) == (5, [3, -4])


def test_clip_to_nothing_leaves_zeros():
    assert clipped([3, -4], 0) == (5, [0, 0])


def test_clip_keeps_the_dtype_of_each_gradient(device):
    params = make_params(device, np.float32, [(2,)]) + make_params(device, np.float64, [(2,)])
    for p in params:
        p.grad = Tensor(np.array([3.0, 4.0], p.dtype), device=device)
    norm = optim.clip_grad_norm(params, 1.0)
    assert norm.item() == pytest.approx(math.sqrt(50))
    assert [p.grad.dtype for p in params] == [p.dtype for p in params]
    for p in params:
        np.testing.assert_allclose(p.grad.numpy(), np.array([3, 4]) / math.sqrt(50), rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "sizes", "value"),
    [("f2", [300], 100.0), ("f2", [1, 1], 5e4), ("f4", [3], 1e25), ("f4", [2, 7], 1e-30), ("f8", [4], 1e200)],
)
def test_clip_of_gradients_whose_squares_overflow_or_vanish(device, dtype, sizes, value):
    params = make_params(device, np.dtype(dtype), [(n,) for n in sizes])
    for p in params:
        p.grad = Tensor(np.full(p.shape, value, dtype), device=device)
    value = params[0].grad.numpy()[0].item()
    norm = optim.clip_grad_norm(params, max(1.0, value))
    assert norm.item() == pytest.approx(value * math.sqrt(sum(sizes)), rel=1e-6)
    for p in params:
        shrunk = value / math.sqrt(sum(sizes)) if value > 1 else value
        np.testing.assert_allclose(p.grad.numpy(), np.full(p.shape, shrunk), rtol=1e-3 if dtype == "f2" else 1e-5)


def test_clip_of_an_infinite_gradient_is_no_norm_of_numbers(device):
    (p,) = make_params(device, shapes=[(2,)])
    p.grad = Tensor([math.inf, 1.0], device=device)
    assert optim.clip_grad_norm([p], 1.0).item() == math.inf


def test_clip_passes_over_parameters_without_elements(device):
    params = make_params(device, shapes=[(0,), (2,)])
    for p in params:
        p.grad = Tensor(np.full(p.shape, 3.0, np.float32), device=device)
    assert optim.clip_grad_norm(params, 1.0).item() == pytest.approx(math.sqrt(18))


def test_clip_takes_one_parameter():
    p = Parameter(np.zeros(2))
    p.grad = Tensor(np.array([3.0, 4.0]))
    assert optim.clip_grad_norm(p, 1.0).item() == 5
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_clip_without_gradients_is_zero():
    assert optim.clip_grad_norm(make_params(), 1.0).item() == 0
    assert optim.clip_grad_norm([], 1.0).item() == 0


def test_clip_refuses_a_negative_norm():
    with pytest.raises(ValueError, match="max_norm"):
        optim.clip_grad_norm(make_params(), -1.0)


def test_clip_takes_parameters_on_several_devices(monkeypatch):
    strict_cupy.install(monkeypatch)
    devices = ["cuda:1", "cuda:0", "cuda:1"]
    params = [Parameter(np.zeros(2), device=device) for device in devices]
    for p, grad in zip(params, ([3.0, 0.0], [0.0, 4.0], [12.0, 0.0]), strict=True):
        p.grad = Tensor(np.array(grad), device=p.device)
    with strict_cupy.host_reads.forbidden():
        norm = optim.clip_grad_norm(params, 6.5)
    assert (norm.item(), norm.device) == (pytest.approx(13), "cuda:1")
    assert [p.grad.device for p in params] == devices
    np.testing.assert_allclose([p.grad.numpy() for p in params], [[1.5, 0], [0, 2], [6, 0]], rtol=1e-6)


def test_clip_takes_parameters_on_the_cpu_and_a_gpu(monkeypatch):
    strict_cupy.install(monkeypatch)
    params = [Parameter(np.zeros(1), device=device) for device in ("cuda", "cpu")]
    for p, grad in zip(params, (3.0, 4.0), strict=True):
        p.grad = Tensor(np.array([grad]), device=p.device)
    assert optim.clip_grad_norm(params, 2.5).item() == 5
    np.testing.assert_allclose([p.grad.numpy() for p in params], [[1.5], [2]], rtol=1e-6)
