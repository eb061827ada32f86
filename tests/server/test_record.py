"""What a server does for the record of approvals."""

import asyncio
from contextlib import closing
from pathlib import Path

import apsw

from tako.commands import MintLink
from tests.store.asking import actor, asked, deciding, driver_with_people
from tests.support import AppFixture, make_app, server, wait_until

OLD = 5_010  # rows: more than one command prunes


def with_old_rows(folder: Path, toml: str) -> AppFixture:
    """An app whose record is years old."""
    app = make_app(folder, {}, toml=toml)
    with asyncio.Runner() as runner:
        driver = driver_with_people(app.db, runner)
        asked(driver, "a1")
        driver.batch(*[MintLink("a1", "ana", actor("cleo"))] * (OLD - 3))
        driver.do(deciding(driver))
        driver.store.close()
    return app


def recorded(app: AppFixture) -> list[str]:
    with closing(apsw.Connection(str(app.db), apsw.SQLITE_OPEN_READONLY)) as connection:
        return [kind for (kind,) in connection.execute("SELECT kind FROM audit ORDER BY seq")]


def test_a_server_prunes_what_is_older_than_it_is_to_be_kept(tmp_path: Path) -> None:
    app = with_old_rows(tmp_path, '[approvals]\nkeep_audit = "365d"\n')
    with server(app):
        asyncio.run(wait_until(lambda: recorded(app) == ["pruned", "pruned"]))


def test_a_server_that_is_not_told_to_prunes_nothing(tmp_path: Path) -> None:
    app = with_old_rows(tmp_path, "")
    with server(app) as started:
        started.terminate()
    assert len(recorded(app)) == OLD
