"""Operands: which dtypes come out, what is accepted, how broadcasting is undone, and that devices do not mix."""

from __future__ import annotations

import operator
import re

import numpy as np
import pytest

from minigrad import Tensor, backend, ops
from minigrad.backend import DeviceError
from tests import strict_cupy
from tests.ops.helpers import gradients, leaf

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, ops.maximum, ops.minimum]
every_operation = pytest.mark.parametrize("op", ARITHMETIC, ids=lambda op: op.__name__)
FLOATS = ["float16", "float32", "float64"]


@every_operation
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", [2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2)], ids=repr)
def test_numbers_do_not_change_a_floating_dtype(device, op, dtype, number):
    x = leaf([1, 2], device, dtype)
    for y in (op(x, number), op(number, x)):
        assert y.dtype == dtype
        assert gradients(y, x)[0].dtype == dtype


@pytest.mark.parametrize(
    "op",
    [
        lambda x, number: ops.dropout(x.sum(), number),
        lambda x, number: ops.cross_entropy(x, [0, 1], label_smoothing=number),
        lambda x, number: ops.smooth_l1_loss(x, x.detach(), beta=number),
        lambda x, number: ops.batch_norm(x, None, None, None, None, True, momentum=number, eps=number),
        lambda x, number: ops.pad(x, [(1, 1), (0, 0)], number),
    ],
    ids=["dropout", "cross_entropy", "smooth_l1_loss", "batch_norm", "pad"],
)
def test_numpy_numbers_as_options_do_not_either(device, op):
    x = leaf([[1, 2], [3, 5]], device)
    y = op(x, np.float64(0.5))
    assert y.dtype == gradients(y, x)[0].dtype == np.float32


@every_operation
def test_integers_with_a_float_become_float32(device, op):
    x = Tensor([1, 2], device=device)
    assert op(x, 2.5).dtype == op(2.5, x).dtype == np.float32


@every_operation
def test_integers_stay_integers_except_when_divided(device, op):
    x = Tensor([1, 2], device=device)
    assert op(x, 2).dtype == op(x, x).dtype == (np.float32 if op is operator.truediv else np.int64)


@pytest.mark.parametrize(
    "a, b, result",
    [
        ("float32", "float64", "float64"),
        ("float16", "float32", "float32"),
        ("int64", "float32", "float32"),
        ("int64", "float16", "float16"),
        ("bool", "float32", "float32"),
        ("int32", "int64", "int64"),
        ("bool", "int32", "int32"),
    ],
)
def test_two_tensors_meet_in_the_wider_floating_dtype(device, a, b, result):
    x, y = Tensor(np.ones(2, a), device=device), Tensor(np.ones(2, b), device=device)
    assert (x + y).dtype == (y + x).dtype == result


def test_each_operand_gets_a_gradient_of_its_own_dtype(device):
    x, y = leaf([1], device, "float32"), leaf([2], device, "float64")
    assert [g.dtype for g in gradients(x * y, x, y)] == ["float32", "float64"]


def test_arrays_on_either_side(device):
    x = Tensor([1.0, 2.0])
    array = np.array([3.0, 4.0], np.float32)
    for y in (x + array, array + x):
        assert isinstance(y, Tensor) and y.numpy().tolist() == [4, 6]


def test_two_numbers_make_a_tensor():
    assert ops.add(1, 2.5).item() == 3.5


@pytest.mark.parametrize("value", ["1", None, [1.0]])
def test_other_operands_are_refused(device, value):
    with pytest.raises(TypeError, match=f"add: expected Tensors, arrays or numbers, got {type(value).__name__}"):
        ops.add(Tensor([1.0], device=device), value)


