"""Signals: early, late, double, at the same time, at the deadline, and of the wrong type."""

import pytest

from tako.commands import Command, Deliver, Error, ListWaits, Signal, Signalled, Tick, Wait, Waiting
from tests.store.driver import INT, START, TEXT, Driver, waiting

DAY = 86_400_000


def test_a_signal_before_the_wait_is_kept_and_taken_by_the_next_waiter(driver: Driver) -> None:
    assert driver.signal("e", "5") == Signalled("buffered", 0)
    run = driver.start()
    reply = driver.wait(run)
    assert (reply.record.outcome, reply.record.value) == ("ok", "5")
    assert driver.step(run) == ("ok", "5")
    assert driver.wait(run, name="second") == Waiting(None), "it is taken once"


def test_a_kept_event_goes_to_one_waiter(driver: Driver) -> None:
    driver.signal("e", "5")
    first, second = driver.start(), driver.start()
    assert driver.wait(first).record.value == "5"
    assert driver.wait(second) == Waiting(None)


def test_kept_events_are_taken_oldest_first(driver: Driver) -> None:
    for value in "123":
        driver.signal("e", value)
    run = driver.start()
    values = [driver.wait(run, name=f"w{n}").record.value for n in range(3)]
    assert values == ["1", "2", "3"]


def test_an_event_is_for_those_who_wait_for_its_name(driver: Driver) -> None:
    run = driver.parked("e")
    assert driver.signal("other").outcome == "buffered"
    assert driver.state(run) == "waiting"


def test_a_signal_reaches_all_who_wait_for_it(driver: Driver) -> None:
    parked = [driver.parked() for _ in range(3)]
    running = driver.start(worker="b")
    driver.wait(running)
    assert driver.signal("e", "5") == Signalled("delivered", 4)
    assert [driver.state(run) for run in parked] == ["pending"] * 3
    assert driver.delivered() == [("b", running.id, "5")]


def test_a_second_signal_finds_nobody_and_is_kept(driver: Driver) -> None:
    driver.parked()
    assert driver.signal().outcome == "delivered"
    assert driver.signal().outcome == "buffered"


def test_simultaneous_signals_each_go_to_somebody_or_are_kept(driver: Driver) -> None:
    run = driver.parked()
    signals = [Signal(driver.new("event"), "e", str(n)) for n in range(3)]
    replies = driver.batch(*signals)
    assert [reply.outcome for reply in replies] == ["delivered", "buffered", "buffered"]
    assert driver.step(run) == ("ok", "0")


def test_a_signal_while_its_run_executes_reaches_its_worker(driver: Driver) -> None:
    run = driver.start(worker="b")
    driver.wait(run)
    driver.signal("e", "5")
    ((worker, push),) = driver.effects.pushes
    assert isinstance(push, Deliver)
    assert (worker, push.run_id, push.lease_id) == ("b", run.id, run.lease_id)
    assert (push.record.name, push.record.value) == ("wait", "5")
    assert driver.steps(run) == [push.record]


def test_a_signal_just_before_the_deadline_wins(driver: Driver) -> None:
    run = driver.parked(timeout=1000)
    driver.now = START + 999
    assert driver.signal().outcome == "delivered"
    driver.tick(START + 1000)
    assert driver.step(run)[0] == "ok"


def test_a_signal_at_the_deadline_does_not_reach_the_waiter(driver: Driver) -> None:
    run = driver.parked(timeout=1000)
    driver.now = START + 1000
    assert driver.signal().outcome == "buffered", "the timer has not come yet, but it is over"
    assert driver.state(run) == "waiting"
    driver.tick()
    assert driver.step(run) == ("timeout", None)


@pytest.mark.parametrize("signal_first", [True, False])
def test_signal_and_deadline_in_one_batch_have_one_winner(
    driver: Driver, signal_first: bool
) -> None:
    run = driver.parked(timeout=1000)
    driver.now = START + 1000
    batch: list[Command] = [Signal("x", "e", "1"), Tick()]
    driver.batch(*batch[:: 1 if signal_first else -1])
    assert driver.step(run) == ("timeout", None)
    assert driver.do(ListWaits()).events[0].state == "buffered"


def test_a_signal_after_the_end_of_its_run_is_kept(driver: Driver) -> None:
    run = driver.start()
    driver.wait(run)
    driver.succeed(run)
    assert driver.signal().outcome == "buffered"


def test_a_signal_with_a_known_key_is_a_duplicate(driver: Driver) -> None:
    run = driver.parked()
    assert driver.signal("e", "1", key="k") == Signalled("delivered", 1)
    assert driver.signal("e", "2", key="k") == Signalled("duplicate", 1)
    assert driver.step(run) == ("ok", "1")
    assert driver.signal("other", "3", key="k").outcome == "buffered", "a key is per event"


def test_a_key_counts_within_one_batch_too(driver: Driver) -> None:
    replies = driver.batch(*[Signal(f"x{n}", "e", str(n), "k") for n in range(2)])
    assert [reply.outcome for reply in replies] == ["buffered", "duplicate"]
    run = driver.start()
    assert driver.wait(run).record.value == "0"


