"""Random commands, at random times and in random batches, to the store and to a plain model.

After each batch the replies, the pushes and everything that can be looked at must be the same.
"""

import os
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test
from msgspec.structs import replace

from tako import commands as c
from tako.model import BrokenModule, LogLine, RunState, Schedule, WorkflowInfo
from tako.store import logs, waiting, working
from tests.store.comparison import AT_ONCE, LINES, PAGE, Both
from tests.store.driver import INT, TEXT
from tests.store.model_schedules import COMES, run_id_of

EXAMPLES = int(os.environ.get("TAKO_MODEL_EXAMPLES", "72"))

TAGS = st.sampled_from([(), (), ("red",), ("red", "blue", "red")])
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
ZONES = st.sampled_from(["", "UTC", "Asia/Kolkata"])
PAYLOADS = st.sampled_from([None, None, "1"])
SCHEDULES = st.builds(
    lambda comes, payload: Schedule(comes[0], comes[1], payload),
    st.sampled_from([*COMES, *list(COMES)[1:6]]),
    PAYLOADS,
)
TOLD = st.builds(
    WorkflowInfo,
    name=st.just(""),
    group=GROUPS,
    timeout=st.sampled_from([None, 1000]),
    schedule=SCHEDULES,
)
ACTS: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("told"), TOLD, st.booleans()),
    st.tuples(st.just("told_again"), st.tuples(PAYLOADS, ZONES), st.booleans()),
    st.tuples(st.just("gone"), BROKEN, st.booleans()),
    st.tuples(st.just("moment"), st.sampled_from([-1, 0, 0, 1, 5000, 3_600_000]), st.booleans()),
    st.tuples(st.just("back"), st.sampled_from([1, 900, 5000, 3_600_000]), st.booleans()),
    st.tuples(st.just("by_hand"), st.sampled_from("vw"), st.booleans()),
)
ERROR = '{"type":"ValueError","message":"oops"}'


class Comparison(Both):
    """Each rule adds a command to a batch; some of them send it."""

    # --- rules

    @initialize(told=TOLD | st.just(WorkflowInfo("")))
    def begin(self, told: WorkflowInfo) -> None:
        self._register([replace(told, name=name) for name in "vw"], [], True)

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

    @rule(name=WORKFLOWS, begin=TOLD, acts=st.lists(ACTS, min_size=2, max_size=8))
    def a_schedule_lives(
        self, name: str, begin: WorkflowInfo, acts: list[tuple[str, Any, bool]]
    ) -> None:
        """What can happen to one, more of it than chance would bring; begun beside another."""
        self.begin(begin)
        for act, what, go in acts:
            if schedule := self.model.schedules.known.get(name):
                getattr(self, f"_{act}")(name, what, go, schedule)

    def _told(self, name: str, info: WorkflowInfo, go: bool, _: Schedule) -> None:
        self._register([replace(info, name=name), *self._others(name)], [], go)

    def _told_again(self, name: str, what: tuple[str | None, str], go: bool, was: Schedule) -> None:
        """With another payload or in another zone, or as it was."""
        payload, zone = what
        there = zone if (was.rule, zone) in COMES else was.zone
        info = replace(self.model.workflows[name], schedule=Schedule(was.rule, there, payload))
        self._register([info, *self._others(name)], [], go)

    def _gone(self, name: str, broken: list[BrokenModule], go: bool, _: Schedule) -> None:
        self._register(self._others(name), broken, go)

    def _others(self, name: str) -> list[WorkflowInfo]:
        return [info for info in self.model.workflows.values() if info.name != name]

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
            "run_at": data.draw(st.sampled_from([None, None, self.driver.now + 5])),
            "tags": data.draw(TAGS),
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
            self.add(c.Cancel(run.id, "not wanted", data.draw(KEYS)), go)

    @rule(go=st.booleans(), data=st.data())
    def rerun(self, go: bool, data: st.DataObject) -> None:
        if run := self.a_run(data, "failed", "cancelled") or self.a_run(data):
            names = [None, None, "no-step", *run.steps]
            self.add(c.Rerun(run.id, data.draw(st.sampled_from(names)), data.draw(KEYS)), go)

    @rule(go=st.booleans(), count=st.integers(0, 5), again=st.booleans(), data=st.data())
    def log(self, go: bool, count: int, again: bool, data: st.DataObject) -> None:
        """Some lines, of which the first may have been sent before."""
        if held := self.held(data):
            numbers = [self.fresh() for _ in range(count)]
            lines = [LogLine(n, self.driver.now, "INFO", f"{n}", 1) for n in numbers]
            if again:
                self.add(c.Log(held[0], held[1], lines[:2]), False)
            self.add(c.Log(held[0], held[1], lines), go)

    @rule(
        state=st.sampled_from([None, *RunState]),
        workflow=st.sampled_from([None, "v", "w"]),
        tag=st.sampled_from([None, None, "red", "blue"]),
        text=st.sampled_from([None, None, "r", "r0", "v-20", "oops", "not wanted", "WorkerLost"]),
        limit=st.sampled_from([1, 3, 50]),
        data=st.data(),
    )
    def look_for_runs(self, limit: int, data: st.DataObject, **wanted: Any) -> None:
        self.send()
        before = data.draw(st.sampled_from([None, *self.model.runs]))
        self.compare_list(c.ListRuns(limit=limit, before=before, **wanted))

    @rule(go=st.booleans(), worker=WORKERS)
    def heartbeat(self, go: bool, worker: str) -> None:
        self.add(c.Heartbeat(worker), go)

    @rule(go=st.booleans(), limit=LIMITS)
    def tick(self, go: bool, limit: int) -> None:
        self.add(c.Tick(limit), go)

    @rule(go=st.booleans(), worker=WORKERS, blame=st.booleans())
    def lose_a_worker(self, go: bool, worker: str, blame: bool) -> None:
        self.add(c.Lost(worker, "killed", blame=blame), go)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(working, "PAGE_STEPS", PAGE)
    monkeypatch.setattr(logs, "LOG_LINES", LINES)


def test_the_store_does_what_the_model_does() -> None:
    # The notes tell the whole story; to shorten it takes minutes.
    phases = [phase for phase in Phase if phase is not Phase.shrink]
    run_state_machine_as_test(
        Comparison,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=50, phases=phases),
    )