@pytest.mark.parametrize(
    "shape, other",
    [
        ((3,), (2, 3)),
        ((2, 1), (1, 3)),
        ((), (2, 2)),
        ((1, 1), ()),
        ((3, 1, 2), (1, 4, 1)),
        ((1,), (0,)),
        ((0, 1), (3,)),
    ],
)
def test_gradients_of_broadcast_operands_have_their_shapes_and_count_the_uses(device, shape, other):
    a, b = leaf(np.ones(shape), device), leaf(np.ones(other), device)
    y = a + b
    assert y.shape == np.broadcast_shapes(shape, other)
    for x, gradient in zip((a, b), gradients(y, a, b), strict=True):
        assert gradient.shape == x.shape and (gradient == y.size / max(1, x.size)).all()


def test_shapes_that_do_not_broadcast_are_refused(device):
    for a, b in [((2,), (3,)), ((2, 1, 3), (4, 2)), ((0,), (2,))]:
        with pytest.raises(ValueError, match=f"add: shapes {re.escape(f'{a} and {b}')} do not broadcast"):
            leaf(np.ones(a), device) + leaf(np.ones(b), device)


@pytest.mark.parametrize(
    "op",
    [
        lambda x: ops.log(x - x),
        lambda x: ops.sqrt(-x),
        lambda x: ops.exp(x * 1000),
        lambda x: x / (x - x),
        lambda x: (x - x) ** -1,
        lambda x: ops.logsumexp((x - x).log()),
        lambda x: (x * 1e38).astype(np.float16),
    ],
    ids=["log", "sqrt", "exp", "div", "pow", "logsumexp", "astype"],
)
def test_a_result_that_is_infinite_or_nan_is_no_reason_to_warn(device, op):
    assert not np.isfinite(op(leaf([1, 2], device)).numpy()).any()


@pytest.fixture
def cuda(monkeypatch):
    strict_cupy.install(monkeypatch)
    return "cuda"


@pytest.mark.parametrize(
    "op, shapes",
    [
        (ops.add, [(2,), (2,)]),
        (ops.matmul, [(2, 2), (2, 2)]),
        (ops.linear, [(2, 2), (2, 2), (2,)]),
        (ops.conv2d, [(1, 1, 3, 3), (1, 1, 2, 2), (1,)]),
        (ops.mse_loss, [(2,), (2,)]),
        (lambda *tensors: ops.concat(tensors), [(2,), (2,)]),
    ],
    ids=["Add", "MatMul", "Linear", "Conv2d", "Sub", "Concat"],
)
def test_devices_are_not_mixed(cuda, op, shapes, request):
    *first, last = [Tensor(np.ones(shape, np.float32)) for shape in shapes]
    name = request.node.callspec.id
    with pytest.raises(DeviceError, match=f"{name}: inputs on different devices, cpu and cuda:0; move one"):
        op(*first, last.to(cuda))


def test_two_gpus_are_not_mixed(cuda):
    with pytest.raises(DeviceError, match="cuda:0 and cuda:1"):
        Tensor([1.0], device="cuda:0") * Tensor([1.0], device="cuda:1")


def test_an_array_on_the_cpu_does_not_move_to_the_gpu_by_itself(cuda):
    with pytest.raises(DeviceError, match="cpu and cuda:0"):
        Tensor([1.0], device=cuda) * np.ones(1, np.float32)


def test_numpys_numbers_come_to_the_tensors_device(device):
    x = leaf(3.0, device)
    for loss in (ops.mse_loss(x, np.float64(1)), ops.mse_loss(x, 1.0), ops.l1_loss(x, np.float32(-1))):
        assert loss.device == x.device and loss.dtype == np.float32 and loss.item() == 4
    assert ops.where(np.bool_(True), x, 1.0).item() == 3 and ops.where([True], x, 1.0).tolist() == [3]


def test_comparisons_of_single_numbers_are_arrays(device):
    a, b = leaf(1.0, device), leaf(2.0, device)
    for y in (a < b, a < 2, a == 1, ~(a > b), (a < b) & (b > a), ops.isfinite(a), a.all(), a.argmax() == 0):
        assert backend.is_array(y.data) and (y.shape, y.dtype, y.device) == ((), bool, a.device) and y.item()
