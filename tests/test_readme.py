"""README's code runs, and prints what its comments say."""

from __future__ import annotations

import ast
import contextlib
import io
import re

import pytest

from tests import readme


def run(block):
    """Run a block, and yield what each top-level `print` printed with the comment behind it."""
    namespace, lines = {"__name__": "readme"}, block.splitlines()
    for statement in ast.parse(block).body:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module([statement], []), "README.md", "exec"), namespace)
        if ast.unparse(statement).startswith("print("):
            comment = lines[statement.end_lineno - 1].partition("  # ")[2]
            yield " ".join(printed.getvalue().split()), comment


@pytest.mark.parametrize("block", readme.blocks(), ids=lambda block: block.strip().splitlines()[-1])
def test_the_code_prints_what_its_comments_say(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for printed, comment in run(block):
        assert comment and printed.endswith(comment.rpartition(": ")[2] if ": " in comment else comment), printed


def test_there_is_code_with_results():
    assert sum(block.count("print(") for block in readme.blocks()) >= 3


def test_readme_is_short_and_the_pages_that_it_names_are_there():
    text = (readme.ROOT / "README.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []
    for page in (*readme.PAGES, *(readme.ROOT / "docs").glob("*.md"), readme.ROOT / "minigrad/kernels/README.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_what_the_text_on_backpropagation_names_in_the_source_is_there():
    page = readme.ROOT / "docs" / "backprop.md"
    named = 0
    for paragraph in re.findall(
        r"^In the source: (.*?)(?:\s+In\s+the\s+tour|\n\n)", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        files = [page.parent / target for target in re.findall(r"\]\(([^)]+\.py)\)", paragraph)]
        source = "\n".join(file.read_text(encoding="utf-8") for file in files)
        for name in re.findall(r"`(?:Function\.)?(\w+)`", paragraph):
            named += 1
            assert re.search(rf"\b{name}\b", source), (name, files)
    assert named >= 20
