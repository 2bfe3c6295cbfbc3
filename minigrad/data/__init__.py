"""Data sets and the loader that turns them into batches.

A `Dataset` answers two questions: how many items it has, and what a *batch* of them is, as arrays. Whole batches are
indexed, transformed and made into Tensors at once; there is never a Tensor per picture.

Order and augmentation of a `DataLoader` follow from seed, epoch and batch index. So they are the same for any number of
worker threads, and a training run resumed at epoch k sees exactly what the uninterrupted run would have seen.
"""

from minigrad.data.dataset import Batch, Dataset, Subset, TensorDataset, random_split
from minigrad.data.loader import DataLoader, Transform

__all__ = ["Batch", "DataLoader", "Dataset", "Subset", "TensorDataset", "Transform", "random_split"]
