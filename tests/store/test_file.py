"""Bad nights of runs.db: it never becomes an empty one, and what is promised is kept."""

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tako.commands import Command, Enqueue, Get, Outcome, Register
from tako.errors import StorageError
from tako.model import WorkflowInfo
from tako.store import Store, database, open_store
from tests.store.disk import BadDisk, bad_disk
from tests.store.driver import START


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(path)
    yield store
    store.close()


def execute(store: Store, *commands: Command) -> Outcome:
    return asyncio.run(store.execute(commands, START))


def enqueue(store: Store, run_id: str) -> bool:
    created: bool = execute(store, Enqueue(run_id, "w", "{}", "default")).replies[0].created
    return created


def stored(store: Store, run_id: str) -> bool:
    return type(execute(store, Get(run_id)).replies[0]).__name__ == "RunReply"


def fails(store: Store, words: str) -> None:
    """Nothing is acknowledged, and the error says which file and what to do."""
    with pytest.raises(StorageError, match=words) as failure:
        enqueue(store, "refused")
    assert "runs.db" in str(failure.value)


# --- rights


def test_the_folder_and_every_file_are_private(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in path.parent.iterdir()}
    assert modes == dict.fromkeys(["runs.db", "runs.db-wal", "runs.db-shm", "runs.id"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


# --- deleted, replaced, cut short


def test_a_file_deleted_while_open_takes_no_more_promises(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    kept = path.with_name("kept")
    path.rename(kept)
    fails(store, "is gone: put the file back, and work goes on")
    kept.rename(path)
    assert enqueue(store, "r2")
    assert stored(store, "r1")
    assert not stored(store, "refused")


def test_a_log_deleted_while_open_takes_no_more_promises(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    log = path.with_name("runs.db-wal")
    log.unlink()
    fails(store, "runs.db-wal is gone")


def test_a_file_replaced_while_open_takes_no_more_promises(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)
    fails(store, "was replaced while open: stop the server")


def test_a_file_cut_short_while_open_takes_no_more_promises(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    os.truncate(path, 0)
    fails(store, "was cut short while open")


@pytest.mark.parametrize("harm", [Path.unlink, lambda p: os.truncate(p, 0)])
def test_a_lost_file_does_not_become_an_empty_one(path: Path, harm: Callable[[Path], None]) -> None:
    open_store(path).close()
    harm(path)
    for readonly in (False, True):
        with pytest.raises(StorageError, match=r"missing or empty: restore it .*runs\.id"):
            open_store(path, readonly=readonly)
    assert not path.exists() or path.stat().st_size == 0
    path.with_name("runs.id").unlink()
    path.unlink(missing_ok=True)
    open_store(path).close()


def test_another_apps_file_in_its_place_is_refused(path: Path, tmp_path: Path) -> None:
    open_store(path).close()
    open_store(tmp_path / "other" / "runs.db").close()
    (tmp_path / "other" / "runs.db").replace(path)
    with pytest.raises(StorageError, match="not the database that was here"):
        open_store(path)


def test_a_restored_backup_of_the_same_app_is_taken(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    backup = path.with_name("backup")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    store.close()
    backup.replace(path)
    with closing(open_store(path)) as again:
        assert stored(again, "r1")


def test_a_lost_marker_is_made_again(path: Path) -> None:
    open_store(path).close()
    marker = path.with_name("runs.id")
    identity = marker.read_text()
    marker.unlink()
    open_store(path).close()
    assert marker.read_text() == identity


# --- damaged, newer, somebody else's


@pytest.mark.parametrize("header", [b"garbage, not SQLite at all", b"\0" * 100])
def test_a_damaged_header_is_an_error_and_the_file_stays(path: Path, header: bytes) -> None:
    open_store(path).close()
    damaged = header + path.read_bytes()[len(header) :]
    path.write_bytes(damaged)
    with pytest.raises(StorageError, match=r"not a database|damaged"):
        open_store(path)
    assert path.read_bytes() == damaged


def test_a_damaged_page_is_an_error_wherever_it_is(path: Path) -> None:
    with closing(open_store(path)) as store:
        runs = [Enqueue(f"r{n:05}", "w", '"' + "x" * 500 + '"', "default") for n in range(500)]
        execute(store, *runs)
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    content[4096 * (pages // 2) : 4096 * (pages // 2 + 20)] = b"\xff" * (4096 * 20)
    path.write_bytes(content)
    looks = [Get(f"r{n:05}") for n in range(500)]
    with closing(open_store(path)) as store, pytest.raises(StorageError, match="damaged"):
        execute(store, *looks)


def test_a_newer_file_is_refused_and_stays_as_it_is(path: Path) -> None:
    open_store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1000")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for readonly in (False, True):
        with pytest.raises(StorageError, match=r"version 1000.*install a newer tako"):
            open_store(path, readonly=readonly)


@pytest.mark.parametrize("own_id", [0, 12345])
def test_a_database_of_another_program_is_not_touched(path: Path, own_id: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {own_id}")
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(StorageError, match="a database of another program: move it away"):
            open_store(path, readonly=readonly)
    assert path.read_bytes() == before
    assert [f.name for f in path.parent.iterdir()] == ["runs.db"]


# --- full, read-only, refusing


@pytest.fixture
def disk(path: Path) -> Iterator[tuple[BadDisk, Store]]:
    with bad_disk() as disk, closing(open_store(path)) as store:
        enqueue(store, "before")
        yield disk, store


PROBLEMS: list[tuple[type[apsw.Error], str]] = [
    (apsw.FullError, "the disk is full: make room"),
    (apsw.IOError, "the disk refused"),
    (apsw.ReadOnlyError, "is read-only: give"),
]


@pytest.mark.parametrize(("kind", "words"), PROBLEMS)
@pytest.mark.parametrize("writes", [0, 1, 2, 5])
def test_a_disk_that_takes_no_more_acknowledges_nothing_and_mends(
    disk: tuple[BadDisk, Store], kind: type[apsw.Error], words: str, writes: int
) -> None:
    bad, store = disk
    bad.fail_after(writes, kind)
    batch = [Enqueue(f"refused-{n}", "w", '"' + "x" * 4000 + '"', "default") for n in range(9)]
    with pytest.raises(StorageError, match=words):
        execute(store, *batch)
    assert stored(store, "before"), "reading still works"
    assert not stored(store, "refused-0")
    bad.mend()
    assert [reply.created for reply in execute(store, *batch).replies] == [True] * 9
    assert enqueue(store, "after")


def test_a_failed_sync_acknowledges_nothing(disk: tuple[BadDisk, Store]) -> None:
    bad, store = disk
    bad.sync_fails = True
    with pytest.raises(StorageError, match="the disk refused"):
        enqueue(store, "r1")
    bad.mend()
    assert enqueue(store, "r1"), "it was not there"


def test_a_disk_that_fails_while_opening_is_an_error(path: Path) -> None:
    for writes in range(8):
        with bad_disk() as disk:
            disk.fail_after(writes, apsw.FullError)
            with pytest.raises(StorageError, match="the disk is full"):
                open_store(path)
            disk.mend()
    with closing(open_store(path)) as store:
        assert enqueue(store, "r1")


def test_what_could_not_be_saved_is_not_remembered_either(disk: tuple[BadDisk, Store]) -> None:
    bad, store = disk
    bad.fail_after(0, apsw.FullError)
    with pytest.raises(StorageError):
        execute(store, Register("a", 1, "mail", 1, workflows=[WorkflowInfo("w", "mail")]))
    bad.mend()
    enqueue(store, "r1")
    assert execute(store, Get("r1")).replies[0].run.group == "default"


# --- locks, and a second one that only reads


def test_a_lock_of_another_program_is_waited_for_and_then_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 20)
    with closing(open_store(path)) as store, closing(apsw.Connection(str(path))) as other:
        other.execute("BEGIN IMMEDIATE")
        fails(store, "another program holds a lock on it: close that program")
        with pytest.raises(StorageError, match="holds a lock"):
            open_store(path)
        other.execute("ROLLBACK")
        assert enqueue(store, "r1")


def test_a_reader_sees_what_was_committed_and_writes_nothing(store: Store, path: Path) -> None:
    enqueue(store, "r1")
    with closing(open_store(path, readonly=True)) as reader:
        assert stored(reader, "r1")
        enqueue(store, "r2")
        assert stored(reader, "r2")
        with pytest.raises(StorageError, match="read-only"):
            enqueue(reader, "r3")


def test_a_reader_works_when_nobody_else_has_it_open(path: Path) -> None:
    with closing(open_store(path)) as store:
        enqueue(store, "r1")
    with closing(open_store(path, readonly=True)) as reader:
        assert stored(reader, "r1")


def test_who_only_reads_creates_nothing(path: Path) -> None:
    with pytest.raises(StorageError, match="start the app once"):
        open_store(path, readonly=True)
    assert not path.parent.exists()
