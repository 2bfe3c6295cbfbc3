"""The reverse sweep: any depth, gradients that add up, memory that is let go of."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from typing import ClassVar

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Tensor, backend, ops
from minigrad.grad_mode import is_grad_enabled

pytestmark = pytest.mark.quick


def leaf(values, device="cpu"):
    return Tensor(values, requires_grad=True, device=device)


def check(tensor, expected):
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-6)


class Cube(Function):
    """y = x³, written as the documentation says."""

    reads: ClassVar = {0: (0,)}

    def forward(self, x):
        return x * x * x

    def backward(self, grad):
        (x,) = self.inputs
        return grad * 3 * x * x


# ---- deep graphs -------------------------------------------------------------------------------------------------


def test_a_chain_of_100000_operations():
    x = leaf([0.5])
    one = Tensor([1.0])
    y = x
    for _ in range(100_000):
        y = y * one
    y.backward(retain_graph=True)
    y.backward()
    check(x.grad, [2])


def on_a_small_stack(work):
    """Run `work` in a thread whose stack is the smallest that is common; a native overflow ends the whole process."""
    finished = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: finished.append(work()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert finished


STEPS = {
    "nothing saved": lambda y: y + 1.0,
    "input saved": lambda y: y * y,
    "output saved": lambda y: y.sigmoid(),
    "two uses": lambda y: (y + y) * 0.5,
    "views": lambda y: y.reshape(1),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_chain_of_100000_operations_is_freed_on_a_small_stack(step):
    def build_and_free():
        y = leaf([0.5])
        for _ in range(100_000):
            y = step(y)
        del y

    on_a_small_stack(build_and_free)


def test_a_long_chain_in_a_cycle_is_collected_on_a_small_stack():
    class Holder:
        pass

    def build_and_collect():
        holder = Holder()
        holder.me, holder.y = holder, leaf([0.5])
        for _ in range(20_000):
            holder.y = holder.y * 1.0
        del holder
        gc.collect()

    on_a_small_stack(build_and_collect)


def test_gradients_that_are_graphs_themselves_are_freed_on_a_small_stack():
    def build_and_free():
        x = leaf([0.5])
        y = x
        for _ in range(5_000):
            y = y * 1.0001
        y.backward(create_graph=True)

    on_a_small_stack(build_and_free)


def test_freeing_a_graph_frees_its_leaves_and_arrays_at_once():
    x = leaf([0.5])
    y = x * x * x
    ref = weakref.ref(x)
    del x
    assert ref() is not None
    del y
    assert ref() is None


def test_a_deep_graph_of_second_order():
    x = leaf(1.0)
    y = x
    for _ in range(2_000):
        y = y * x
    (first,) = mg.grad(y, x, create_graph=True)
    (second,) = mg.grad(first, x)
    check(first, 2001)
    check(second, 2001 * 2000)


# ---- reuse -------------------------------------------------------------------------------------------------------


def test_gradients_add_up_where_paths_meet(device):
    x = leaf([2.0, 3.0], device)
    a = x * x
    (a * x + a + 5 * x).sum().backward()  # x³ + x² + 5x
    check(x.grad, [3 * 4 + 4 + 5, 3 * 9 + 6 + 5])


@pytest.mark.parametrize(
    "op, slope",
    [
        (lambda x: x + x, 2),
        (lambda x: x - x, 0),
        (lambda x: x * x, 6),
        (lambda x: x / x, 0),
        (lambda x: ops.maximum(x, x), 1),
        (lambda x: ops.concat([x, x, x]), 3),
        (lambda x: ops.where(x > 0, x, x), 1),
        (lambda x: x @ x, 6),
    ],
)
def test_the_same_tensor_twice_in_one_operation(device, op, slope):
    x = leaf([3.0], device)
    op(x).sum().backward()
    check(x.grad, [slope])


def test_a_ladder_of_diamonds_is_walked_once():
    calls = []

    class Counted(Cube):
        def backward(self, grad):
            calls.append(grad)
            return grad

    x = leaf(1.0)
    y = x
    for _ in range(40):  # 2⁴⁰ paths
        y = Counted.apply(y)
        y = y * 0.5 + y * 0.5
    y.backward()
    check(x.grad, 1)
    assert len(calls) == 40


def test_backward_adds_to_grad(device):
    x = leaf([1.0, 2.0], device)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        check(x.grad, np.array([2.0, 4.0]) * times)
    x.grad = None
    (x * 3).sum().backward()
    check(x.grad, [3, 3])


def test_a_gradient_once_handed_out_does_not_change():
    x = leaf([1.0])
    (x * 2).sum().backward()
    first = x.grad
    (x * 2).sum().backward()
    check(first, [2])
    check(x.grad, [4])


def test_leaves_that_need_no_gradient_get_none(device):
    x, w = Tensor([1.0], device=device), leaf([2.0], device)
    (x * w).sum().backward()
    assert x.grad is None
    check(w.grad, [1])


def test_only_leaves_keep_their_gradient(device):
    x = leaf([1.0], device)
    y = x * 2
    (y * 3).sum().backward()
    assert y.grad is None
    check(x.grad, [6])


def test_backward_of_a_leaf():
    x = leaf(2.0)
    x.backward()
    check(x.grad, 1)


def test_nodes_are_walked_in_the_reverse_order_of_the_forward_pass():
    walked = []

    class Named(Function):
        def forward(self, *arrays, label):
            self.label = label
            return sum(arrays)

        def backward(self, grad):
            walked.append(self.label)
            return (grad,) * len(self.needs)

    x = leaf(1.0)
    a = Named.apply(x, label="a")
    b = Named.apply(x, label="b")
    c = Named.apply(a, label="c")
    d = Named.apply(b, c, a, label="d")
    Named.apply(d, b, label="e").backward()
    assert walked == ["e", "d", "c", "b", "a"]
    check(x.grad, 4)


# ---- the gradient that comes in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [lambda g, device: Tensor(g, device=device), lambda g, _: g, lambda g, _: g.tolist()])
def test_backward_takes_the_gradient_of_its_output(device, kind):
    x = leaf([1.0, 2.0], device)
    (x * x).backward(kind(np.array([10.0, 100.0], np.float32), device))
    check(x.grad, [20, 400])


def test_the_incoming_gradient_takes_the_dtype_of_the_output(device):
    x = leaf([1.0, 2.0], device)
    (x * x).backward(Tensor(np.array([1.0, 1.0]), device=device))
    assert x.grad.dtype == np.float32


def test_a_gradient_in_python_numbers_keeps_its_digits():
    x = Tensor(np.array([1.0]), requires_grad=True)
    (x * 1.0).backward([0.1])
    assert x.grad.item() == 0.1


def test_backward_needs_a_gradient_for_several_numbers(device):
    x = leaf([1.0, 2.0], device)
    with pytest.raises(ValueError, match=r"one number only, this Tensor has shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"grad has shape \(3,\), the Tensor \(2,\)"):
        (x * 2).backward(Tensor([1.0, 1.0, 1.0], device=device))


def test_backward_without_a_graph_is_an_error():
    for x in (Tensor(1.0), Tensor(1.0) * 2, (leaf(1.0) * 2).detach(), leaf(1.0) > 0):
        with pytest.raises(RuntimeError, match="no graph"):
            x.backward()


def test_the_incoming_gradient_must_lie_on_the_same_device(device):
    if device == "cpu":
        pytest.skip("there is one CPU")
    x = leaf([1.0], device)
    with pytest.raises(backend.DeviceError, match="grad is on cpu, the Tensor on cuda:0"):
        (x * 2).backward(Tensor([1.0]))


# ---- a second sweep ----------------------------------------------------------------------------------------------


def test_a_second_backward_over_a_released_graph_is_an_error(device):
    x = leaf([1.0, 2.0], device)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="released by an earlier backward; pass retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="released"):
        mg.grad(y, x)
    check(x.grad, [2, 4])


def test_a_shared_part_that_was_released_is_an_error_before_any_gradient_is_added():
    x, w = leaf(2.0), leaf(1.0)
    shared = x * x
    first, second = shared * 3, shared * 5 + w
    first.backward()
    with pytest.raises(RuntimeError, match="graph below Mul was released"):
        second.backward()
    assert w.grad is None
    check(x.grad, 12)


def test_a_retained_graph_can_be_walked_again(device):
    x = leaf([1.0, 2.0], device)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    check(x.grad, [6, 12])
    with pytest.raises(RuntimeError, match="released"):
        y.backward()


def test_create_graph_retains_the_graph():
    x = leaf(2.0)
    y = x * x * x
    y.backward(create_graph=True)
    y.backward()
    check(x.grad, 24)


def test_a_sweep_that_fails_leaves_recording_and_gradients_as_they_were():
    class Broken(Cube):
        def backward(self, grad):
            raise ArithmeticError

    x, w = leaf(1.0), leaf(2.0)
    with pytest.raises(ArithmeticError):
        (Broken.apply(x) * w).backward()
    assert is_grad_enabled()
    assert x.grad is None and w.grad is None


def test_threads_sweep_independently():
    x = leaf(np.ones(100))
    results = [None] * 4

    def work(i):
        results[i] = mg.grad((x * x * float(i)).sum(), x)[0].numpy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal([r[0] for r in results], [0, 2, 4, 6])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_process_forked_while_a_thread_accumulates_can_run_backward():
    code = (
        "import os, signal, minigrad as mg\n"
        "from minigrad import sweep\n"
        "sweep._accumulation.acquire()\n"
        "child = os.fork()\n"
        "if child: print(os.waitpid(child, 0)[1])\n"
        "else:\n"
        "    signal.alarm(20)\n"
        "    (mg.Tensor([1.0], requires_grad=True) * 2).backward()\n"
        "    os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.stdout == "0\n", result.stderr
