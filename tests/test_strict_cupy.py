"""The strict stand-in refuses what CuPy refuses, and does what CuPy does."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys

import numpy as np
import pytest

from minigrad import backend
from tests import strict_cupy
from tests.strict_cupy import host_reads, host_writes, numpy_dispatches
from tests.strict_cupy.namespace import load, parse_signature, version


@pytest.fixture
def cupy(monkeypatch):
    return strict_cupy.install(monkeypatch)


@pytest.fixture
def x(cupy):
    return cupy.arange(6, dtype=cupy.float32).reshape(2, 3)


# ---- installation --------------------------------------------------------------------------------------------------


def test_import_finds_the_stand_in_only_while_installed():
    before = sys.modules.get("cupy")
    with pytest.MonkeyPatch.context() as monkeypatch:
        installed = strict_cupy.install(monkeypatch)
        assert importlib.import_module("cupy") is installed
        assert importlib.import_module("cupy.cuda.runtime").getDeviceCount() == 2
        assert importlib.import_module("cupy.random") is installed.random
        assert importlib.util.find_spec("cupy") is not None
    assert sys.modules.get("cupy") is before


def test_nothing_of_a_real_cupy_shows_through(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy._core", object())
    strict_cupy.install(monkeypatch)
    assert "cupy._core" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("cupy._core")


# ---- the namespace is CuPy's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["geomspace", "errstate", "object_", "vecdot", "block", "no_such_name"])
def test_names_that_cupy_lacks_do_not_exist(cupy, name):
    with pytest.raises(AttributeError):
        getattr(cupy, name)


@pytest.mark.parametrize("name", ["ctypes", "setflags", "resize", "__index__", "__contains__", "__imatmul__"])
def test_array_attributes_that_cupy_lacks_do_not_exist(x, name):
    assert not hasattr(x, name)


@pytest.mark.parametrize("name", ["normal", "permutation", "choice", "shuffle", "spawn"])
def test_generator_methods_that_cupy_lacks_do_not_exist(cupy, name):
    with pytest.raises(AttributeError):
        getattr(cupy.random.default_rng(0), name)


def test_names_that_only_the_stand_in_lacks_say_so(cupy, x):
    for place, name in [(cupy, "vectorize"), (cupy.random, "permutation"), (x, "toDlpack"), (cupy.cuda, "Graph")]:
        with pytest.raises(strict_cupy.NotModelledError, match=name):
            getattr(place, name)


def test_kernels_cannot_be_compiled(cupy):
    for name in ("ReductionKernel", "RawKernel", "fuse"):
        with pytest.raises(strict_cupy.NotModelledError, match="cannot compile CUDA"):
            getattr(cupy, name)("float32 x", "float32 y", "y = x")


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: cp.sum(x, where=x > 0),
        lambda cp, x: x.max(initial=0),
        lambda cp, x: cp.var(x, correction=1),
        lambda cp, x: cp.take(x, 0, mode="clip"),
        lambda cp, x: cp.add(x, x, where=x > 0),
        lambda cp, x: cp.add(x, x, order="K"),
        lambda cp, x: cp.zeros(3, device="cpu"),
        lambda cp, x: cp.clip(x, min=0, max=1),
        lambda cp, x: cp.einsum("ij->ji", x, order="C"),
        lambda cp, x: cp.concatenate(arrays=(x, x)),
        lambda cp, x: cp.broadcast_to(x, (2, 2, 3), subok=True),
        lambda cp, x: x.astype("f8", casting="safe"),
        lambda cp, x: cp.random.default_rng(0).exponential(1.0, 3, dtype="f4"),
    ],
)
def test_keywords_that_cupy_lacks_are_refused(cupy, x, call):
    with pytest.raises(TypeError):
        call(cupy, x)


def test_sort_is_stable_or_nothing(cupy, x):
    assert cupy.argsort(x, kind="stable").shape == (2, 3)
    with pytest.raises(ValueError, match="stable"):
        cupy.argsort(x, kind="quicksort")


@pytest.mark.parametrize("name", ["maximum", "logaddexp", "subtract"])
def test_only_sums_and_products_reduce(cupy, x, name):
    assert cupy.add.reduce(x, axis=1).shape == (2,)
    with pytest.raises(NotImplementedError):
        getattr(cupy, name).reduce(x)


def test_committed_namespace_is_that_of_the_installed_cupy():
    installed = pytest.importorskip("cupy")
    if installed.__version__ != version():
        pytest.skip(f"CuPy is {installed.__version__}, the list {version()}: python -m tests.strict_cupy.refresh")
    assert importlib.import_module("tests.strict_cupy.refresh").describe()["namespaces"] == load()


def test_recorded_parameters_become_a_signature():
    signature = parse_signature("(x, /, axis=, *rest, dtype=, **others)")
    assert str(signature) == "(x, /, axis=None, *rest, dtype=None, **others)"


# ---- host data is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [np.asarray, np.array, lambda x: np.zeros(3) + np.asarray(x), np.ascontiguousarray])
def test_implicit_conversion_to_numpy_is_refused(x, convert):
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        convert(x)


HOST = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: x + HOST,
        lambda cp, x: HOST + x,
        lambda cp, x: x @ HOST.T,
        lambda cp, x: x + np.array(1.0),
        lambda cp, x: x > HOST,
        lambda cp, x: x.__iadd__(HOST),
        lambda cp, x: HOST.copy().__iadd__(x),
        lambda cp, x: cp.add(x, HOST),
        lambda cp, x: np.add(x, HOST),
        lambda cp, x: cp.add(x, 1, out=HOST.copy()),
        lambda cp, x: np.add(HOST, 1, out=x),
        lambda cp, x: np.concatenate([x, HOST]),
        lambda cp, x: cp.concatenate([x, HOST]),
        lambda cp, x: cp.where(HOST > 0, x, 0),
        lambda cp, x: cp.where(x > 0, x, HOST),
        lambda cp, x: cp.sum(HOST),
        lambda cp, x: cp.exp(HOST),
        lambda cp, x: cp.dot(x, HOST.T),
        lambda cp, x: cp.clip(x, HOST, None),
        lambda cp, x: cp.copyto(x, HOST),
        lambda cp, x: cp.einsum("ij,ij", x, HOST),
        lambda cp, x: cp.add.at(HOST, 0, 1),
    ],
)
def test_numpy_arrays_are_refused(cupy, x, call):
    with pytest.raises(TypeError):
        call(cupy, x)


@pytest.mark.parametrize(
    "call",
    [
        lambda cp, x: x * [1, 2, 3],
        lambda cp, x: cp.sum([1, 2, 3]),
        lambda cp, x: cp.stack([1.0, 2.0]),
        lambda cp, x: cp.maximum(x, [0, 1, 2]),
        lambda cp, x: cp.where(True, x, 0),
        lambda cp, x: cp.broadcast_to(1.0, (2, 3)),
        lambda cp, x: x + "1",
        lambda cp, x: x + None,
    ],
)
def test_lists_and_other_objects_are_refused(cupy, x, call):
    with pytest.raises(TypeError):
        call(cupy, x)


def test_basic_assignment_from_numpy_is_refused(x):
    with pytest.raises(ValueError, match="non-scalar"):
        x[:] = HOST


def test_device_numbers_are_refused_as_shapes(cupy, x):
    n = cupy.asarray(3)
    for call in (lambda: cupy.zeros(n), lambda: x.reshape(n, 2), lambda: range(n), lambda: cupy.sum(x, axis=n)):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("dtype", [object, "U3", "M8[s]", np.longdouble])
def test_dtypes_that_no_gpu_has_are_refused(cupy, dtype):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        cupy.asarray(np.zeros(2, dtype))


def test_scalars_are_accepted_and_promote_as_in_numpy_2(cupy, x):
    assert (x + 1).dtype == (1.5 * x).dtype == (x + np.float32(1)).dtype == np.float32
    assert (x + np.float64(1)).dtype == (np.float64(1) * x).dtype == np.float64
    assert (x + cupy.asarray(1.0)).dtype == np.float64  # an array, though 0-dimensional
    assert cupy.where(x > 0, x, 0.0).dtype == np.float32


# ---- traffic between host and device is counted --------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        float,
        int,
        bool,
        str,
        repr,
        "{}".format,
        lambda x: x.item(),
        lambda x: x.tolist(),
        lambda x: x.get(),
        lambda x: x.reshape(1).nonzero(),
        lambda x: x[x > 0],
        lambda x: np.unique(x),
        lambda x: [0, 1, 2][: int(x)],
        lambda x: x.reshape(1).repeat([2]),
        lambda x: x.device.synchronize(),
        pickle.dumps,
    ],
)
def test_reads_are_counted_and_can_be_forbidden(cupy, read):
    value, before = cupy.asarray(1.0), host_reads.count
    read(value)
    assert host_reads.count > before
    with pytest.raises(AssertionError, match="read back"), host_reads.forbidden():
        read(value)


def test_cupys_own_switch_forbids_reads_too(cupy, x):
    cupyx = importlib.import_module("cupyx")
    with pytest.warns(UserWarning), pytest.raises(cupyx.DeviceSynchronized), cupyx.allow_synchronize(False):
        x.sum().item()
    assert x.sum().item() == 15


def test_computing_reads_and_uploads_nothing(cupy, x):
    with host_reads.forbidden(), host_writes.forbidden(), numpy_dispatches.forbidden():
        y = cupy.exp(x[:, 1:]).sum(axis=1, keepdims=True) / 2
        y += cupy.where(y > 1, y, 0)
        x[0] = 1
        cupy.add.at(x, (slice(None), cupy.arange(2)), y)
        cupy.random.default_rng(0).random((2, 2), dtype=cupy.float32)


@pytest.mark.parametrize(
    "upload",
    [
        lambda cp, x: cp.asarray(HOST),
        lambda cp, x: cp.array([1.0]),
        lambda cp, x: x[[0, 1]],
        lambda cp, x: x[:, np.array([0])],
        lambda cp, x: x.take([0, 1]),
        lambda cp, x: x.set(HOST),
    ],
)
def test_uploads_are_counted(cupy, x, upload):
    before = host_writes.count
    upload(cupy, x)
    assert host_writes.count > before


def test_numpy_functions_are_dispatched_and_counted(cupy, x):
    before = numpy_dispatches.count
    assert isinstance(np.exp(x), cupy.ndarray) and isinstance(np.sum(x), cupy.ndarray)
    assert isinstance(np.linalg.norm(x), cupy.ndarray)
    assert numpy_dispatches.count == before + 3
    with pytest.raises(TypeError):
        np.geomspace(x, x)


# ---- the fixture ---------------------------------------------------------------------------------------------------


def test_the_device_fixture_provides_a_working_device(device):
    array = backend.to_device(np.arange(3.0), device)
    assert backend.array_module(array) is backend.device_module(device)
    assert backend.device_of(array) == backend.parse_device(device)
    np.testing.assert_array_equal(backend.to_numpy(array * 2), [0, 2, 4])
    with backend.use_device(device):
        assert backend.device_of(backend.device_module(device).ones(3)) == backend.parse_device(device)
