"""Runs by what their errors say: a page looks through so many, and signs are only signs."""

from typing import Any

import pytest
from msgspec import structs

from tako.commands import Cancel, Fail, ListRuns
from tako.store import finding
from tests.store.driver import Driver


def failed(driver: Driver, message: str, **options: Any) -> str:
    run = driver.start(**options)
    error = f'{{"type":"E","message":"{message}","traceback":"at line 7"}}'
    driver.do(Fail(run.id, run.lease_id, error))
    return run.id


def found(driver: Driver, text: str, **more: str) -> list[str]:
    return [run.id for run in driver.do(ListRuns(text=text, **more)).runs]  # type: ignore[arg-type]


def test_a_text_is_taken_as_it_is_and_in_any_case(driver: Driver) -> None:
    percent, plain = failed(driver, "100% Sure_!"), failed(driver, "100 sure x")
    assert found(driver, "100%") == [percent]
    assert found(driver, "sure_!") == [percent]
    assert found(driver, "SURE") == [plain, percent]
    assert found(driver, "sure", state="failed") == [plain, percent]
    assert found(driver, "sure", state="cancelled") == []
    assert found(driver, "run-", state="failed") == [plain, percent], "ids that begin so"


def test_a_text_is_looked_for_in_what_the_list_says_of_a_run(driver: Driver) -> None:
    long = "x" * 995
    told, cut = failed(driver, "needle"), failed(driver, f"{long} needle")
    assert found(driver, "e: needle") == [told], "type and message"
    assert found(driver, f"{long}") == [cut]
    assert found(driver, "line 7") == [], "tracebacks are long, and mostly alike"
    gone = driver.enqueue()
    driver.do(Cancel(gone, "no needle"))
    empty = driver.enqueue()
    driver.do(Cancel(empty, ""))
    assert found(driver, "needle") == [gone, told]


def pages(driver: Driver, command: ListRuns) -> list[list[str]]:
    """All of them, one after another."""
    found, before = [], command.before
    while True:
        page = driver.do(structs.replace(command, before=before))
        found.append([run.id for run in page.runs])
        before = page.next_before(command.limit)
        if before is None:
            return found


def all_of(pages: list[list[str]]) -> list[str]:
    return [run_id for page in pages for run_id in page]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "SEARCHED", 2)


@pytest.mark.usefixtures("small")
def test_a_page_that_stops_in_the_errors_says_where_the_next_goes_on(driver: Driver) -> None:
    old = failed(driver, "needle")
    for n in range(5):
        failed(driver, f"other {n}")
    new = failed(driver, "needle")
    assert pages(driver, ListRuns(text="needle")) == [[new], [], [], [old]]
    assert pages(driver, ListRuns(text="needle", limit=1)) == [[new], [], [], [old], []]
    assert pages(driver, ListRuns(text="needle", before=old)) == [[]]


@pytest.mark.usefixtures("small")
def test_exactly_as_many_errors_as_are_looked_through_are_all(driver: Driver) -> None:
    runs = [failed(driver, "needle") for _ in range(2)]
    assert pages(driver, ListRuns(text="needle")) == [runs[::-1]]


@pytest.mark.usefixtures("small")
def test_failed_and_cancelled_runs_are_gone_through_together(driver: Driver) -> None:
    runs = [failed(driver, "needle") for _ in range(4)]
    for _ in range(4):
        runs.append(driver.enqueue())
        driver.do(Cancel(runs[-1], "a needle"))
    runs.append(failed(driver, "needle"))
    assert all_of(pages(driver, ListRuns(text="needle"))) == runs[::-1]
    assert all_of(pages(driver, ListRuns(text="needle", limit=3))) == runs[::-1]


@pytest.mark.usefixtures("small")
def test_only_errors_that_the_filter_lets_through_are_counted(driver: Driver) -> None:
    first = driver.now
    quiet = failed(driver, "needle", workflow="quiet")
    driver.now += 1_000
    for n in range(5):
        failed(driver, f"other {n}")
    assert pages(driver, ListRuns(text="needle", workflow="quiet")) == [[quiet]]
    assert pages(driver, ListRuns(text="needle", until=first + 1)) == [[quiet]]
    assert pages(driver, ListRuns(text="needle", since=first + 1, own=False)) == [[], [], []]
    assert pages(driver, ListRuns(text="needle", state="cancelled")) == [[]]


@pytest.mark.usefixtures("small")
def test_ids_come_first_however_old_they_are_and_none_comes_twice(driver: Driver) -> None:
    ids = [failed(driver, "needle", run_id=f"needle-{n}") for n in (9, 10, 11)]
    told = [failed(driver, "needle") for _ in range(6)]
    by_id = sorted(ids, reverse=True)
    first, *more = pages(driver, ListRuns(text="needle"))
    assert first == by_id + told[:-3:-1]
    assert all_of(more) == told[-3::-1]
    for limit in (1, 2, 3, 4, 7):
        found = all_of(pages(driver, ListRuns(text="needle", limit=limit)))
        assert found == by_id + told[::-1], limit


def test_a_text_and_a_tag_are_both_asked_for(driver: Driver) -> None:
    both = failed(driver, "needle", tags=("vip",))
    failed(driver, "other", tags=("vip",))
    failed(driver, "needle")
    named = failed(driver, "other", tags=("vip",), run_id="needle-1")
    failed(driver, "other", run_id="needle-2")
    assert found(driver, "needle", tag="vip") == [named, both]


def test_runs_of_a_tag_that_failed_are_those_and_no_others(driver: Driver) -> None:
    runs = [driver.start(tags=("vip",)) for _ in range(3)]
    other = driver.start()
    for run in (runs[0], runs[2], other):
        driver.do(Fail(run.id, run.lease_id, '{"type":"E","message":"m","traceback":""}'))
    of_tag = driver.do(ListRuns(state="failed", tag="vip")).runs
    assert [run.id for run in of_tag] == [runs[2].id, runs[0].id]
    assert driver.do(ListRuns(state="failed", tag="vip", workflow="v")).runs == []
    assert driver.do(ListRuns(state="cancelled", tag="vip")).runs == []
