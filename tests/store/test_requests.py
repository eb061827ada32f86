"""Requests with a key: known for a day, under one key always the same, and done once."""

import asyncio
from contextlib import closing
from pathlib import Path

import apsw

from tako.commands import Cancel, Changed, KeepReply, KeyUsed, Ok, Rerun, UseKey
from tako.store.requesting import KEPT
from tests.store.driver import Driver


def test_a_key_is_known_for_a_day_with_its_first_reply(driver: Driver) -> None:
    assert driver.do(UseKey("k", "this")) == KeyUsed(None)
    assert driver.do(UseKey("k", "this")) == KeyUsed(None)
    assert [driver.do(KeepReply("k", text)) for text in ("first", "second")] == [Ok(), Ok()]
    driver.now += KEPT - 1
    assert driver.do(UseKey("k", "this")) == KeyUsed("first")
    assert driver.refused(UseKey("k", "that")) == "key_reused"
    driver.now += 1
    assert driver.do(UseKey("k", "that")) == KeyUsed(None)
    assert driver.refused(UseKey("k", "this")) == "key_reused"


def test_what_is_over_is_swept_away(tmp_path: Path, runner: asyncio.Runner) -> None:
    driver = Driver.on_file(tmp_path / "runs.db", runner)
    for n in range(3):
        driver.do(UseKey(f"k{n}", "x"))
    driver.now += KEPT
    driver.do(UseKey("new", "x"))
    with closing(apsw.Connection(str(tmp_path / "runs.db"))) as outside:
        assert list(outside.execute("SELECT id FROM requests")) == [("new",)]
    driver.store.close()


def test_a_cancel_that_is_sent_again_after_a_rerun_is_not_done_again(driver: Driver) -> None:
    driver.enqueue(run_id="r")
    assert driver.do(Cancel("r", "x", "again")) == Changed(True, "cancelled")
    driver.do(Rerun("r"))
    assert driver.do(Cancel("r", "x", "again")) == Changed(True, "cancelled")
    assert driver.state("r") == "pending"
    driver.enqueue(run_id="other")
    assert driver.refused(Cancel("other", "x", "again")) == "key_reused"
    assert driver.do(Cancel("r", "x", "anew")) == Changed(True, "cancelled")
    driver.now += KEPT
    driver.do(Rerun("r"))
    assert driver.do(Cancel("r", "x", "again")) == Changed(True, "cancelled")
    assert driver.state("r") == "cancelled"


def test_what_a_cancel_did_not_change_it_does_not_change_when_it_is_sent_again(
    driver: Driver,
) -> None:
    driver.enqueue(run_id="r")
    driver.do(Cancel("r", "x"))
    assert driver.do(Cancel("r", "x", "late")) == Changed(False, "cancelled")
    driver.do(Rerun("r"))
    assert driver.do(Cancel("r", "x", "late")) == Changed(False, "cancelled")
    assert driver.state("r") == "pending"


def test_a_cancel_that_was_refused_may_be_tried_again(driver: Driver) -> None:
    assert driver.refused(Cancel("r", "x", "early")) == "run_not_found"
    driver.enqueue(run_id="r")
    assert driver.do(Cancel("r", "x", "early")) == Changed(True, "cancelled")


def test_a_rerun_that_is_sent_again_after_it_has_ended_is_not_done_again(driver: Driver) -> None:
    driver.enqueue(run_id="r")
    driver.do(Cancel("r", "x"))
    assert driver.do(Rerun("r", None, "again")) == Changed(True, "pending")
    driver.do(Cancel("r", "y"))
    assert driver.do(Rerun("r", None, "again")) == Changed(True, "pending")
    assert driver.state("r") == "cancelled"
    driver.enqueue(run_id="other")
    assert driver.refused(Rerun("other", None, "again")) == "key_reused"
    assert driver.do(Rerun("r", None, "anew")) == Changed(True, "pending")
    assert driver.state("r") == "pending"
