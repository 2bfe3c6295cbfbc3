"""What all optimizers do alike: they update in place without waste, resume exactly, and name wrong arguments."""

from __future__ import annotations

import math
import tracemalloc
import warnings

import numpy as np
import pytest

from minigrad import backend, optim
from minigrad.io import checkpoints
from minigrad.kernels import threads, update
from minigrad.optim.optimizer import Optimizer
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
    monkeypatch.setattr(threads, "_crew", threads._Crew(1))
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


def test_zero_grad_forgets_gradients(device):
    params = make_params(device)
    optimizer = optim.SGD(params, lr=0.1)
    train(optimizer, params, range(1))
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


def test_zero_grad_may_write_zeros_in_the_place_of_gradients(device):
    used, unused = params = [Parameter(np.ones(2, np.float32), device=device) for _ in range(2)]
    used.grad = Tensor([np.inf, 3.0], device=device)
    optim.SGD(params, lr=0.1).zero_grad(set_to_none=False)
    assert used.grad.tolist() == [0, 0] and used.grad.device == used.device and unused.grad is None


def test_options_may_be_any_kind_of_number():
    p = Parameter(np.ones(2, np.float32))
    (group,) = optim.Adam(
        [p], lr=0, betas=[np.float32(0.5), 0], eps=np.int64(0), weight_decay=np.float64(0)
    ).param_groups
    assert group == {"params": [p], "lr": 0, "betas": (0.5, 0), "eps": 0, "weight_decay": 0}
    assert {type(value) for value in (group["lr"], *group["betas"], group["eps"])} == {float}


def test_parameters_may_come_from_a_generator_and_a_group_may_be_one_tensor_or_none():
    a, b, c = make_params()
    optimizer = optim.SGD((p for p in [a, b]), lr=0.1)
    optimizer.add_param_group({"params": c, "lr": 0.2})
    optimizer.add_param_group({"params": []})
    assert [(group["params"], group["lr"]) for group in optimizer.param_groups] == [
        ([a, b], 0.1),
        ([c], 0.2),
        ([], 0.1),
    ]


def test_a_group_that_is_refused_leaves_the_optimizer_as_it_was():
    a, b, c = make_params()
    optimizer = optim.SGD([a], lr=0.1)
    for group in ({"params": [b, a]}, {"params": [b], "lr": -1}, {"params": [b, 1.0]}, {"params": [c], "mu": 0.9}):
        with pytest.raises((TypeError, ValueError)):
            optimizer.add_param_group(group)
    assert [group["params"] for group in optimizer.param_groups] == [[a]]


@pytest.mark.parametrize("grad", [np.ones((2,), np.float32), Tensor(np.ones((1, 2), np.float32)), 1.0])
def test_a_gradient_of_another_shape_or_kind_is_refused(grad):
    p = Parameter(np.ones(2, np.float32))
    optimizer = optim.SGD([p], lr=0.1)
    try:
        p.grad = grad
    except (TypeError, ValueError):
        return  # refused at once
    with pytest.raises(ValueError, match=r"SGD: the gradient of a parameter of shape \(2,\) is"):
        optimizer.step()
    assert p.numpy().tolist() == [1, 1]


def test_the_base_class_updates_nothing():
    optimizer = Optimizer([p := Parameter(np.ones(2, np.float32))], lr=0.1, weight_decay=0)
    p.grad = Tensor(np.ones(2, np.float32))
    with pytest.raises(NotImplementedError, match="Optimizer._update"):
        optimizer.step()


# ---- state -------------------------------------------------------------------------------------------------------


@every_optimizer
def test_training_resumes_exactly_through_a_file(tmp_path, device, kind):
    optimizer_class, _, options = OPTIMIZERS[kind]
    params = make_params(device)
    optimizer = optimizer_class(params, **options)
    train(optimizer, params, range(5))
    checkpoints.save(tmp_path / "state", {"params": values(params), "optimizer": optimizer.state_dict()})
    train(optimizer, params, range(5, 10))

    saved = checkpoints.load(tmp_path / "state")
    resumed = [Parameter(array, device=device) for array in saved["params"]]
    optimizer = optimizer_class(resumed, lr=7.0)
    optimizer.load_state_dict(saved["optimizer"])
    train(optimizer, resumed, range(5, 10))
    for p, expected in zip(resumed, params, strict=True):
        np.testing.assert_array_equal(p.numpy(), expected.numpy())


def test_the_state_after_one_step_fits(device):
    params = make_params(device)
    optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    params[1].grad = Tensor(np.ones(5, np.float32), device=device)
    optimizer.step()
    state = optimizer.state_dict()
    assert [(group["params"], group["lr"]) for group in state["param_groups"]] == [(1, 1e-3), (2, 0.5)]
    assert [entry.get("step") for entry in state["state"]] == [None, 1, None]
    resumed = optim.Adam([{"params": params[:1]}, {"params": params[1:]}], lr=7.0)
    resumed.load_state_dict(state)
    assert [group["lr"] for group in resumed.param_groups] == [1e-3, 0.5]
    assert list(resumed.state) == [params[1]]


def test_the_state_comes_back_in_the_dtype_and_layout_of_the_parameters(device):
    (p,) = make_params(device, shapes=[(4, 3, 2, 2)])
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    velocity = np.arange(48.0).reshape(4, 3, 2, 2)
    group = {"params": 1, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": False, "dampening": 0.0}
    optimizer.load_state_dict({"param_groups": [group], "state": [{"momentum_buffer": velocity}]})
    loaded = optimizer.state[p]["momentum_buffer"]
    assert (loaded.dtype, loaded.strides, backend.device_of(loaded)) == (p.dtype, p.data.strides, p.device)
    np.testing.assert_array_equal(backend.to_numpy(loaded), velocity)


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
        (lambda s: s["state"][1].update(step=0), "parameter 1: step"),
        (lambda s: s["state"][1].update(step=2.0), "parameter 1: step"),
        (lambda s: s["state"][1].update(more=1), "parameter 1: expected"),
        (lambda s: s["param_groups"][0].update(betas=(0.9, 1.0)), "betas"),
        (lambda s: s["state"].append({}), "state of 3 parameters, got 4"),
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
        (lambda p: optim.SGD([p], lr=math.inf), ValueError, "lr >= 0"),
        (lambda p: optim.SGD([p], lr=None), TypeError, "lr must be a number, got NoneType"),
        (lambda p: optim.Adam([p], betas=(0.9, "x")), TypeError, "betas must be a number, got str"),
        (lambda p: optim.SGD([p], lr=0.1, weight_decay=math.inf), ValueError, "weight_decay"),
        (lambda p: optim.SGD([{"params": [p], "lr": -1}], lr=0.1), ValueError, "lr >= 0"),
        (lambda p: optim.SGD([{"params": [p]}, [p]], lr=0.1), TypeError, "got list"),
        (lambda p: optim.SGD([p, {"params": []}], lr=0.1), TypeError, "expected Parameters, got dict"),
        (lambda p: optim.SGD(p, lr=0.1), TypeError, "list of Parameters or of groups, got one Parameter"),
        (lambda p: optim.SGD({"params": [p]}, lr=0.1), TypeError, "list of Parameters or of groups, got one dict"),
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
