from __future__ import annotations

import pytest

from benchmarks.frameworks import LOADERS


@pytest.fixture(params=LOADERS)
def framework(request):
    pytest.importorskip(request.param.partition("-")[0])
    return LOADERS[request.param]()
