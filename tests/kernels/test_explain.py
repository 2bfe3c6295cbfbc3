"""The table that says which algorithm computes what, and why; and its command line."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minigrad import Tensor, kernels, nn, no_grad
from minigrad.kernels.__main__ import main, of_model
from models import LeNet


def lines_of(table):
    return [line[:5] for line in table.lines[1:-1]]


def test_every_layer_and_direction_of_a_training_step_in_order():
    x = Tensor(np.zeros((64, 3, 32, 32), np.float32))
    assert lines_of(of_model(LeNet(), x)) == [
        ("conv1", "3→6 5×5 on 64×32×32", "forward", "planar", f"at most 8 channels; {NOT_WINOGRAD}"),
        ("", "3→6 5×5 on 64×32×32", "weight_grad", "planar", f"at most 8 channels; {NOT_WINOGRAD}"),
        ("conv2", "6→16 5×5 on 64×14×14", "forward", "planar", f"at most 8 channels; {NOT_WINOGRAD}"),
        ("", "6→16 5×5 on 64×14×14", "input_grad", "strips", f"at most 8 channels, from 4 pictures on; {NOT_WINOGRAD}"),
        ("", "6→16 5×5 on 64×14×14", "weight_grad", "planar", f"at most 8 channels; {NOT_WINOGRAD}"),
    ]


NOT_WINOGRAD = "not winograd: 3×3, stride 1, no dilation, one group"


def test_evaluation_goes_forwards_alone():
    table = of_model(LeNet(), Tensor(np.zeros((1, 3, 32, 32), np.float32)), evaluate=True)
    assert [line[2] for line in lines_of(table)] == ["forward", "forward"]
    # conv1: 784 positions, 6 filters of 75 taps; conv2: 100, 16 and 150
    assert table.lines[-1] == ("total", "", "", "", "", f"{(784 * 6 * 75 + 100 * 16 * 150) / 1e6:.1f}", "0.1")


def test_what_was_forced_and_what_overflowed_is_told():
    conv, x = nn.Conv2d(16, 16, 3, 2, groups=2), Tensor(np.ones((2, 16, 8, 8), np.float32))
    huge = Tensor(np.full((1, 16, 32, 32), 1e30, np.float32))
    with no_grad():
        assert lines_of(kernels.explain(lambda: conv(x)))[0][:2] == ("convolution 1", "16→16 3×3/2 2 groups on 2×8×8")
        ((*_, algorithm, because),) = lines_of(kernels.explain(lambda: nn.Conv2d(16, 16, 3)(huge)))
        assert algorithm == "im2col" and "not winograd: another one was asked for, or numbers were too large" in because
        with kernels.using("im2col"):
            ((*_, algorithm, because),) = lines_of(kernels.explain(lambda: nn.Conv2d(3, 16, 5)(Tensor(x.data[:, :3]))))
        assert algorithm == "im2col" and because.startswith("it can do everything; not winograd: 3×3, stride 1")


def test_a_layer_that_is_used_twice_stands_there_twice():
    conv, x = nn.Conv2d(2, 2, 1), Tensor(np.ones((1, 2, 3, 3), np.float32), requires_grad=True)
    weights = {name: p.data for name, p in conv.named_parameters()}
    lines = lines_of(kernels.explain(lambda: conv(conv(x)).sum().backward(), weights))
    assert [line[0] for line in lines] == ["weight", "", "", "weight", "", ""]
    assert [line[2] for line in lines] == ["forward", "input_grad", "weight_grad"] * 2


def test_the_command_line(capsys):
    assert main(["models:LeNet", "--input", "2,3,32,32", "--eval"]) == 0
    assert "conv2  6→16 5×5 on 2×14×14" in capsys.readouterr().out


@pytest.mark.parametrize(
    "model, shape, message",
    [
        ("models", "1,3,32,32", "expected MODULE:NAME, such as models:CifarCNN, got 'models'"),
        ("models:Nothing", "1,3,32,32", "has no attribute 'Nothing'"),
        ("no_such_module:Net", "1,3,32,32", "No module named 'no_such_module'"),
        ("math:tau", "1,3,32,32", "'float' object is not callable"),
        ("builtins:dict", "1,3,32,32", r"builtins:dict\(\) is a dict, not a Module"),
        ("models:LeNet", "1,x", "--input: expected whole numbers such as 128,3,32,32, got '1,x'"),
        ("models:LeNet", "1,4,32,32", "input has 4 channels but weight"),
    ],
)
def test_wrong_arguments_are_told(model, shape, message, capsys):
    with pytest.raises(SystemExit):
        main([model, "--input", shape])
    assert re.search(message, capsys.readouterr().err)
