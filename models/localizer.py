"""A localizer: what is in the picture, and where. Localization as regression.

A backbone turns a picture into a map of features. Two heads look at its last map: one names the class, the other
predicts four numbers, the box. The class may forget the place, so its head sums up the map; the box must not, so its
head sees every cell.

Boxes are `(xmin, ymin, xmax, ymax)` in fractions of the picture.
"""

from __future__ import annotations

import numpy as np

from minigrad import Tensor, nn, no_grad, ops
from models.cifar_cnn import conv_block

BOX_LOSSES = ("smooth_l1", "giou")

# Where smooth L1 goes over from squared to absolute errors: a tenth of the picture. With PyTorch's default of 1, which
# no error of a fraction ever reaches, a box that is already roughly right would hardly be improved any more.
BETA = 0.1

FIRST_BOX = (0.25, 0.25, 0.75, 0.75)  # what the box head answers, roughly, before it has learned anything

SMALLEST_AREA = 1e-12  # instead of 0, to divide by


class SmallBackbone(nn.Module):
    """Four convolutions with batch norm for pictures of about 64×64, to be trained from scratch; 243,000 parameters.

    The first convolution halves the picture, because the full size costs most; pooling does the rest. Channels grow
    from 3 to 128 while the picture shrinks to an eighth: the map of a picture of 64×64 has 8×8 cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )  # a half
        self.stage1 = nn.Sequential(conv_block(32, 64), nn.MaxPool2d(2))  # a quarter
        self.stage2 = nn.Sequential(conv_block(64, 128), nn.MaxPool2d(2))  # an eighth
        self.stage3 = nn.Sequential(conv_block(128, 128))

    def feature_map(self, x: Tensor) -> Tensor:
        """Return the features (N, 128, H/8, W/8) of pictures (N, 3, H, W)."""
        return self.stage3(self.stage2(self.stage1(self.stem(x))))


class AverageAndMaximum(nn.Module):
    """(N, C, H, W) to (N, 2·C, 1, 1): what every channel sees on average, and at most."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages, then the maxima."""
        return ops.concat([x.mean(axis=(2, 3), keepdims=True), x.max(axis=(2, 3), keepdims=True)], axis=1)


class LocalizerHeads(nn.Module):
    """Classifier and box regressor on a feature map (N, channels, height, width).

    The classifier is linear in each channel's average and maximum over the map. Of an object that fills a small part of
    the picture, the maximum tells more. Batch norm brings both to one scale, whatever that of the backbone is.

    Args:
        channels, cells: channels and (height, width) of the map.
        num_classes: what there is to tell apart.
        reduced: channels per cell after the 1×1 convolution that makes the map small enough to be flattened.
        hidden: units between the flattened map and the four numbers.
        dropout: share of features left out in training.
    """

    def __init__(
        self,
        channels: int,
        cells: tuple[int, int],
        num_classes: int,
        reduced: int = 64,
        hidden: int = 256,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.classifier = nn.Sequential(
            AverageAndMaximum(),
            nn.BatchNorm2d(2 * channels),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * channels, num_classes),
        )
        self.box = nn.Sequential(
            nn.Conv2d(channels, reduced, 1, bias=False),
            nn.BatchNorm2d(reduced),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(reduced * cells[0] * cells[1], hidden),
            nn.ReLU(),
            nn.Linear(hidden, 4),
        )
        first = np.array(FIRST_BOX)
        self.box[-1].bias.data[...] = np.log(first / (1 - first))  # what the sigmoid turns into FIRST_BOX

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (N, num_classes) and boxes (N, 4).

        The sigmoid keeps corners inside the picture; of two numbers along an axis the smaller one is the minimum.
        """
        corners = self.box(features).sigmoid()
        first, second = corners[:, :2], corners[:, 2:]
        boxes = ops.concat([ops.minimum(first, second), ops.maximum(first, second)], axis=1)
        return self.classifier(features), boxes


class Localizer(nn.Module):
    """A backbone and the two heads.

    Args:
        backbone: a module with `feature_map(x)`, from pictures (N, 3, H, W) to (N, channels, height, width), such as
            a ResNet or a `SmallBackbone`.
        num_classes: what there is to tell apart.
        image_size: (height, width) of the pictures, or one number for both; the box head is built for one size.
    """

    def __init__(self, backbone: nn.Module, num_classes: int, image_size: int | tuple[int, int] = 128) -> None:
        super().__init__()
        self.image_size = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size, image_size)
        self._frozen: list[nn.Module] = []
        self.backbone = backbone
        _, channels, height, width = _feature_map_shape(backbone, self.image_size)
        self.heads = LocalizerHeads(channels, (height, width), num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (N, num_classes) and boxes (N, 4) of pictures (N, 3, H, W)."""
        return self.heads(self.backbone.feature_map(x))

    def freeze_backbone(self, but_last_stage: bool = False) -> Localizer:
        """Stop the backbone, or all of it but its last stage, from learning. Returns itself.

        Frozen layers stay in evaluation mode, also after `train()`: batch norm goes on using the statistics that it
        came with. They cost no graph and keep no activations.
        """
        stages = [stage for stage in self.backbone.children() if next(stage.parameters(), None) is not None]
        self._frozen = stages[:-1] if but_last_stage else [self.backbone]
        for module in self._frozen:
            module.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Localizer:
        """Switch all that is not frozen to training (or, with False, to evaluation). Returns itself."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self


@no_grad()
def _feature_map_shape(backbone: nn.Module, image_size: tuple[int, int]) -> tuple[int, ...]:
    """Find out by trying, in evaluation mode, so that batch norm's statistics stay as they are."""
    was_training, device = backbone.training, next(backbone.parameters()).device
    try:
        return backbone.eval().feature_map(Tensor(np.zeros((1, 3, *image_size), np.float32), device=device)).shape
    finally:
        backbone.train(was_training)


