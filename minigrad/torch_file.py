"""The former name of `minigrad.io.torch_file`."""

from minigrad.io.torch_file import TorchFileError, load_torch

__all__ = ["TorchFileError", "load_torch"]
