"""Arrays, indexing, devices and random numbers of the strict stand-in are CuPy's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from tests import strict_cupy


@pytest.fixture
def cupy(monkeypatch):
    return strict_cupy.install(monkeypatch)


@pytest.fixture
def x(cupy):
    return cupy.arange(6, dtype=cupy.float32).reshape(2, 3)


# ---- arrays --------------------------------------------------------------------------------------------------------


def test_transfers_copy(cupy):
    host = np.arange(3.0)
    there = cupy.asarray(host)
    host[0] = 7
    back = cupy.asnumpy(there)
    there[1] = 8
    np.testing.assert_array_equal(back, [0, 1, 2])
    assert isinstance(back, np.ndarray) and cupy.asarray(there) is there


def test_reductions_and_elements_are_zero_dimensional_arrays(cupy, x):
    for value in (x.sum(), cupy.max(x), x[0, 0], x.ravel()[3], cupy.dot(x[0], x[0]), cupy.allclose(x, x), x.argmax()):
        assert isinstance(value, cupy.ndarray) and value.shape == ()


def test_an_element_is_a_view(x):
    element = x[1, 2]
    element += 10
    assert x.tolist()[1][2] == 15


def test_results_are_c_contiguous_whatever_the_layout_of_the_input(cupy, x):
    transposed = x.T
    assert transposed.flags.f_contiguous and not transposed.flags.c_contiguous
    for result in (transposed + 1, cupy.exp(transposed), transposed.copy(), cupy.concatenate([transposed] * 2)):
        assert result.flags.c_contiguous and result.flags.owndata
    for result in (cupy.zeros_like(transposed), transposed.astype("f8"), cupy.copy(transposed)):
        assert result.flags.f_contiguous
    into = cupy.empty_like(transposed)
    assert cupy.exp(transposed, out=into) is into and into.flags.f_contiguous


def test_flags_tell_three_things_only(x):
    assert x.flags["C_CONTIGUOUS"] and x.base is not None and not x.flags.owndata
    with pytest.raises(AttributeError):
        x.flags.writeable = False
        _ = x.flags.writeable


def test_arrays_take_no_attributes_and_no_hash(x):
    with pytest.raises(AttributeError):
        x.name = "x"
    with pytest.raises(TypeError):
        hash(x)


def test_views_share_memory_and_know_their_base(cupy):
    base = cupy.zeros((2, 3))
    view = base.T[1:]
    view += 1
    assert view.base is base and base.tolist() == [[0, 1, 1]] * 2
    assert cupy.shares_memory(view, base) and not cupy.shares_memory(view.copy(), base)


def test_in_place_operators_keep_the_array_and_its_dtype(cupy, x):
    y = x
    y += cupy.ones(3)
    y **= 2
    assert y is x and y.dtype == np.float32
    with pytest.raises(TypeError):
        y = cupy.arange(3)
        y /= 2


def test_none_compares_unequal_and_deferring_types_get_their_turn(x):
    class Tensor:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "radd"

    assert not (x == None).any() and x + Tensor() == "radd"  # noqa: E711


def test_copies_and_pickles(x):
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(twin) is type(x) and (twin == x).all()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_uninitialised_memory_is_never_zero_by_luck(cupy, dtype):
    assert not (cupy.empty((2, 3), dtype) == 0).any()
    assert not (cupy.empty_like(cupy.zeros(4, dtype)) == 0).any()


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("pad", (((1, 0), (2, 1)),)),
        ("transpose", ((1, 0),)),
        ("tensordot", None),
        ("cumsum", (1,)),
        ("stack", None),
        ("clip", (1, 3)),
        ("logaddexp", (1.0,)),
        ("var", (0,)),
        ("moveaxis", (0, 1)),
        ("split", (3, 1)),
        ("take_along_axis", None),
    ],
)
def test_functions_agree_with_numpy(cupy, x, name, args):
    h = x.get()
    if name == "tensordot":
        pairs = cupy.tensordot(x, x, ([1], [1])), np.tensordot(h, h, ([1], [1]))
    elif name == "stack":
        pairs = cupy.stack([x, x], axis=1), np.stack([h, h], axis=1)
    elif name == "take_along_axis":
        pairs = cupy.take_along_axis(x, x.argsort(1), 1), np.take_along_axis(h, h.argsort(1), 1)
    else:
        pairs = getattr(cupy, name)(x, *args), getattr(np, name)(h, *args)
    for ours, numpys in zip(*(p if isinstance(p, list) else [p] for p in pairs), strict=True):
        assert ours.dtype == numpys.dtype
        np.testing.assert_array_equal(ours.get(), numpys)


# ---- indexing ------------------------------------------------------------------------------------------------------


def test_integer_arrays_wrap_around_instead_of_raising(cupy):
    x = cupy.arange(3)
    assert x[cupy.asarray([0, 4, -1])].tolist() == x.take(cupy.asarray([0, 4, -1])).tolist() == [0, 1, 2]
    x[cupy.asarray([5])] = 9
    assert x.tolist() == [0, 1, 9]
    with pytest.raises(IndexError):
        x[3]


def test_advanced_indexing_agrees_with_numpy(cupy):
    h = np.arange(24.0).reshape(2, 3, 4)
    x, i, mask = cupy.asarray(h), cupy.asarray([1, 0]), h > 10
    np.testing.assert_array_equal(x[:, i].get(), h[:, [1, 0]])
    np.testing.assert_array_equal(x[i, :, i].get(), h[[1, 0], :, [1, 0]])
    np.testing.assert_array_equal(x[..., None, i].get(), h[..., None, [1, 0]])
    np.testing.assert_array_equal(x[cupy.asarray(mask)].get(), h[mask])
    np.testing.assert_array_equal(x[1, cupy.asarray(mask[0])].get(), h[1, mask[0]])
    x[cupy.asarray(mask)] = 0
    np.testing.assert_array_equal(x.get(), np.where(mask, 0, h))


def test_assignment_to_repeated_indices_is_refused_and_add_at_adds(cupy):
    x, i = cupy.zeros(3), cupy.asarray([0, 0, 2])
    with pytest.raises(ValueError, match="repeated"):
        x[i] = cupy.ones(3)
    x[i] = 5  # one value for all: no race
    cupy.add.at(x, i, cupy.ones(3))
    assert x.tolist() == [7, 0, 6]


def test_scatters_know_their_dtypes(cupy):
    i = cupy.asarray([0])
    with pytest.raises(TypeError):
        cupy.add.at(cupy.zeros(2, "i1"), i, 1)
    with pytest.raises(TypeError):
        cupy.subtract.at(cupy.zeros(2), i, 1.0)
    with pytest.raises(NotImplementedError):
        cupy.multiply.at(cupy.zeros(2), i, 1.0)


def test_strided_views_stay_inside_their_memory(cupy, x):
    as_strided = cupy.lib.stride_tricks.as_strided
    windows = as_strided(cupy.arange(6), (4, 3), (8, 8))
    assert windows.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert as_strided(windows, (2, 3), (16, 8)).tolist() == [[0, 1, 2], [2, 3, 4]]
    with pytest.raises(ValueError, match="leaves the memory"):
        as_strided(x, (3, 3), x.strides)


def test_writing_to_overlapping_elements_is_refused(cupy):
    windows = cupy.lib.stride_tricks.as_strided(cupy.zeros(6), (4, 3), (8, 8))
    for write in (lambda: windows.__iadd__(1), lambda: windows.__setitem__(slice(2), 1.0), lambda: windows.fill(0)):
        with pytest.raises(ValueError, match="overlap"):
            write()


# ---- devices -------------------------------------------------------------------------------------------------------


def test_arrays_live_on_the_device_that_was_current(cupy, x):
    with cupy.cuda.Device(1):
        y = cupy.ones((2, 3))
        assert (y + 1).device.id == 1 and y.T.device == cupy.cuda.Device(1)
    assert x.device.id == cupy.cuda.Device().id == 0


def test_operations_across_devices_are_warned_about(cupy, x):
    with cupy.cuda.Device(1):
        y = cupy.ones((2, 3))
    for call in (lambda: x + y, lambda: y + y, lambda: y.sum(), lambda: y.__iadd__(0), lambda: cupy.stack([x, y])):
        with pytest.warns(strict_cupy.PerformanceWarning, match="Peer access has been activated"):
            call()
    assert y.reshape(3, 2)[0].T.device.id == 1  # views need no kernel
    assert (x + cupy.asarray(y)).device.id == y.copy().device.id == 0
    np.testing.assert_array_equal(y.get(), 1)


def test_between_devices_only_arrays_without_gaps_are_copied(cupy):
    with cupy.cuda.Device(1):
        pictures = cupy.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2)  # channels last, as convolutions return them
        for array in (pictures, pictures[:, :, ::2], pictures[:, 1:]):
            with cupy.cuda.Device(0), pytest.raises(NotImplementedError, match="non-contiguous"):
                cupy.asarray(array)
        compact = pictures.transpose(0, 2, 3, 1)
    assert cupy.asarray(compact).device.id == cupy.asarray(compact.T).device.id == 0
    assert cupy.asarray(pictures[:0]).device.id == 0
    assert cupy.array(pictures, order="C").flags.c_contiguous


def test_there_are_two_devices(cupy):
    assert cupy.cuda.is_available() and cupy.cuda.runtime.getDeviceCount() == 2
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError), cupy.cuda.Device(2):
        pass
    assert cupy.cuda.runtime.getDevice() == 0


def test_streams_and_pools_can_be_used(cupy):
    with cupy.cuda.Stream(non_blocking=True) as stream:
        assert cupy.cuda.get_current_stream() is stream
        stream.wait_event(stream.record())
    assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
    cupy.get_default_memory_pool().free_all_blocks()
    with pytest.raises(strict_cupy.NotModelledError):
        cupy.get_default_memory_pool().used_bytes()


# ---- random numbers ------------------------------------------------------------------------------------------------


def test_generators_repeat_by_seed_and_draw_the_dtype_asked_for(cupy):
    a, b = cupy.random.default_rng(3), cupy.random.default_rng(3)
    for draw in (
        lambda g: g.random((2, 3), dtype=cupy.float32),
        lambda g: g.standard_normal(4, dtype=cupy.float32),
        lambda g: g.uniform(-1, 1, 5, dtype=cupy.float32),
        lambda g: g.random(dtype=cupy.float32),
    ):
        first, second = draw(a), draw(b)
        assert isinstance(first, cupy.ndarray) and first.dtype == np.float32 and (first == second).all()
    assert a.integers(0, 10, 7).dtype == np.int64 and a.poisson(3.0, (2, 2)).shape == (2, 2)
    into = cupy.empty(3)
    assert a.random(out=into) is into


def test_a_generators_state_is_device_memory(cupy):
    generator = cupy.random.default_rng(0)
    state = generator.bit_generator._state.get()
    first = generator.random(5)
    assert (generator.random(5) != first).all()
    generator.bit_generator._state.set(state)
    assert (generator.random(5) == first).all()


def test_a_generator_belongs_to_its_device(cupy):
    generator = cupy.random.default_rng(0)
    with pytest.raises(RuntimeError, match="different device"), cupy.cuda.Device(1):
        generator.random(3)


# ---- launches ------------------------------------------------------------------------------------------------------


def launched(call) -> tuple[int, int]:
    with strict_cupy.launches.counted() as counted:
        call()
    return counted.count, counted.bytes


@pytest.mark.parametrize(
    ("call", "count", "moved"),
    [
        (lambda cp, x: x + x, 1, 3 * 24),
        (lambda cp, x: x.__iadd__(1), 1, 2 * 24),
        (lambda cp, x: x.sum(axis=0), 1, 24 + 12),
        (lambda cp, x: x @ x.T, 1, 24 + 24 + 16),
        (lambda cp, x: cp.where(x > 1, x, 0), 2, 30 + 54),
        (lambda cp, x: x.astype("f8"), 1, 24 + 48),
        (lambda cp, x: cp.ascontiguousarray(x.T), 1, 48),
        (lambda cp, x: x.T.reshape(-1), 1, 48),
        (lambda cp, x: cp.concatenate([x, x]), 2, 96),
        (lambda cp, x: x.__setitem__(0, x[1]), 1, 24),
        (lambda cp, x: cp.zeros((2, 3)), 1, 48),
        (lambda cp, x: (x.T, x.reshape(-1), x[0], x.astype("f4", copy=False), cp.broadcast_to(x, (4, 2, 3))), 0, 0),
        (lambda cp, x: (cp.empty_like(x), cp.empty(3), cp.ascontiguousarray(x), x[:0] + 1), 0, 0),
    ],
)
def test_launches_and_what_they_move_are_counted(cupy, x, call, count, moved):
    assert launched(lambda: call(cupy, x)) == (count, moved)


def test_an_operand_of_a_stack_of_products_is_copied_first(cupy):
    a, b = cupy.ones((2, 3, 4)), cupy.ones((2, 5, 4))
    assert launched(lambda: a @ a.transpose(0, 2, 1))[0] == 2
    assert launched(lambda: b[0] @ cupy.ones((2, 4, 3)))[0] == 1 + 1 + 3  # with the ones


def test_counting_nests(cupy, x):
    with strict_cupy.launches.counted() as outer:
        x + x
        assert launched(lambda: x + x)[0] == 1
    assert outer.count == 2


def test_without_a_compiler_nothing_is_launched(cupy, x):
    with strict_cupy.launches.without_compiler():
        assert x.T.shape == (3, 2)
        for call in (lambda: x + x, x.sum, lambda: cupy.ones(1)):
            with pytest.raises(RuntimeError, match="Failed to find CUDA headers"):
                call()
    assert (x + x).shape == (2, 3)


# ---- kernels of our own --------------------------------------------------------------------------------------------


def test_a_kernels_code_runs(cupy):
    kernel = cupy.ElementwiseKernel("float32 x, int64 k", "float32 y, bool odd", "y = x * k; odd = i % 2;", "scaled")
    y, odd = kernel(cupy.asarray(np.float32([1, 2, 3])), 2)
    np.testing.assert_array_equal(y.get(), [2, 4, 6])
    np.testing.assert_array_equal(odd.get(), [False, True, False])
    columns = cupy.asarray(np.ones((3, 2), np.float32)).T
    out = cupy.zeros((3, 2), np.float32).T
    kernel(columns, np.int64(3), out, cupy.empty((2, 3), bool))
    np.testing.assert_array_equal(out.get(), np.full((2, 3), 3))


def test_a_kernels_arguments_are_checked(cupy, x):
    kernel = cupy.ElementwiseKernel("float32 x", "float32 y", "y = x;", "same")
    for arguments in ((), (x, x, x), (x.get(),), (x, x.astype("f8"))):
        with pytest.raises(TypeError):
            kernel(*arguments)
    with pytest.raises(strict_cupy.NotModelledError, match="type T"):
        cupy.ElementwiseKernel("T x", "T y", "y = x")
    with pytest.raises(RuntimeError, match="does not compile"):
        cupy.ElementwiseKernel("float32 x", "float32 y", "y = nothing;")(x)


# ---- numbers too small to be normal --------------------------------------------------------------------------------


def test_tiny_float32_are_zero_element_by_element_and_nowhere_else(cupy):
    tiny = np.float32([1e-40, -1e-40, 1.0])
    x = cupy.asarray(tiny)
    for result in (x * 1, x + 0, x.astype("f8"), cupy.where(x != 7, x, x), cupy.asarray([1e-40]).astype("f4")):
        assert not result.get()[:2].any()
    out = cupy.asarray(np.float32([1e-30]))
    out *= 1e-10
    assert out.get()[0] == 0
    np.testing.assert_array_equal(x.copy().get(), tiny)
    np.testing.assert_array_equal((x[None] @ cupy.ones((3, 1), "f4")).get(), [[1]])
    assert x[:1].sum().get() > 0
    assert (cupy.asarray([5e-320]) * 1).get()[0] > 0 and (cupy.asarray(np.float16([1e-7])) * 1).get()[0] > 0
