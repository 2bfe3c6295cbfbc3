from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, ops, optim
from models import Localizer
from models.localizer import (
    BETA,
    FIRST_BOX,
    AverageAndMaximum,
    LocalizerHeads,
    SmallBackbone,
    generalized_iou,
    iou,
    localization_loss,
)
from models.resnet import ResNet

# Pairs of boxes with numbers that can be checked by hand, in tenths of the picture.
PAIRS = {
    "the same": ([2, 2, 6, 8], [2, 2, 6, 8], 1, 1),
    "a quarter shared": ([0, 0, 4, 4], [2, 2, 6, 6], 4 / 28, 4 / 28 - 8 / 36),
    "one inside the other": ([0, 0, 10, 10], [2, 2, 6, 7], 0.2, 0.2),
    "side by side": ([0, 0, 2, 2], [2, 0, 4, 2], 0, 0),
    "touching at a corner": ([0, 0, 2, 2], [2, 2, 4, 4], 0, -8 / 16),
    "far apart": ([0, 0, 1, 1], [9, 9, 10, 10], 0, -98 / 100),
    "next to each other, one without area": ([0, 0, 2, 2], [4, 0, 4, 2], 0, -4 / 8),
    "both the same point": ([5, 5, 5, 5], [5, 5, 5, 5], 0, 0),
    "both without area": ([1, 1, 1, 1], [3, 3, 3, 3], 0, -1),
}


def boxes(*rows, device="cpu", dtype=np.float64) -> Tensor:
    return Tensor(np.array(rows, dtype=dtype) / 10, device=device)


def pictures(count=2, size=32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3, size, size)).astype(np.float32)


def localizer(num_classes=3, size=32) -> Localizer:
    return Localizer(SmallBackbone(), num_classes, size)


# ---- IoU -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", PAIRS)
def test_iou_and_generalized_iou_of_known_boxes(case, dtype, device):
    a, b, expected, expected_generalized = PAIRS[case]
    a, b = boxes(a, device=device, dtype=dtype), boxes(b, device=device, dtype=dtype)
    for first, second in ((a, b), (b, a)):
        assert iou(first, second).numpy() == pytest.approx([expected], abs=1e-6)
        assert generalized_iou(first, second).numpy() == pytest.approx([expected_generalized], abs=1e-6)
        assert iou(first, second).dtype == dtype


def test_generalized_iou_is_at_most_iou_and_within_its_bounds(rng):
    corners = np.sort(rng.random((2, 500, 2, 2)), axis=2)
    a, b = (Tensor(c.reshape(500, 4)) for c in corners)
    plain, generalized = iou(a, b).numpy(), generalized_iou(a, b).numpy()
    assert (generalized <= plain + 1e-12).all() and plain.min() == 0
    assert plain.max() <= 1 and generalized.min() > -1


@pytest.mark.parametrize("function", [iou, generalized_iou])
@pytest.mark.parametrize(("a", "b"), [((2, 4), (3, 4)), ((4,), (4,)), ((2, 5), (2, 5))])
def test_anything_but_pairs_of_boxes_is_refused(function, a, b):
    with pytest.raises(ValueError, match=rf"^{function.__name__}: expected pairs of boxes \(N, 4\), got"):
        function(Tensor(np.ones(a)), Tensor(np.ones(b)))


@pytest.mark.parametrize("case", ["a quarter shared", "one inside the other", "far apart"])
def test_gradients_of_the_box_losses_agree_with_finite_differences(case):
    a, b = (boxes(values) for values in PAIRS[case][:2])
    predicted = Tensor(a.numpy() + [[0.01, -0.02, 0.03, -0.04]], requires_grad=True)  # no slope where edges coincide
    scores = Tensor(np.array([[0.3, -0.2, 1.0]]), requires_grad=True)
    for box_loss in ("giou", "smooth_l1"):

        def loss(scores, predicted, box_loss=box_loss):
            return localization_loss(scores, predicted, np.array([1]), b, 3.0, box_loss)[0]

        assert mg.gradcheck(loss, [scores, predicted])
        assert mg.gradgradcheck(loss, [scores, predicted])


