"""Numbers that are nan, infinite, huge or exactly at a kink go the way they go in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad import Tensor, ops
from tests.ops.test_torch_parity import BINARY, UNARY, F, close, compare, normal, torch

nan, inf = float("nan"), float("inf")
SPECIAL = np.array([-inf, -1e30, -1e4, -2, -1, -1e-30, -0.0, 0.0, 1e-30, 0.5, 1, 2, 1e4, 1e30, inf, nan], np.float32)

# NumPy says so where a result is nan or infinite
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("name", sorted(set(UNARY) - {"sin", "cos"}))  # of 1e30 they are noise
def test_functions_of_one_variable(name):
    ours, theirs, _ = UNARY[name]
    special = SPECIAL[:-1] if name == "sign" else SPECIAL  # to PyTorch the sign of nan is 0
    close(ours(Tensor(special)), theirs(torch.tensor(special)), slack=0)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_variables(name):
    ours, theirs, _ = BINARY[name]
    a, b = (x.ravel() for x in np.meshgrid(SPECIAL, SPECIAL))
    close(ours(Tensor(a), Tensor(b)), theirs(torch.tensor(a), torch.tensor(b)), slack=0)


@pytest.mark.parametrize("exponent", [-2, -1, -0.5, 0, 0.5, 1, 2, 3])
def test_powers_of_0(exponent):
    compare(lambda x: ops.pow(x, exponent), lambda x: torch.pow(x, exponent), np.array([0.0]))


@pytest.mark.parametrize("name", ["sqrt", "log", "absolute", "relu", "clip"])
def test_slopes_at_0_and_1(name):
    ours, theirs, _ = UNARY[name]
    compare(ours, theirs, np.array([0.0, -1.0, 1.0, 1.5]))


ROWS = [[1e4, -1e4, 0], [-inf, 0, 1], [-inf, -inf, 2], [1e30, 0, 0], [nan, 0, 0], [0, -1e30, -1e30]]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_softmax_family(name, row):
    compare(lambda x: getattr(ops, name)(x, 0), lambda x: getattr(torch, name)(x, 0), np.array(row, np.float32))


@pytest.mark.parametrize("row", [[-inf, -inf], [inf, 0], [inf, -inf], [inf, inf]])
def test_logsumexp_of_infinities(row):
    close(ops.logsumexp(Tensor([row]), 1), torch.logsumexp(torch.tensor([row]), 1))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var"])
@pytest.mark.parametrize("row", [[nan, 1], [1, nan], [inf, 1], [-inf, 1], [inf, -inf], [1e30, 1e30]])
def test_reductions(name, row):
    their_name = {"max": "amax", "min": "amin"}.get(name, name)
    theirs = getattr(torch, their_name)(torch.tensor([row], dtype=torch.float32), 1)
    close(getattr(ops, name)(Tensor(np.array([row], np.float32)), 1), theirs)


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pools(name, value):
    x = normal(1, 2, 6, 6).astype(np.float32)
    x[0, :, 0, 0] = x[0, :, 3, 2] = value
    close(getattr(ops, name)(Tensor(x), 3, 2, 1), getattr(F, name)(torch.tensor(x), 3, 2, 1))


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("padding", [0, 1])
def test_which_element_gets_the_gradient_of_a_max_pool(value, padding):
    x = np.full((1, 1, 6, 6), -inf)
    x[0, 0, 2:5, 3:5] = np.arange(6).reshape(3, 2)
    x[0, 0, 3, 3] = value
    compare(lambda x: ops.max_pool2d(x, 3, 2, padding), lambda x: F.max_pool2d(x, 3, 2, padding), x)


@pytest.mark.parametrize("shape", [(2, 3, 40, 50), (64, 8, 32, 32)])
def test_float16(shape):
    x, t = (30 * normal(*shape)).astype(np.float16), np.zeros(shape, np.float16)
    for ours, theirs in [
        (lambda x, t: x.mean(), lambda x, t: x.mean()),
        (lambda x, t: x.sum((0, 2, 3)), lambda x, t: x.sum((0, 2, 3))),
        (lambda x, t: x.var((0, 2)), lambda x, t: x.float().var((0, 2)).half()),
        (ops.mse_loss, lambda x, t: F.mse_loss(x.float(), t.float()).half()),
        (ops.smooth_l1_loss, lambda x, t: F.smooth_l1_loss(x.float(), t.float()).half()),
        (lambda x, t: ops.softmax(x, 1), lambda x, t: F.softmax(x, 1)),
        (lambda x, t: ops.avg_pool2d(x, 5, 2, 2), lambda x, t: F.avg_pool2d(x, 5, 2, 2)),
        (lambda x, t: ops.adaptive_avg_pool2d(x, 3), lambda x, t: F.adaptive_avg_pool2d(x.float(), 3).half()),
        (
            lambda x, t: ops.batch_norm(x, None, None, None, None, True),
            lambda x, t: F.batch_norm(x, None, None, None, None, True),
        ),
    ]:
        mine = ours(Tensor(x), Tensor(t)).numpy()
        wanted = theirs(torch.tensor(x), torch.tensor(t)).numpy()
        assert mine.dtype == wanted.dtype == np.float16
        np.testing.assert_allclose(mine.astype(float), wanted.astype(float), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("logits", [[0, -inf, 0], [1e30, 0, 0], [0, nan, 0], [1e4, 0, -1e4]])
def test_cross_entropy(logits):
    target = np.array([0])
    compare(ops.cross_entropy, F.cross_entropy, np.array([logits], np.float32), target)
