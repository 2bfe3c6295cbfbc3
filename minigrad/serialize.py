"""The former name of `minigrad.io.checkpoints`."""

from minigrad.io.checkpoints import CheckpointError, load, save

__all__ = ["CheckpointError", "load", "save"]
