"""Two networks for small pictures, 3×32×32, in ten classes."""

from __future__ import annotations

from minigrad import Tensor, nn


class LeNet(nn.Module):
    """The classic: two rounds of convolution and pooling, then three linear layers; 62,000 parameters.

    The layout is LeNet-5's (LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II),
    with ReLU and max-pooling as is usual today. `state_dict` keys: conv1, conv2, fc1, fc2, fc3.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (N, num_classes) of pictures (N, 3, 32, 32)."""
        x = self.pool(self.conv1(x).relu())
        x = self.pool(self.conv2(x).relu())
        x = x.flatten(1)
        x = self.fc1(x).relu()
        x = self.fc2(x).relu()
        return self.fc3(x)


def conv_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Convolution 3×3, batch norm, ReLU. The convolution needs no bias: batch norm would subtract it again."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class CifarCNN(nn.Module):
    """Five convolutions with batch norm in the manner of VGG (Simonyan & Zisserman 2015, arXiv:1409.1556); 299,000
    parameters.

    Pictures shrink from 32×32 to 4×4 while channels grow from 3 to 128: where there is less to see, more is known about
    it. The first stage has one convolution only, because at full size it is the one that costs most.
    """

    def __init__(self, num_classes: int = 10, dropout: float = 0.1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_block(3, 32),
            nn.MaxPool2d(2),  # 16×16
            conv_block(32, 64),
            conv_block(64, 64),
            nn.MaxPool2d(2),  # 8×8
            conv_block(64, 128),
            conv_block(128, 128),
            nn.MaxPool2d(2),  # 4×4
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(128 * 4 * 4, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (N, num_classes) of pictures (N, 3, 32, 32)."""
        return self.classifier(self.features(x))
