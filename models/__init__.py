"""Networks built from minigrad's layers."""

from models.cifar_cnn import CifarCNN, LeNet
from models.resnet import ResNet, resnet18

__all__ = ["CifarCNN", "LeNet", "ResNet", "resnet18"]
