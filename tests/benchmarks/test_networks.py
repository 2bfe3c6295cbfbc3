from __future__ import annotations

import numpy as np
import pytest

from benchmarks import networks
from benchmarks.frameworks import LOADERS
from benchmarks.rows import noise
from minigrad import Tensor
from models import CifarCNN

PARAMETERS = {
    networks.perceptron: 2_762,
    networks.lenet: 62_006,
    networks.vgg: 550_570,
    networks.cifar_cnn: 298_666,
    networks.resnet18: 11_689_512,
}


def test_cifarcnn_is_that_of_the_examples():
    ours, theirs = networks.cifar_cnn(LOADERS["minigrad"]()), CifarCNN()
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = Tensor(noise(2, 3, 32, 32))
    np.testing.assert_array_equal(ours.eval()(x).numpy(), theirs.eval()(x).numpy())


@pytest.mark.parametrize("network", PARAMETERS)
def test_networks_have_the_size_that_their_docstrings_state(network):
    assert sum(p.size for p in network(LOADERS["minigrad"]()).parameters()) == PARAMETERS[network]


@pytest.mark.parametrize("network", PARAMETERS)
def test_networks_are_the_same_in_pytorch(network):
    torch = pytest.importorskip("torch")
    ours, theirs = network(LOADERS["minigrad"]()).eval(), network(LOADERS["torch"]()).eval()
    theirs.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in ours.state_dict().items()})
    x = noise(2, 32) if network is networks.perceptron else noise(2, 3, 32, 32)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(LOADERS["minigrad"]().tensor(x)).numpy(), expected, rtol=1e-3, atol=1e-4)


def _built_by(network):
    built = []
    return built, lambda framework: built.append(network(framework)) or built[0]


def test_a_training_step_moves_the_parameters_of_a_float32_network(framework):
    built, network = _built_by(networks.lenet)
    step = networks.training_step(framework, network, batch=2, shape=(3, 32, 32))
    weight = next(iter(built[0].parameters()))
    before = np.array(weight.detach().numpy())
    assert step() is None
    after = np.array(weight.detach().numpy())
    assert after.dtype == np.float32
    assert np.abs(after - before).max() > 0


def test_inference_runs_in_evaluation_mode_and_records_nothing(framework):
    seen = []

    class Spy(framework.nn.Module):
        def forward(self, x):
            seen.append((self.training, (x * 2).requires_grad, x.shape))
            return x

    networks.inference_step(framework, lambda _: Spy(), batch=2, shape=(3, 8, 8))()
    assert seen == [(False, False, (2, 3, 8, 8))]
