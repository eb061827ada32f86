"""`tako audit`: the record checked and exported, with the server down."""

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from tako.commands import MintLink, PruneAudit
from tests.store.asking import actor, asked, deciding, driver_with_people, record
from tests.store.driver import START
from tests.support import AppFixture, make_app, tako, tako_json

ROWS = 606  # more than a page


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> AppFixture:
    """An app whose server is down, with a record of several pages."""
    app = make_app(tmp_path_factory.mktemp("record"), {})
    with asyncio.Runner() as runner:
        driver = driver_with_people(app.db, runner)
        asked(driver, "a1")
        driver.do(deciding(driver, comment="très bien"))
        asked(driver, "a2")
        mint = MintLink("a2", "ana", actor("cleo", "cli"))
        driver.batch(*[mint] * (ROWS - len(record(driver))))
        driver.store.close()
    return app


@pytest.fixture
def copy(lived: AppFixture, tmp_path: Path) -> AppFixture:
    """The same app, for a test that changes what is in it."""
    app = make_app(tmp_path, {})
    app.data_dir.mkdir(parents=True)
    for file in lived.data_dir.iterdir():
        (app.data_dir / file.name).write_bytes(file.read_bytes())
    return app


def in_the_file(app: AppFixture, *statements: str) -> None:
    with closing(apsw.Connection(str(app.db))) as connection:
        for name in ("audit_is_never_changed", "audit_is_pruned_from_its_beginning"):
            connection.execute(f"DROP TRIGGER {name}")
        for sql in statements:
            connection.execute(sql)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_as_it_was_written_is_said_to_be_so_with_its_head(lived: AppFixture) -> None:
    done = tako(lived, "audit", "verify")
    assert done.returncode == 0, done.stderr
    verdict, head = done.stdout.splitlines()
    assert verdict == f"{ROWS} rows: all as they were written"
    last = lines(tako(lived, "audit", "export").stdout)[-1]
    assert head == f"head {ROWS} {last['hash']}"
    found = tako_json(lived, "audit", "verify")
    assert found == {
        "rows": ROWS,
        "pruned": 0,
        "head": {"seq": ROWS, "hash": last["hash"]},
        "problems": [],
    }


def test_a_changed_row_is_named_and_the_exit_code_is_7(copy: AppFixture) -> None:
    in_the_file(
        copy, "UPDATE audit SET person = 'eve' WHERE seq = 2", "DELETE FROM audit WHERE seq = 600"
    )
    done = tako(copy, "audit", "verify")
    assert done.returncode == 7
    found = done.stdout.splitlines()
    assert found[0].startswith("row 2 (answered of approval a1) was changed")
    assert found[1] == "row 600 is missing"
    assert found[2] == f"{ROWS - 1} rows: NOT as they were written"
    again = tako(copy, "audit", "verify", "--json")
    assert again.returncode == 7
    assert json.loads(again.stdout)["problems"] == found[:2]


def test_rows_cut_off_at_the_end_are_missed(copy: AppFixture) -> None:
    in_the_file(copy, "DELETE FROM audit WHERE seq > 604")
    done = tako(copy, "audit", "verify")
    assert (done.returncode, done.stdout.splitlines()[0]) == (7, "rows 605 to 606 are missing")


def test_very_many_findings_are_cut_for_people_and_whole_for_programs(copy: AppFixture) -> None:
    in_the_file(copy, "UPDATE audit SET at = 1")
    shown = tako(copy, "audit", "verify").stdout.splitlines()
    assert shown[20] == f"... and {ROWS - 20} more: --json has all"
    whole = json.loads(tako(copy, "audit", "verify", "--json").stdout)
    assert len(whole["problems"]) == ROWS


def test_export_writes_every_row_as_a_line_of_json(lived: AppFixture) -> None:
    rows = lines(tako(lived, "audit", "export").stdout)
    assert [row["seq"] for row in rows] == list(range(1, ROWS + 1))
    assert [row["kind"] for row in rows[:4]] == ["asked", "answered", "decided", "asked"]
    assert json.loads(rows[1]["detail"])["comment"] == "très bien"
    assert (rows[1]["person"], rows[1]["auth"], rows[1]["channel"]) == ("ana", "password", "page")


def test_export_of_one_approval_has_its_rows_only(lived: AppFixture) -> None:
    rows = lines(tako(lived, "audit", "export", "--approval", "a1").stdout)
    assert [row["kind"] for row in rows] == ["asked", "answered", "decided"]
    done = tako(lived, "audit", "export", "--approval", "nonesuch")
    assert (done.returncode, done.stdout) == (3, "")
    assert "the record has no row about an approval nonesuch" in done.stderr
    assert "`tako approvals list --state all` shows which there are" in done.stderr