def test_boxes_that_do_not_touch_are_drawn_together_by_generalized_iou_only():
    predicted = Tensor(np.array([[0.1, 0.1, 0.2, 0.2]]), requires_grad=True)
    true = Tensor(np.array([[0.6, 0.6, 0.9, 0.9]]))
    (slope,) = mg.grad(iou(predicted, true).sum(), [predicted])
    assert not slope.numpy().any()
    (slope,) = mg.grad(generalized_iou(predicted, true).sum(), [predicted])
    assert (slope.numpy()[0, 2:] > 0).all()  # further right and down is better


@pytest.mark.parametrize("case", PAIRS)
def test_gradient_of_generalized_iou_is_finite_in_float32(case):
    a, b = (boxes(values, dtype=np.float32) for values in PAIRS[case][:2])
    predicted = Tensor(a.numpy(), requires_grad=True)
    generalized_iou(predicted, b).sum().backward()
    assert np.isfinite(predicted.grad.numpy()).all()


# ---- loss ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box_loss", "expected"), [("smooth_l1", (4 * (0.2 - BETA / 2) + 4 * 0.05**2 / 2 / BETA) / 8), ("giou", 0.81 / 2)]
)
def test_loss_is_cross_entropy_plus_lambda_times_box_loss(box_loss, expected, device):
    # First pair: smooth L1 of 0.2 each, generalized IoU 4/28 - 8/36; second pair: 0.05 each, and fixed below.
    predicted = boxes([0, 0, 4, 4], [2.5, 2.5, 6.5, 6.5], device=device)
    true = boxes([2, 2, 6, 6], [2, 2, 6, 6], device=device)
    if box_loss == "giou":
        second = 12.25 / 19.75 - (20.25 - 19.75) / 20.25
        expected = (1 - (4 / 28 - 8 / 36) + 1 - second) / 2
    scores = Tensor(np.log([[0.25, 0.75], [0.5, 0.5]]), device=device)
    labels = Tensor(np.array([1, 0]), device=device)
    total, class_loss, box = localization_loss(scores, predicted, labels, true, 7.0, box_loss)
    assert class_loss.item() == pytest.approx((np.log(4 / 3) + np.log(2)) / 2)
    assert box.item() == pytest.approx(expected)
    assert total.item() == pytest.approx(class_loss.item() + 7 * expected)


def test_unknown_box_loss_and_shapes_that_do_not_fit_are_refused():
    scores, labels, one = Tensor(np.zeros((2, 3))), np.array([0, 2]), boxes([0, 0, 1, 1])
    two = ops.concat([one, one])
    with pytest.raises(ValueError, match="box_loss must be one of smooth_l1, giou, got 'iou'"):
        localization_loss(scores, two, labels, two, box_loss="iou")
    for box_loss in ("smooth_l1", "giou"):
        with pytest.raises(ValueError, match=r"\(2, 4\).*\(1, 4\)"):
            localization_loss(scores, two, labels, one, box_loss=box_loss)


# ---- model -----------------------------------------------------------------------------------------------------------


def test_scores_and_boxes_inside_the_picture(device):
    model = localizer().to(device)
    model.heads.box[-1].weight.data *= 100  # extreme answers
    scores, found = model(Tensor(pictures(5), device=device))
    assert scores.shape == (5, 3) and found.shape == (5, 4)
    found = found.numpy()
    assert found.min() >= 0 and found.max() <= 1
    assert (found[:, :2] <= found[:, 2:]).all()


def test_untrained_box_is_the_middle_of_the_picture():
    model = localizer()
    model.heads.box[-1].weight.data[...] = 0
    np.testing.assert_allclose(model(Tensor(pictures()))[1].numpy(), [FIRST_BOX] * 2, rtol=1e-5)


def test_every_parameter_gets_a_gradient(device):
    model = localizer().to(device)
    scores, found = model(Tensor(pictures(4), device=device))
    labels, true = Tensor(np.array([0, 1, 2, 0]), device=device), boxes(*[[1, 2, 4, 7]] * 4, dtype=np.float32)
    localization_loss(scores, found, labels, true.to(device))[0].backward()
    for name, parameter in model.named_parameters():
        assert np.abs(parameter.grad.numpy()).max() > 0, name


