"""Random commands, at random times and in random batches, to the store and to a plain model.

After each batch the replies, the pushes and everything that can be looked at must be the same.
"""

import asyncio
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tako import commands as c
from tako.model import BrokenModule, Schedule, WorkflowInfo
from tako.store import waiting, working
from tests.store import model_looks as looks
from tests.store.driver import INT, START, TEXT, Driver
from tests.store.model_nouns import ModelRun
from tests.store.model_schedules import COMES, run_id_of
from tests.store.model_store import UNFINISHED, UNSAID, ModelStore

AT_ONCE, PAGE = 3, 4  # small, so that few waiters are many
EXAMPLES = int(os.environ.get("TAKO_MODEL_EXAMPLES", "80"))

WORKERS = st.sampled_from(["a", "a", "b", "s"])
WORKFLOWS = st.sampled_from(["v", "w"])
GROUPS = st.sampled_from([*["default"] * 5, "mail"])
EVENTS = st.sampled_from(["e", "e", "f"])
STEPS = st.sampled_from(["s1", "s1", "s2", "s2", "s3", "s4", "s5"])
WAITS = st.sampled_from(["w1", "w2", "w3"])
KEYS = st.sampled_from([None, None, "k", "l"])
TIMES = st.sampled_from([1, 5, 10, 1000])
SOON = st.none() | TIMES
LIMITS = st.sampled_from([1, 2, 500])
RARELY = st.sampled_from([False, False, True])
SCHEMAS = st.sampled_from([None, None, None, INT, TEXT])
BROKEN = st.sampled_from([[], [BrokenModule("m", "SyntaxError")]])
OPTIONS: st.SearchStrategy[Any] = st.sampled_from([{}, {}, {"timeout": 1000}, {"group": "mail"}])
ZONES = st.sampled_from(["", "", "UTC", "Asia/Kolkata"])
PAYLOADS = st.sampled_from([None, None, "1"])
SCHEDULES = st.builds(
    lambda comes, payload: Schedule(comes[0], comes[1], payload),
    st.sampled_from([*COMES, *list(COMES)[1:6]]),
    PAYLOADS,
)
ACTS: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("told"), st.tuples(st.none() | SCHEDULES, OPTIONS), st.booleans()),
    st.tuples(st.just("told_again"), st.tuples(PAYLOADS, ZONES), st.booleans()),
    st.tuples(st.just("gone"), BROKEN, st.booleans()),
    st.tuples(st.just("moment"), st.sampled_from([-1, 0, 0, 1, 5000, 3_600_000]), st.booleans()),
    st.tuples(st.just("back"), st.sampled_from([1, 900, 5000, 3_600_000]), st.booleans()),
    st.tuples(st.just("by_hand"), st.sampled_from("vw"), st.booleans()),
)
ERROR = '{"type":"ValueError","message":"oops"}'


