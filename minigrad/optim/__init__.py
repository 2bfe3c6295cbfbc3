"""SGD, Adam, AdamW, gradient clipping and learning-rate schedules: formulas and numbers as in PyTorch.

What optimizers share is in `optimizer.py`. They write into the arrays of their parameters and of their state, block by
block (see `kernels/update.py`), and never read a value back from a GPU.
"""

from minigrad.optim import schedules as lr_scheduler  # PyTorch's name for where they are
from minigrad.optim.adam import Adam, AdamW
from minigrad.optim.clipping import clip_grad_norm
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.schedules import (
    CosineAnnealingLR,
    CosineLR,
    ExponentialLR,
    LambdaLR,
    MultiStepLR,
    OneCycleLR,
    StepLR,
)
from minigrad.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "CosineLR",
    "ExponentialLR",
    "LambdaLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "StepLR",
    "clip_grad_norm",
    "lr_scheduler",
]
