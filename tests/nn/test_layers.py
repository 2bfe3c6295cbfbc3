"""The layers: what they compute, also for empty batches, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import Tensor, backend, nn, ops


def pictures(*shape, device="cpu"):
    return Tensor(np.random.default_rng(0).standard_normal(shape, np.float32), device=device)


# ---- what they compute -------------------------------------------------------------------------------------------


def test_linear_by_hand(device):
    layer = nn.Linear(2, 1).to(device)
    layer.load_state_dict({"weight": [[2.0, 3.0]], "bias": [1.0]})
    np.testing.assert_array_equal(layer(Tensor([[1.0, 1.0], [0.0, 2.0]], device=device)).numpy(), [[6], [7]])
    np.testing.assert_array_equal(layer(Tensor([1.0, 1.0], device=device)).numpy(), [6])


def test_conv2d_by_hand(device):
    layer = nn.Conv2d(1, 1, 2).to(device)
    layer.load_state_dict({"weight": [[[[1.0, 0.0], [0.0, 10.0]]]], "bias": [0.5]})
    x = Tensor(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3), device=device)
    np.testing.assert_array_equal(layer(x).numpy(), [[[[40.5, 51.5], [73.5, 84.5]]]])


def test_conv2d_keeps_its_weight_channels_last():
    weight = nn.Conv2d(3, 4, 2).weight.data
    assert weight.transpose(0, 2, 3, 1).flags.c_contiguous


def test_batch_norm_normalises_in_training_and_remembers(device):
    layer = nn.BatchNorm2d(2, momentum=0.5).to(device)
    x = Tensor(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32).reshape(2, 2, 1, 1), device=device)
    y = layer(x).numpy()
    np.testing.assert_allclose(y.reshape(2, 2), [[-1, 0], [1, 0]], atol=1e-4)
    np.testing.assert_allclose(layer.running_mean.numpy(), [1, 2.5])
    np.testing.assert_allclose(layer.running_var.numpy(), [1.5, 0.5])  # half of 1 and half of the unbiased 2 and 0
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    np.testing.assert_allclose(layer(x).numpy()[:, 0].ravel(), [0, 2 / math.sqrt(1.5)], rtol=1e-4)
    assert layer.num_batches_tracked.item() == 1


def test_batch_norm_without_affine_has_no_parameters():
    layer = nn.BatchNorm2d(3, affine=False)
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["running_mean", "running_var", "num_batches_tracked"]


def test_a_batch_that_batch_norm_refuses_is_not_counted():
    layer = nn.BatchNorm2d(2)
    with pytest.raises(ValueError, match="two values per channel"):
        layer(pictures(1, 2, 1, 1))
    assert layer.num_batches_tracked.item() == 0


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_keeps_the_expectation(device, p):
    layer = nn.Dropout(p)
    x = Tensor(np.ones((100, 1000), np.float32), requires_grad=True, device=device)
    y = layer(x)
    values = y.numpy()
    assert np.mean(values == 0) == pytest.approx(p, abs=0.01)
    np.testing.assert_allclose(values[values != 0], 1 / (1 - p), rtol=1e-6)
    assert values.mean() == pytest.approx(1, abs=0.03)
    assert (layer(x).numpy() != values).any()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), values)  # the gradient goes through the same mask


def test_dropout_does_nothing_in_evaluation(device):
    x = pictures(2, 3, device=device)
    assert nn.Dropout(0.5).eval()(x) is x
    assert nn.Dropout(0)(x) is x
    assert not nn.Dropout(1)(x).numpy().any()


def test_pools_by_hand(device):
    x = Tensor(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), device=device)
    np.testing.assert_array_equal(nn.MaxPool2d(2)(x).numpy(), [[[[5, 7], [13, 15]]]])
    np.testing.assert_array_equal(nn.MaxPool2d(3, 1)(x).numpy(), [[[[10, 11], [14, 15]]]])
    np.testing.assert_array_equal(nn.AvgPool2d(2)(x).numpy(), [[[[2.5, 4.5], [10.5, 12.5]]]])
    np.testing.assert_array_equal(nn.AdaptiveAvgPool2d(1)(x).numpy(), [[[[7.5]]]])
    np.testing.assert_array_equal(nn.AdaptiveAvgPool2d((1, 2))(x).numpy(), [[[[6.5, 8.5]]]])


def test_small_layers(device):
    x = pictures(2, 3, 4, device=device)
    assert nn.Identity()(x) is x
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0)(x).shape == (24,)
    np.testing.assert_array_equal(nn.ReLU()(x).numpy(), np.maximum(x.numpy(), 0))


def test_losses_by_hand(device):
    x, y = Tensor([[0.0, 0.0], [3.0, 0.0]], device=device), Tensor([[0.5, 0.0], [0.0, 0.0]], device=device)
    assert nn.MSELoss()(x, y).item() == pytest.approx((0.25 + 9) / 4)
    assert nn.SmoothL1Loss()(x, y).item() == pytest.approx((0.125 + 2.5) / 4)
    targets = Tensor([0, 1], device=device)
    expected = np.array([math.log(2), 3 + math.log1p(math.exp(-3))])
    assert nn.CrossEntropyLoss()(x, targets).item() == pytest.approx(expected.mean())
    np.testing.assert_allclose(nn.CrossEntropyLoss("none")(x, targets).numpy(), expected, rtol=1e-6)


# ---- empty batches -----------------------------------------------------------------------------------------------

EMPTY = {
    "Linear": (lambda: nn.Linear(3, 4), (0, 3), (0, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 4, 3, padding=1, stride=2), (0, 2, 6, 6), (0, 4, 3, 3)),
    "grouped Conv2d": (lambda: nn.Conv2d(2, 4, 3, groups=2), (0, 2, 6, 6), (0, 4, 4, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (0, 2, 3, 3), (0, 2, 3, 3)),
    "BatchNorm2d in evaluation": (lambda: nn.BatchNorm2d(2).eval(), (0, 2, 3, 3), (0, 2, 3, 3)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (0, 2, 4, 4), (0, 2, 2, 2)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, padding=1), (0, 2, 4, 4), (0, 2, 3, 3)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(1), (0, 2, 4, 4), (0, 2, 1, 1)),
    "uneven AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(3), (0, 2, 4, 5), (0, 2, 3, 3)),
    "ReLU": (nn.ReLU, (0, 3), (0, 3)),
    "Flatten": (nn.Flatten, (0, 2, 3), (0, 6)),
    "Dropout": (nn.Dropout, (0, 3), (0, 3)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_batch_goes_through_and_back(device, name):
    make, shape, expected = EMPTY[name]
    layer = make().to(device)
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True, device=device)
    y = layer(x)
    assert y.shape == expected
    y.sum().backward()
    assert x.grad.shape == shape
    for p in layer.parameters():
        np.testing.assert_array_equal(p.grad.numpy(), np.zeros(p.shape))
    assert all(np.isfinite(value).all() for value in layer.state_dict().values())


def test_the_sum_of_no_losses_is_zero(device):
    x, targets = Tensor(np.zeros((0, 3), np.float32), True, device), Tensor(np.zeros(0, np.int64), device=device)
    assert nn.CrossEntropyLoss("sum")(x, targets).item() == 0
    assert nn.CrossEntropyLoss("none")(x, targets).shape == (0,)
    assert nn.MSELoss("sum")(x, x.detach()).item() == 0
    with np.errstate(all="ignore"):
        assert math.isnan(nn.CrossEntropyLoss()(x, targets).item())


# ---- what they refuse --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.Linear(0, 3), "Linear: in_features must be a positive int, got 0"),
        (lambda: nn.Linear(3, 2.5), "Linear: out_features must be a positive int, got 2.5"),
        (lambda: nn.Conv2d(0, 3, 1), "Conv2d: in_channels must be a positive int"),
        (lambda: nn.Conv2d(3, "4", 1), "Conv2d: out_channels must be a positive int, got '4'"),
        (lambda: nn.Conv2d(3, 4, 1, groups=2), "Conv2d: groups=2 must divide 3 input and 4 output channels"),
        (lambda: nn.Conv2d(4, 3, 1, groups=2), "Conv2d: groups=2 must divide 4 input and 3 output channels"),
        (lambda: nn.Conv2d(4, 4, 1, groups=0), "Conv2d: groups must be a positive int"),
        (lambda: nn.Conv2d(1, 1, 0), "Conv2d: kernel_size must be an int >= 1 or a pair of them, got 0"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), "Conv2d: kernel_size"),
        (lambda: nn.Conv2d(1, 1, 1.0), "Conv2d: kernel_size"),
        (lambda: nn.Conv2d(1, 1, 1, stride=0), "Conv2d: stride must be an int >= 1"),
        (lambda: nn.Conv2d(1, 1, 1, padding=-1), "Conv2d: padding must be an int >= 0"),
        (lambda: nn.Conv2d(1, 1, 1, padding="half"), "Conv2d: padding"),
        (lambda: nn.Conv2d(1, 1, 1, dilation=(1, 0)), "Conv2d: dilation must be an int >= 1"),
        (lambda: nn.BatchNorm2d(0), "BatchNorm2d: num_features must be a positive int"),
        (lambda: nn.AdaptiveAvgPool2d(0), "AdaptiveAvgPool2d: output_size must be an int >= 1"),
        (lambda: nn.Dropout(1.5), r"Dropout: p must lie in \[0, 1\], got 1.5"),
        (lambda: nn.Dropout(float("nan")), "Dropout: p"),
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size must be an int >= 1"),
        (lambda: nn.MaxPool2d(2, padding=2)(pictures(1, 1, 4, 4)), "more than half of the kernel"),
        (lambda: nn.AvgPool2d(2, stride=0), "AvgPool2d: stride must be an int >= 1"),
        (lambda: nn.MSELoss("avg")(Tensor(1.0), Tensor(1.0)), "reduction must be 'mean', 'sum' or 'none', got 'avg'"),
        (lambda: nn.SmoothL1Loss(beta=0)(Tensor(1.0), Tensor(1.0)), "beta must be positive"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2)(pictures(1, 2), [0]), "label_smoothing must lie in"),
    ],
)
def test_wrong_arguments_are_named(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nn.Linear(3, 2)(pictures(1, 4)), r"input of shape \(1, 4\) does not fit weight \(2, 3\)"),
        (lambda: nn.Conv2d(3, 2, 1)(pictures(1, 4, 2, 2)), "input has 4 channels but weight"),
        (
            lambda: nn.Conv2d(3, 2, 1)(pictures(3, 2, 2)),
            r"expected pictures of shape \(N, C, H, W\), got shape \(3, 2, 2\)",
        ),
        (lambda: nn.Conv2d(1, 1, 5)(pictures(1, 1, 4, 4)), "pictures of 4x4 .* are smaller than the kernel"),
        (lambda: nn.BatchNorm2d(3)(pictures(2, 3)), "BatchNorm2d: expected pictures"),
        (lambda: nn.BatchNorm2d(3)(pictures(2, 4, 2, 2)), r"input \(2, 4, 2, 2\) has 4 channels"),
        (lambda: nn.MaxPool2d(5)(pictures(1, 1, 4, 4)), "smaller than the kernel"),
        (lambda: nn.AdaptiveAvgPool2d(1)(pictures(1, 4)), "adaptive_avg_pool2d: expected pictures"),
        (lambda: nn.CrossEntropyLoss()(pictures(2, 3), Tensor([0, 3])), r"targets must lie in 0\.\.2, got 0\.\.3"),
        (lambda: nn.CrossEntropyLoss()(pictures(2, 3), Tensor([-1, 0])), r"targets must lie in 0\.\.2"),
        (lambda: nn.CrossEntropyLoss()(pictures(2, 3), Tensor([0])), r"expected logits \(N, C\) and targets \(N,\)"),
        (lambda: nn.MSELoss()(pictures(2, 3), pictures(2, 1)), r"pred has shape \(2, 3\), target \(2, 1\)"),
    ],
)
def test_inputs_that_do_not_fit_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    "layer", [nn.Linear(4, 2), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(3)], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_layers_do_not_mix_dtypes(layer, dtype):
    with pytest.raises(TypeError, match=f"{np.dtype(dtype)}"):
        layer(Tensor(np.ones((2, 3, 4, 4), dtype)))


def test_inputs_on_another_device_are_named(device):
    if device == "cpu":
        pytest.skip("there is one CPU")
    for layer, x in ((nn.Linear(4, 2), pictures(1, 4)), (nn.Conv2d(3, 2, 1), pictures(1, 3, 2, 2))):
        with pytest.raises(backend.DeviceError, match="cpu and cuda:0"):
            layer.to(device)(x)


def test_running_statistics_without_momentum_are_the_average_of_all_batches(device):
    norm = nn.BatchNorm2d(1, momentum=None).to(device)
    for values in ([0.0, 2.0], [4.0, 8.0], [6.0, 6.0]):  # means 1, 6, 6; unbiased variances 2, 8, 0
        norm(Tensor(np.array(values, np.float32).reshape(2, 1, 1, 1), device=device))
    assert norm.running_mean.item() == pytest.approx(13 / 3) and norm.running_var.item() == pytest.approx(10 / 3)
    assert norm.num_batches_tracked.item() == 3 and "momentum=None" in repr(norm)


def test_batch_norm_does_without_its_counter():
    norm = nn.BatchNorm2d(1)
    del norm.num_batches_tracked
    norm(Tensor(np.array([0.0, 2.0], np.float32).reshape(2, 1, 1, 1)))
    assert list(norm.state_dict()) == ["weight", "bias", "running_mean", "running_var"]
    assert norm.running_mean.item() == pytest.approx(0.1)
    norm.momentum = None
    with pytest.raises(RuntimeError, match="momentum=None averages over num_batches_tracked, which is not there"):
        norm(Tensor(np.zeros((2, 1, 1, 1), np.float32)))


def test_integers_of_numpy_are_sizes():
    two, x = np.int64(2), Tensor(np.ones((2, 4, 8, 8), np.float32), requires_grad=True)
    conv = nn.Conv2d(4, 4, np.int64(3), stride=two, padding=np.int8(1), dilation=np.uint8(1), groups=two)
    for layer in (
        conv,
        nn.MaxPool2d(two, two),
        nn.AvgPool2d((two, 2)),
        nn.AdaptiveAvgPool2d(two),
        nn.Flatten(np.int64(1)),
    ):
        layer(x).sum().backward()
    assert conv(x).shape == (2, 4, 4, 4) and "kernel_size=(3, 3)" in repr(conv)
    assert x.sum(np.int64(0)).squeeze().flatten(np.int64(0)).max(axis=(np.int64(0),)).shape == ()
    with pytest.raises(ValueError, match="groups=True must be a positive int"):
        ops.conv2d(x, conv.weight, groups=True)
