"""What a Tensor is: a copy of its data with a dtype and a device, which nobody can change behind its back."""

from __future__ import annotations

import copy
import pickle
from array import array as python_array

import numpy as np
import pytest

from minigrad import Parameter, Tensor, backend

# ---- making one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, dtype",
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([[1, 2.5]], np.float32),
        ((), np.float32),
        (3, np.int64),
        ([1, 2], np.int64),
        (True, np.bool_),
        ([True, False], np.bool_),
        (np.float64(1.5), np.float64),
        (np.int8(1), np.int8),
        *[(np.ones(2, d), d) for d in (np.float16, np.float32, np.float64, np.uint8, np.int32, np.int64, np.bool_)],
    ],
)
def test_python_floats_become_float32_and_arrays_keep_their_dtype(device, data, dtype):
    x = Tensor(data, device=device)
    assert x.dtype == dtype
    assert x.shape == np.shape(data)
    np.testing.assert_array_equal(x.numpy(), np.asarray(data))


@pytest.mark.parametrize("data", ["text", None, [1j], np.array(["a"]), np.array([None]), {}, [2**70], object()])
def test_what_is_not_a_real_number_is_refused(data):
    with pytest.raises(TypeError, match="expected numbers"):
        Tensor(data)


def test_ragged_lists_and_lists_of_tensors_are_refused():
    with pytest.raises(ValueError):
        Tensor([[1.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match=r"ops\.stack"):
        Tensor([Tensor(1.0), Tensor(2.0)])


def test_data_is_copied(device):
    array = np.zeros(3, np.float32)
    x = Tensor(array, device=device)
    y = Tensor(x)
    array[0] = 7
    x.data[1] = 5
    np.testing.assert_array_equal(x.numpy(), [0, 5, 0])
    np.testing.assert_array_equal(y.numpy(), [0, 0, 0])
    assert y.device == x.device


def test_a_copy_has_no_history():
    x = Tensor([1.0], requires_grad=True)
    y = Tensor(x * 2)
    assert not y.requires_grad and y.node is None


def test_the_memory_layout_of_an_array_is_kept():
    channels_last = np.zeros((2, 3, 4, 5), np.float32).transpose(0, 3, 1, 2)
    assert Tensor(channels_last).data.strides == channels_last.strides
    assert Parameter(np.asfortranarray(np.zeros((2, 3)))).data.flags.f_contiguous


def test_array_subclasses_become_plain_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    for array in (np.load(tmp_path / "a.npy", mmap_mode="r"), np.ones((1, 3)).view(np.matrix)):
        assert type(Tensor(array).data) is np.ndarray


@pytest.mark.parametrize("data", [1, [True], np.ones(2, np.uint8)])
def test_integers_cannot_ask_for_gradients(device, data):
    with pytest.raises(TypeError, match=r"only floating point Tensors have gradients, this one is (int64|bool|uint8)"):
        Tensor(data, requires_grad=True, device=device)
    x = Tensor(data, device=device)
    with pytest.raises(TypeError, match="floating point"):
        x.requires_grad = True
    with pytest.raises(TypeError, match="floating point"):
        Parameter(data, device=device)


def test_a_parameter_requires_gradients_unless_told_otherwise(device):
    assert Parameter([1.0], device=device).requires_grad
    assert not Parameter([1.0], requires_grad=False, device=device).requires_grad
    assert isinstance(Parameter([1.0]), Tensor)


def test_requires_grad_can_be_switched_on_leaves_only(device):
    x = Tensor([1.0], device=device)
    x.requires_grad = True
    y = x * 2
    with pytest.raises(RuntimeError, match=r"use \.detach\(\)"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


# ---- what it tells about itself ----------------------------------------------------------------------------------


def test_attributes(device):
    x = Tensor(np.zeros((2, 3), np.float64), device=device)
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float64, 2)
    assert x.device == ("cpu" if device == "cpu" else "cuda:0")
    assert x.grad is None and x.node is None and x.requires_grad is False


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: Tensor([1.0, 2.5]), "Tensor([1. , 2.5])"),
        (lambda: Tensor(3), "Tensor(3, dtype=int64)"),
        (lambda: Tensor(np.ones(1)), "Tensor([1.], dtype=float64)"),
        (lambda: Tensor([1.0], requires_grad=True), "Tensor([1.], requires_grad=True)"),
        (lambda: Tensor([1.0], requires_grad=True) * 2, "Tensor([2.], node=Mul)"),
        (lambda: Parameter([[1.0], [2.0]]), "Parameter([[1.],\n           [2.]], requires_grad=True)"),
        (lambda: Tensor(np.zeros((0, 3), np.float32)), "Tensor([], shape=(0, 3))"),
    ],
)
def test_repr_shows_values_and_what_is_unusual(make, text):
    assert repr(make()) == text


