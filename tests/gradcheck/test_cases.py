"""Every operation passes at first and second order, and none is missing from the table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad import Tensor, array_module, grad, ops
from minigrad.function import Function
from minigrad.gradcheck import largest_error, largest_second_error
from minigrad.gradcheck.cases import CASES
from minigrad.ops.casting import ToDevice
from minigrad.ops.in_memory_order import Elementwise
from minigrad.ops.select import Extremum
from tests import strict_cupy

COMPARISONS = {"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"}
QUESTIONS = {"all", "any", "argmax", "argmin", "argsort", "isfinite", "isinf", "isnan"}
BITWISE = {"bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor"}
WITHOUT_GRADIENT = COMPARISONS | QUESTIONS | BITWISE
every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
def test_first_order(device, case):
    assert case.check(largest_error, device) < 1e-6


@every_case
def test_second_order(device, case):
    assert case.check(largest_second_error, device) < 1e-6


@every_case
def test_float32_stays_float32(device, case):
    if case.operation == "astype":
        return
    inputs = [Tensor(array.astype(np.float32), requires_grad=True, device=device) for array in case.arrays]
    output = case(*inputs)
    first = grad(output.sum(), inputs, create_graph=True)
    second = grad([(g * g).sum() for g in first if g.requires_grad], inputs)
    assert {x.dtype for x in (output, *first, *second)} == {np.dtype(np.float32)}


@every_case
def test_non_contiguous_inputs_give_the_same(device, case):
    plain = case.inputs(device)
    strided = [every_other(x) for x in plain]
    output, same = case(*plain), case(*strided)
    np.testing.assert_allclose(same.numpy(), output.numpy(), rtol=1e-12)
    for mine, other in zip(grad(same.sum(), strided), grad(output.sum(), plain), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-12, atol=1e-12)


@every_case
def test_the_second_gpu_works_as_the_first(monkeypatch, case):
    strict_cupy.install(monkeypatch)  # its two devices do not see each other's memory
    inputs = case.inputs("cuda:1")
    output = case(*inputs)
    first = grad(output.sum(), inputs, retain_graph=True)
    differentiable = grad(output.sum(), inputs, create_graph=True)
    second = grad([(g * g).sum() for g in differentiable if g.requires_grad], inputs)
    devices = {x.device for x in (output, *first, *differentiable, *second)}
    assert devices == {"cuda:1"}


def random_like(tensors):
    rng = np.random.default_rng(1)
    return [Tensor(rng.standard_normal(x.shape), requires_grad=True, device=x.device) for x in tensors]


def assert_same(tensors, expected):
    for x, other in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(x.numpy(), other.numpy(), rtol=1e-9, atol=1e-12)


@every_case
def test_each_subset_of_inputs_gets_the_gradients_that_all_get(device, case):
    inputs = case.inputs(device)
    output = case(*inputs)
    (upstream,) = random_like([output])
    expected = grad(output, inputs, upstream)
    for chosen in itertools.product([False, True], repeat=len(inputs)):
        if any(chosen):
            some = [
                Tensor(array, requires_grad=on, device=device) for array, on in zip(case.arrays, chosen, strict=True)
            ]
            output, wanted = case(*some), [x for x in some if x.requires_grad]
            if output.requires_grad:
                known = list(itertools.compress(expected, chosen))
                assert_same(grad(output, wanted, upstream, create_graph=True), known)
                assert_same(grad(output, wanted, upstream), known)


@every_case
def test_the_gradient_transposed_twice_is_the_gradient(device, case):
    """The gradient g = Jᵀu is linear in u, so its own gradient with respect to u is J·v, and that one's with respect to
    v is Jᵀ again: of third order, and known.
    """
    inputs = case.inputs(device)
    output = case(*inputs)
    upstream, other = random_like([output, output])
    first = [g for g in grad(output, inputs, upstream, create_graph=True) if g.requires_grad]
    if not first:  # the output is constant between jumps
        assert not any(g.numpy().any() for g in grad(case(*inputs), inputs, upstream))
        return
    directions = random_like(first)
    (second,) = grad(first, [upstream], directions, create_graph=True)
    third = grad(second, directions, other, create_graph=True)
    assert_same(third, [g for g in grad(output, inputs, other, create_graph=True) if g.requires_grad])


def every_other(x):
    """The same values with gaps between them in memory, and with the axes in reverse order."""
    xp = array_module(x)
    memory = xp.full((*x.shape[::-1], 2), xp.nan)
    memory[..., 0] = x.data.T
    view = Tensor._wrap(memory[..., 0].T)
    view.requires_grad = True
    return view


def test_every_operation_has_a_case_or_no_gradient():
    in_table = {case.operation for case in CASES}
    assert in_table | WITHOUT_GRADIENT == {getattr(ops, name).__name__ for name in ops.__all__}
    assert not in_table & WITHOUT_GRADIENT


@pytest.mark.parametrize("name", sorted(COMPARISONS | QUESTIONS))
def test_operations_without_gradient_return_none(device, name):
    x = Tensor([1.0, 2.0], requires_grad=True, device=device)
    operation = getattr(ops, name)
    result = operation(x, x) if name in COMPARISONS else operation(x)
    assert not result.requires_grad and result.dtype.kind != "f"


@every_case
def test_a_case_calls_the_operation_that_it_names(monkeypatch, case):
    if "ReLU" in case.description:
        pytest.skip("what is computed together with an operation has a function of its own")
    original, calls = getattr(ops, case.operation), []
    monkeypatch.setattr(ops, case.operation, lambda *args, **options: calls.append(1) or original(*args, **options))
    case(*case.inputs("cpu"))
    assert calls


def test_descriptions_are_unique():
    assert len({str(case) for case in CASES}) == len(CASES)


def subclasses(cls):
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_function_is_recorded_by_some_case_forwards_or_backwards(device, monkeypatch):
    recorded = set()

    def record(function, inputs, result, original=Function._record):
        recorded.add(type(function))
        original(function, inputs, result)

    monkeypatch.setattr(Function, "_record", record)
    for case in CASES:
        inputs = case.inputs(device)
        output = case(*inputs)
        upstream = Tensor(output, requires_grad=True)
        first = grad(output, inputs, upstream, create_graph=True)
        second = [(g * g).sum() for g in first if g.requires_grad]
        grad(second, [*inputs, upstream], create_graph=True)
    kinds = {Elementwise, Extremum}  # of operations, and none themselves
    ours = (cls for cls in subclasses(Function) if cls.__module__.startswith("minigrad.") and cls not in kinds)
    expected = {cls for cls in ours if cls.differentiable}
    if device == "cpu":
        expected.remove(ToDevice)  # nothing moves where all is on the CPU
    assert expected <= recorded
