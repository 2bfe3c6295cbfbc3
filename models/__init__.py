"""Networks built from minigrad's layers."""

from models.cifar_cnn import CifarCNN, LeNet
from models.localizer import Localizer
from models.resnet import ResNet, resnet18

__all__ = ["CifarCNN", "LeNet", "Localizer", "ResNet", "resnet18"]
