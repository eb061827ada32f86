"""What the filter shows as a file: all of it, and harmless to spreadsheets."""

import asyncio
import csv
import io
import json
from collections.abc import Iterator

import pytest

import tako
from tako.commands import ListRuns
from tako.config import load_app
from tako.people import People
from tako.web.engine import Engine
from tako.web.runlist import every
from tests.web.ledger import Ledger, ledger


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with ledger(tmp_path_factory.mktemp("export")) as here:
        tako.enqueue_many_sync("count", [{"steps": 0}] * 1_200, delay="1h", tags=["mass"])
        yield here


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_csv_has_all_that_the_filter_shows_over_many_pages(book: Ledger) -> None:
    with book.visitor() as ana:
        answer = ana.get("/runs.csv?tag=mass")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="runs.csv"' in answer.headers["content-disposition"]
        found = rows(answer.text)
        assert len({row["id"] for row in found}) == 1_200
        assert found[0]["workflow"] == "count" and found[0]["state"] == "pending"
        assert found[0]["tags"] == "mass" and found[0]["created_at"].endswith("Z")


def test_json_has_the_same(book: Ledger) -> None:
    with book.visitor() as ana:
        found = json.loads(ana.get("/runs.json?tag=mass").text)
        assert [run["id"] for run in found] == [
            row["id"] for row in rows(ana.get("/runs.csv?tag=mass").text)
        ]
        assert found[0]["tags"] == ["mass"] and found[0]["finished_at"] is None
        assert json.loads(ana.get("/runs.json?tag=none").text) == []


def test_an_export_lets_others_have_their_turn(book: Ledger) -> None:
    async def play() -> int:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        config = load_app(book.app.dir)
        engine, busy = Engine(config, People(config)), asyncio.create_task(others())
        pages = [page async for page in every(engine, ListRuns(tag="mass", brief=True), 1_200)]
        busy.cancel()
        engine.close()
        assert sum(map(len, pages)) == 1_200
        return turns

    assert asyncio.run(play()) >= 11, "pages, but for the last"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "＝"])
def test_no_cell_is_a_formula(book: Ledger, first: str) -> None:
    evil = f'{first}cmd|"/C calc",A1'
    run_id = tako.enqueue_sync("count", {"steps": 0}, delay="1h", run_id=f"{evil} id").id
    tako.cancel_sync(run_id, evil)
    with book.visitor() as ana:
        (row,) = [r for r in rows(ana.get("/runs.csv?state=cancelled").text) if evil in r["note"]]
        assert row["id"] == f"'{run_id}" and row["note"] == f"'{evil}"
        (plain,) = [r for r in ana.get("/runs.json?state=cancelled").json() if r["id"] == run_id]
        assert plain["note"] == evil


def test_nor_is_what_becomes_a_cell_where_they_are_parted_at_semicolons(book: Ledger) -> None:
    run_id = tako.enqueue_sync("count", {"steps": 0}, delay="1h").id
    tako.cancel_sync(run_id, "a;=cmd; -1;b")
    with book.visitor() as ana:
        (row,) = [r for r in rows(ana.get("/runs.csv?state=cancelled").text) if r["id"] == run_id]
    assert row["note"] == "a;'=cmd;' -1;b"


def test_a_filter_that_cannot_be_used_exports_nothing(book: Ledger) -> None:
    with book.visitor() as ana:
        answer = ana.get("/runs.csv?since=yesterday")
        assert answer.status_code == 422 and "is no time" in answer.text
