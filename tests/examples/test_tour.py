"""The five tours, as `make tour` writes them."""

from __future__ import annotations

import re

from examples import tour


def test_five_pages_and_an_index_that_leads_to_them(tmp_path, capsys):
    assert tour.main(["--out", str(tmp_path / "tours")]) == 0
    index = (tmp_path / "tours" / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'href="(\w+\.html)"', index)
    assert names == ["polynomial.html", "perceptron.html", "softmax.html", "convolution.html", "lenet.html"]
    assert {p.name for p in (tmp_path / "tours").iterdir()} == {"index.html", *names}
    printed = capsys.readouterr().out
    assert all(str(tmp_path / "tours" / name) in printed for name in (*names, "index.html"))


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert tour.main(["--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: tour: cannot write ")


def test_gradients_of_the_five_agree_with_finite_differences(tmp_path):
    for make in tour.TOURS:
        data = make(tmp_path / "tour.html").data
        beliefs = [n["belief"] for n in data["nodes"] if n["belief"]]
        assert beliefs and max(belief["relative"] for belief in beliefs) < 1e-4, make.__name__
        assert data["left_out"] == []
