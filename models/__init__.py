"""Networks built from minigrad's layers."""

from models.cifar_cnn import CifarCNN, LeNet

__all__ = ["CifarCNN", "LeNet"]
