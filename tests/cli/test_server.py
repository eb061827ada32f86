"""`tako server`: which apps, which sockets, and how it ends."""

import stat
from pathlib import Path

import psutil
import pytest

from tests.support import AppFixture, make_app, marked, server, start_server, tako

GREET = """
    from tako import Step, workflow

    @workflow("greet")
    async def greet(payload: str, step: Step) -> str:
        print("greeting", payload)
        return f"hello {payload}"
"""


@pytest.fixture
def apps(tmp_path: Path) -> tuple[AppFixture, AppFixture]:
    files = {"workflows/greet.py": GREET}
    return make_app(tmp_path, files, name="one"), make_app(tmp_path, files, name="two")


def test_one_server_serves_many_apps(apps: tuple[AppFixture, AppFixture]) -> None:
    with server(*apps):
        for app in apps:
            done = tako(app, "enqueue", "greet", f'"{app.name}"', "--wait")
            assert done.stdout == f'"hello {app.name}"\n', done.stderr


def test_without_an_argument_it_serves_the_app_that_it_stands_in(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    one, two = apps
    started = start_server(one, arguments=[], env={"TAKO_APP": str(one.dir)})
    try:
        assert not two.socket.exists()
    finally:
        started.clean_up()


def test_its_sockets_are_the_users_alone_and_it_listens_on_nothing_else(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    with server(*apps) as started:
        for app in apps:
            assert stat.S_IMODE(app.socket.stat().st_mode) == 0o600
            assert stat.S_IMODE(app.data_dir.stat().st_mode) == 0o700
        assert psutil.Process(started.pid).net_connections("inet") == []


def test_sigterm_ends_it_with_0_and_leaves_no_process(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    with server(*apps) as started:
        tako(apps[0], "enqueue", "greet", '"ana"', "--wait")
        assert started.terminate() == 0
        assert marked(apps[0]) == []
        assert "greeting ana" in started.log


def test_a_second_server_on_the_same_data_is_refused_with_the_path(
    apps: tuple[AppFixture, AppFixture],
) -> None:
    with server(apps[0]):
        done = tako(apps[0], "server")
        assert done.returncode == 2
        assert str(apps[0].data_dir) in done.stderr
        assert "Traceback" not in done.stderr
        assert tako(apps[0], "enqueue", "greet", '"x"', "--wait").returncode == 0


def test_an_app_that_is_not_there_stops_it_before_it_serves_the_others(
    apps: tuple[AppFixture, AppFixture], tmp_path: Path
) -> None:
    done = tako(apps[0], "server", str(apps[0].dir), str(tmp_path / "nonesuch"))
    assert done.returncode == 3
    assert "nonesuch" in done.stderr
    assert not apps[0].socket.exists()
