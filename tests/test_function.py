"""`Function` and the switches: operations, and whether they are recorded."""

from __future__ import annotations

import ast
import inspect
import textwrap
import threading
from typing import ClassVar

import numpy as np
import pytest

import minigrad as mg
from minigrad import Function, Tensor, backend, function
from minigrad.grad_mode import is_grad_enabled
from minigrad.ops.in_memory_order import Elementwise


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


def test_an_operation_as_the_documentation_writes_it(device):
    x = Tensor(np.array([1.5, -2.0]), requires_grad=True, device=device)
    assert mg.gradcheck(Cube.apply, [x])
    assert mg.gradgradcheck(Cube.apply, [x])
    assert repr(Cube.apply(x)).endswith("node=Cube)")


@pytest.mark.parametrize("wrong", ["1", [1.0], object()])
def test_inputs_are_tensors_numbers_or_none(wrong):
    class First(Function):
        def forward(self, x, *others):
            self.others = others
            return x * 1

        def backward(self, grad):
            return grad, *[None] * len(self.others)

    x = leaf([1.0, 2.0])
    y = First.apply(x, 2, 2.5, None)
    assert y.node.others == (2, 2.5, None) and y.node.inputs[1:] == [2, 2.5, None]
    check(mg.grad(y.sum(), x)[0], [1, 1])
    with pytest.raises(TypeError, match=f"First: expected Tensors, or arrays, got {type(wrong).__name__}"):
        First.apply(x, wrong)


def test_on_arrays_an_operation_only_computes(device):
    xp = backend.device_module(device)
    a, b = xp.asarray([1.0, 2.0]), xp.asarray([3.0, 4.0])
    assert mg.ops.elementwise.Mul.apply(a, b).tolist() == [3, 8]
    assert mg.ops.elementwise.Mul.apply(2.0, b).tolist() == [6, 8]
    for result in (Cube.apply(a), Cube.apply(a[1]), mg.ops.reduce.Sum.apply(a, axes=(0,), keepdims=False)):
        assert backend.is_array(result) and backend.device_of(result) == backend.parse_device(device)


def test_numpys_scalars_count_as_arrays():
    result = Cube.apply(np.float32(2))
    assert type(result) is np.ndarray and result.dtype == np.float32 and result.shape == () and result == 8
    result = mg.ops.elementwise.Mul.apply(np.float64(2), np.ones(2, np.float32))  # which is a float to Python, too
    assert result.dtype == np.float64


@pytest.mark.parametrize("swapped", [False, True])
def test_tensors_and_arrays_are_not_mixed(device, swapped):
    inputs = [leaf([1.0, 2.0], device), backend.device_module(device).ones(2, dtype=np.float32)]
    with pytest.raises(TypeError, match="Mul: got Tensors and arrays"):
        mg.ops.elementwise.Mul.apply(*inputs[:: -1 if swapped else 1])


def test_an_operation_has_to_say_both_ways(device):
    class OneWay(Function):
        def forward(self, x):
            return x * 2

    x = leaf([1.0], device)
    with pytest.raises(NotImplementedError, match=r"Function\.forward"):
        Function.apply(x)
    with pytest.raises(NotImplementedError, match=r"OneWay\.backward"):
        OneWay.apply(x).backward()


def test_an_input_that_was_not_saved_is_named(device):
    class Product(Function):
        reads: ClassVar = {0: (1,)}  # and 1: (0,) is missing

        def forward(self, a, b):
            return a * b

        def backward(self, grad):
            a, b = self.inputs
            return grad * b, grad * a if self.needs[1] else None

    a, b = leaf([2.0], device), leaf([3.0], device)
    check(mg.grad(Product.apply(a, b.detach()), a)[0], [3])
    with pytest.raises(RuntimeError, match=r"backward of Product uses input 0, .* reads = \{\w: \(0,\)\}"):
        mg.grad(Product.apply(a, b), b)


def test_forward_knows_which_inputs_need_a_gradient(device):
    seen = []

    class Watched(Cube):
        def forward(self, x, y):
            seen.append(self.needs)
            return x * y

    x, y = leaf([1.0], device), Tensor([2.0], device=device)
    Watched.apply(x, y)
    Watched.apply(y, x)
    with mg.no_grad():
        Watched.apply(x, x)
    assert seen == [(True, False), (False, True), ()]


def test_no_device_is_switched_to_on_the_cpu(monkeypatch):
    x, w = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    monkeypatch.setattr(backend, "use_device", None)
    check(mg.grad(x * w + 1, x, w)[0], [9, 16])


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