class Comparison(RuleBasedStateMachine):
    """Each rule adds a command to a batch; some of them send it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="tako-model-")
        self.runner = asyncio.Runner()
        self.driver = Driver.on_file(Path(self.folder.name) / "runs.db", self.runner)
        self.model = ModelStore(AT_ONCE, PAGE)
        self.batch: list[c.Command] = []
        self.sent: list[c.Signal] = []
        self.number = 0
        self.shown: list[Any] = []

    def teardown(self) -> None:
        try:
            self.send()
        finally:
            self.driver.store.close()
            self.runner.close()
            self.folder.cleanup()

    def add(self, command: c.Command, go: bool = True) -> None:
        self.batch.append(command)
        if go:
            self.send()

    def send(self) -> None:
        """Execute the batch on both, and compare."""
        batch, self.batch = self.batch, []
        if not batch:
            return  # the effects to be seen are still those of the last one
        before = looks.could_be_claimed(self.model), looks.next_due(self.model)
        replies = self.driver.batch(*batch)
        self.model.pushes, self.model.ended, self.model.scheduled = [], [], []
        for command, reply in zip(batch, replies, strict=True):
            note(f"{self.driver.now - START}: {command} -> {reply}")
            expected = self.model.execute(command, self.driver.now, reply)
            assert without_words(reply) == without_words(expected)
        self.compare_effects(*before)

    def compare_effects(self, claimable: dict[str, set[str]], due: int | None) -> None:
        effects = self.driver.effects
        pushed = [(worker, without_words(push)) for worker, push in effects.pushes]
        assert sorted(map(repr, pushed)) == sorted(map(repr, self.model.pushes))
        assert sorted(effects.ended) == sorted(self.model.ended)
        assert set(self.model.scheduled) <= set(effects.runs)
        spreading = {e.id for e in self.model.events if e.state == "spreading"}
        assert set(self.driver.store.spreading()) == spreading
        for group, runs in looks.could_be_claimed(self.model).items():
            assert runs <= claimable.get(group, set()) or group in effects.ready
        now_due = looks.next_due(self.model)
        assert self.driver.store.next_due() == now_due
        earlier = now_due is not None and (due is None or now_due < due)
        assert effects.timed or not earlier, "the timer would sleep too long"

    def a_run(self, data: st.DataObject, *states: str) -> ModelRun | None:
        """Mostly one in one of ``states``."""
        runs = [run for run in self.model.runs.values() if not states or run.state in states]
        return data.draw(st.sampled_from(runs)) if runs else None

    def held(self, data: st.DataObject) -> tuple[str, str, int] | None:
        """Run, lease and attempt of one that is running, now and then of one that is not."""
        run = self.a_run(data, "running") or self.a_run(data)
        return None if run is None else (run.id, run.lease or "an-old-lease", run.attempt)

    def fresh(self) -> int:
        self.number += 1
        return self.number

    # --- rules

    @initialize()
    def begin(self) -> None:
        workflows = [WorkflowInfo(name) for name in "vw"]
        self.add(c.Register("registrar", 1, "default", 1, workflows=workflows))

    @rule(ms=st.sampled_from([1, 4, 5, 10, 990, 1000, 30_000]))
    def time_passes(self, ms: int) -> None:
        self.send()
        self.driver.now += ms

    @rule(ms=st.sampled_from([1, 900, 5000]))
    def the_clock_is_set_back(self, ms: int) -> None:
        """Not in the middle of a broadcast: who had timed out before it stays out of the next."""
        self.send()
        if any(event.state == "spreading" for event in self.model.events):
            return
        self.driver.now -= ms
        self.add(c.ShiftLeases(-ms))

    @rule(name=WORKFLOWS, first=SCHEDULES, acts=st.lists(ACTS, min_size=2, max_size=8))
    def a_schedule_lives(
        self, name: str, first: Schedule, acts: list[tuple[str, Any, bool]]
    ) -> None:
        """What can happen to one, more of it than chance would bring."""
        if name not in self.model.schedules.known:
            self._told(name, (first, {}), True)
        for act, what, go in acts:
            if schedule := self.model.schedules.known.get(name):
                getattr(self, f"_{act}")(name, what, go, schedule)

    def _told(self, name: str, what: tuple[Schedule | None, Any], go: bool, *_: Any) -> None:
        schedule, options = what
        told = WorkflowInfo(name, schedule=schedule, **options)
        self._register([told, *self._others(name)], [], go)

    def _told_again(self, name: str, what: tuple[str | None, str], go: bool, was: Schedule) -> None:
        """With another payload or in another zone, or as it was."""
        payload, zone = what
        there = zone if (was.rule, zone) in COMES else was.zone
        self._told(name, (Schedule(was.rule, there, payload), {}), go)

    def _gone(self, name: str, broken: list[BrokenModule], go: bool, _: Schedule) -> None:
        self._register(self._others(name), broken, go)

    def _others(self, name: str) -> list[WorkflowInfo]:
        known = self.model.schedules.known
        return [WorkflowInfo(other, schedule=known.get(other)) for other in "vw" if other != name]

    def _register(
        self, workflows: list[WorkflowInfo], broken: list[BrokenModule], go: bool
    ) -> None:
        self.add(c.Register("registrar", 1, "default", 1, False, workflows, broken), go)

    def _moment(self, _: str, off: int, go: bool, schedule: Schedule) -> None:
        """It comes, or nearly, or others after it; there may be no room for all that is due."""
        self.send()
        if schedule.next_at is not None:
            self.driver.now = max(self.driver.now, schedule.next_at + off)
            self.add(c.Tick(1), go)

    def _back(self, _: str, ms: int, *__: Any) -> None:
        self.the_clock_is_set_back(ms)

    def _by_hand(self, _: str, workflow: str, go: bool, schedule: Schedule) -> None:
        """Somebody has enqueued the run of the moment before it comes."""
        if schedule.next_at is not None:
            run_id = run_id_of(workflow, schedule.next_at)
            self.add(c.Enqueue(run_id, workflow, '"by hand"', "default"), go)

    @rule()
    def a_new_process_opens_the_store(self) -> None:
        self.send()
        self.driver.restart()

    @rule(go=st.booleans(), workflow=WORKFLOWS, group=GROUPS, count=st.integers(1, 4))
    def enqueue_some(self, go: bool, workflow: str, group: str, count: int) -> None:
        for _ in range(count):
            run_id = f"r{self.fresh():03}"
            self.add(c.Enqueue(run_id, workflow, "{}", group), go)

    @rule(go=st.booleans(), workflow=st.sampled_from("vwx"), data=st.data())
    def enqueue(self, go: bool, workflow: str, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([self.fresh(), max(1, self.number - 3)]))
        options: dict[str, Any] = {
            "group": data.draw(st.none() | GROUPS),
            "delay": data.draw(SOON),
            "retries": data.draw(st.sampled_from([None, 3])),
            "unique_key": data.draw(KEYS),
            "priority": data.draw(st.sampled_from([0, 0, 5])),
            "timeout": data.draw(SOON),
        }
        self.add(c.Enqueue(f"r{number:03}", workflow, str(number), **options), go)

    @rule(go=st.booleans(), worker=WORKERS, data=st.data())
    def register(self, go: bool, worker: str, data: st.DataObject) -> None:
        limits = st.sampled_from([None, 1, 2])
        workflows = [
            WorkflowInfo(
                name,
                data.draw(GROUPS),
                concurrency=data.draw(limits),
                timeout=data.draw(st.sampled_from([None, None, 1000])),
                schema=data.draw(SCHEMAS),
                schedule=data.draw(st.none() | SCHEDULES),
            )
            for name in data.draw(st.sampled_from(["vw", "vw", "vw", "v"]))
        ]
        broken = data.draw(BROKEN)
        held = sorted(r.lease for r in self.model.runs.values() if r.lease and r.worker == worker)
        leases = [*held[: data.draw(st.integers(0, 3))], "an-old-lease"]
        command = c.Register(
            worker, 1, "default", 1, False, workflows, broken, leases, again=data.draw(RARELY)
        )
        self.add(command, go)

    @rule(go=st.booleans(), worker=WORKERS, limit=st.integers(0, 4), data=st.data())
    def claim(self, go: bool, worker: str, limit: int, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from([("v", "w"), ("v", "w"), ("w",)]))
        lease = data.draw(st.sampled_from([1000, 30_000]))
        group = data.draw(GROUPS)
        self.add(c.Claim(limit, worker, group, known, worker == "s", lease), go)

    @rule(go=st.booleans(), name=STEPS, ok=st.sampled_from([True, True, False]), data=st.data())
    def save_a_step(self, go: bool, name: str, ok: bool, data: st.DataObject) -> None:
        if held := self.held(data):
            run_id, lease_id, attempt = held
            outcome, value = ("ok", str(self.fresh())) if ok else ("failed", ERROR)
            times = data.draw(st.integers(1, 2))
            command = c.SaveStep(
                run_id, lease_id, name, "run", outcome, value, attempt, self.driver.now
            )
            for _ in range(times):
                self.add(command, False)
            self.add(self.batch.pop(), go)

    @rule(go=st.booleans(), name=WAITS, event=EVENTS, park=st.booleans(), data=st.data())
    def wait(self, go: bool, name: str, event: str, park: bool, data: st.DataObject) -> None:
        if held := self.held(data):
            times = (data.draw(st.none() | st.just(0) | TIMES), None)
            schema = data.draw(SCHEMAS)
            rest = ("wait_for", event, *times, schema, held[2])
            self.add(c.Wait(held[0], held[1], name, *rest), go and not park)
            if park:
                self.add(c.Park(held[0], held[1], [name]), go)

    @rule(event=EVENTS, timeout=SOON, schema=SCHEMAS)
    def many_wait(self, event: str, timeout: int | None, schema: str | None) -> None:
        self.enqueue_some(False, "w", "default", AT_ONCE * 2)
        self.add(c.Claim(AT_ONCE * 2, "b", "default", ("w",), lease=10**9))
        for run in self.model.runs.values():
            if run.lease is not None:
                rest = ("wait_for", event, timeout, None, schema, run.attempt)
                self.add(c.Wait(run.id, run.lease, "w9", *rest), False)
                self.add(c.Park(run.id, run.lease, ["w9"]), False)
        self.send()

    @rule(again=st.sampled_from(["fail", "lost", "release"]), name=STEPS, data=st.data())
    def try_again(self, again: str, name: str, data: st.DataObject) -> None:
        """A step fails and its run goes through another pass, in which it does not."""
        run = self.a_run(data, "running")
        if run is None or run.lease is None or run.worker is None:
            return
        worker, lease_id = run.worker, run.lease
        failure = c.SaveStep(run.id, lease_id, name, "run", "failed", ERROR, run.attempt, 1)
        fail, release = c.Fail(run.id, lease_id, ERROR, 0), c.Release(run.id, lease_id)
        self.add(failure, False)
        ends: dict[str, c.Command] = {
            "fail": fail,
            "lost": c.Lost(worker, "killed"),
            "release": release,
        }
        self.add(ends[again])
        solo = run.isolated
        self.add(c.Claim(20, worker, run.group, ("v", "w"), solo))
        if run.lease is not None:
            result = str(self.fresh())
            self.add(c.SaveStep(run.id, run.lease, name, "run", "ok", result, run.attempt, 2))

    @rule(go=st.booleans(), name=st.sampled_from(["w7", "w8"]), ms=TIMES, data=st.data())
    def sleep(self, go: bool, name: str, ms: int, data: st.DataObject) -> None:
        if held := self.held(data):
            rest = ("sleep", None, None, self.driver.now + ms - 3, None, held[2])
            self.add(c.Wait(held[0], held[1], name, *rest), False)
            self.add(c.Park(held[0], held[1], [name]), go)

    @rule(go=st.booleans(), name=WAITS, data=st.data())
    def give_a_wait_up(self, go: bool, name: str, data: st.DataObject) -> None:
        if held := self.held(data):
            self.add(c.Unwait(held[0], held[1], name), go)

    @rule(go=st.booleans(), names=st.lists(WAITS, max_size=3, unique=True), data=st.data())
    def park(self, go: bool, names: list[str], data: st.DataObject) -> None:
        if held := self.held(data):
            self.add(c.Park(held[0], held[1], names), go)

    @rule(go=st.booleans(), how=st.integers(0, 5), data=st.data())
    def end_a_pass(self, go: bool, how: int, data: st.DataObject) -> None:
        if held := self.held(data):
            run_id, lease_id, _ = held
            retry_in = data.draw(st.sampled_from([0, 0, 5, 1000]))
            ends: list[c.Command] = [
                c.Succeed(run_id, lease_id, "1"),
                c.Bail(run_id, lease_id, "rejected"),
                c.Fail(run_id, lease_id, ERROR),
                c.Fail(run_id, lease_id, ERROR, retry_in),
                c.Release(run_id, lease_id),
                c.Load(run_id, lease_id, "s2"),
            ]
            self.add(ends[how], go)

    @rule(go=st.booleans(), event=EVENTS, key=KEYS, ttl=TIMES, text=st.booleans())
    def signal(self, go: bool, event: str, key: str | None, ttl: int, text: bool) -> None:
        number = self.fresh()
        payload = f'"{number}"' if text else str(number)
        command = c.Signal(f"x{number}", event, payload, key, ttl * 10)
        self.sent.append(command)
        self.add(command, go)

    @rule(data=st.data())
    def signal_again(self, data: st.DataObject) -> None:
        """While it is kept: after that, it is another signal."""
        self.send()
        known = {event.id for event in self.model.events}
        if kept := [sent for sent in self.sent if sent.event_id in known]:
            self.add(data.draw(st.sampled_from(kept)))

    @rule(go=st.booleans(), data=st.data())
    def spread(self, go: bool, data: st.DataObject) -> None:
        events = [e.id for e in self.model.events if e.state == "spreading"]
        event_id = data.draw(st.sampled_from([*events, "no-event"]))
        self.add(c.Spread(event_id), go)

    @rule(go=st.booleans(), data=st.data())
    def cancel(self, go: bool, data: st.DataObject) -> None:
        if run := self.a_run(data):
            self.add(c.Cancel(run.id, "not wanted"), go)

    @rule(go=st.booleans(), data=st.data())
    def rerun(self, go: bool, data: st.DataObject) -> None:
        if run := self.a_run(data, "failed", "cancelled") or self.a_run(data):
            names = [None, None, "no-step", *run.steps]
            self.add(c.Rerun(run.id, data.draw(st.sampled_from(names))), go)

    @rule(go=st.booleans(), worker=WORKERS)
    def heartbeat(self, go: bool, worker: str) -> None:
        self.add(c.Heartbeat(worker), go)

    @rule(go=st.booleans(), limit=LIMITS)
    def tick(self, go: bool, limit: int) -> None:
        self.add(c.Tick(limit), go)

    @rule(go=st.booleans(), worker=WORKERS, blame=st.booleans())
    def lose_a_worker(self, go: bool, worker: str, blame: bool) -> None:
        self.add(c.Lost(worker, "killed", blame=blame), go)

    # --- what must always hold

    @invariant()
    def both_show_the_same(self) -> None:
        if self.batch:
            return
        runs = list(self.model.runs.values())
        looks: list[c.Command] = [c.Get(run.id) for run in runs]
        looks += [c.ListSteps(run.id) for run in runs]
        replies = self.driver.batch(*looks)
        for run, reply in zip(runs, replies, strict=False):
            assert without_error(reply.run, run) == run.shown()
        for run, reply in zip(runs, replies[len(runs) :], strict=False):
            assert reply.steps == list(run.steps.values())
            waiters = sorted(reply.waiters, key=lambda w: w.name)
            assert waiters == self.model.waiters_of(run)
        self.shown = replies

    @invariant()
    def no_run_is_in_a_state_that_makes_no_sense(self) -> None:
        if self.batch or not self.shown:
            return
        half = len(self.shown) // 2
        for seen, listed in zip(self.shown[:half], self.shown[half:], strict=True):
            run = seen.run
            assert (run.state == "running") == (run.worker_id is not None)
            assert run.state != "waiting" or listed.waiters, "nothing could ever wake it"
            assert run.state in UNFINISHED or not listed.waiters
            assert (run.state in UNFINISHED) == (run.finished_at is None)
            names = [step.name for step in listed.steps]
            assert len(set(names)) == len(names)
            assert all(a.outcome or b.outcome for a, b in pairwise(listed.steps))

    @invariant()
    def an_event_reaches_each_wait_at_most_once(self) -> None:
        if self.batch or not self.shown:
            return
        half = len(self.shown) // 2
        taken: dict[str | None, int] = {}
        for listed in self.shown[half:]:
            for step in listed.steps:
                if step.kind == "wait_for" and step.outcome == "ok":
                    taken[step.value] = taken.get(step.value, 0) + 1
        for event in self.model.events:
            assert taken.get(event.payload, 0) <= event.delivered

    @invariant()
    def both_list_the_same(self) -> None:
        if self.batch:
            return
        waits, listed, known, due = self.driver.batch(
            c.ListWaits(limit=1000),
            c.ListRuns(limit=1000),
            c.ListWorkflows(),
            c.ListDue(limit=1000),
        )
        assert {(w.run_id, w.name) for w in waits.waiters} == {
            (w.run.id, w.name) for w in self.model.waiters
        }
        deadlines = [(w.deadline is None, w.deadline) for w in waits.waiters]
        assert deadlines == sorted(deadlines)
        kept = [e for e in self.model.events if e.state in ("buffered", "refused")]
        assert [(e.id, e.state) for e in waits.events] == [(e.id, e.state) for e in kept]
        assert [run.id for run in listed.runs] == list(self.model.runs)[::-1]
        assert known.workflows == looks.workflows(self.model)
        assert sorted((t.at, t.kind, t.run_id, t.name) for t in due.things) == looks.due_things(
            self.model
        )
        assert [thing.at for thing in due.things] == sorted(thing.at for thing in due.things)


def without_words(message: Any) -> Any:
    """A reply or push, with the texts for people left out, and what has no order sorted."""
    if isinstance(message, c.Error):
        return c.Error(message.code, UNSAID)
    if isinstance(message, c.Stop):
        return msgspec.structs.replace(message, reason=UNSAID)
    if isinstance(message, c.Claimed):
        return [
            msgspec.structs.replace(run, waiters=sorted(run.waiters, key=lambda w: w.name))
            for run in message.runs
        ]
    return message


def without_error(seen: Any, run: ModelRun) -> Any:
    if run.error == UNSAID and seen.error is not None:
        return msgspec.structs.replace(seen, error=UNSAID)
    return seen


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(working, "PAGE_STEPS", PAGE)


def test_the_store_does_what_the_model_does() -> None:
    # The notes tell the whole story; to shorten it takes minutes.
    phases = [phase for phase in Phase if phase is not Phase.shrink]
    run_state_machine_as_test(
        Comparison,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=50, phases=phases),
    )
