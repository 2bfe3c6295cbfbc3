"""What all optimizers do alike: they update in place without waste, resume exactly, and name wrong arguments."""

from __future__ import annotations

import math
import tracemalloc
import warnings

import numpy as np
import pytest

from minigrad import backend, optim, serialize
from minigrad.kernels import parallel, update
from minigrad.tensor import Parameter, Tensor
from tests.optimizers import OPTIMIZERS, every_optimizer, gradients, make_params, train, values

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
def test_later_steps_need_no_memory_that_grows_with_the_parameters(monkeypatch, kind):
    monkeypatch.setattr(update, "BLOCK_ELEMENTS", 10_000)
    monkeypatch.setattr(parallel, "_crew", parallel._Crew(1))
    optimizer_class, _, options = OPTIMIZERS[kind]
    shape = (300, 100, 2, 2)
    channels_last = np.ones((300, 2, 2, 100), np.float32).transpose(0, 3, 1, 2)
    params = [Parameter(np.ones(shape, np.float32)), Parameter(channels_last)]
    for p in params:
        p.grad = Tensor(p)
    optimizer = optimizer_class(params, **options)
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 250_000  # some blocks of 40,000 bytes; a parameter has 480,000


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
        (lambda p: optim.SGD([p], lr=0.1, weight_decay=-1), ValueError, "weight_decay"),
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


def test_a_closure_computes_the_gradients_and_its_loss_is_returned():
    p = Parameter([2.0])
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4 and p.item() == 1 and optimizer.step() is None
