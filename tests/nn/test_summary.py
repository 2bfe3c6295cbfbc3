"""The table of a model: numbers that can be checked by hand, and a model that is left as it was."""

from __future__ import annotations

import re

import numpy as np
import pytest

from minigrad import Parameter, Tensor, nn
from minigrad.nn import summary


def rows(text):
    """The table as {layer: [kind, shape, parameters, multiply-adds]}."""
    table = {}
    for line in text.splitlines():
        cells = re.split(r" {2,}", line.strip())
        if len(cells) > 3:
            table[cells[0]] = cells[1:]
    return table


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, (1, 2), stride=2, groups=4)
        )
        self.head = nn.Linear(4 * 5 * 5, 10)
        self.scale = Parameter([1.0])

    def forward(self, x):
        return self.head(self.features(x).flatten(1)) * self.scale


def test_numbers_by_hand(device):
    table = rows(summary(Net().to(device), (3, 10, 10)))
    assert table == {
        "layer": ["kind", "output shape", "parameters", "multiply-adds"],
        "features.0": ["Conv2d", "(8, 10, 10)", "224", "21,600"],  # 8·3·3·3 + 8 and 8·27·100
        "features.1": ["BatchNorm2d", "(8, 10, 10)", "16", "0"],
        "features.2": ["ReLU", "(8, 10, 10)", "0", "0"],
        "features.3": ["Conv2d", "(4, 5, 5)", "20", "400"],  # 4·2·1·2 + 4 and 4·4·25
        "head": ["Linear", "(10,)", "1,010", "1,000"],
        "(own)": ["Net", "(10,)", "1", "0"],  # the scale
        "total": ["Net", "1,271", "23,000"],
    }


def test_lines_are_aligned():
    lines = summary(Net(), (3, 10, 10)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == set(lines[-2]) == {"-"}


def test_linear_layers_count_their_rows():
    assert rows(summary(nn.Sequential(nn.Linear(3, 5)), (7, 3)))["0"] == ["Linear", "(7, 5)", "20", "105"]


def test_a_single_layer_is_a_model_too():
    table = summary(nn.Linear(3, 5), (3,))
    assert "20" in table and "15" in table


def test_a_layer_that_is_called_twice_has_two_rows_but_its_parameters_count_once():
    layer = nn.Linear(2, 2)
    text = summary(nn.Sequential(layer, nn.ReLU(), layer), (2,))
    assert len(re.findall(r"^0 ", text, re.MULTILINE)) == 2
    assert rows(text)["total"] == ["Sequential", "6", "8"]


def test_the_model_is_left_as_it_was(device):
    model = Net().to(device)
    model.features[1].eval()
    modes, state = [m.training for m in model.modules()], model.state_dict()
    summary(model, (3, 10, 10))
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, state[name])


def test_an_input_that_does_not_fit_leaves_no_traces():
    model, call = Net(), nn.Module.__call__
    with pytest.raises(ValueError, match="conv2d: input has 5 channels"):
        summary(model, (5, 10, 10))
    assert nn.Module.__call__ is call
    assert all(m.training for m in model.modules())
    assert model(Tensor(np.ones((2, 3, 10, 10), np.float32))).requires_grad


def test_a_layer_used_twice_counts_its_parameters_once_and_own_parameters_are_shown():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.scale = nn.Parameter([1.0, 1.0, 1.0])

        def forward(self, x):
            return self.layer(self.layer(x))

    table = rows(nn.summary(Twice(), (4,)))
    assert table["(own)"] == ["Twice", "(4,)", "3", "0"] and table["total"] == ["Twice", "23", "32"]


def test_notebooks_show_a_table_and_the_prompt_shows_the_text():
    class Odd(nn.Linear):
        pass

    Odd.__name__ = "<Odd>"
    table = summary(nn.Sequential(Odd(2, 3)), (2,))
    html = table._repr_html_()
    assert html.count("<tr>") == 3 and "<td>&lt;Odd&gt;</td>" in html and "<th>output shape</th>" in html
    assert repr(table) == str(table) == table and "\n" in table