def test_repr_of_large_tensors_is_short_and_names_the_device(device):
    text = repr(Tensor(np.zeros((100, 100)), device=device))
    assert "..." in text and len(text) < 1000
    assert ("device='cuda:0'" in text) == (device == "cuda")


def test_item_is_a_python_number(device):
    assert isinstance(Tensor(2.5, device=device).item(), float)
    assert isinstance(Tensor([[3]], device=device).item(), int)
    assert Tensor(True, device=device).item() is True
    assert float(Tensor([2.5], device=device)) == 2.5
    assert int(Tensor(2.5, device=device)) == 2


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 2)])
def test_item_of_several_elements_or_none_is_an_error(device, shape):
    with pytest.raises(ValueError, match=rf"one element, this Tensor has shape \({shape[0]},"):
        Tensor(np.zeros(shape), device=device).item()


def test_truth(device):
    assert Tensor([1], device=device)
    assert not Tensor(0.0, device=device)
    for several in (np.ones(2), np.zeros(0)):
        with pytest.raises(ValueError, match="ambiguous"):
            bool(Tensor(several, device=device))


def test_length_and_iteration_go_along_the_first_axis(device):
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True, device=device)
    rows = list(x)
    assert len(x) == len(rows) == 3
    sum(row.sum() * (i + 1) for i, row in enumerate(rows)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[1, 1], [2, 2], [3, 3]])
    first, *_ = x
    assert first.shape == (2,)
    assert list(Tensor(np.zeros((0, 2)), device=device)) == []


def test_a_single_number_has_no_length_and_no_elements(device):
    x = Tensor(1.0, device=device)
    with pytest.raises(TypeError, match="0-dimensional"):
        len(x)
    with pytest.raises(TypeError, match="0-dimensional"):
        iter(x)


def test_equal_tensors_are_different_keys():
    a, b = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
    assert len({a, b, a}) == 2
    assert {a: "a", b: "b"}[b] == "b"


def test_a_deep_copy_is_independent():
    p = Parameter([1.0, 2.0])
    q = copy.deepcopy(p)
    q.data[0] = 5
    assert type(q) is Parameter and q.requires_grad
    np.testing.assert_array_equal(p.numpy(), [1, 2])


# ---- to NumPy ----------------------------------------------------------------------------------------------------


def test_numpy_shows_the_values_but_cannot_change_them():
    x = Tensor([1.0, 2.0])
    for view in (x.numpy(), np.asarray(x)):
        assert np.shares_memory(view, x.data)
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5
    assert np.array(x).flags.writeable


def test_numpy_from_a_gpu_is_a_copy(device):
    x = Tensor([1.0, 2.0], device=device)
    array = x.numpy()
    assert type(array) is np.ndarray
    if device == "cuda":
        array[0] = 5
    np.testing.assert_array_equal(x.numpy(), [1, 2])


def test_numpy_functions_take_tensors_on_the_cpu_only(device):
    x = Tensor([1.0, 2.0], device=device)
    if device == "cpu":
        assert np.asarray(x, np.float64).dtype == np.float64
        np.testing.assert_allclose(x, [1, 2])
    else:
        with pytest.raises(TypeError, match=r"cuda:0 does not become a NumPy array by itself; call \.numpy\(\)"):
            np.asarray(x)