def test_export_into_a_file_is_private_and_says_where_it_ends(
    lived: AppFixture, tmp_path: Path
) -> None:
    file = tmp_path / "record.jsonl"
    done = tako(lived, "audit", "export", "--out", str(file))
    last = lines(file.read_text())[-1]
    assert done.stdout == f"{ROWS} rows into {file}, the last: {ROWS} {last['hash']}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    nowhere = tako(lived, "audit", "export", "--out", str(tmp_path / "no" / "such"))
    assert nowhere.returncode == 2
    assert "cannot be written: No such file" in nowhere.stderr


def test_against_an_export_nothing_can_be_rewritten_or_cut_off(
    copy: AppFixture, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    tako(copy, "audit", "export", "--out", str(kept))
    assert tako(copy, "audit", "verify", "--against", str(kept)).returncode == 0
    in_the_file(copy, "DELETE FROM audit WHERE seq > 604", "UPDATE sqlite_sequence SET seq = 604")
    assert tako(copy, "audit", "verify").returncode == 0  # nothing in the file can tell
    done = tako(copy, "audit", "verify", "--against", str(kept))
    assert done.returncode == 7
    assert done.stdout.splitlines()[:2] == [
        f"row {seq} (linked of approval a2) was exported and is missing" for seq in (605, 606)
    ]


def test_the_last_line_of_an_export_is_enough(copy: AppFixture, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text(tako(copy, "audit", "export").stdout.splitlines()[-1] + "\n")
    _rewrite(copy)
    assert tako(copy, "audit", "verify").returncode == 0
    done = tako(copy, "audit", "verify", "--against", str(kept))
    assert done.returncode == 7
    assert done.stdout.startswith(f"row {ROWS} (linked of approval a2) was another")


def _rewrite(app: AppFixture) -> None:
    """The whole chain anew, from one changed row on."""
    from msgspec.structs import replace

    from tako.audit import hash_row

    with asyncio.Runner() as runner:
        driver = driver_with_people(app.db, runner)
        rows = record(driver)
        driver.store.close()
    before, statements = "", []
    for row in rows:
        forged = replace(row, person="eve") if row.seq == 2 else row
        before = hash_row(before, forged)
        statements.append(
            f"UPDATE audit SET person = '{forged.person}', hash = '{before}' WHERE seq = {row.seq}"
            if forged.person
            else f"UPDATE audit SET hash = '{before}' WHERE seq = {row.seq}"
        )
    in_the_file(app, "BEGIN", *statements, "COMMIT")


def test_a_file_that_is_no_export_is_exit_code_2(lived: AppFixture, tmp_path: Path) -> None:
    for text, says in (("{}\n", "line 1: no row of the record"), ("x", "line 1: no row")):
        file = tmp_path / "odd.jsonl"
        file.write_text(text)
        done = tako(lived, "audit", "verify", "--against", str(file))
        assert done.returncode == 2
        assert says in done.stderr
    done = tako(lived, "audit", "verify", "--against", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read: No such file" in done.stderr


def test_a_pruned_record_is_checked_from_where_it_begins(copy: AppFixture, tmp_path: Path) -> None:
    old, kept = tmp_path / "old.jsonl", tmp_path / "kept.jsonl"
    export = tako(copy, "audit", "export").stdout.splitlines(keepends=True)
    old.write_text("".join(export[:2]))
    kept.write_text("".join(export))
    with asyncio.Runner() as runner:
        driver = driver_with_people(copy.db, runner)
        driver.now = START + 1000
        driver.do(PruneAudit(START + 1))
        driver.store.close()
    done = tako(copy, "audit", "verify", "--against", str(kept))
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("604 rows (3 before them were pruned): all as they were")
    done = tako(copy, "audit", "verify", "--against", str(old))
    assert done.returncode == 2
    assert "all up to row 3 was pruned since" in done.stderr


def test_an_empty_record_is_as_it_was_written(tmp_path: Path) -> None:
    app = make_app(tmp_path, {})
    with asyncio.Runner() as runner:
        driver_with_people(app.db, runner).store.close()
    done = tako(app, "audit", "verify")
    assert (done.returncode, done.stdout) == (0, "0 rows: all as they were written\nhead 0\n")
    assert tako(app, "audit", "export").stdout == ""


def test_an_app_that_never_ran_has_no_record(never_started: AppFixture) -> None:
    assert tako(never_started, "audit", "verify").returncode == 4
