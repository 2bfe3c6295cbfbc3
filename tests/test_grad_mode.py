"""`no_grad` and `enable_grad` around functions of every kind."""

from __future__ import annotations

import asyncio
import threading

import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.grad_mode import is_grad_enabled


@pytest.mark.parametrize("decorate", [mg.no_grad, mg.no_grad()], ids=["bare", "called"])
def test_a_function_is_decorated_with_or_without_parentheses(decorate):
    @decorate
    def double(x):
        """Twice x."""
        return 2 * x, is_grad_enabled()

    y, enabled = double(Tensor(1.0, requires_grad=True))
    assert not y.requires_grad and not enabled and is_grad_enabled()
    assert (double.__name__, double.__doc__) == ("double", "Twice x.")


def test_enable_grad_needs_no_parentheses_either():
    with mg.no_grad():
        assert mg.enable_grad(is_grad_enabled)() and not is_grad_enabled()


@pytest.mark.parametrize("decorate", [mg.no_grad, mg.no_grad()], ids=["bare", "called"])
def test_a_generator_records_nothing_and_its_caller_does(decorate):
    @decorate
    def modes():
        for _ in range(3):
            yield is_grad_enabled()

    seen = [(inside, is_grad_enabled()) for inside in modes()]
    assert seen == [(False, True)] * 3


def test_a_generator_gets_what_is_sent_and_thrown_and_returns():
    @mg.no_grad()
    def echo():
        got = []
        while True:
            try:
                got.append((yield len(got)))
            except KeyError:
                return got, is_grad_enabled()

    steps = echo()
    assert next(steps) == 0 and steps.send("a") == 1
    with pytest.raises(StopIteration) as end:
        steps.throw(KeyError())
    assert end.value.value == (["a"], False) and is_grad_enabled()


def test_a_generator_that_is_closed_cleans_up_without_recording():
    modes = []

    @mg.no_grad()
    def forever():
        try:
            while True:
                yield
        finally:
            modes.append(is_grad_enabled())

    steps = forever()
    next(steps)
    steps.close()
    assert modes == [False] and is_grad_enabled()


def test_a_coroutine_records_nothing_while_others_do():
    modes = []

    @mg.no_grad
    async def quiet():
        for _ in range(3):
            modes.append(is_grad_enabled())
            await asyncio.sleep(0)
        return "done"

    async def loud():
        for _ in range(3):
            assert is_grad_enabled()
            await asyncio.sleep(0)

    async def both():
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both())[0] == "done" and modes == [False] * 3


def test_asynchronous_generators_are_refused():
    with pytest.raises(TypeError, match="no_grad: cannot decorate steps, an asynchronous generator"):

        @mg.no_grad()
        async def steps():
            yield


@pytest.mark.parametrize("wrong", [False, 5, int, classmethod(lambda cls: None)])
def test_what_is_no_function_is_refused(wrong):
    if callable(wrong) and not isinstance(wrong, type):
        pytest.skip("this Python calls such objects")
    with pytest.raises(TypeError, match="no_grad: expected a function to decorate"):
        mg.no_grad(wrong)


def test_one_object_may_be_used_by_several_threads_at_once():
    switch, inside, leave = mg.no_grad(), threading.Event(), threading.Event()

    def other():
        with mg.no_grad(), switch:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with switch:
        thread.start()
        inside.wait(10)
    assert is_grad_enabled()
    leave.set()
    thread.join()
    assert is_grad_enabled()
