"""A localizer: what is in the picture, and where. Localization as regression.

A backbone turns a picture into a map of features. Two heads look at its last map: one names the class, the other
predicts four numbers, the box. The class may forget the place (it averages over the map); the box must not, so its head
sees every cell of the map.
"""

from __future__ import annotations

import numpy as np

from minigrad import Tensor, nn, ops
from minigrad.backend import Array, array_module


class LocalizerHeads(nn.Module):
    """Classifier and box regressor on a feature map (N, channels, height, width).

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
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes)
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

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (N, num_classes) and boxes (N, 4) as (xmin, ymin, xmax, ymax), fractions of the picture.

        The sigmoid keeps corners inside the picture; of two numbers along an axis the smaller one is the minimum.
        """
        corners = self.box(features).sigmoid()
        first, second = corners[:, :2], corners[:, 2:]
        boxes = ops.concat([ops.minimum(first, second), ops.maximum(first, second)], axis=1)
        return self.classifier(features), boxes


class Localizer(nn.Module):
    """A backbone and the two heads.

    Args:
        backbone: a module with `feature_map(x)`, from pictures (N, 3, H, W) to (N, channels, height, width).
        image_size: (height, width) of the pictures; the box head is built for one size.
        num_classes: what there is to tell apart.
    """

    def __init__(self, backbone: nn.Module, image_size: tuple[int, int], num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.image_size = image_size
        _, channels, *cells = backbone.feature_map_shape(image_size)
        self.heads = LocalizerHeads(channels, tuple(cells), num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class scores (N, num_classes) and boxes (N, 4) of pictures (N, 3, H, W)."""
        return self.heads(self.backbone.feature_map(x))


def localization_loss(
    logits: Tensor,
    boxes: Tensor,
    labels: Tensor,
    true_boxes: Tensor,
    lambda_box: float = 10.0,
    box_loss: str = "smooth_l1",
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (total, class loss, box loss): cross-entropy + λ · box loss.

    Args:
        logits, labels: class scores (N, K) and true classes (N,).
        boxes, true_boxes: (N, 4), fractions of the picture.
        lambda_box: weight of the box loss, λ. Coordinates are fractions, so their squared errors are small beside a
            cross-entropy.
        box_loss: "smooth_l1" on the coordinates, or "giou", 1 − generalized IoU.

    Raises:
        ValueError: `box_loss` is unknown, or shapes do not fit.
    """
    class_loss = ops.cross_entropy(logits, labels)
    if box_loss == "smooth_l1":
        loss = ops.smooth_l1_loss(boxes, true_boxes, beta=0.1)
    elif box_loss == "giou":
        loss = (1 - generalized_iou(boxes, true_boxes)).mean()
    else:
        raise ValueError(f"localization_loss: box_loss must be 'smooth_l1' or 'giou', got {box_loss!r}")
    return class_loss + lambda_box * loss, class_loss, loss


def generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return IoU − |C∖(A∪B)|/|C| for pairs of boxes (N, 4), where C is the smallest box around both; in (−1, 1].

    Unlike IoU it has a slope even where the boxes do not touch (Rezatofighi et al. 2019, arXiv:1902.09630, algorithm
    1).
    """
    overlap = ops.maximum(ops.minimum(a[:, 2:], b[:, 2:]) - ops.maximum(a[:, :2], b[:, :2]), 0.0)
    around = ops.maximum(a[:, 2:], b[:, 2:]) - ops.minimum(a[:, :2], b[:, :2])
    intersection, hull = overlap[:, 0] * overlap[:, 1], around[:, 0] * around[:, 1]
    union = _areas(a) + _areas(b) - intersection
    tiny = float(np.finfo(a.dtype).tiny)
    return intersection / (union + tiny) - (hull - union) / (hull + tiny)


def _areas(boxes: Tensor) -> Tensor:
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def iou(a: Array, b: Array) -> Array:
    """Return intersection over union for pairs of boxes (N, 4), arrays, as (N,); 0 where both are empty."""
    xp = array_module(a)
    low, high = xp.maximum(a[:, :2], b[:, :2]), xp.minimum(a[:, 2:], b[:, 2:])
    intersection = (high - low).clip(0, None).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - intersection
    return xp.where(union > 0, intersection / xp.maximum(union, xp.finfo(a.dtype).tiny), 0).astype(a.dtype)
