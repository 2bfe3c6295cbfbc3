"""The graph and the sweep: gradients add up, memory is let go of, and what cannot be right is refused."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Parameter, Tensor, backend, ops, optim
from minigrad.function import is_grad_enabled


def leaf(values, device="cpu"):
    return Tensor(values, requires_grad=True, device=device)


def check(tensor, expected):
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-6)


class Cube(Function):
    """y = x³, written as the documentation says."""

    reads = {0: (0,)}

    def forward(self, x):
        return x * x * x

    def backward(self, grad):
        (x,) = self.inputs
        return grad * 3 * x * x


# ---- deep graphs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("saving", [False, True], ids=["add", "mul"])
@pytest.mark.parametrize("sweep", ["none", "released", "retained"])
def test_a_chain_of_100000_operations(saving, sweep):
    x = leaf([0.5])
    one = Tensor([1.0])
    y = x
    for _ in range(100_000):
        y = y * one if saving else y + one
    if sweep != "none":
        y.backward(retain_graph=sweep == "retained")
        check(x.grad, [1])
    del y  # frees the chain


def test_a_chain_of_100000_operations_can_be_freed_in_a_thread_with_a_small_stack():
    def build_and_free():
        y = leaf([0.5])
        one = Tensor([1.0])
        for _ in range(100_000):
            y = y * one
        finished.append(True)
        del y

    finished = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=build_and_free)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert finished


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


# ---- the gradient that comes in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [lambda g, device: Tensor(g, device=device), lambda g, device: g, lambda g, _: g.tolist()])
def test_backward_takes_the_gradient_of_its_output(device, kind):
    x = leaf([1.0, 2.0], device)
    (x * x).backward(kind(np.array([10.0, 100.0], np.float32), device))
    check(x.grad, [20, 400])


def test_the_incoming_gradient_takes_the_dtype_of_the_output(device):
    x = leaf([1.0, 2.0], device)
    (x * x).backward(Tensor(np.array([1.0, 1.0]), device=device))
    assert x.grad.dtype == np.float32


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


# ---- memory ------------------------------------------------------------------------------------------------------

MEGABYTE = 2**20
exp_like = pytest.mark.parametrize("op", [lambda x: x * 1.0 * x, ops.exp, ops.tanh], ids=["mul", "exp", "tanh"])


def traced_megabytes():
    return tracemalloc.get_traced_memory()[0] / MEGABYTE


@pytest.fixture
def traced():
    gc.collect()
    gc.disable()  # reference counting alone must do
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def deep_loss(op, depth=20):
    x = leaf(np.zeros(MEGABYTE // 8))  # a megabyte
    y = x
    for _ in range(depth):
        y = op(y)
    return x, y.sum()


@exp_like
def test_what_was_saved_is_freed_by_the_sweep_and_while_it_passes(traced, op):
    x, loss = deep_loss(op)
    before = traced_megabytes()
    assert before > 20
    tracemalloc.reset_peak()
    loss.backward()
    assert tracemalloc.get_traced_memory()[1] / MEGABYTE < before + 8  # the gradients of 20 layers would be 20
    assert traced_megabytes() < 3  # x, its gradient, and little else, although the loss is still held


@exp_like
def test_the_graph_is_freed_with_its_output(traced, op):
    x, loss = deep_loss(op)
    del loss
    assert traced_megabytes() < 2


@exp_like
def test_a_retained_graph_keeps_what_was_saved(traced, op):
    x, loss = deep_loss(op)
    before = traced_megabytes()
    loss.backward(retain_graph=True)
    assert traced_megabytes() >= before
    loss.backward()
    assert traced_megabytes() < 3


def test_each_operation_lets_go_before_the_next_one_runs():
    buffers, alive = [], []

    class Buffer:
        pass

    class Spy(Function):
        def forward(self, x):
            self.buffer = Buffer()
            buffers.append(weakref.ref(self.buffer))
            return x * 1

        def backward(self, grad):
            alive.append([ref() is not None for ref in buffers])
            return grad

    x = leaf(1.0)
    y = Spy.apply(Spy.apply(Spy.apply(x)))
    y.backward()
    assert alive == [[True, True, True], [True, True, False], [True, False, False]]
    assert not any(ref() for ref in buffers)


def test_nothing_is_saved_without_recording(traced):
    x = leaf(np.zeros(MEGABYTE // 8))
    y = x
    with mg.no_grad():
        for _ in range(10):
            y = y * y
    assert y.node is None and not y.requires_grad
    assert traced_megabytes() < 3


def test_only_what_a_gradient_reads_is_saved(traced):
    x = leaf(np.zeros(MEGABYTE // 8))
    y = x
    for _ in range(10):
        y = y + 1.0
    assert traced_megabytes() < 3  # x and y: the derivative of a sum needs neither


def test_derivatives_of_derivatives_leave_no_cycles(traced):
    x = leaf(np.zeros(MEGABYTE // 8))
    (first,) = mg.grad((x.exp() * x).sum(), x, create_graph=True)
    (second,) = mg.grad(first.sum(), x)
    del first, second
    assert traced_megabytes() < 2


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


def test_a_sweep_that_fails_leaves_recording_as_it_was():
    class Broken(Cube):
        def backward(self, grad):
            raise ArithmeticError

    y = Broken.apply(leaf(1.0))
    with pytest.raises(ArithmeticError):
        y.backward()
    assert is_grad_enabled()


# ---- grad() ------------------------------------------------------------------------------------------------------


def test_grad_returns_gradients_and_leaves_grad_alone(device):
    x, w = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    x.grad = kept = Tensor([9.0, 9.0], device=device)
    dx, dw = mg.grad((x * w).sum(), [x, w])
    check(dx, [3, 4])
    check(dw, [1, 2])
    assert x.grad is kept and w.grad is None
    assert not dx.requires_grad


def test_grad_of_intermediate_results(device):
    x = leaf([1.0, 2.0], device)
    y = x * 2
    z = y * y
    dx, dy, dz = mg.grad(z.sum(), [x, y, z])
    check(dz, [1, 1])
    check(dy, [4, 8])
    check(dx, [8, 16])


def test_grad_of_an_output_with_respect_to_itself():
    x = leaf([1.0])
    y = x * 2
    assert [g.item() for g in mg.grad(y, [y, x, x])] == [1, 2, 2]
    assert mg.grad(x, x)[0].item() == 1


def test_grad_takes_an_intermediate_result_that_leads_to_another():
    x = leaf(3.0)
    a = x * x
    b = a * a
    da, db = mg.grad(b * a, [a, b])  # a³
    check(da, 3 * 81)
    check(db, 9)


def test_grad_of_unrelated_inputs_is_zero(device):
    x, other = leaf([1.0, 2.0], device), Tensor(np.ones((2, 3)), requires_grad=True, device=device)
    (zeros,) = mg.grad((x * x).sum(), other)
    assert (zeros.shape, zeros.dtype, zeros.device) == ((2, 3), np.float64, other.device)
    check(zeros, np.zeros((2, 3)))


def test_grad_sums_over_several_outputs(device):
    x, w = leaf([1.0, 2.0], device), leaf([5.0, 5.0], device)
    dx, dw = mg.grad([(x * x).sum(), (x * w).sum()], [x, w])
    check(dx, [7, 9])
    check(dw, [1, 2])


@pytest.mark.parametrize("make", [np.asarray, list, tuple, Tensor])
def test_grad_takes_the_gradients_of_its_outputs(make):
    x = leaf([1.0, 2.0])
    y, z = x * x, x * 3
    g = np.array([1.0, 10.0], np.float32)
    (dx,) = mg.grad([y, z], x, [make(g), make(g)])
    check(dx, [2 + 3, 40 + 30])


def test_grad_takes_one_gradient_for_one_output():
    x = leaf([1.0, 2.0])
    for g in (np.array([1.0, 10.0]), Tensor([1.0, 10.0])):
        check(mg.grad(x * x, x, g)[0], [2, 40])
    check(mg.grad((x * x).sum(), x, 3.0)[0], [6, 12])


def test_grad_outputs_must_fit():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match="1 outputs but 2 grad_outputs"):
        mg.grad(x * x, x, [None, None])
    with pytest.raises(ValueError, match=r"grad has shape \(3,\)"):
        mg.grad(x * x, x, np.ones(3))
    with pytest.raises(ValueError, match="one number only"):
        mg.grad(x * x, x)


def test_grad_of_what_requires_none_is_an_error(device):
    x = leaf([1.0], device)
    with pytest.raises(RuntimeError, match=r"input 1 of shape \(2,\) does not require gradients"):
        mg.grad((x * x).sum(), [x, Tensor([1.0, 2.0], device=device)])
    with pytest.raises(RuntimeError, match="no graph"):
        mg.grad(Tensor(1.0, device=device), x)


def test_grad_walks_only_what_leads_to_the_inputs():
    class Forbidden(Cube):
        def backward(self, grad):
            raise AssertionError("not needed")

    x, w = leaf(2.0), leaf(3.0)
    y = Forbidden.apply(w)
    check(mg.grad(x * x + y, x)[0], 4)
    check(mg.grad(Forbidden.apply(w) * y, y)[0], 27)


# ---- higher derivatives ------------------------------------------------------------------------------------------


def test_third_derivatives(device):
    x = leaf([1.0, 2.0, -3.0], device)
    values = np.array([1.0, 2.0, -3.0])
    y = x**5
    for expected in (5 * values**4, 20 * values**3, 60 * values**2, 120 * values):
        (y,) = mg.grad(y.sum(), x, create_graph=True)
        check(y, expected)


def test_higher_derivatives_of_saved_outputs(device):
    x = leaf(0.5, device)
    y = x.exp()
    for _ in range(4):
        (y,) = mg.grad(y, x, create_graph=True)
        check(y, np.exp(0.5))


def test_backward_with_create_graph_gives_gradients_that_can_be_differentiated(device):
    x = leaf([2.0, 3.0], device)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    check(g, [12, 27])
    (g * g).sum().backward()  # (3x²)² has the derivative 36x³
    check(x.grad, [36 * 8, 36 * 27])


def test_without_create_graph_the_gradient_has_no_history(device):
    x = leaf([2.0], device)
    (x**3).sum().backward()
    assert x.grad.node is None and not x.grad.requires_grad


def test_gradients_flow_to_the_incoming_gradient_too():
    x, v = leaf([2.0, 3.0]), leaf([1.0, 1.0])
    (dx,) = mg.grad(x * x, x, v, create_graph=True)
    (dv,) = mg.grad(dx, v, Tensor([1.0, 10.0]))
    check(dv, [4, 60])


def test_an_operation_as_the_documentation_writes_it(device):
    x = Tensor(np.array([1.5, -2.0]), requires_grad=True, device=device)
    assert mg.gradcheck(Cube.apply, [x])
    assert mg.gradgradcheck(Cube.apply, [x])
    assert repr(Cube.apply(x)).endswith("node=Cube)")


# ---- whether to record -------------------------------------------------------------------------------------------


def test_no_grad_and_enable_grad_nest(device):
    x = leaf([1.0], device)
    with mg.no_grad():
        assert not (x * 2).requires_grad
        with mg.enable_grad():
            assert (x * 2).requires_grad
            with mg.no_grad():
                assert not (x * 2).requires_grad
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_recording_is_restored_after_an_exception():
    for switch, inside in ((mg.no_grad, False), (mg.enable_grad, True)):
        with pytest.raises(ZeroDivisionError), switch():
            assert is_grad_enabled() is inside
            raise ZeroDivisionError
        assert is_grad_enabled()


def test_one_switch_can_be_entered_several_times():
    switch = mg.no_grad()
    with switch, switch:
        assert not is_grad_enabled()
    assert is_grad_enabled()
    with switch:
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_switches_decorate_functions():
    @mg.no_grad()
    def frozen(depth=0):
        """Documented."""
        assert not is_grad_enabled()
        return frozen(depth - 1) if depth else recorded()

    @mg.enable_grad()
    def recorded():
        return is_grad_enabled()

    assert frozen(3) is True
    assert is_grad_enabled()
    assert (frozen.__name__, frozen.__doc__) == ("frozen", "Documented.")


def test_recording_is_switched_per_thread():
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_decorated_function_may_run_in_several_threads_at_once():
    entered, leave = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    after = [None, None]

    @mg.no_grad()
    def wait(i):
        entered[i].set()
        assert leave[i].wait(10)

    def run(i):
        if i == 1:
            with mg.no_grad():
                wait(i)
                after[i] = is_grad_enabled()
        else:
            wait(i)
            after[i] = is_grad_enabled()

    threads = [threading.Thread(target=run, args=(i,)) for i in (0, 1)]
    for i, thread in enumerate(threads):
        thread.start()
        assert entered[i].wait(10)
    for i, thread in enumerate(threads):  # the first in is the first out
        leave[i].set()
        thread.join()
    assert after == [True, False]


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


# ---- changes behind the back of backward -------------------------------------------------------------------------

VIEWS = {
    "itself": lambda w: w,
    "T": lambda w: w.T,
    "reshape": lambda w: w.reshape(4),
    "slice": lambda w: w[:1],
    "flatten, unsqueeze": lambda w: w.flatten().unsqueeze(0),
    "broadcast_to": lambda w: w.broadcast_to(3, 2, 2),
    "detach": lambda w: w.detach(),
    "permute of reshape": lambda w: w.reshape(2, 1, 2).permute(2, 1, 0),
}


def changed_by_optimizer(w):
    w.grad = Tensor(np.ones(w.shape, w.dtype), device=w.device)
    optim.SGD([w], lr=0.1).step()


def changed_by_loading(w):
    module = mg.nn.Module()
    module.w = w
    module.load_state_dict({"w": np.zeros(w.shape)})


@pytest.mark.parametrize("change", [changed_by_optimizer, changed_by_loading])
@pytest.mark.parametrize("view", VIEWS)
def test_a_saved_input_that_changed_is_noticed_through_views_too(device, view, change):
    w = Parameter(np.ones((2, 2), np.float32), device=device)
    shown = VIEWS[view](w)
    x = Tensor(np.ones(shown.shape, np.float32), requires_grad=True, device=device)
    y = (shown * x).sum()
    change(w)
    with pytest.raises(RuntimeError, match="backward of Mul: an input of shape .* was changed in place.*run the forward"):
        y.backward()


def test_a_saved_output_that_changed_is_noticed(device):
    x = leaf([1.0, 2.0], device)
    y = x.exp()
    module = mg.nn.Module()
    module.register_buffer("y", y.detach())  # shows y's memory
    module.load_state_dict({"y": np.zeros(2)})
    with pytest.raises(RuntimeError, match="backward of Exp: the output of shape .* was changed"):
        y.sum().backward()


def test_changes_of_what_backward_does_not_read_are_no_error(device):
    w = Parameter([1.0, 2.0], device=device)
    x = Tensor([3.0, 4.0], device=device)
    y = (w * x + w).sum()
    changed_by_optimizer(w)
    w.grad = None
    y.backward()
    check(w.grad, [4, 5])


def test_a_new_forward_pass_after_the_change_is_fine(device):
    w = Parameter([1.0, 2.0], device=device)
    changed_by_loading(w)
    w.grad = None
    (w * w + 3 * w).sum().backward()
    check(w.grad, [3, 3])


@pytest.mark.parametrize("dtype", [bool, np.int64])
def test_an_index_that_changed_is_noticed_or_does_not_matter(device, dtype):
    module = mg.nn.Module()
    module.register_buffer("index", Tensor(np.array([1, 0]).astype(dtype), device=device))
    x = leaf([1.0, 2.0], device)
    y = x[module.index].sum()
    expected = [1, 0] if dtype is bool else [1, 1]
    module.load_state_dict({"index": np.array([0, 0]).astype(dtype)})
    try:
        y.backward()
    except RuntimeError:
        return
    check(x.grad, expected)


def test_targets_that_changed_are_noticed_or_do_not_matter(device):
    module = mg.nn.Module()
    module.register_buffer("targets", Tensor([1, 0], device=device))
    x = leaf([[0.0, 0.0], [0.0, 0.0]], device)
    loss = ops.cross_entropy(x, module.targets, reduction="sum")
    module.load_state_dict({"targets": np.array([0, 0])})
    try:
        loss.backward()
    except RuntimeError:
        return
    check(x.grad, [[0.5, -0.5], [-0.5, 0.5]])


def test_a_condition_that_changed_is_noticed_or_does_not_matter(device):
    module = mg.nn.Module()
    module.register_buffer("mask", Tensor([True, False], device=device))
    x = leaf([1.0, 2.0], device)
    y = ops.where(module.mask, x, 0.0).sum()
    module.load_state_dict({"mask": np.array([False, False])})
    try:
        y.backward()
    except RuntimeError:
        return
    check(x.grad, [1, 0])


def test_running_statistics_may_move_on_before_backward(device):
    """Two forward passes before one backward: batch norm has updated its running statistics in between."""
    bn = mg.nn.BatchNorm2d(2).to(device)
    x = Tensor(np.random.default_rng(0).standard_normal((4, 2, 3, 3)), requires_grad=True, device=device).astype(np.float32)
    first = (bn.eval()(x) ** 2).sum()
    expected = mg.grad(first, bn.weight, retain_graph=True)[0].numpy()
    bn.train()(x)
    check(mg.grad(first, bn.weight)[0], expected)


def test_moving_a_model_between_forward_and_backward_is_noticed(device):
    if device == "cpu":
        pytest.skip("there is nowhere to go")
    model = mg.nn.Linear(2, 1)
    y = model(leaf([[1.0, 2.0]])).sum()
    model.to(device)
    with pytest.raises(RuntimeError, match="changed in place.*or moved"):
        y.backward()
