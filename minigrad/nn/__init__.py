"""Layers, models and their parameters, with PyTorch's names."""

from minigrad.nn import init
from minigrad.nn.activations import ELU, LeakyReLU, LogSoftmax, Sigmoid, SiLU, Softmax, Softplus, Tanh
from minigrad.nn.containers import ModuleDict, ModuleList, ParameterList
from minigrad.nn.embedding import Embedding
from minigrad.nn.fusion import fused
from minigrad.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    ReLU,
    Unflatten,
    ZeroPad2d,
)
from minigrad.nn.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from minigrad.nn.module import Module
from minigrad.nn.norms import GroupNorm, LayerNorm
from minigrad.nn.sequential import Sequential
from minigrad.nn.summary import summary
from minigrad.tensor import Parameter

__all__ = [
    "ELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unflatten",
    "ZeroPad2d",
    "fused",
    "init",
    "summary",
]


def __dir__() -> list[str]:
    return __all__