# ---- inf, nan and numbers too small are results ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: mg.ops.softmax(x * 200, axis=0),
        lambda x: mg.ops.sigmoid(x * 200),
        lambda x: mg.ops.log(mg.ops.relu(x)),
        lambda x: 1 / mg.ops.relu(x),
        lambda x: mg.ops.relu(x).sqrt(),
        lambda x: (x * 1e30).exp(),
        lambda x: (mg.ops.relu(x) * 1e30).astype(np.float16),
        lambda x: mg.ops.cross_entropy((x * 200).reshape(1, 2), [0]),
    ],
)
def test_extreme_results_are_no_errors_forwards_or_backwards(compute):
    x = leaf(np.float32([-1.0, 4.0]))
    with np.errstate(all="raise"):
        compute(x).sum().backward()
        (slope,) = mg.grad(compute(x).sum(), x, create_graph=True)
        assert slope.shape == x.shape
        assert np.geterr()["over"] == "raise"  # the user's own arithmetic is as it was


def test_an_error_in_the_sweep_leaves_numpy_as_it_was():
    class Broken(Function):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            raise OSError("broken")

    with np.errstate(all="raise"):
        with pytest.raises(OSError, match="broken"):
            Broken.apply(leaf([1.0])).sum().backward()
        with pytest.raises(FloatingPointError):
            np.float32([1.0]) / np.float32([0.0])
        mg.ops.log(Tensor([0.0]))  # and the operations still are silent


# ---- mistakes of those who write operations -----------------------------------------------------------------


class Product(Function):
    """a·b, with a backward that each test gets wrong in another way."""

    reads: ClassVar = {0: (1,), 1: (0,)}
    wrong: ClassVar = None

    def forward(self, a, b):
        return a * b

    def backward(self, grad):
        return self.wrong(grad)


MISTAKES = {
    "a gradient that nobody needs": (
        lambda self, g: (g * self.inputs[1], g * self.inputs[0]),
        RuntimeError,
        r"uses the values of input 0, which were not saved.*: return None for input 1 where self.needs\[1\] is False",
    ),
    "one gradient too few": (
        lambda self, g: g * self.inputs[1],
        TypeError,
        "returned ndarray; .* for each of 2 inputs",
    ),
    "a list": (lambda self, g: (g.tolist(), None), TypeError, "returned list, NoneType; expected an array or None"),
    "the output": (lambda self, g: (self.output, None), RuntimeError, "uses its output; write reads_output = True"),
    "a smaller shape": (
        lambda self, g: (g.sum(), None),
        RuntimeError,
        r"of shape \(\) .* for an input of shape \(2,\)",
    ),
    "a larger shape": (
        lambda self, g: (g.reshape(2, 1) * g, None),
        RuntimeError,
        r"backward of Wrong returned a gradient of shape \(2, 2\) .* for an input of shape \(2,\)",
    ),
    "another dtype": (
        lambda self, g: (g.astype(np.float64), None),
        RuntimeError,
        "dtype float64 for an input .* float32",
    ),
}


@pytest.mark.parametrize("backward, error, message", MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_backward_is_told_what_is_wrong(device, backward, error, message):
    operation = type("Wrong", (Product,), {"wrong": backward})
    a, b = leaf([1.0, 2.0], device), Tensor([3.0, 4.0], device=device)
    with pytest.raises(error, match=message):
        operation.apply(a, b).sum().backward()


def test_the_example_of_the_documentation_runs():
    code = textwrap.dedent(function.__doc__.split("has it:\n")[1].split("`Mul.apply")[0])
    names = {"Elementwise": Elementwise}
    exec(code, names)
    theirs, ours = (
        ast.parse(code).body[0],
        ast.parse(textwrap.dedent(inspect.getsource(mg.ops.elementwise.Mul))).body[0],
    )
    for method in (node for node in ast.walk(ours) if isinstance(node, ast.FunctionDef)):  # but for the annotations
        method.returns = None
        for argument in method.args.args:
            argument.annotation = None
    assert ast.dump(theirs) == ast.dump(ours)
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    for inputs in ((a, b), (a, b.detach()), (a.detach(), b), (a, 3.0)):
        leaves = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
        for x, found in zip(leaves, mg.grad(names["Mul"].apply(*inputs).sum(), leaves), strict=True):
            other = inputs[1] if x is inputs[0] else inputs[0]
            check(found, np.broadcast_to(np.asarray(other), 2))