def localization_loss(
    scores: Tensor,
    boxes: Tensor,
    labels: Tensor,
    true_boxes: Tensor,
    lambda_box: float = 10.0,
    box_loss: str = "smooth_l1",
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (total, class loss, box loss), where total = cross-entropy + λ · box loss; means over the batch.

    Args:
        scores, labels: class scores (N, K) and true classes (N,).
        boxes, true_boxes: (N, 4), fractions of the picture.
        lambda_box: λ. Errors are fractions, so the box loss is a small number beside a cross-entropy.
        box_loss: "smooth_l1" of the four coordinates with β = BETA, or "giou", 1 − generalized IoU.

    Raises:
        ValueError: `box_loss` is unknown, or shapes do not fit.
    """
    class_loss = ops.cross_entropy(scores, labels)
    if box_loss == "smooth_l1":
        distance = ops.smooth_l1_loss(boxes, true_boxes, beta=BETA)
    elif box_loss == "giou":
        distance = (1 - generalized_iou(boxes, true_boxes)).mean()
    else:
        raise ValueError(f"localization_loss: box_loss must be one of {', '.join(BOX_LOSSES)}, got {box_loss!r}")
    return class_loss + lambda_box * distance, class_loss, distance


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return |A∩B|/|A∪B|, intersection over union, for pairs of boxes (N, 4), as (N,) in 0..1.

    It is 0 for boxes that do not touch, however far apart they are, and where both have no area.

    Raises:
        ValueError: the shapes are not both (N, 4).
    """
    intersection, union = _intersection_and_union("iou", a, b)
    return intersection / ops.maximum(union, SMALLEST_AREA)


def generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return IoU − |C∖(A∪B)|/|C| for pairs of boxes (N, 4), where C is the smallest box around both: (N,) in −1..1.

    Unlike IoU it has a slope even where the boxes do not touch (Rezatofighi et al. 2019, arXiv:1902.09630, algorithm
    1). Two boxes without an area have the IoU 0, also where they are the same point: 0/0 leaves the choice, torchvision
    makes the same one, and a loss of 0 would call a box perfect that shows nothing.

    Raises:
        ValueError: the shapes are not both (N, 4).
    """
    intersection, union = _intersection_and_union("generalized_iou", a, b)
    hull = _area(ops.minimum(a[:, :2], b[:, :2]), ops.maximum(a[:, 2:], b[:, 2:]))
    return intersection / ops.maximum(union, SMALLEST_AREA) - (hull - union) / ops.maximum(hull, SMALLEST_AREA)


def _intersection_and_union(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.ndim != 2 or a.shape[1] != 4 or a.shape != b.shape:
        raise ValueError(f"{name}: expected pairs of boxes (N, 4), got {a.shape} and {b.shape}")
    low, high = ops.maximum(a[:, :2], b[:, :2]), ops.minimum(a[:, 2:], b[:, 2:])
    intersection = _area(low, ops.maximum(low, high))
    return intersection, _area(a[:, :2], a[:, 2:]) + _area(b[:, :2], b[:, 2:]) - intersection


def _area(low: Tensor, high: Tensor) -> Tensor:
    sides = high - low
    return sides[:, 0] * sides[:, 1]
