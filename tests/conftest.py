"""What all tests share: the device they run on, and seeded random numbers.

A test that takes the fixture ``device`` runs on the CPU and, as device "cuda", on the strict stand-in for CuPy
(tests/strict_cupy). ``pytest --device cuda`` runs it on a real GPU instead.
"""

from __future__ import annotations

import signal

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from tests import strict_cupy

DEVICES = {None: ["cpu", "strict-cupy"], "cpu": ["cpu"], "strict-cupy": ["strict-cupy"], "cuda": ["cuda"]}


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        choices=[name for name in DEVICES if name],
        help="where tests with a device run: by default on the CPU and on the strict stand-in for CuPy; cuda is a GPU",
    )


def pytest_configure(config):
    if config.getoption("--device") == "cuda":
        try:
            backend.device_module("cuda")
        except backend.DeviceError as error:
            raise pytest.UsageError(f"--device cuda: {error}") from error


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", DEVICES[metafunc.config.getoption("--device")], indirect=True)


@pytest.fixture(autouse=True)
def _seeded():
    mg.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works():
    """Tests raise SIGINT; whoever started pytest in the background may have told it to ignore that signal."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    """NumPy's generator for test data, the same numbers in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def device(request, monkeypatch):
    """The device string: "cpu", or "cuda" on the stand-in or on a GPU."""
    if request.param == "strict-cupy":
        strict_cupy.install(monkeypatch)
    return "cpu" if request.param == "cpu" else "cuda"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except strict_cupy.CompilerMissing as error:
        pytest.skip(str(error))
