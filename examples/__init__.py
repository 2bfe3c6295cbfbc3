"""What a user runs: `python -m examples.cifar10`."""
