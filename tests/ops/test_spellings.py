"""PyTorch's names for arguments mean ours; where PyTorch is installed, the same line gives the same in both."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from minigrad import Tensor, nn, ops, optim
from minigrad.ops.spellings import also

X = np.array([[3.0, -1.0, 2.0], [-4.0, 5.0, 0.5]], np.float32)


@also(dim="axis", keepdim="keepdims")
def example(x, axis=None, keepdims=False):
    """What it was given."""
    return x, axis, keepdims


@also(dim="axis", index="a thing, which is not taken")
def required(x, axis, places):
    return x, axis, places


def test_further_names_mean_the_arguments():
    assert example(1) == (1, None, False)
    assert example(1, dim=2, keepdim=True) == example(1, 2, keepdim=True) == example(1, 2, True) == (1, 2, True)


def test_both_names_at_once_are_refused():
    with pytest.raises(TypeError, match="example: got axis, dim, two of which mean the same"):
        example(1, axis=0, dim=0)
    with pytest.raises(TypeError, match="axis"):
        example(1, 0, dim=0)


def test_help_shows_the_further_names_and_the_documentation():
    assert str(inspect.signature(example)) == "(x, axis=None, keepdims=False, *, dim=None, keepdim=False)"
    assert str(inspect.signature(required)) == "(x, axis=Ellipsis, places=Ellipsis, *, dim=Ellipsis)"
    assert example.__doc__ == "What it was given." and example.__name__ == "example"
    assert {"dim", "keepdim"} <= set(inspect.signature(Tensor.sum).parameters)


def test_what_means_something_else_in_pytorch_is_refused_with_advice():
    with pytest.raises(TypeError, match="required: does not take a thing"):
        required(1, 2, index=3)
    for name in ("max", "min"):
        with pytest.raises(TypeError, match=rf"{name}: does not take dim=, .*a{name}\(dim=.*arg{name}\(dim="):
            getattr(Tensor(X), name)(dim=1)


# Lines that both understand; each is one expression of x.
LINES = [
    lambda x: x.sum(dim=1, keepdim=True),
    lambda x: x.mean(dim=(0, 1)),
    lambda x: x.max(),
    lambda x: x.amax(dim=0, keepdim=True),
    lambda x: x.amin(dim=-1),
    lambda x: x.var(dim=1, correction=0),
    lambda x: x.std(dim=0),
    lambda x: x.std(dim=0, unbiased=False),
    lambda x: x.var(dim=1, unbiased=True),
    lambda x: x.transpose(dim0=0, dim1=1),
    lambda x: x.permute(dims=(1, 0)),
    lambda x: x.add(x).sub(1).mul(x).div(3.0).neg(),
    lambda x: x.eq(x.neg()),
    lambda x: x.ne(2.0),
    lambda x: x.lt(0.5),
    lambda x: x.le(0.5),
    lambda x: x.gt(0.5),
    lambda x: x.ge(0.5),
    lambda x: x.maximum(x.neg()).minimum(x.square()),
    lambda x: x.norm(),
    lambda x: x.norm(p=1, dim=1),
    lambda x: x.norm(p=3, dim=0, keepdim=True),
    lambda x: x.norm(float("inf")),
    lambda x: (x * 0).norm(),
    lambda x: x.prod(),
    lambda x: (x * (x > 0)).prod(dim=1, keepdim=True),
    lambda x: x.cumsum(dim=1),
    lambda x: x.argmax(dim=1, keepdim=True),
    lambda x: x.argmin(dim=0),
    lambda x: x.argmin(),
    lambda x: (x > 0).any(),
    lambda x: (x > 0).all(dim=1),
    lambda x: (x > 0).any(dim=0, keepdim=True),
    lambda x: x.softmax(dim=1),
    lambda x: x.log_softmax(dim=0),
    lambda x: x.logsumexp(dim=1, keepdim=True),
    lambda x: x.view(3, -1),
    lambda x: x.t(),
    lambda x: x[0].t(),
    lambda x: x.unsqueeze(dim=0).squeeze(dim=0),
    lambda x: x.view(1, 2, 3, 1).flatten(start_dim=1, end_dim=2),
    lambda x: x.view(2, 1, 3).expand(-1, 4, -1),
    lambda x: x.expand(2, 2, 3),
    lambda x: x.repeat(2, 1),
    lambda x: x.repeat(2, 1, 3),
    lambda x: x.flip(0),
    lambda x: x.flip(dims=(0, 1)),
    lambda x: x.roll(1),
    lambda x: x.roll(shifts=(1, -2), dims=(0, 1)),
    lambda x: x.split(2, dim=1)[1],
    lambda x: x.split([1, 2], dim=1)[1],
    lambda x: x.chunk(2, dim=1)[0],
    lambda x: x.gather(1, x.argsort(dim=1)),
    lambda x: x.sort(dim=1, descending=True).values,
    lambda x: x.sort()[1],
    lambda x: x.topk(2, dim=1).values,
    lambda x: x.topk(1, dim=0, largest=False).indices,
    lambda x: x.clamp(min=-1, max=2),
    lambda x: x.clamp(min=0),
    lambda x: x.square().rsqrt(),
    lambda x: x.abs().log1p(),
    lambda x: x.pow(2),
    lambda x: x.sign(),
    lambda x: x.floor(),
    lambda x: x.ceil(),
    lambda x: (x * 1.5).round(),
    lambda x: x.masked_fill(x > 0, float("inf")).isinf(),
    lambda x: (x / x).isnan(),
    lambda x: x.isfinite(),
    lambda x: x.masked_fill(x > 0, -1.0),
    lambda x: x.mm(x.t()),
    lambda x: x.double().float(),
    lambda x: x.double(),
    lambda x: x.half(),
    lambda x: x.long(),
    lambda x: x.int(),
    lambda x: x.bool(),
    lambda x: x.long().type_as(x),
    lambda x: x.cpu().clone().contiguous(),
]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_of_pytorch_gives_the_same(number):
    torch = pytest.importorskip("torch")
    line = LINES[number]
    ours, theirs = Tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    y, z = line(ours), line(theirs)
    assert y.shape == tuple(z.shape) and y.numpy().dtype == z.detach().numpy().dtype
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-5)
    if z.requires_grad:
        weights = np.arange(1.0, 1 + y.size, dtype=z.detach().numpy().dtype).reshape(y.shape)
        (y * Tensor(weights)).sum().backward()
        (z * torch.tensor(weights)).sum().backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_further_names_for_the_same_things():
    assert ops.cat is ops.concat and optim.lr_scheduler.StepLR is optim.StepLR


def test_questions_to_a_tensor():
    x = Tensor(X, requires_grad=True)
    assert x.size == 6 and x.numel() == 6 and x.size() == (2, 3) and x.size(1) == x.size(dim=-1) == 3
    assert x.dim() == 2 and x.tolist() == X.tolist() and Tensor(2.5).tolist() == 2.5
    assert x.is_leaf and not (x * 2).is_leaf
    assert not x.requires_grad_(False).requires_grad and x.requires_grad_().requires_grad


def test_a_clone_has_memory_of_its_own_and_contiguous_copies_only_what_is_not():
    x = Tensor(X)
    assert not np.shares_memory(x.clone().data, x.data)
    assert x.contiguous() is x and x.t().contiguous().data.flags.c_contiguous


def test_moving_by_dtype_and_by_example(device):
    x = Tensor(X, device=device)
    assert x.to(np.float64).dtype == np.float64 and x.to("cpu", np.float16).dtype == np.float16
    other = Tensor([1.0]).double()
    assert x.to(other).device == "cpu" and x.to(other).dtype == np.float64


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.topk(4), "topk: expected k from 0 to 3"),
        (lambda x: x.gather(0, [[0], [1], [2]]), None),
        (lambda x: x.gather(0, [0]), r"gather: an index of shape \(1,\) does not fit shape \(2, 3\)"),
        (lambda x: x.split([1, 1], dim=1), r"split: lengths \[1, 1\] do not add up to 3"),
        (lambda x: x.split(0), "split: expected a length >= 1"),
        (lambda x: x.chunk(0), "chunk: expected chunks >= 1"),
        (lambda x: x.repeat(2), "repeat: expected at least 2 counts"),
        (lambda x: x.roll((1, 2), 0), "roll: got 2 shifts for 1 axes"),
        (lambda x: x.cumsum(2), r"cumsum: axis 2 does not fit shape \(2, 3\)"),
        (lambda x: x.norm(0), "norm: expected p > 0"),
        (lambda x: x.flatten(1, 0), "flatten: end 0 comes before start 1"),
        (lambda x: x.view(1, 2, 3).t(), "t: expected a matrix"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises((ValueError, IndexError), match=message):
        call(Tensor(X))


def test_the_product_of_nothing_is_one():
    assert Tensor(np.ones((0,))).prod().item() == 1 and Tensor(np.ones((2, 0))).prod(dim=1).tolist() == [1, 1]
    assert ops.prod(Tensor([2, 3])).item() == 6 and ops.prod(Tensor([2, 3])).dtype == np.int64


RENAMED = {"size_average", "reduce"}  # PyTorch's old names, which nobody gives
PLACES = {"device", "dtype"}


def places(function):
    """The positions of the arguments that may be given without their names."""
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return {name: position for position, name in enumerate(name for name in names if name not in RENAMED)}


def test_where_arguments_stand_elsewhere_than_in_pytorch_the_documentation_says_so():
    torch = pytest.importorskip("torch")
    homes = ((ops, torch.nn.functional), (nn, torch.nn), (optim, torch.optim), (optim, torch.optim.lr_scheduler))
    differing = set()
    for home, (ours, theirs) in enumerate(homes):
        for name in ours.__all__:
            try:
                mine, others = places(getattr(ours, name)), places(getattr(theirs, name))
            except (
                AttributeError,
                ValueError,
                TypeError,
            ):  # PyTorch has no such name, or says nothing of its arguments
                continue
            if any(mine[argument] != others[argument] for argument in mine.keys() & others.keys() - PLACES):
                differing.add((home, name))
                assert "PyTorch" in getattr(ours, name).__doc__, name
    assert {(0, "batch_norm"), (2, "SGD"), (0, "cross_entropy")} <= differing
