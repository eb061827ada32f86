"""The record in the store: written with what it tells of, changed by nobody, pruned in order."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako import audit
from tako.commands import AuditPage, Cancel, Count, MintLink, PruneAudit, ReadAudit
from tako.model import AuditRow
from tests.store.asking import actor, asked, asking, deciding, driver_with_people, kinds, record
from tests.store.driver import START, Driver

COLUMNS = AuditRow.__struct_fields__
MARKS = ",".join("?" * len(COLUMNS))
Rows = Sequence[tuple[Any, ...]]
TRIGGERS = ("audit_is_never_changed", "audit_is_pruned_from_its_beginning")


@pytest.fixture
def driver(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Driver]:
    driver = driver_with_people(tmp_path / "runs.db", runner)
    yield driver
    driver.store.close()


def page(driver: Driver, **options: Any) -> AuditPage:
    found: AuditPage = driver.do(ReadAudit(**{"limit": 10_000, **options}))
    return found


def findings(driver: Driver) -> list[str]:
    found = page(driver)
    last = found.rows[-1].seq if found.rows else found.base[0]
    return audit.verify(found.rows, found.base) + audit.check_end(last, found.written)


def in_the_file(driver: Driver, sql: str, *values: Any, rows: Rows = ()) -> None:
    """What somebody with the sqlite3 shell can do, who knows of the triggers."""
    file = driver.store._db.path  # type: ignore[attr-defined]
    with closing(apsw.Connection(str(file))) as connection, connection:
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute(sql, values)
        connection.executemany(f"INSERT INTO audit VALUES ({MARKS})", rows)


def lived(driver: Driver) -> None:
    """Ten rows of all sorts."""
    asked(driver, "a1", quorum=2)
    asked(driver, "a2", to=("ben",))
    driver.do(MintLink("a1", "ana", actor("cleo", "cli")))
    driver.do(deciding(driver, by="ana", comment="très bien"))
    driver.refused(deciding(driver, by="dan"))
    driver.refused(deciding(driver, by="ana"))
    driver.refused(deciding(driver, id="a2", by="ana"))
    driver.do(deciding(driver, by="ben", actor=actor("ben", "api", address="10.0.0.7")))
    driver.do(MintLink("a2", "ben", actor("cleo", "cli")))
    assert len(record(driver)) == 10


# --- written


def test_rows_have_numbers_without_a_gap_and_what_is_known_of_who_did_it(driver: Driver) -> None:
    lived(driver)
    rows = record(driver)
    assert [row.seq for row in rows] == list(range(1, 11))
    row = next(row for row in rows if row.person == "ben" and row.kind == "answered")
    assert (row.approval_id, row.at) == ("a1", START)
    assert (row.auth, row.channel, row.address) == ("password", "api", "10.0.0.7")
    assert row.digest is not None
    assert json.loads(row.detail or "")["answer"] == "approve"


def test_what_the_server_did_has_no_person(driver: Driver) -> None:
    asked(driver)
    row = record(driver)[0]
    assert (row.kind, row.person, row.address, row.channel) == ("asked", None, None, "server")


def test_one_approvals_rows_can_be_read_alone_and_in_pages(driver: Driver) -> None:
    lived(driver)
    mine = page(driver, approval_id="a2")
    assert {row.approval_id for row in mine.rows} == {"a2"}
    assert [r.kind for r in mine.rows] == ["asked", "refused", "linked"]
    second = page(driver, approval_id="a2", after=mine.rows[0].seq, limit=1)
    assert second.rows == mine.rows[1:2]
    assert page(driver, after=4, limit=3).rows == record(driver)[4:7]
    assert page(driver, after=10) == AuditPage([], (0, ""), 10)


def test_the_record_goes_on_after_a_restart(driver: Driver) -> None:
    lived(driver)
    driver.restart()
    driver.do(deciding(driver, id="a2", by="ben"))
    assert len(record(driver)) > 10
    assert findings(driver) == []


def test_a_batch_that_is_rolled_back_leaves_no_gap(driver: Driver) -> None:
    """A command that breaks a rule of the schema is undone alone, with what it had recorded."""
    asked(driver, "a1")
    run = driver.start()
    taken = asking(run, "a1")  # the id of another approval
    before = len(record(driver))
    replies = driver.batch(deciding(driver, by="dan"), taken, deciding(driver, by="dan"))
    assert replies[1].code == "refused"
    assert len(record(driver)) == before + 2
    assert findings(driver) == []


def test_a_failed_commit_leaves_no_gap(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(driver)
    driver.do(MintLink("a1", "ana", actor("cleo")))
    database = driver.store._db  # type: ignore[attr-defined]

    def fail() -> None:
        raise apsw.FullError("full")

    with monkeypatch.context() as patch:
        patch.setattr(database, "commit", fail)
        with pytest.raises(Exception, match="the disk is full"):
            driver.do(MintLink("a1", "ana", actor("cleo")))
    driver.do(MintLink("a1", "ana", actor("cleo")))
    assert [row.seq for row in record(driver)] == [1, 2, 3]
    assert findings(driver) == []


# --- changed


@pytest.mark.parametrize(
    "sql", ["UPDATE audit SET person = 'eve' WHERE seq = 1", "DELETE FROM audit WHERE seq = 1"]
)
def test_a_mistake_cannot_change_the_record(driver: Driver, sql: str) -> None:
    asked(driver)
    file = driver.store._db.path  # type: ignore[attr-defined]
    with (
        closing(apsw.Connection(str(file))) as connection,
        pytest.raises(apsw.ConstraintError, match="append-only"),
    ):
        connection.execute(sql)
    assert findings(driver) == []


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with asyncio.Runner() as runner:
        driver = driver_with_people(tmp_path_factory.mktemp("audit") / "runs.db", runner)
        lived(driver)
        yield driver
        driver.store.close()


def copy_of(life: Driver) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, c) for c in COLUMNS) for row in record(life)]


def put_back(life: Driver, rows: list[tuple[Any, ...]]) -> None:
    in_the_file(life, "DELETE FROM audit", rows=rows)
    in_the_file(life, "UPDATE sqlite_sequence SET seq = 10 WHERE name = 'audit'")
    assert findings(life) == []


@given(st.data())
def test_any_value_of_any_row_that_is_changed_in_the_file_is_named(
    life: Driver, data: st.DataObject
) -> None:
    rows = copy_of(life)
    seq = data.draw(st.integers(1, 10))
    column = data.draw(st.sampled_from([c for c in COLUMNS if c != "seq"]))
    old = rows[seq - 1][COLUMNS.index(column)]
    kind = st.integers(0, 2**62) if column == "at" else st.text(max_size=20)
    nullable = column not in ("at", "kind", "hash")
    new = data.draw((kind | st.none() if nullable else kind).filter(lambda v: v != old))
    in_the_file(life, f"UPDATE audit SET {column} = ? WHERE seq = ?", new, seq)
    try:
        (found,) = findings(life)
        assert found.startswith(f"row {seq} (")
    finally:
        put_back(life, rows)


@given(st.data())
def test_rows_that_are_removed_added_or_exchanged_in_the_file_are_named(
    life: Driver, data: st.DataObject
) -> None:
    rows = copy_of(life)
    one, two = data.draw(st.lists(st.integers(1, 10), min_size=2, max_size=2, unique=True))
    what = data.draw(st.sampled_from(["remove", "add", "exchange", "renumber"]))
    named = {one}
    if what == "remove":
        in_the_file(life, "DELETE FROM audit WHERE seq = ?", one)
    elif what == "renumber":
        in_the_file(life, "UPDATE audit SET seq = 99 WHERE seq = ?", one)
    elif what == "add":
        in_the_file(life, "SELECT 1", rows=[(11, *rows[one - 1][1:])])
        named = {11}
    else:
        for seq, source in ((one, two), (two, one)):
            values = rows[source - 1][1:]
            columns = ", ".join(f"{c} = ?" for c in COLUMNS[1:])
            in_the_file(life, f"UPDATE audit SET {columns} WHERE seq = ?", *values, seq)
        named = {one, two}
    try:
        found = findings(life)
        for seq in named:
            assert any(
                text.startswith((f"row {seq} (", f"row {seq} is", f"rows {seq} to"))
                for text in found
            )
    finally:
        put_back(life, rows)


# --- pruned


def prune(driver: Driver, before: int, **options: Any) -> int:
    reply: Count = driver.do(PruneAudit(before, **options))
    return reply.count


def test_pruning_takes_what_is_old_and_says_so(driver: Driver) -> None:
    asked(driver, "a1")
    driver.do(deciding(driver))
    last = record(driver)[-1]
    driver.now = START + 100
    assert prune(driver, START + 1) == 3
    (row,) = record(driver)
    assert (row.seq, row.kind, row.at, row.person) == (4, "pruned", START + 100, None)
    assert json.loads(row.detail or "") == {"upto": 3, "hash": last.hash}
    assert page(driver).base == (3, last.hash)
    assert findings(driver) == []


def test_a_row_that_is_not_older_stays_and_all_after_it(driver: Driver) -> None:
    asked(driver, "a1")
    driver.now = START + 10
    driver.do(deciding(driver))
    driver.now = START - 10  # the clock was set back
    asked(driver, "a2")
    driver.now = START + 20
    driver.do(deciding(driver, id="a2"))
    assert prune(driver, START + 10) == 1
    assert kinds(driver) == ["answered", "decided", "asked", "answered", "decided", "pruned"]
    assert findings(driver) == []


def test_the_rows_of_an_open_approval_stay_however_old(driver: Driver) -> None:
    run = asked(driver, "a1").run_id
    asked(driver, "a2")
    driver.do(deciding(driver, id="a2"))
    assert prune(driver, START + 1) == 0
    driver.do(Cancel(run, "no need"))
    assert prune(driver, START + 1) == 5
    assert kinds(driver) == ["pruned"]


def test_what_was_refused_about_an_open_approval_stays_too(driver: Driver) -> None:
    asked(driver, "a1")
    asked(driver, "a2")
    driver.refused(deciding(driver, id="a2", by="dan"))
    driver.do(deciding(driver, id="a1"))
    assert prune(driver, START + 1) == 1
    assert kinds(driver)[0] == "asked"
    assert record(driver)[0].approval_id == "a2"


def test_pruning_goes_on_from_where_its_limit_was(driver: Driver) -> None:
    asked(driver, "a1")
    driver.do(deciding(driver))
    driver.now = START + 100
    assert prune(driver, START + 1, limit=2) == 2
    assert findings(driver) == []
    assert prune(driver, START + 1, limit=2) == 1
    assert findings(driver) == []
    assert kinds(driver) == ["pruned", "pruned"]


def test_pruning_causes_no_pruning_of_its_own_rows_only(driver: Driver) -> None:
    asked(driver, "a1")
    driver.do(deciding(driver))
    assert prune(driver, START + 1) == 3
    driver.now = START + 100
    assert prune(driver, START + 50) == 0
    assert kinds(driver) == ["pruned"]
    asked(driver, "a2")
    driver.do(Cancel(asked(driver, "a3").run_id, "no need"))
    driver.do(Cancel(driver.do(ReadAudit()).rows[1].run_id, "no need"))
    assert prune(driver, START + 200) == 5
    assert findings(driver) == []


def test_an_empty_record_and_one_with_nothing_old_are_left_alone(driver: Driver) -> None:
    assert prune(driver, START) == 0
    asked(driver)
    driver.do(deciding(driver))
    assert prune(driver, START) == 0
    assert page(driver).base == (0, "")


def test_a_pruned_record_survives_a_restart_and_goes_on(driver: Driver) -> None:
    asked(driver, "a1")
    driver.do(deciding(driver))
    prune(driver, START + 1)
    driver.restart()
    asked(driver, "a2")
    assert [row.seq for row in record(driver)] == [4, 5]
    assert findings(driver) == []


def test_a_row_removed_from_the_beginning_of_a_pruned_record_is_missed(driver: Driver) -> None:
    asked(driver, "a1")
    driver.do(deciding(driver))
    prune(driver, START + 1)
    asked(driver, "a2")
    in_the_file(driver, "DELETE FROM audit WHERE seq = 4")
    assert findings(driver) == [
        "row 4 is missing",
        "no row tells that the rows up to 3 were pruned: they are missing",
    ]
