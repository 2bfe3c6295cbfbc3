"""Layers, models and their parameters, with PyTorch's names."""

from minigrad.nn import init
from minigrad.nn.containers import ModuleDict, ModuleList, ParameterList
from minigrad.nn.fused import conv_norm
from minigrad.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    MSELoss,
    ReLU,
    SmoothL1Loss,
)
from minigrad.nn.module import Module
from minigrad.nn.sequential import Sequential
from minigrad.nn.summary import summary
from minigrad.tensor import Parameter

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SmoothL1Loss",
    "conv_norm",
    "init",
    "summary",
]
