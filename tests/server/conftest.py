"""Async tests run on uvloop, as the server does."""

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop

from tests.server.peers import close_all

LONGEST = 180.0  # s for one test: only something that hangs takes longer


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_play(pyfuncitem.obj(**arguments)))
    return True


async def _play(test: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(test, LONGEST)
    finally:
        await close_all()
