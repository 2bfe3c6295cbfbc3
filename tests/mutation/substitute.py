"""Running pytest with a mutant in the place of its file, without PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType

import hypothesis
import pytest

from tests.mutation.mutants import Mutant

OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
MEMORY = 8 << 30  # bytes; a mutant that asks for more has failed


class MutantLoader(SourceFileLoader):
    """Loads a module from the mutant's text; tracebacks name the file that it stands for."""

    source = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


class MutantFinder:
    """Finds one module, the one that the mutant is a copy of."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        spec.loader = MutantLoader(fullname, spec.origin)
        spec.loader.source = self.mutant.source
        return spec


def run_tests(runs: Sequence[Sequence[str]], mutant: Mutant | None) -> int:
    """Call pytest with each of `runs`, its arguments, until a test fails; return pytest's exit code. With
    `mutant=None` everything is as it is.

    It is meant for a process that has not imported minigrad yet, and that ends afterwards.
    """
    sys.modules["torch"] = None  # importing it is an ImportError now
    if mutant is not None:
        sys.meta_path.insert(0, MutantFinder(mutant))
    _limit_memory()
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None)
    hypothesis.settings.load_profile("mutation")
    for arguments in runs:
        code = pytest.main([*OPTIONS, *arguments])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return code
    return 0


def _limit_memory() -> None:
    if sys.platform == "linux":  # elsewhere there is no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
