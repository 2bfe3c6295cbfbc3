from __future__ import annotations

import numpy as np
import pytest

from benchmarks import workloads
from benchmarks.frameworks import LOADERS
from minigrad import nn

PARAMETERS = {workloads.perceptron: 2_762, workloads.lenet: 62_006, workloads.vgg: 550_570}


@pytest.mark.parametrize("network", PARAMETERS)
def test_networks_have_the_size_that_their_docstrings_state(network):
    assert sum(p.size for p in network(nn).parameters()) == PARAMETERS[network]


@pytest.mark.parametrize("network", PARAMETERS)
def test_networks_are_the_same_in_pytorch(network):
    torch = pytest.importorskip("torch")
    shapes = {name: tuple(value.shape) for name, value in network(torch.nn).state_dict().items()}
    assert {name: value.shape for name, value in network(nn).state_dict().items()} == shapes


@pytest.mark.parametrize("framework", LOADERS)
def test_a_training_step_moves_the_parameters_of_a_float32_network(framework):
    pytest.importorskip(framework)
    built = []

    def network(layers):
        built.append(workloads.perceptron(layers))
        return built[0]

    step = workloads.training_step(LOADERS[framework](), network, batch=4, shape=(32,))
    weight = next(iter(built[0].parameters()))
    before = np.array(weight.detach().numpy())
    step()
    after = np.array(weight.detach().numpy())
    assert after.dtype == np.float32
    assert np.abs(after - before).max() > 0


def test_every_row_is_found_under_its_own_name():
    assert all(row.name == name for name, row in workloads.ROWS.items())
