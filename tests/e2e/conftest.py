"""Async tests run on a loop of their own, and nothing that a test started outlives it."""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import tako
from tests.e2e.scene import QUICK, Scene, make_scene

LONGEST = 180.0  # s for one test: only something that hangs takes longer

Start = Callable[..., Scene]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), LONGEST))
    return True


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes an app and starts its server: ``start({"workflows/x.py": "..."}) -> Scene``."""
    scenes: list[Scene] = []

    def begin(
        files: Mapping[str, str],
        *,
        toml: str = QUICK,
        name: str = "app",
        serve: bool = True,
        **options: Any,
    ) -> Scene:
        scene = make_scene(tmp_path, files, toml=toml, name=name)
        scenes.append(scene)
        scene.configure()
        if serve:
            scene.serve(**options)
        return scene

    try:
        yield begin
    finally:
        for scene in scenes:
            scene.close()
        tako.configure()
