"""What stands still, page by page: events with who waits for them, mail, deadlines, logs."""

from tako.commands import (
    GetQueues,
    ListDue,
    ListEventGroups,
    ListLogs,
    ListMailbox,
    ListWaitersOf,
    Log,
)
from tako.model import DueThing, LogLine
from tests.store.driver import INT, START, Driver


def line(seq: int, text: str = "x") -> LogLine:
    return LogLine(seq, START, "INFO", text, 1)


def test_waiters_are_grouped_by_event_and_paged(driver: Driver) -> None:
    for event in ("b", "a", "b", "c:1", "c:2"):
        driver.parked(event)
    page = driver.do(ListEventGroups(limit=2))
    assert [(g.event, g.waiters) for g in page.groups] == [("a", 1), ("b", 2)]
    rest = driver.do(ListEventGroups(after=page.next))
    assert [g.event for g in rest.groups] == ["c:1", "c:2"]
    assert rest.next is None
    assert [g.event for g in driver.do(ListEventGroups(prefix="c:")).groups] == ["c:1", "c:2"]


def test_who_waits_for_one_event_is_paged_in_their_order(driver: Driver) -> None:
    runs = [driver.parked("e").id for _ in range(5)]
    page = driver.do(ListWaitersOf("e", limit=3))
    assert [w.run_id for w in page.waiters] == runs[:3]
    rest = driver.do(ListWaitersOf("e", after=page.next, limit=3))
    assert [w.run_id for w in rest.waiters] == runs[3:]
    assert rest.next is None


def test_the_mailbox_has_what_nobody_took_and_why_it_was_refused(driver: Driver) -> None:
    for number in range(3):
        driver.signal("b", str(number))
    driver.signal("a", '"no"')
    run = driver.start()
    driver.wait(run, "a", schema=INT)
    page = driver.do(ListMailbox(limit=3))
    assert [(e.event, e.state) for e in page.events] == [
        ("a", "refused"),
        ("b", "buffered"),
        ("b", "buffered"),
    ]
    assert "integer" in page.events[0].reason
    assert [e.payload for e in driver.do(ListMailbox(after=page.next)).events] == ["2"]
    assert len(driver.do(ListMailbox(prefix="b")).events) == 3


def test_deadlines_of_one_moment_are_paged_without_a_gap_or_a_double(driver: Driver) -> None:
    runs = [driver.enqueue(run_at=START + 1_000 + at) for at in (0, 5, 5, 5, 5, 5, 9)]
    seen: list[DueThing] = []
    after = None
    while True:
        page = driver.do(ListDue(limit=2, after=after))
        seen += page.things
        after = page.next
        if after is None:
            break
    assert [thing.run_id for thing in seen] == runs


def test_lines_that_are_sent_again_are_kept_once(driver: Driver) -> None:
    run = driver.start()
    log = Log(run.id, run.lease_id, [line(10, "a"), line(20, "b")])
    driver.batch(log, log)
    driver.do(Log(run.id, run.lease_id, [line(15, "between"), line(20, "b"), line(30, "c")]))
    page = driver.do(ListLogs(run.id, limit=3))
    assert [x.message for x in page.lines] == ["a", "between", "b"]
    assert [x.message for x in driver.do(ListLogs(run.id, page.next)).lines] == ["c"]


def test_lines_of_a_lost_lease_are_dropped(driver: Driver) -> None:
    run = driver.start()
    assert driver.refused(Log(run.id, "another", [line(1)])) == "lease_lost"
    assert driver.do(ListLogs(run.id)).lines == []


def test_logs_of_no_run_are_refused(driver: Driver) -> None:
    assert driver.refused(ListLogs("nonesuch")) == "run_not_found"


def test_queues_tell_how_many_are_ready_and_since_when_the_oldest_is_there(driver: Driver) -> None:
    driver.enqueue()
    driver.now += 500
    driver.enqueue()
    driver.enqueue(group="gpu")
    driver.enqueue(delay=1_000)
    queues = driver.do(GetQueues()).groups
    assert [(q.group, q.ready, q.oldest_at) for q in queues] == [
        ("default", 2, START),
        ("gpu", 1, START + 500),
    ]