# ---- no changes in place -----------------------------------------------------------------------------------------


def test_assigning_to_elements_is_refused(device):
    x = Tensor([1.0, 2.0], device=device)
    with pytest.raises(TypeError, match=r"not changed in place.*ops\.where"):
        x[0] = 5
    with pytest.raises(TypeError):
        x[:1] += 1


def test_augmented_assignment_makes_a_new_tensor_of_what_is_no_leaf(device):
    y = Tensor([1.0, 2.0], requires_grad=True, device=device)
    x = y + 1
    x *= 3
    x -= 1
    x /= 2
    x **= 2
    np.testing.assert_array_equal(y.numpy(), [1, 2])
    x.sum().backward()  # d/dy ((3(y + 1) - 1) / 2)² = 3 (3y + 2) / 2
    np.testing.assert_allclose(y.grad.numpy(), [7.5, 12])


# ---- what comes from elsewhere, and copies -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [">f4", ">i8", "<f8", ">f2"])
def test_numbers_in_another_order_of_bytes_are_converted(dtype):
    x = Tensor(np.array([1, 2, 3], dtype))
    assert x.dtype.isnative and x.dtype.itemsize == np.dtype(dtype).itemsize and x.numpy().tolist() == [1, 2, 3]
    assert (x * 2).numpy().tolist() == [2, 4, 6]


def test_buffers_of_python_are_arrays():
    assert Tensor(python_array("f", [1.0, 2.0])).dtype == np.float32
    assert Tensor(memoryview(np.ones((2, 3)))).dtype == np.float64
    assert Tensor(bytearray(b"\x01\x02")).numpy().tolist() == [1, 2]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_leaves_are_copied_with_their_gradient(copied):
    for kind in (Tensor, Parameter):
        x = kind([1.0, 2.0], requires_grad=True)
        (x * x).sum().backward()
        y = copied(x)
        assert type(y) is kind and y is not x and y.requires_grad and y.node is None
        assert y.numpy().tolist() == [1, 2] and y.grad.numpy().tolist() == [2, 4]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_graphs_are_not_copied(copied):
    y = Tensor([1.0], requires_grad=True)
    for _ in range(5_000):
        y = y * 1.0
    with pytest.raises(RuntimeError, match=r"this Tensor is the result of Mul, and a graph cannot be copied; use .det"):
        copied(y)
    assert copy.deepcopy(y.detach()).item() == 1


# ---- detach ------------------------------------------------------------------------------------------------------


def test_detach_shows_the_same_memory_without_history(device):
    x = Tensor([1.0, 2.0], requires_grad=True, device=device)
    y = x * 2
    z = y.detach()
    assert z.data is y.data and z.node is None and not z.requires_grad
    (y * z).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4, 8])  # z counts as a constant


# ---- devices -----------------------------------------------------------------------------------------------------


def test_to_the_same_device_is_the_tensor_itself(device):
    x = Tensor([1.0], device=device)
    assert x.to(device) is x
    assert x.to(x.device) is x


def test_gradients_flow_through_a_round_trip(device):
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).to(device)
    z = (y * y).to("cpu")
    assert z.device == "cpu"
    z.sum().backward()
    assert x.grad.device == "cpu"
    np.testing.assert_allclose(x.grad.numpy(), [4, 32])


def test_tensors_can_be_made_from_tensors_of_another_device(device):
    x = Tensor([1.0, 2.0], device=device)
    assert Tensor(x, device="cpu").device == "cpu"
    assert Tensor(Tensor(x, device="cpu"), device=device).device == x.device
    assert Tensor(x.data).device == x.device


def test_the_gradient_of_a_leaf_lies_where_the_leaf_lies(device):
    x = Tensor([1.0, 2.0], requires_grad=True, device=device)
    (x * x).sum().backward()
    assert x.grad.device == x.device
    assert backend.array_module(x.grad) is backend.array_module(x)
