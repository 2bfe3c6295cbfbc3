"""The former name of `minigrad.io.files`."""

from minigrad.io.files import atomic_path, remove_leftovers, temporary_path

__all__ = ["atomic_path", "remove_leftovers", "temporary_path"]
