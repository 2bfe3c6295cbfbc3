"""`detect_anomaly` and `profile`."""

from __future__ import annotations

import time

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Tensor, nn, ops


def leaf(values, device="cpu"):
    return Tensor(values, requires_grad=True, device=device)


# ---- detect_anomaly ----------------------------------------------------------------------------------------------


def test_the_first_operation_that_makes_an_infinity_is_named(device):
    x = leaf([[1.0, 2.0], [3.0, 0.0]], device)
    with mg.detect_anomaly(), pytest.raises(mg.AnomalyError) as error:
        x.log().exp().sum()
    message = str(error.value)
    assert message.startswith("Log made 1 of 4 numbers of shape (2, 2) nan or infinite, the first one -inf at (1, 1)")
    assert "test_watching.py" in message and "x.log().exp().sum()" in message


def test_backwards_the_line_is_that_of_the_forward_pass(device):
    x = leaf([4.0, 0.0], device)
    with mg.detect_anomaly():
        root = ops.sqrt(x)  # here
        loss = root.sum()
        with pytest.raises(mg.AnomalyError, match=r"backward of Sqrt made .* inf at \(1,\)") as error:
            loss.backward()
    assert "root = ops.sqrt(x)  # here" in str(error.value) and x.grad is None


def test_what_was_made_before_is_checked_without_its_line():
    loss = ops.sqrt(leaf([0.0])).sum()
    with mg.detect_anomaly(), pytest.raises(mg.AnomalyError, match="before detect_anomaly was entered"):
        loss.backward()


def test_nan_that_came_from_outside_is_no_error(device):
    x = leaf([np.nan, np.inf, 1.0], device)
    with mg.detect_anomaly():
        (x * x).sum().backward()
    assert np.isnan(x.grad.numpy()[0])


def test_infinite_numbers_among_the_arguments_are_from_outside():
    x = leaf([1.0, 2.0])
    with mg.detect_anomaly():
        ops.where(x > 1.5, x, -np.inf)
        ops.pad(x, [(1, 0)], value=np.inf)


def test_integers_are_no_concern_and_what_a_mask_hides_is_none():
    x = leaf([0.0, 4.0])
    with mg.detect_anomaly():
        Tensor([1, 2]) + Tensor([3, 4])
        ops.sqrt(ops.where(x > 0, x, 1.0)).sum().backward()
    assert x.grad.tolist() == [0, 0.25]


def test_second_derivatives_are_checked():
    x = leaf(np.array([1e-200]))
    with mg.detect_anomaly():
        (slope,) = mg.grad((x**1.5).sum(), x, create_graph=True)
        with pytest.raises(mg.AnomalyError):
            mg.grad(slope / x**2, x)


def test_training_goes_on_after_an_anomaly():
    x = leaf([0.0])
    with mg.detect_anomaly():
        with pytest.raises(mg.AnomalyError):
            x.sqrt().sum().backward()
        with pytest.raises(mg.AnomalyError):
            x.log()
        (x + 1.0).log().sum().backward()
    assert x.grad.tolist() == [1]


# ---- profile -----------------------------------------------------------------------------------------------------


def by_key(p):
    return {(row.operation, row.direction): row for row in p.rows}


def test_calls_and_bytes_by_operation_and_direction(device):
    x, w = leaf(np.ones((4, 3), np.float32), device), leaf(np.ones((2, 3), np.float32), device)
    with mg.profile() as p:
        for _ in range(2):
            ops.linear(x, w).sum().backward()
    rows = by_key(p)
    assert rows["Linear", "forward"].calls == rows["Linear", "backward"].calls == 2
    assert rows["Linear", "forward"].nbytes == 2 * 4 * 2 * 4
    assert rows["Linear", "backward"].nbytes == 2 * (4 * 3 + 2 * 3) * 4
    assert rows["MatMul", "in backward"].calls == 4
    assert ("MatMul", "forward") not in rows


class Slow(Function):
    def forward(self, x):
        time.sleep(0.02)
        return x * 1

    def backward(self, grad):
        return Slow.apply(grad)


def test_the_time_of_what_runs_inside_is_not_counted_twice():
    with mg.profile() as p:
        Slow.apply(leaf([1.0])).backward()
    rows = by_key(p)
    outer, inner = rows["Slow", "backward"], rows["Slow", "in backward"]
    assert outer.seconds >= inner.seconds == inner.own_seconds >= 0.02
    assert outer.own_seconds == pytest.approx(outer.seconds - inner.seconds)


def test_the_table_has_a_line_for_each_row_and_the_total():
    with mg.profile() as p:
        nn.Linear(2, 2)(Tensor([[1.0, 2.0]])).sum().backward()
    title, _, *body, _, total = str(p).splitlines()
    assert title.split()[:3] == ["operation", "direction", "calls"] and len(body) == len(p.rows)
    assert total.split()[:2] == ["total", str(sum(row.calls for row in p.rows))]
    assert p._repr_html_().count("<tr>") == len(body) + 2
    own = [row.own_seconds for row in p.rows]
    assert own == sorted(own, reverse=True)


def test_nothing_was_profiled():
    with mg.profile() as p:
        pass
    assert p.rows == [] and "total" in str(p)


def test_operations_that_fail_leave_the_times_in_order():
    class Broken(Function):
        def forward(self, x):
            raise OSError("broken")

    with mg.profile() as p, mg.detect_anomaly():
        with pytest.raises(OSError, match="broken"):
            Broken.apply(leaf([1.0]))
        with pytest.raises(mg.AnomalyError):
            leaf([0.0]).sqrt().sum().backward()
        leaf([1.0]) * 2.0
    rows = by_key(p)
    assert rows["Mul", "forward"].calls == 1 and ("Broken", "forward") not in rows
