"""The first example: digits in a loop of one's own."""

from __future__ import annotations

from examples import first_steps


def test_digits_are_learned(capsys):
    assert first_steps.main(epochs=2) > 0.9
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