@pytest.mark.parametrize(
    ("backbone", "size", "shape"),
    [(SmallBackbone, 64, (128, 8, 8)), (SmallBackbone, (32, 48), (128, 4, 6)),
     (lambda: ResNet((1, 1, 1, 1)), 72, (512, 3, 3))],
)  # fmt: skip
def test_heads_fit_the_map_of_any_backbone(backbone, size, shape):
    model = Localizer(backbone(), 2, size)
    channels, height, width = shape
    assert model.heads.box[0].weight.shape[1] == channels
    assert model.heads.box[5].weight.shape[1] == 64 * height * width
    x = Tensor(np.zeros((2, 3, *model.image_size), np.float32))
    assert model(x)[1].shape == (2, 4)


def test_building_a_localizer_leaves_the_backbone_as_it_was():
    backbone = SmallBackbone()
    before = backbone.state_dict()
    Localizer(backbone, 2, 32)
    assert backbone.training
    for name, value in backbone.state_dict().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_small_backbone_has_the_documented_size():
    parameters = sum(p.size for p in SmallBackbone().parameters())
    assert f"{round(parameters, -3):,} parameters" in SmallBackbone.__doc__


def test_average_and_maximum_of_each_channel():
    x = Tensor(np.array([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, -4.0]]]]))
    assert AverageAndMaximum()(x).numpy().ravel().tolist() == [3, -1, 6, 0]


def test_place_reaches_the_box_head_but_not_the_classifier():
    heads = LocalizerHeads(2, (2, 2), 3).eval()
    maps = np.zeros((2, 2, 2, 2), np.float32)
    maps[0, :, 0, 0] = maps[1, :, 1, 1] = 1  # the same, in opposite corners
    scores, found = heads(Tensor(maps))
    np.testing.assert_allclose(scores.numpy()[0], scores.numpy()[1], rtol=1e-6)
    assert np.abs(found.numpy()[0] - found.numpy()[1]).max() > 1e-4


@pytest.mark.parametrize("box_loss", ["smooth_l1", "giou"])
def test_a_box_is_learned(box_loss):
    mg.manual_seed(0)
    model = localizer()
    optimizer = optim.AdamW(list(model.parameters()), lr=1e-3)
    x, labels = Tensor(pictures(6)), np.arange(6) % 3
    true = boxes(*[[1, 2, 4, 9]] * 3, *[[5, 5, 9, 8]] * 3, dtype=np.float32)
    for _ in range(40):
        loss, _, _ = localization_loss(*model(x), labels, true, 5.0, box_loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores, found = model(x)
    assert scores.numpy().argmax(axis=1).tolist() == labels.tolist()
    assert iou(found, true).numpy().mean() > 0.6


# ---- freezing --------------------------------------------------------------------------------------------------------


def test_frozen_backbone_keeps_weights_and_statistics_and_costs_no_graph():
    model = localizer().freeze_backbone().train()
    before = model.backbone.state_dict()
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    features = model.backbone.feature_map(Tensor(pictures()))
    assert features.node is None  # nothing is recorded
    scores, found = model(Tensor(pictures()))
    (scores.sum() + found.sum()).backward()
    optimizer.step()
    for name, value in model.backbone.state_dict().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert model.heads.training and not model.backbone.training


def test_last_stage_alone_can_be_trained():
    model = Localizer(ResNet((1, 1, 1, 1)), 2, 32)
    model.backbone.fc = nn.Identity()
    model.freeze_backbone(but_last_stage=True).train()
    learning = {name.split(".")[0] for name, p in model.backbone.named_parameters() if p.requires_grad}
    assert learning == {"layer4"}
    modes = {name: module.training for name, module in model.backbone.named_children()}
    assert modes["layer4"] and not any(modes[name] for name in ("bn1", "layer1", "layer2", "layer3"))
    assert not model.eval().backbone.layer4.training


def test_state_dict_survives_a_round_trip():
    first, second = localizer(), localizer()
    second.load_state_dict(first.state_dict())
    x = Tensor(pictures())
    for a, b in zip(first.eval()(x), second.eval()(x), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
