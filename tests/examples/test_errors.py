from __future__ import annotations

from examples.errors import in_words, listed


def test_errors_of_the_system_have_a_reason_and_a_file_but_no_number():
    assert (
        in_words(FileNotFoundError(2, "No such file or directory", "a file")) == "No such file or directory: 'a file'"
    )
    assert in_words(OSError(28, "No space left on device")) == "No space left on device"
    assert in_words(OSError("in words")) == in_words(ValueError("in words")) == "in words"


def test_long_lists_of_names_are_cut():
    assert listed(["cat", "dog"]) == "'cat', 'dog'"
    assert listed(["x"] * 20, most=3) == "'x', 'x', 'x' and 17 more"
