"""Learning-rate schedules: PyTorch's values, exact resuming, clear ends."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import optim
from minigrad.tensor import Parameter


def make_optimizer(*lrs):
    return optim.SGD([{"params": [Parameter(np.ones(1, np.float32))], "lr": lr} for lr in lrs], lr=0.0)


def rates(schedule, steps):
    """The learning rates of all groups at t = 0 … steps."""
    found = [[group["lr"] for group in schedule.optimizer.param_groups]]
    for _ in range(steps):
        schedule.step()
        found.append([group["lr"] for group in schedule.optimizer.param_groups])
    return np.array(found)


def torch_rates(make, steps, *lrs):
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=0.0)
    schedule = make(torch.optim.lr_scheduler, optimizer)
    found = [schedule.get_last_lr()]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        found.append(schedule.get_last_lr())
    return np.array(found)


def test_step_lr_as_pytorch():
    ours = rates(optim.StepLR(make_optimizer(0.1, 2.0), step_size=3, gamma=0.3), 20)
    np.testing.assert_allclose(ours, torch_rates(lambda lib, o: lib.StepLR(o, 3, 0.3), 20, 0.1, 2.0), rtol=1e-12)


def test_cosine_lr_as_pytorch():
    ours = rates(optim.CosineLR(make_optimizer(0.1, 2.0), total_steps=15, min_lr=0.01), 15)
    theirs = torch_rates(lambda lib, o: lib.CosineAnnealingLR(o, 15, eta_min=0.01), 15, 0.1, 2.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_cosine_lr_with_warmup_as_pytorch():
    def make(lib, optimizer):
        parts = [lib.LinearLR(optimizer, 1 / 5, 1.0, total_iters=4), lib.CosineAnnealingLR(optimizer, 16)]
        return lib.SequentialLR(optimizer, parts, milestones=[4])

    ours = rates(optim.CosineLR(make_optimizer(0.1), total_steps=20, warmup_steps=4), 19)
    np.testing.assert_allclose(ours, torch_rates(make, 19, 0.1), rtol=1e-10)


def test_cosine_lr_stays_at_the_minimum():
    assert rates(optim.CosineLR(make_optimizer(0.1), total_steps=4, min_lr=0.02), 10)[4:].ravel().tolist() == [0.02] * 7


@pytest.mark.parametrize(
    "options", [{}, {"pct_start": 0.5, "div_factor": 10, "final_div_factor": 5}, {"pct_start": 0.0}]
)
@pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
def test_one_cycle_lr_as_pytorch(total_steps, options):
    if (total_steps, options.get("pct_start")) == (2, 0.5):
        pytest.skip("PyTorch divides by zero")
    ours = rates(optim.OneCycleLR(make_optimizer(1.0, 1.0), [0.1, 2.0], total_steps, **options), total_steps)

    def make(lib, optimizer):
        return lib.OneCycleLR(optimizer, [0.1, 2.0], total_steps, cycle_momentum=False, **options)

    np.testing.assert_allclose(ours, torch_rates(make, total_steps, 1.0, 1.0), rtol=1e-9, atol=1e-15)


def test_one_cycle_lr_whose_first_step_is_the_peak():
    assert rates(optim.OneCycleLR(make_optimizer(1.0), 0.4, 10, pct_start=0.1), 0).item() == 0.4


def test_one_cycle_lr_ends_with_an_error():
    schedule = optim.OneCycleLR(make_optimizer(1.0), 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="past the end of the cycle of 3 steps"):
        schedule.step()
    assert schedule.step_count == 3


SCHEDULES = {
    "step": lambda optimizer: optim.StepLR(optimizer, 2),
    "cosine": lambda optimizer: optim.CosineLR(optimizer, 10, warmup_steps=3),
    "one-cycle": lambda optimizer: optim.OneCycleLR(optimizer, 0.3, 10),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_resuming_goes_on_exactly(kind):
    schedule = SCHEDULES[kind](make_optimizer(0.1, 0.2))
    rates(schedule, 4)
    saved = schedule.state_dict()
    expected = rates(schedule, 5)

    resumed = SCHEDULES[kind](
        make_optimizer(0.05, 0.07)
    )  # the optimizer of a resumed run has the lowered rates already
    resumed.load_state_dict(saved)
    np.testing.assert_array_equal(rates(resumed, 5), expected)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"step_count": 2},
        {"step_count": -1, "base_lrs": [0.1]},
        {"step_count": 1, "base_lrs": [0.1, 0.1]},
        {"step_count": 99, "base_lrs": [0.5]},
    ],
)
def test_state_that_does_not_fit_is_refused(state):
    schedule = optim.OneCycleLR(make_optimizer(0.1), 0.1, total_steps=3)
    with pytest.raises(ValueError):
        schedule.load_state_dict(state)
    assert (schedule.step_count, schedule.base_lrs) == (0, [0.1])


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda o: optim.StepLR(o, 0), "step_size"),
        (lambda o: optim.StepLR(o, 1, gamma=0), "gamma"),
        (lambda o: optim.CosineLR(o, 0), "total_steps"),
        (lambda o: optim.CosineLR(o, 5, warmup_steps=5), "warmup_steps"),
        (lambda o: optim.CosineLR(o, 5, min_lr=-1), "min_lr"),
        (lambda o: optim.OneCycleLR(o, -0.1, 5), "max_lr"),
        (lambda o: optim.OneCycleLR(o, [0.1, 0.1], 5), "max_lr"),
        (lambda o: optim.OneCycleLR(o, 0.1, 0), "total_steps"),
        (lambda o: optim.OneCycleLR(o, 0.1, 5, pct_start=1.5), "pct_start"),
        (lambda o: optim.OneCycleLR(o, 0.1, 5, div_factor=0), "div_factor"),
    ],
)
def test_wrong_arguments_are_named(make, reason):
    with pytest.raises(ValueError, match=reason):
        make(make_optimizer(0.1))


def test_something_else_than_an_optimizer_is_refused():
    with pytest.raises(TypeError, match="expected an Optimizer"):
        optim.StepLR([0.1], 3)


# ---- schedules of one line -------------------------------------------------------------------------------------------

SHORT = {
    "multi step": lambda lib, o: lib.MultiStepLR(o, [5, 2, 9], gamma=0.3),
    "exponential": lambda lib, o: lib.ExponentialLR(o, 0.7),
    "any function": lambda lib, o: lib.LambdaLR(o, lambda t: 1 / (1 + t)),
    "cosine that rises again": lambda lib, o: lib.CosineAnnealingLR(o, T_max=6, eta_min=0.01),
}


@pytest.mark.parametrize("name", SHORT)
def test_short_schedules_as_pytorch(name):
    ours = rates(SHORT[name](optim, make_optimizer(0.1, 2.0)), 12)
    np.testing.assert_allclose(ours, torch_rates(SHORT[name], 12, 0.1, 2.0), rtol=1e-10)


def test_short_schedules_by_hand():
    def values(schedule, *args):
        return rates(schedule(make_optimizer(1.0), *args), 4).ravel().tolist()

    assert values(optim.MultiStepLR, [1, 3], 0.5) == [1, 0.5, 0.5, 0.25, 0.25]
    assert values(optim.ExponentialLR, 0.5) == [1, 0.5, 0.25, 0.125, 0.0625]
    assert values(optim.LambdaLR, lambda t: t / 4) == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(values(optim.CosineAnnealingLR, 2), [1, 0.5, 0, 0.5, 1], atol=1e-15)
