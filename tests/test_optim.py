"""Optimizers agree with PyTorch step for step, resume exactly, and say what is wrong with their arguments."""

from __future__ import annotations

import math
import tracemalloc
import warnings

import numpy as np
import pytest

from minigrad import backend, optim, serialize
from minigrad.tensor import Parameter, Tensor

SHAPES = [(4, 3, 2, 2), (5,), ()]
OPTIMIZERS = {
    "sgd": (optim.SGD, "SGD", {"lr": 0.1}),
    "sgd-decay": (optim.SGD, "SGD", {"lr": 0.1, "weight_decay": 0.05}),
    "sgd-momentum": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    "sgd-dampening": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "sgd-nesterov": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
    "adam": (optim.Adam, "Adam", {}),
    "adam-options": (optim.Adam, "Adam", {"lr": 0.02, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    "adamw": (optim.AdamW, "AdamW", {"lr": 0.02}),
    "adamw-options": (optim.AdamW, "AdamW", {"lr": 0.02, "betas": (0.0, 0.9), "weight_decay": 0.3}),
}
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


def make_params(device="cpu", dtype=np.float32, shapes=SHAPES):
    rng = np.random.default_rng(0)
    return [Parameter(rng.standard_normal(shape).astype(dtype), device=device) for shape in shapes]


def gradients(step, dtype=np.float32, shapes=SHAPES):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def train(optimizer, params, steps):
    for step in steps:
        for p, grad in zip(params, gradients(step, params[0].dtype), strict=True):
            p.grad = Tensor(grad, device=p.device)
        optimizer.step()


def values(params):
    return [p.numpy().copy() for p in params]


# ---- the same numbers as PyTorch ---------------------------------------------------------------------------------


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


# ---- in place, without waste -------------------------------------------------------------------------------------


@every_optimizer
def test_update_is_in_place_and_counted(device, kind):
    optimizer_class, _, options = OPTIMIZERS[kind]
    params = make_params(device)
    arrays, versions = [p.data for p in params], [p._version[0] for p in params]
    before = values(params)
    train(optimizer_class(params, **options), params, range(1))
    assert all(p.data is array for p, array in zip(params, arrays, strict=True))
    assert [p._version[0] for p in params] == [version + 1 for version in versions]
    assert all(np.all(p.numpy() != old) for p, old in zip(params, before, strict=True))


@every_optimizer
def test_gradient_is_not_changed_and_may_have_any_layout(device, kind):
    optimizer_class, _, options = OPTIMIZERS[kind]
    shape = (4, 3, 2, 2)
    plain, strided = make_params(device, shapes=[shape]), make_params(device, shapes=[shape])
    grad = gradients(0, shapes=[shape])[0]
    channels_last = Tensor(grad.transpose(0, 2, 3, 1).copy(), device=device).data.transpose(0, 3, 1, 2)
    assert not channels_last.flags.c_contiguous
    plain[0].grad, strided[0].grad = Tensor(np.ascontiguousarray(grad), device=device), Tensor._wrap(channels_last)
    for params in (plain, strided):
        optimizer = optimizer_class(params, **options)
        optimizer.step()
        optimizer.step()
    np.testing.assert_array_equal(plain[0].numpy(), strided[0].numpy())
    np.testing.assert_array_equal(strided[0].grad.numpy(), grad)


@every_optimizer
def test_later_steps_allocate_nothing_that_grows_with_the_parameters(kind):
    optimizer_class, _, options = OPTIMIZERS[kind]
    params = [Parameter(np.ones((300, 400), np.float32)), Parameter(np.ones(100_000, np.float32))]
    for p in params:
        p.grad = Tensor(np.ones(p.shape, np.float32))
    optimizer = optimizer_class(params, **options)
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000  # one parameter has 400,000 bytes or more


@every_optimizer
def test_step_reads_nothing_back_to_the_host(device, kind):
    if device == "cpu":
        pytest.skip("there is nothing to wait for on the CPU")
    import cupyx

    optimizer_class, _, options = OPTIMIZERS[kind]
    params = make_params(device)
    for p, grad in zip(params, gradients(0), strict=True):
        p.grad = Tensor(grad, device=device)
    optimizer = optimizer_class(params, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy announces that it will drop allow_synchronize
        with cupyx.allow_synchronize(False):
            optimizer.step()
            optim.clip_grad_norm(params, 1.0)
            optimizer.step()


def test_backward_notices_that_a_step_changed_what_it_needs(device):
    p = Parameter(np.ones(3, np.float32), device=device)
    loss = (p * p).sum()
    p.grad = Tensor(np.ones(3, np.float32), device=device)
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_result_of_an_operation_is_no_parameter():
    with pytest.raises(ValueError, match="not a leaf"):
        optim.SGD([Parameter(np.ones(3, np.float32)) * 2], lr=0.1)


def test_parameters_without_gradient_are_skipped(device):
    used, unused = make_params(device, shapes=[(2,), (3,)])
    before = values([used, unused])
    optimizer = optim.AdamW([used, unused], lr=0.1)
    used.grad = Tensor(np.ones(2, np.float32), device=device)
    optimizer.step()
    assert np.all(used.numpy() != before[0])
    np.testing.assert_array_equal(unused.numpy(), before[1])
    assert unused not in optimizer.state


def test_zero_grad_forgets_gradients():
    params = make_params()
    optimizer = optim.SGD(params, lr=0.1)
    train(optimizer, params, range(1))
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


# ---- state -------------------------------------------------------------------------------------------------------


@every_optimizer
def test_training_resumes_exactly_through_a_file(tmp_path, device, kind):
    optimizer_class, _, options = OPTIMIZERS[kind]
    params = make_params(device)
    optimizer = optimizer_class(params, **options)
    train(optimizer, params, range(5))
    serialize.save(tmp_path / "state", {"params": values(params), "optimizer": optimizer.state_dict()})
    train(optimizer, params, range(5, 10))

    saved = serialize.load(tmp_path / "state")
    resumed = [Parameter(array, device=device) for array in saved["params"]]
    optimizer = optimizer_class(resumed, lr=7.0)
    optimizer.load_state_dict(saved["optimizer"])
    train(optimizer, resumed, range(5, 10))
    for p, expected in zip(resumed, params, strict=True):
        np.testing.assert_array_equal(p.numpy(), expected.numpy())


def test_state_dict_is_a_snapshot(device):
    params = make_params(device)
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
    train(optimizer, params, range(1))
    state = optimizer.state_dict()
    velocity = backend.to_numpy(state["state"][0]["momentum_buffer"]).copy()
    train(optimizer, params, range(1, 3))
    np.testing.assert_array_equal(backend.to_numpy(state["state"][0]["momentum_buffer"]), velocity)


@pytest.mark.parametrize(
    "edit, reason",
    [
        (lambda s: s.pop("state"), "not the state of an optimizer"),
        (lambda s: s["param_groups"].pop(), "groups of"),
        (lambda s: s["param_groups"][0].update(params=1), "groups of"),
        (lambda s: s["param_groups"][0].pop("betas"), "options"),
        (lambda s: s["param_groups"][0].update(lr=-1.0), "lr >= 0"),
        (lambda s: s["param_groups"][0].update(lr="high"), "not the state"),
        (lambda s: s["state"].pop(), "state of 3 parameters"),
        (lambda s: s["state"][1].pop("step"), "parameter 1"),
        (lambda s: s["state"][1].update(step=-3), "parameter 1: step"),
        (lambda s: s["state"][1].update(exp_avg=np.ones((9, 9))), "parameter 1: exp_avg"),
        (lambda s: s["state"][1].update(exp_avg=None), "parameter 1: exp_avg"),
        (lambda s: s.update(state=5), "not the state"),
    ],
)
def test_state_that_does_not_fit_is_refused_and_changes_nothing(edit, reason):
    params = make_params()
    optimizer = optim.Adam(params)
    train(optimizer, params, range(2))
    state = optimizer.state_dict()
    edit(state)
    with pytest.raises(ValueError, match=reason):
        optimizer.load_state_dict(state)
    assert optimizer.state[params[0]]["step"] == 2
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_state_of_another_class_is_refused():
    with pytest.raises(ValueError, match="options"):
        optim.SGD(make_params(), lr=0.1).load_state_dict(optim.Adam(make_params()).state_dict())


# ---- arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, error, reason",
    [
        (lambda p: optim.SGD([p], lr=-0.1), ValueError, "lr >= 0"),
        (lambda p: optim.SGD([p], lr=math.nan), ValueError, "lr >= 0"),
        (lambda p: optim.SGD([p], lr="0.1"), TypeError, "lr must be a number"),
        (lambda p: optim.SGD([p], lr=0.1, momentum=-1), ValueError, "momentum"),
        (lambda p: optim.SGD([p], lr=0.1, nesterov=True), ValueError, "nesterov"),
        (lambda p: optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True, dampening=0.1), ValueError, "nesterov"),
        (lambda p: optim.SGD([p], lr=0.1, weight_decay=-1), ValueError, "weight_decay"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda p: optim.Adam([p], betas=0.9), ValueError, "betas"),
        (lambda p: optim.AdamW([p], eps=-1e-8), ValueError, "eps"),
        (lambda p: optim.SGD([], lr=0.1), ValueError, "empty"),
        (lambda p: optim.SGD(p, lr=0.1), TypeError, "list of Parameters"),
        (lambda p: optim.SGD([p.numpy()], lr=0.1), TypeError, "ndarray"),
        (lambda p: optim.SGD([Tensor(np.ones(2, np.int64))], lr=0.1), TypeError, "int64"),
        (lambda p: optim.SGD([p, p], lr=0.1), ValueError, "twice"),
        (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1), ValueError, "twice"),
        (lambda p: optim.SGD([{"params": [p], "momentun": 0.9}], lr=0.1), ValueError, "momentun"),
        (lambda p: optim.SGD([{"lr": 0.1}], lr=0.1), TypeError, "'params'"),
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