def test_a_key_is_forgotten_when_its_event_expires(driver: Driver) -> None:
    driver.signal("e", "1", key="k", ttl=DAY)
    driver.now += DAY
    assert driver.signal("e", "2", key="k", ttl=DAY).outcome == "buffered"
    run = driver.start()
    assert driver.wait(run).record.value == "2"


def test_a_kept_event_expires(driver: Driver) -> None:
    driver.signal("e", "1", ttl=100)
    assert driver.effects.timed
    assert driver.store.next_due() == START + 100
    driver.now += 100
    run = driver.start()
    assert driver.wait(run) == Waiting(None), "also when nobody has swept it away"
    driver.tick()
    assert driver.do(ListWaits()).events == []


def test_an_event_is_taken_in_the_last_moment(driver: Driver) -> None:
    driver.signal("e", "1", ttl=100)
    driver.now += 99
    assert driver.wait(driver.start()).record.value == "1"


def test_a_bad_payload_is_refused_and_nothing_changed(driver: Driver) -> None:
    run, untyped = driver.parked(schema=INT), driver.parked()
    before = driver.get(run)
    reply = driver.batch(Signal("x", "e", '"text"', "k"))[0]
    assert isinstance(reply, Error)
    assert reply.code == "payload_refused"
    assert '"text"' in reply.message
    assert driver.get(run) == before
    assert driver.state(untyped) == "waiting", "it does not count for anyone"
    assert driver.do(ListWaits()).events == []
    assert driver.signal("e", "5", key="k").delivered == 2, "the key is still free"


def test_an_expired_key_is_no_reason_to_forget_when_the_payload_is_bad(driver: Driver) -> None:
    driver.signal("e", '"kept"', key="k", ttl=100)
    driver.now += 100
    driver.parked(schema=INT)
    assert driver.refused(Signal("x", "e", '"text"', "k")) == "payload_refused"
    driver.now -= 1
    assert driver.signal("e", key="k").outcome == "duplicate"


def test_a_waiter_past_its_deadline_has_no_say_about_the_payload(driver: Driver) -> None:
    driver.parked(schema=INT, timeout=100)
    run = driver.parked(schema=TEXT)
    driver.now += 100
    assert driver.signal("e", '"text"').delivered == 1
    assert driver.step(run) == ("ok", '"text"')


def test_a_kept_event_of_the_wrong_type_is_set_aside(driver: Driver) -> None:
    driver.signal("e", '"text"')
    driver.signal("e", "5")
    driver.signal("e", '"more"')
    run = driver.start()
    assert driver.wait(run, schema=INT).record.value == "5"
    assert driver.wait(run, name="second", schema=INT) == Waiting(None)
    events = driver.do(ListWaits()).events
    assert [(event.payload, event.state) for event in events] == [
        ('"text"', "refused"),
        ('"more"', "refused"),
    ]


def test_an_event_that_was_set_aside_goes_to_nobody_else(driver: Driver) -> None:
    driver.signal("e", '"text"')
    driver.wait(driver.start(), schema=INT)
    assert driver.wait(driver.start()) == Waiting(None)


def test_a_type_that_cannot_be_checked_fails_the_signal_alone(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    run = driver.start()
    other = driver.parked("other")
    driver.batch(waiting(run, schema='{"type":"nonsense"}'))
    replies = driver.batch(Signal("x1", "e", "1"), Signal("x2", "other", "1"))
    assert isinstance(replies[0], Error)
    assert replies[1] == Signalled("delivered", 1)
    assert driver.state(other) == "pending"
    assert "Signal cannot be carried out" in caplog.text


def test_open_waits_are_listed_nearest_deadline_first(driver: Driver) -> None:
    forever = driver.parked("e1")
    late = driver.parked("e2", timeout=2000)
    soon = driver.parked("e1", timeout=1000)
    listed = driver.do(ListWaits()).waiters
    assert [waiter.run_id for waiter in listed] == [soon.id, late.id, forever.id]
    assert [w.run_id for w in driver.do(ListWaits(limit=2)).waiters] == [soon.id, late.id]
    assert [w.run_id for w in driver.do(ListWaits("e1")).waiters] == [soon.id, forever.id]


def test_unclaimed_events_are_listed_oldest_first(driver: Driver) -> None:
    for n in range(3):
        driver.signal(f"e{n % 2}", str(n))
    events = driver.do(ListWaits()).events
    assert [(e.event, e.payload, e.created_at) for e in events] == [
        ("e0", "0", START),
        ("e1", "1", START),
        ("e0", "2", START),
    ]
    assert [e.payload for e in driver.do(ListWaits("e0")).events] == ["0", "2"]
    assert len(driver.do(ListWaits(limit=1)).events) == 1


def test_a_wait_is_the_same_whether_its_event_came_before_or_after(driver: Driver) -> None:
    early, late = driver.start(), driver.start()
    driver.signal("early", "5")
    commands: list[Wait] = [waiting(early, "early"), waiting(late, "late")]
    driver.batch(*commands)
    driver.signal("late", "5")
    assert driver.steps(early) == driver.steps(late)
