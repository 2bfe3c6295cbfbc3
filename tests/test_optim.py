"""Optimizers agree with PyTorch step for step, clipping too, and say what is wrong with their options."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import optim
from minigrad.tensor import Parameter, Tensor
from tests.optimizers import OPTIMIZERS, every_optimizer, gradients, make_params, train, values


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


def test_clip_without_gradients_is_zero():
    assert optim.clip_grad_norm(make_params(), 1.0).item() == 0
    assert optim.clip_grad_norm([], 1.0).item() == 0


def test_clip_refuses_a_negative_norm():
    with pytest.raises(ValueError, match="max_norm"):
        optim.clip_grad_norm(make_params(), -1.0)
