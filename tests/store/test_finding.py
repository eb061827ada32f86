"""Runs by what their errors say: what is looked through is bounded, and signs are only signs."""

import pytest

from tako.commands import Fail, ListRuns
from tako.store import finding
from tests.store.driver import Driver


def failed(driver: Driver, message: str) -> str:
    run = driver.start()
    error = f'{{"type":"E","message":"{message}","traceback":""}}'
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


def test_only_the_newest_errors_are_looked_through_and_a_time_leads_further_back(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SEARCHED", 2)
    runs = [failed(driver, "declined") for _ in range(4)]
    assert found(driver, "declined") == runs[:1:-1]
    assert found(driver, "declined", before=runs[2]) == runs[1::-1]


def test_runs_of_a_tag_that_failed_are_those_and_no_others(driver: Driver) -> None:
    runs = [driver.start(tags=("vip",)) for _ in range(3)]
    other = driver.start()
    for run in (runs[0], runs[2], other):
        driver.do(Fail(run.id, run.lease_id, '{"type":"E","message":"m","traceback":""}'))
    of_tag = driver.do(ListRuns(state="failed", tag="vip")).runs
    assert [run.id for run in of_tag] == [runs[2].id, runs[0].id]
    assert driver.do(ListRuns(state="failed", tag="vip", workflow="v")).runs == []
    assert driver.do(ListRuns(state="cancelled", tag="vip")).runs == []
