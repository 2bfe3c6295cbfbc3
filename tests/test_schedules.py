"""Learning-rate schedules: the formulas' values, and PyTorch's; exact resuming, clear ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import optim
from minigrad.optim.schedules import Schedule
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


# ---- values, computed by hand ------------------------------------------------------------------------------------

HIGH, LOW = (1 + math.sqrt(0.5)) / 2, (1 - math.sqrt(0.5)) / 2  # a quarter and three quarters of the way down
BY_HAND = {
    "step": (lambda o: optim.StepLR(o, 2, 0.5), 0.8, [0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1]),
    "step, by a tenth": (lambda o: optim.StepLR(o, 1), 1.0, [1.0, 0.1, 0.01]),
    "cosine": (lambda o: optim.CosineLR(o, 4), 1.0, [1.0, HIGH, 0.5, LOW, 0, 0, 0]),
    "cosine down to 0.2": (
        lambda o: optim.CosineLR(o, 4, 0.2), 1.0, [1.0, 0.2 + 0.8 * HIGH, 0.6, 0.2 + 0.8 * LOW, 0.2, 0.2],
    ),
    "cosine after a rise": (
        lambda o: optim.CosineLR(o, 7, 0, 3), 0.4, [0.1, 0.2, 0.3, 0.4, 0.4 * HIGH, 0.2, 0.4 * LOW, 0, 0],
    ),
    "one cycle": (lambda o: optim.OneCycleLR(o, 1.0, 5, 0.6, 4, 5), 7.0, [0.25, 0.625, 1, 0.525, 0.05, 0.525]),
    "one cycle as it is by default": (
        lambda o: optim.OneCycleLR(o, 1.0, 10), 7.0, [0.04, 0.52, 1.0],
    ),
    "one cycle without a rise": (lambda o: optim.OneCycleLR(o, 1.0, 2, 0.0, 4, 5), 7.0, [0.525, 0.05]),
    "one cycle without a fall": (lambda o: optim.OneCycleLR(o, 1.0, 3, 1.0, 4, 5), 7.0, [0.25, 0.625, 1, 0.05]),
    "one cycle of one step, which is the peak": (lambda o: optim.OneCycleLR(o, 1.0, 1, 1.0, 4, 5), 7.0, [1, 0.05]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BY_HAND)
def test_rates_computed_by_hand(kind):
    make, lr, expected = BY_HAND[kind]
    found = rates(make(make_optimizer(lr)), len(expected) - 1)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-12, atol=1e-16)


def test_one_cycle_ends_at_a_250000th_of_its_peak_by_default():
    np.testing.assert_allclose(rates(optim.OneCycleLR(make_optimizer(1.0), 0.5, 10), 9)[9], [2e-6], rtol=1e-9)


def test_each_group_has_its_own_rate():
    np.testing.assert_allclose(rates(optim.StepLR(make_optimizer(0.4, 0.2), 1, 0.5), 1), [[0.4, 0.2], [0.2, 0.1]])
    np.testing.assert_allclose(
        rates(optim.OneCycleLR(make_optimizer(7, 7), [1, 2], 10), 2)[::2], [[0.04, 0.08], [1, 2]]
    )
    np.testing.assert_allclose(rates(optim.OneCycleLR(make_optimizer(7, 7), 2, 10), 2)[2], [2, 2])


# ---- as PyTorch --------------------------------------------------------------------------------------------------


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


# ---- learning rates that others change ---------------------------------------------------------------------------


def add_group(optimizer, lr):
    optimizer.add_param_group({"params": [Parameter(np.ones(1, np.float32))], "lr": lr})


def lrs(schedule):
    return [group["lr"] for group in schedule.optimizer.param_groups]


def test_a_rate_changed_by_hand_is_gone_on_from():
    schedule = optim.StepLR(make_optimizer(1.0, 1.0), 2, 0.5)
    schedule.optimizer.param_groups[0]["lr"] *= 0.1
    np.testing.assert_allclose(rates(schedule, 4), [[0.1, 1], [0.1, 1], [0.05, 0.5], [0.05, 0.5], [0.025, 0.25]])
    schedule.optimizer.param_groups[1]["lr"] = 4.0
    np.testing.assert_allclose(rates(schedule, 2), [[0.025, 4], [0.025, 4], [0.0125, 2]])


def test_a_rate_changed_by_hand_falls_to_the_same_minimum():
    schedule = optim.CosineLR(make_optimizer(1.0), 4, 0.2)
    rates(schedule, 2)
    schedule.optimizer.param_groups[0]["lr"] = 0.4  # half as far above the minimum as 0.6
    np.testing.assert_allclose(rates(schedule, 2).ravel(), [0.4, 0.2 + 0.4 * LOW, 0.2])
    schedule.optimizer.param_groups[0]["lr"] = 3.0
    assert rates(schedule, 1).ravel().tolist() == [3.0, 0.2]  # the end is the end


def test_a_group_that_was_added_goes_on_from_its_rate():
    schedule = optim.StepLR(make_optimizer(1.0), 1, 0.5)
    schedule.step()
    add_group(schedule.optimizer, 0.4)
    assert schedule.state_dict() == {"step_count": 1, "base_lrs": [1.0, 0.4], "lrs": [None, 0.4]}
    assert rates(schedule, 2).tolist() == [[0.5, 0.4], [0.25, 0.2], [0.125, 0.1]]


def test_a_group_may_be_taken_away():
    schedule = optim.StepLR(make_optimizer(1.0, 0.4, 0.2), 1, 0.5)
    del schedule.optimizer.param_groups[0]
    assert rates(schedule, 2).tolist() == [[0.4, 0.2], [0.2, 0.1], [0.1, 0.05]]


def test_what_others_changed_is_saved():
    schedule = optim.CosineLR(make_optimizer(1.0), 4)
    rates(schedule, 2)
    schedule.optimizer.param_groups[0]["lr"] = 0.25
    add_group(schedule.optimizer, 1.0)
    resumed = optim.CosineLR(make_optimizer(7.0, 7.0), 4)
    resumed.load_state_dict(schedule.state_dict())
    assert rates(resumed, 1).tolist() == rates(schedule, 1).tolist() == [[0.25, 1.0], pytest.approx([LOW / 2, 2 * LOW])]


@pytest.mark.parametrize("make", [lambda o: optim.StepLR(o, 3, 0.7), lambda o: optim.CosineLR(o, 40, 1e-4, 5)])
def test_a_rate_changed_by_hand_is_resumed_bit_for_bit(make):
    rng = np.random.default_rng(0)
    for _ in range(100):
        schedule = make(make_optimizer(rng.random()))
        rates(schedule, rng.integers(1, 30))
        schedule.optimizer.param_groups[0]["lr"] = rng.random()
        rates(schedule, rng.integers(3))
        resumed = make(make_optimizer(1.0))
        resumed.load_state_dict(schedule.state_dict())
        assert rates(resumed, 5).tolist() == rates(schedule, 5).tolist()


DECAYED = {
    "step": lambda o: optim.StepLR(o, 1, 0.1),
    "multi step": lambda o: optim.MultiStepLR(o, range(1, 1000), 0.1),
    "exponential": lambda o: optim.ExponentialLR(o, 0.1),
}


@pytest.mark.parametrize("steps", [320, 400])
@pytest.mark.parametrize("make", DECAYED.values(), ids=DECAYED)
def test_a_rate_that_has_vanished_can_be_raised_by_hand(make, steps):
    schedule = make(make_optimizer(1.0))
    rates(schedule, steps)
    schedule.optimizer.param_groups[0]["lr"] = 0.5
    add_group(schedule.optimizer, 0.4)
    np.testing.assert_allclose(rates(schedule, 2), [[0.5, 0.4], [0.05, 0.04], [0.005, 0.004]])


def test_a_state_without_rates_has_those_of_the_formula():
    schedule = optim.StepLR(make_optimizer(1.0), 1, 0.5)
    schedule.load_state_dict({"step_count": 2, "base_lrs": [0.8]})
    assert lrs(schedule) == [0.2]


def test_one_cycle_overwrites_a_rate_changed_by_hand():
    schedule = optim.OneCycleLR(make_optimizer(7.0), 1.0, 5, 0.6, 4, 5)
    schedule.optimizer.param_groups[0]["lr"] = 3.0
    schedule.step()
    assert lrs(schedule) == [0.625]


def test_one_cycle_refuses_a_group_without_a_peak_and_changes_nothing():
    schedule = optim.OneCycleLR(make_optimizer(7.0), 1.0, 5, 0.6, 4, 5)
    add_group(schedule.optimizer, 0.4)
    with pytest.raises(ValueError, match="2 groups now, max_lr was given for 1"):
        schedule.step()
    assert (lrs(schedule), schedule.step_count) == ([0.25, 0.4], 0)


@pytest.mark.parametrize("kind", ["step", "cosine"])
def test_a_rate_that_is_no_number_stops_the_step_before_anything_is_changed(kind):
    schedule = SCHEDULES[kind](make_optimizer(0.1, 0.2))
    before = lrs(schedule)
    schedule.optimizer.param_groups[1]["lr"] = "high"
    with pytest.raises(ValueError, match="high"):
        schedule.step()
    assert (lrs(schedule), schedule.step_count) == ([before[0], "high"], 0)


@pytest.mark.parametrize("kind", ["StepLR", "CosineAnnealingLR"])
def test_changes_by_others_as_pytorch(kind):
    torch = pytest.importorskip("torch")
    ours = optim.SGD([Parameter(np.ones(1, np.float32))], lr=1.0)
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    make = {
        "StepLR": lambda lib, o: lib.StepLR(o, 2, 0.3),
        "CosineAnnealingLR": lambda lib, o: (
            optim.CosineLR(o, 9, 0.01) if lib is optim else lib.CosineAnnealingLR(o, 9, 0.01)
        ),
    }[kind]
    schedules = make(optim, ours), make(torch.optim.lr_scheduler, theirs)
    for step in range(8):
        for optimizer, parameter in ((ours, Parameter(np.ones(1))), (theirs, torch.nn.Parameter(torch.ones(1)))):
            optimizer.step()
            if step == 2:
                optimizer.param_groups[0]["lr"] *= 0.5
            if step == 4:
                optimizer.add_param_group({"params": [parameter], "lr": 0.4})
        for schedule in schedules:
            schedule.step()
        expected = [group["lr"] for group in theirs.param_groups]
        np.testing.assert_allclose([group["lr"] for group in ours.param_groups], expected, rtol=1e-12)


# ---- saving and arguments ----------------------------------------------------------------------------------------

SCHEDULES = {
    "step": lambda optimizer: optim.StepLR(optimizer, 2),
    "cosine": lambda optimizer: optim.CosineLR(optimizer, 10, warmup_steps=3),
    "one-cycle": lambda optimizer: optim.OneCycleLR(optimizer, 0.3, 10),
}


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_resuming_goes_on_exactly(kind, steps):
    schedule = SCHEDULES[kind](make_optimizer(0.1, 0.2))
    rates(schedule, steps)
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
        {"step_count": 1.0, "base_lrs": [0.1]},
        {"step_count": 1, "base_lrs": 0.1},
        {"step_count": 1, "base_lrs": ["high"]},
        {"step_count": 1, "base_lrs": [0.1], "last_epoch": 1},
        {"step_count": 1, "base_lrs": [0.1], "lrs": [0.1, 0.2]},
        {"step_count": 99, "base_lrs": [0.1], "lrs": [0.1]},
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
        (lambda o: optim.CosineLR(o, 0), "total_steps > 0"),
        (lambda o: optim.CosineLR(o, 5, warmup_steps=-1), "warmup_steps"),
        (lambda o: optim.CosineLR(o, 5, warmup_steps=5), "warmup_steps"),
        (lambda o: optim.CosineLR(o, 5, min_lr=-1), "min_lr"),
        (lambda o: optim.OneCycleLR(o, -0.1, 5), "max_lr"),
        (lambda o: optim.OneCycleLR(o, [0.1, 0.1], 5), "max_lr"),
        (lambda o: optim.OneCycleLR(o, 0.1, 0), "total_steps"),
        (lambda o: optim.OneCycleLR(o, 0.1, 5, pct_start=1.5), "pct_start"),
        (lambda o: optim.OneCycleLR(o, 0.1, 5, div_factor=0), "div_factor"),
        (lambda o: optim.OneCycleLR(o, 0.1, 5, final_div_factor=0), "final_div_factor"),
        (lambda o: optim.OneCycleLR(o, 0.1, 5, pct_start=-0.1), "pct_start"),
        (lambda o: optim.StepLR(o, -1), "step_size"),
    ],
)
def test_wrong_arguments_are_named(make, reason):
    with pytest.raises(ValueError, match=reason):
        make(make_optimizer(0.1))


def test_the_base_class_has_no_rates():
    with pytest.raises(NotImplementedError, match="Schedule.lr_at"):
        Schedule(make_optimizer(0.1))


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
