"""Python's syntax and the methods of a Tensor call the right operations, with dtypes that hold no surprises."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from minigrad import Tensor, backend, ops
from minigrad.operators import METHODS, SYNTAX

FLOATS = (np.float16, np.float32, np.float64)


def values(*shape):
    return np.random.default_rng(0).uniform(0.5, 2, shape).astype(np.float32)


# ---- the table ---------------------------------------------------------------------------------------------------


PROMISED = (
    "sum", "mean", "max", "min", "var", "reshape", "transpose", "flatten", "squeeze", "unsqueeze", "exp", "log", "sqrt",
    "tanh", "sigmoid", "relu", "abs", "clip", "to", "astype", "backward", "detach", "numpy", "item",
)  # fmt: skip


def test_every_entry_of_the_table_is_a_method():
    for name in SYNTAX | METHODS:
        assert callable(getattr(Tensor, name))


@pytest.mark.parametrize("name", ["softplus", "silu", "elu", "cumsum", "permute"])
def test_an_operation_on_one_tensor_is_a_method_under_its_own_name(name):
    assert METHODS[name] is getattr(ops, name)


@pytest.mark.parametrize("name", ["where", "concat", "max_pool2d", "cross_entropy", "equal"])
def test_what_takes_more_than_x_is_no_method(name):
    assert name not in METHODS


@pytest.mark.parametrize("name", PROMISED)
def test_promised_methods_exist_and_are_documented(name):
    assert getattr(Tensor, name).__doc__


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("op", BINARY)
def test_arithmetic_in_both_orders(device, op):
    a, b = values(2, 3), values(3) + 1
    x, y = Tensor(a, device=device), Tensor(b, device=device)
    for ours, expected in [
        (op(x, y), op(a, b)),
        (op(x, 2.5), op(a, 2.5)),
        (op(2.5, x), op(2.5, a)),
        (op(2, x), op(2, a)),
    ]:
        assert ours.dtype == np.float32 and ours.device == x.device
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("op", BINARY)
def test_arithmetic_of_a_number_and_a_tensor_has_gradients(device, op):
    for number in (2, 2.5):
        x = Tensor(np.array([0.5, 1.5]), requires_grad=True, device=device)
        h = 1e-6
        op(number, x).sum().backward()
        slope = (op(number, x.numpy() + h) - op(number, x.numpy() - h)) / (2 * h)
        np.testing.assert_allclose(x.grad.numpy(), slope, rtol=1e-6)


@pytest.mark.parametrize("op", [*BINARY, operator.matmul, operator.lt, operator.eq])
def test_numpy_arrays_leave_the_operation_to_the_tensor(op):
    array = values(2, 2)
    for left, right in [(array, Tensor(array)), (Tensor(array), array)]:
        result = op(left, right)
        assert type(result) is Tensor
        np.testing.assert_allclose(result.numpy(), op(array, array), rtol=1e-6)


def test_a_numpy_array_in_front_records_the_operation():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (np.array([3.0, 4.0], np.float32) * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 4])


def test_unary_operators(device):
    x = Tensor([-1.5, 2.0], device=device)
    np.testing.assert_array_equal((-x).numpy(), [1.5, -2])
    np.testing.assert_array_equal(abs(x).numpy(), [1.5, 2])


def test_matmul_and_transpose(device):
    a, b = values(2, 3), values(3, 4)
    np.testing.assert_allclose((Tensor(a, device=device) @ Tensor(b, device=device)).numpy(), a @ b, rtol=1e-6)
    np.testing.assert_array_equal(Tensor(a, device=device).T.numpy(), a.T)
    assert Tensor(values(2, 3, 4)).T.shape == (4, 3, 2)


@pytest.mark.parametrize(
    "op", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne], ids=lambda op: op.__name__
)
def test_comparisons_give_booleans_without_gradient(device, op):
    a, b = np.array([1.0, 2.0, 3.0], np.float32), np.array([3.0, 2.0, 1.0], np.float32)
    x = Tensor(a, requires_grad=True, device=device)
    for result, expected in [
        (op(x, Tensor(b, device=device)), op(a, b)),
        (op(x, 2), op(a, 2)),
        (op(2.0, x), op(2.0, a)),
    ]:
        assert result.dtype == bool and not result.requires_grad
        np.testing.assert_array_equal(result.numpy(), expected)


def test_indexing_calls_getitem(device):
    a = values(3, 4)
    x = Tensor(a, device=device)
    mask = a > 1
    for index in (
        0,
        -1,
        slice(1, None),
        (slice(None), 2),
        (..., None),
        np.int64(1),
        (slice(None, None, -1), slice(0, 4, 2)),
    ):
        np.testing.assert_array_equal(x[index].numpy(), a[index])
    np.testing.assert_array_equal(x[[0, 2]].numpy(), a[[0, 2]])
    np.testing.assert_array_equal(x[Tensor(mask, device=device)].numpy(), a[mask])
    np.testing.assert_array_equal(x[Tensor([2, 0], device=device)].numpy(), a[[2, 0]])


@pytest.mark.parametrize("other", ["text", [1, 2], 1j, object()])
def test_operands_that_are_no_numbers_are_refused(other):
    for op in (operator.add, operator.mul, operator.lt):
        with pytest.raises(TypeError):
            op(Tensor([1.0]), other)


# ---- dtypes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_a_python_number_never_changes_a_floating_dtype(device, dtype, number):
    x = Tensor(np.ones(3, dtype), requires_grad=True, device=device)
    results = [x + number, number - x, x * number, number / x, x**number, ops.maximum(x, number), x.clip(0, number)]
    assert {y.dtype for y in results} == {np.dtype(dtype)}
    sum(results).sum().backward()
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("scalar", [np.float64(2.5), np.float64(2), np.int64(2), np.sqrt(2.0)])
def test_a_numpy_scalar_counts_as_a_number(device, scalar):
    x = Tensor([1.0, 2.0], device=device)
    for y in (x + scalar, scalar + x, x * scalar, x / scalar, scalar / x, x**scalar, ops.maximum(x, scalar)):
        assert type(y) is Tensor and y.dtype == np.float32
    assert (x < scalar).dtype == bool
    assert x.clip(scalar, None).dtype == np.float32


@pytest.mark.parametrize("a", [np.bool_, np.uint8, np.int32, np.int64])
def test_integers_become_float32_where_fractions_come_in(device, a):
    x = Tensor(np.ones(3, a), device=device)
    for y in (x * 0.5, 0.5 + x, x / 2, 1 / x, x / x, x.mean(), x.exp(), x.sqrt(), x.sigmoid(), x.var(), x.softmax()):
        assert y.dtype == np.float32
    assert (x * Tensor([0.5, 1.0, 1.0], device=device)).dtype == np.float32


@pytest.mark.parametrize("a", FLOATS)
@pytest.mark.parametrize("b", FLOATS)
def test_two_floating_tensors_meet_in_the_wider_type(device, a, b):
    x, y = Tensor(np.ones(2, a), True, device), Tensor(np.ones(2, b), True, device)
    z = x * y
    assert z.dtype == np.promote_types(a, b)
    z.sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("integers", [np.bool_, np.uint8, np.int64])
def test_integers_follow_the_floating_partner(device, dtype, integers):
    x, n = Tensor(np.ones(2, dtype), device=device), Tensor(np.ones(2, integers), device=device)
    assert {(x + n).dtype, (n * x).dtype, (n / x).dtype} == {np.dtype(dtype)}


UNARY = (
    "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "absolute", "neg", "softmax", "log_softmax",
    "logsumexp", "sum", "mean", "max", "min", "var",
)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_values_and_gradients_keep_their_dtype(device, name, dtype):
    x = Tensor(values(2, 3).astype(dtype), requires_grad=True, device=device)
    y = getattr(ops, name)(x)
    y.sum().backward()
    assert y.dtype == dtype and x.grad.dtype == dtype


def test_astype_carries_gradients_between_floats(device):
    x = Tensor([1.0, 2.0], requires_grad=True, device=device)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4])
    assert not x.astype(np.int64).requires_grad


# ---- devices -----------------------------------------------------------------------------------------------------

MIXED = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: y * x,
    "matmul": lambda x, y: x @ y,
    "maximum": ops.maximum,
    "concat": lambda x, y: ops.concat([x, y]),
    "stack": lambda x, y: ops.stack([x, y]),
    "where": lambda x, y: ops.where(x > 0, x, y),
    "less": lambda x, y: x < y,
    "getitem": lambda x, y: x[y.astype(np.int64)],
    "linear": ops.linear,
    "linear with bias": lambda x, y: ops.linear(x, x, y[0]),
    "conv2d": lambda x, y: ops.conv2d(x.reshape(1, 1, 2, 2), y.reshape(1, 1, 2, 2)),
    "mse_loss": ops.mse_loss,
    "cross_entropy": lambda x, y: ops.cross_entropy(x, y[0].astype(np.int64)),
    "batch_norm": lambda x, y: ops.batch_norm(x, y[0], y[1], None, None, True),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixing_devices_names_both(device, name):
    if device == "cpu":
        pytest.skip("there is one CPU")
    x, y = Tensor(np.ones((2, 2), np.float32), device=device), Tensor(np.zeros((2, 2), np.float32))
    for a, b in ((x, y), (y, x)):
        with pytest.raises(backend.DeviceError) as error:
            MIXED[name](a, b)
        assert "cpu" in str(error.value) and "cuda:0" in str(error.value)


def test_a_numpy_array_is_not_sent_to_a_gpu_by_itself(device):
    if device == "cpu":
        pytest.skip("there is one CPU")
    x, array = Tensor([1.0, 2.0], device=device), np.ones(2, np.float32)
    for op in (operator.add, operator.matmul, operator.eq):
        for a, b in ((x, array), (array, x)):
            with pytest.raises(backend.DeviceError, match="cpu and cuda:0"):
                op(a, b)


# ---- masks, indices, NumPy's functions ---------------------------------------------------------------------------


def test_masks_are_combined_and_inverted(device):
    x = Tensor([-1.0, 0.5, 2.0], device=device)
    assert ((x > 0) & (x < 1)).numpy().tolist() == [False, True, False]
    assert ((x < 0) | (x > 1)).numpy().tolist() == [True, False, True]
    assert ((x > 0) ^ (x > 1)).numpy().tolist() == [False, True, False]
    assert (~(x > 0)).numpy().tolist() == [True, False, False]
    assert (True & (x > 0)).numpy().tolist() == [False, True, True]
    assert (Tensor([6, 1], device=device) & 3).numpy().tolist() == [2, 1]


def test_fractions_have_no_bits():
    x = Tensor([1.0])
    for combine in (lambda: x & (x > 0), lambda: (x > 0) | 0.5, lambda: ~x):
        with pytest.raises(TypeError, match="expected booleans or integers, got floating point numbers"):
            combine()


def test_an_integer_is_an_index(device):
    best = Tensor([0.0, 1.0], device=device).argmax()
    assert ["cat", "dog"][best] == "dog" and list(range(Tensor(2))) == [0, 1]
    assert Tensor([1.0, 2.0, 3.0])[: Tensor(2)].numpy().tolist() == [1, 2]
    with pytest.raises(TypeError, match="only Tensors of integers can be an index, this one is float32"):
        range(Tensor(2.0))
    with pytest.raises(ValueError, match="one element"):
        range(Tensor([1, 2]))


def test_numpy_answers_questions_about_tensors():
    loss = Tensor([1.0, np.nan, np.inf], requires_grad=True) * 1.0
    assert np.isnan(loss).tolist() == [False, True, False]
    assert np.isfinite(loss).tolist() == [True, False, False]
    assert not np.isnan(Tensor(1.0))


def test_numpy_answers_questions_about_all_elements():
    x = Tensor([[0.0, 2.0], [0.0, 0.0]], requires_grad=True)
    assert np.any(x > 1) and not np.all(x > 1) and np.any(x) and not np.all(x * 1)
    assert np.any(x > 1, axis=1).tolist() == [True, False]
    assert np.any(x > 1, axis=0, keepdims=True).tolist() == [[False, True]]
    assert np.logical_or.reduce(x > 1, axis=None) and not np.logical_and.reduce(x > 1, axis=None)


@pytest.mark.parametrize("reduction", [np.sum, np.mean, np.max, np.min, np.prod])
def test_numpys_reductions_are_the_tensors_own(device, reduction):
    x = Tensor([2.0, 4.0], requires_grad=True, device=device)
    y = reduction(x)
    assert isinstance(y, Tensor) and y.requires_grad and y.item() == reduction([2.0, 4.0])
    with pytest.raises(TypeError, match="unexpected keyword argument 'dtype'"):
        reduction(x, dtype=np.float64) if reduction not in (np.max, np.min) else x.max(dtype=np.float64)


@pytest.mark.parametrize(
    ("of_numpy", "own"), [(np.invert, lambda x: ~(x > 0)), (np.negative, lambda x: -x), (np.absolute, abs)]
)
def test_numpys_operators_of_one_operand_are_the_tensors_own(device, of_numpy, own):
    x = Tensor([1.0, -2.0], requires_grad=True, device=device)
    y, expected = of_numpy(x > 0 if of_numpy is np.invert else x), own(x)
    assert isinstance(y, Tensor) and y.requires_grad == expected.requires_grad
    assert y.numpy().tolist() == expected.numpy().tolist()


def test_numpy_functions_refuse_what_has_a_history():
    x = Tensor([1.0], requires_grad=True)
    for function in (np.exp, np.sqrt, lambda x: np.maximum(x, 0), lambda x: np.add.reduce(x)):
        with pytest.raises(TypeError, match="knows nothing of gradients. Use minigrad's own operations"):
            function(x)
    assert np.exp(Tensor([0.0])).tolist() == [1]


@pytest.mark.parametrize("op", BINARY)
def test_scalars_of_numpy_in_front_record_the_operation(op):
    x = Tensor([2.0], requires_grad=True)
    y = op(np.float64(3.0), x)
    assert isinstance(y, Tensor) and y.requires_grad and y.dtype == np.float32
    assert y.item() == pytest.approx(op(3.0, 2.0))


def test_tensors_are_unequal_to_what_is_no_number():
    x = Tensor(1.0)
    assert (x == "mean") is False and (x != "mean") is True and (x == None) is False  # noqa: E711
    assert x not in ["mean", "sum"] and x not in [None, object()]
