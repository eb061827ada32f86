"""What the filter shows as a file: all of it, and harmless to spreadsheets."""

import csv
import io
import json
from collections.abc import Iterator

import pytest

import tako
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


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(book: Ledger, first: str) -> None:
    evil = f'{first}cmd|"/C calc",A1'
    run_id = tako.enqueue_sync("count", {"steps": 0}, delay="1h", run_id=f"{evil} id").id
    tako.cancel_sync(run_id, evil)
    with book.visitor() as ana:
        (row,) = [r for r in rows(ana.get("/runs.csv?state=cancelled").text) if evil in r["note"]]
        assert row["id"] == f"'{run_id}" and row["note"] == f"'{evil}"
        (plain,) = [r for r in ana.get("/runs.json?state=cancelled").json() if r["id"] == run_id]
        assert plain["note"] == evil


def test_a_filter_that_cannot_be_used_exports_nothing(book: Ledger) -> None:
    with book.visitor() as ana:
        answer = ana.get("/runs.csv?since=yesterday")
        assert answer.status_code == 422 and "is no time" in answer.text
