"""One app and one server for each module of tests; async tests run on a loop of their own."""

from collections.abc import Iterator

import pytest

import tako
from tests.e2e.conftest import pytest_pyfunc_call as pytest_pyfunc_call
from tests.e2e.scene import QUICK, Scene, make_scene


@pytest.fixture(scope="module")
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """The app that the module's ``FILES`` (and ``TOML``) make, with a server."""
    folder = tmp_path_factory.mktemp("scene")
    toml = getattr(request.module, "TOML", QUICK)
    made = make_scene(folder, request.module.FILES, toml=toml)
    made.configure()
    try:
        made.serve()
        yield made
    finally:
        made.close()
        tako.configure()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """What tells this test's runs and notes from those of others in its module."""
    return str(request.node.name)[-100:]
