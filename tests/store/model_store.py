"""What a store must do, in plain Python: written from the words of commands.py, not from any SQL.

One thing is not decided here: which of several ready runs a Claim takes. The model is told what
the store chose, checks that it was allowed to, and goes on with that.
"""

from collections.abc import Callable
from typing import Any

from tako import commands as c
from tako.durations import format_ms
from tako.model import BrokenModule, LogLine, StepRecord, Waiter, WorkflowInfo
from tako.schema import validate_schema
from tests.store.model_nouns import ModelEvent, ModelRun, ModelWaiter
from tests.store.model_schedules import ModelSchedules, payload_of, run_id_of

UNFINISHED = ("pending", "running", "waiting")
LAST = 2**53 - 1  # the number of the line which says that more was logged
UNSAID = "*"  # a text for people that is there, whatever it says


class No(Exception):
    """A refusal, by its code."""


class ModelStore:
    """``at_once``: waiters one transaction delivers to; ``page``: steps in one reply; ``lines``: so
    many that a run logs are kept."""

    def __init__(self, at_once: int, page: int, lines: int) -> None:
        self.at_once, self.page, self.lines = at_once, page, lines
        self.now = 0
        self.runs: dict[str, ModelRun] = {}
        self.waiters: list[ModelWaiter] = []
        self.events: list[ModelEvent] = []
        self.workflows: dict[str, WorkflowInfo] = {}
        self.broken: list[BrokenModule] = []
        self.schedules = ModelSchedules()
        self.requests: dict[str | None, tuple[Any, c.Changed, int]] = {}
        self.pushes: list[tuple[str, c.Push]] = []
        self.ended: list[str] = []
        self.scheduled: list[str] = []  # runs that came in by themselves

    def execute(self, command: c.Command, now: int, told: Any) -> Any:
        """The reply; ``told`` is the store's, of which only a Claim's choice is used."""
        self.now = now
        handler: Callable[..., Any] = getattr(self, f"_{type(command).__name__.lower()}")
        try:
            return handler(command, told) if isinstance(command, c.Claim) else handler(command)
        except No as no:
            return c.Error(str(no), UNSAID)

    # --- from anywhere

    def _enqueue(self, e: c.Enqueue) -> c.Enqueued:
        group, timeout = e.group, e.timeout
        if group is None:
            info = self.workflows.get(e.workflow)
            if info is None:
                raise No("unknown_workflow")
            if info.schema is not None and validate_schema(e.payload, info.schema):
                raise No("payload_refused")
            group = info.group
            timeout = info.timeout if timeout is None else timeout
        return self._enter(e, self._group(e.workflow, group), timeout)

    def _enter(self, e: c.Enqueue, group: str, timeout: int | None) -> c.Enqueued:
        if e.run_id in self.runs:
            return c.Enqueued(e.run_id, False)
        holder = self._holder(e.workflow, e.unique_key)
        if holder is not None:
            return c.Enqueued(holder.id, False)
        due = e.run_at if e.run_at is not None else self.now + (e.delay or 0)
        run_at = due if due > self.now else None
        expires_at = None if timeout is None else (run_at or self.now) + timeout
        numbers = (len(self.runs), self.now, e.retries, e.priority, e.unique_key)
        run = ModelRun(
            e.run_id, e.workflow, group, e.payload, *numbers, run_at, timeout, expires_at
        )
        run.tags = tuple(sorted(set(e.tags)))
        self.runs[e.run_id] = run
        return c.Enqueued(e.run_id, True)

    def _holder(self, workflow: str, key: str | None) -> ModelRun | None:
        """The unfinished run that holds a unique key."""
        same = (r for r in self.runs.values() if (r.workflow, r.unique_key) == (workflow, key))
        return next((r for r in same if key is not None and r.state in UNFINISHED), None)

    def _once(self, key: str | None, what: tuple[Any, ...], do: Callable[[], c.Changed]) -> Any:
        """For a day: the same again is answered as it was, and something else is refused."""
        known = self.requests.get(key)
        if key is not None and known is not None and known[2] > self.now:
            if known[0] != what:
                raise No("key_reused")
            return known[1]
        reply = do()
        if key is not None:
            kept = self.requests.items()
            self.requests = {k: request for k, request in kept if request[2] > self.now}
            self.requests[key] = (what, reply, self.now + 86_400_000)
        return reply

    def _cancel(self, e: c.Cancel) -> Any:
        return self._once(e.cancel_id, ("cancel", e.run_id), lambda: self._do_cancel(e))

    def _do_cancel(self, e: c.Cancel) -> c.Changed:
        run = self._find(e.run_id)
        if run.state not in UNFINISHED:
            return c.Changed(False, run.state)
        self._cancelled(run, e.reason)
        return c.Changed(True, "cancelled")

    def _cancelled(self, run: ModelRun, reason: str) -> None:
        if run.worker is not None and run.lease is not None:
            self.pushes.append((run.worker, c.Stop(run.id, run.lease, UNSAID)))
        run.run_at, run.reason = None, reason
        self._end(run, "cancelled")

    def _end(self, run: ModelRun, state: str) -> None:
        run.leave(state)
        run.finished_at = self.now
        self.waiters = [w for w in self.waiters if w.run is not run]
        self.ended.append(run.id)

    def _rerun(self, e: c.Rerun) -> Any:
        return self._once(e.rerun_id, (e.run_id, e.from_step), lambda: self._do_rerun(e))

    def _do_rerun(self, e: c.Rerun) -> c.Changed:
        run = self._find(e.run_id)
        if run.state not in ("failed", "cancelled"):
            raise No("wrong_state")
        if self._holder(run.workflow, run.unique_key):
            raise No("conflict")
        if e.from_step is not None and e.from_step not in run.steps:
            raise No("step_not_found")
        kept: dict[str, StepRecord] = {}
        for name, step in run.steps.items():
            if name == e.from_step:
                break
            if step.outcome != "failed":
                kept[name] = step
        run.steps = kept
        run.group = self._group(run.workflow, run.group)
        run.state, run.attempt, run.strikes, run.isolated = "pending", 1, 0, False
        run.error = run.reason = run.finished_at = None
        run.expires_at = None if run.timeout is None else self.now + run.timeout
        return c.Changed(True, "pending")

    def _group(self, workflow: str, otherwise: str) -> str:
        """Where a workflow's runs belong: as the workers last said."""
        info = self.workflows.get(workflow)
        return otherwise if info is None else info.group

    def _find(self, run_id: str) -> ModelRun:
        if run_id not in self.runs:
            raise No("run_not_found")
        return self.runs[run_id]

    # --- from a worker

    def _register(self, e: c.Register) -> c.Registered:
        if not e.again:
            self._learn(e)
        held = {run.lease for run in self.runs.values() if run.worker == e.worker_id}
        for run in self._runs_of(e.worker_id):
            if run.lease not in e.leases:
                run.leave("pending")
        return c.Registered(sorted(set(e.leases) - held))

    def _learn(self, e: c.Register) -> None:
        for info in e.workflows:
            for run in self.runs.values():
                if run.workflow == info.name and run.state in UNFINISHED:
                    run.group = info.group
        told = {info.name: info for info in e.workflows}
        self.broken = e.broken
        self.workflows = (self.workflows if e.broken else {}) | told
        self.schedules.told(e.workflows, self.now)
        self.schedules.keep(self.workflows)

    def _runs_of(self, worker: str) -> list[ModelRun]:
        return [run for run in self.runs.values() if run.worker == worker]

    def room(self, workflow: str) -> int:
        """How many more runs of a workflow may run."""
        info = self.workflows.get(workflow)
        if info is None or info.concurrency is None:
            return 10**9
        now = [r for r in self.runs.values() if r.workflow == workflow and r.state == "running"]
        return info.concurrency - len(now)

    def _claim(self, e: c.Claim, told: c.Claimed) -> c.Claimed:
        chosen = [self.runs[run.id] for run in told.runs]
        self._check_choice(e, chosen)
        return c.Claimed(
            [self._take(e, run, r.lease_id) for run, r in zip(chosen, told.runs, strict=True)]
        )

    def _check_choice(self, e: c.Claim, chosen: list[ModelRun]) -> None:
        allowed = [
            run
            for run in self.runs.values()
            if run.claimable
            and (run.isolated, run.group) == (e.solo, e.group)
            and run.workflow in e.workflows
        ]
        assert len({run.id for run in chosen}) == len(chosen)
        assert all(run in allowed for run in chosen), "not ready, or not for this worker"
        possible, lowest = 0, min((run.priority for run in chosen), default=10**9)
        for workflow in {run.workflow for run in allowed}:
            line = [run for run in allowed if run.workflow == workflow]
            line.sort(key=lambda r: (0 if e.solo else -r.priority, r.seq))
            first = max(0, min(self.room(workflow), len(line)))
            possible += first
            mine = [run for run in chosen if run.workflow == workflow]
            assert mine == line[: len(mine)], "not by priority and in the order of arrival"
            assert len(mine) <= first, "over the limit of its workflow"
            for run in line[len(mine) : first]:
                assert e.solo or run.priority <= lowest, "one of a higher priority was passed over"
        assert len(chosen) == min(max(e.limit, 0), possible), "not as many as there could be"

    def _take(self, e: c.Claim, run: ModelRun, lease_id: str) -> c.ClaimedRun:
        run.state, run.lease, run.worker = "running", lease_id, e.worker_id
        run.lease_until = self.now + e.lease
        run.started_at = self.now if run.started_at is None else run.started_at
        steps, more = self._page(run, "")
        return c.ClaimedRun(
            run.id,
            lease_id,
            run.workflow,
            run.payload,
            run.attempt,
            run.strikes,
            run.retries,
            run.created_at,
            steps,
            self.waiters_of(run),
            more,
        )

    def _page(self, run: ModelRun, after: str) -> tuple[list[StepRecord], bool]:
        names = sorted(name for name in run.steps if name > after)
        return [run.steps[name] for name in names[: self.page]], len(names) > self.page

    def waiters_of(self, run: ModelRun) -> list[Waiter]:
        """By name, as tests compare them."""
        found = [w.shown() for w in self.waiters if w.run is run]
        return sorted(found, key=lambda w: w.name)

    def _held(self, e: Any) -> ModelRun:
        run = self.runs.get(e.run_id)
        if run is None or run.lease is None or run.lease != e.lease_id:
            raise No("lease_lost")
        return run

    def _load(self, e: c.Load) -> c.Loaded:
        return c.Loaded(*self._page(self._held(e), e.after))

    def _savestep(self, e: c.SaveStep) -> c.Ok | c.Exists:
        run = self._held(e)
        record = StepRecord(e.name, e.kind, e.outcome, e.value, e.attempt, e.started_at, self.now)
        saved = run.steps.get(e.name)
        if saved is None or (saved.outcome == "failed" and saved.attempt < e.attempt):
            self._keep(run, record)
            return c.Ok()
        same = _but_for_when(saved) == _but_for_when(record)
        return c.Ok() if same else c.Exists(saved)

    def _keep(self, run: ModelRun, record: StepRecord) -> None:
        run.steps.pop(record.name, None)  # so that it comes last
        run.steps[record.name] = record

    def _wait(self, e: c.Wait) -> c.Waiting | c.Exists:
        run = self._held(e)
        saved = run.steps.get(e.name)
        if saved is not None and not (saved.outcome == "failed" and saved.attempt < e.attempt):
            return c.Exists(saved)
        deadline = e.until if e.timeout is None else self.now + e.timeout
        before = self._waiter(run, e.name)
        if before is not None:
            deadline = before.deadline
            if not before.open_at(self.now):
                return c.Exists(self._time_out(before))
            if (before.event, before.schema) == (e.event, e.schema):
                return c.Waiting(deadline)
            self.waiters.remove(before)
        waiter = ModelWaiter(run, e.name, e.kind, e.event, deadline, e.schema, e.attempt, self.now)
        payload = self._kept(e)
        if payload is not None:
            return c.Exists(self._outcome(waiter, "ok", payload))
        if not waiter.open_at(self.now):
            return c.Exists(self._outcome(waiter, *waiter.at_deadline()))
        self.waiters.append(waiter)
        return c.Waiting(deadline)

    def _waiter(self, run: ModelRun, name: str) -> ModelWaiter | None:
        return next((w for w in self.waiters if (w.run, w.name) == (run, name)), None)

    def _kept(self, e: c.Wait) -> str | None:
        for event in self.events:
            fresh = event.state == "buffered" and event.expires_at > self.now
            if fresh and event.event == e.event:
                if e.schema is None or not validate_schema(event.payload, e.schema):
                    event.state, event.delivered = "delivered", 1
                    return event.payload
                event.state = "refused"
        return None

    def _outcome(self, waiter: ModelWaiter, outcome: str, value: str | None) -> StepRecord:
        tail = (outcome, value, waiter.attempt, waiter.created_at, self.now)
        record = StepRecord(waiter.name, waiter.kind, *tail)
        self._keep(waiter.run, record)
        return record

    def _over(self, waiter: ModelWaiter, outcome: str, value: str | None) -> StepRecord:
        """A wait ends: its outcome is saved, and its run goes on or is told."""
        self.waiters.remove(waiter)
        record, run = self._outcome(waiter, outcome, value), waiter.run
        if run.state == "waiting":
            run.state = "pending"
        elif run.worker is not None and run.lease is not None:
            self.pushes.append((run.worker, c.Deliver(run.id, run.lease, record)))
        return record

    def _time_out(self, waiter: ModelWaiter) -> StepRecord:
        """Unless a signal came before, though it is still being delivered."""
        for event in self.events:
            if event.state == "spreading" and waiter in event.meant_for:
                event.delivered += 1
                return self._over(waiter, "ok", event.payload)
        return self._over(waiter, *waiter.at_deadline())

    def _unwait(self, e: c.Unwait) -> c.Ok | c.Exists:
        run = self._held(e)
        waiter = self._waiter(run, e.name)
        if waiter is not None:
            self.waiters.remove(waiter)
        elif e.name in run.steps:
            return c.Exists(run.steps[e.name])
        return c.Ok()

    def _park(self, e: c.Park) -> c.Parked | c.NotParked:
        run = self._held(e)
        if not e.names:
            raise No("refused")
        if not all(self._waiter(run, name) for name in e.names):
            return c.NotParked()
        run.leave("waiting")
        run.isolated = False
        return c.Parked()

    def _succeed(self, e: c.Succeed) -> c.Ok:
        run = self._held(e)
        run.result, run.error = e.result, None
        self._end(run, "succeeded")
        return c.Ok()

    def _bail(self, e: c.Bail) -> c.Ok:
        run = self._held(e)
        run.reason = e.reason
        self._end(run, "cancelled")
        return c.Ok()

    def _fail(self, e: c.Fail) -> c.Ok:
        run = self._held(e)
        run.error = e.error
        if e.retry_in is None:
            self._end(run, "failed")
        else:
            run.leave("pending")
            run.run_at = self.now + e.retry_in if e.retry_in > 0 else None
            run.attempt, run.isolated = run.attempt + 1, False
        return c.Ok()

    def _release(self, e: c.Release) -> c.Ok:
        self._held(e).leave("pending")
        return c.Ok()

    def _log(self, e: c.Log) -> c.Ok:
        logs = self._held(e).logs
        for line in e.lines:
            if line.seq in logs or LAST in logs:
                continue
            full = len(logs) == self.lines
            logs.update(
                {LAST: LogLine(LAST, line.at, "WARNING", UNSAID, line.attempt)}
                if full
                else {line.seq: line}
            )
        return c.Ok()

    def _heartbeat(self, e: c.Heartbeat) -> c.Ok:
        for run in self._runs_of(e.worker_id):
            run.lease_until = self.now + e.lease
        return c.Ok()

    # --- signals

    def _signal(self, e: c.Signal) -> c.Signalled:
        for event in self.events:
            if event.id == e.event_id:
                return event.told()
        same = [
            v for v in self.events if e.key is not None and (v.event, v.key) == (e.event, e.key)
        ]
        if same and (same[0].expires_at > self.now or same[0].state == "spreading"):
            return c.Signalled("duplicate", same[0].delivered)
        promised = [w for v in self.events if v.state == "spreading" for w in v.meant_for]
        meant_for = [
            w
            for w in self.waiters
            if w.event == e.event and w.open_at(self.now) and w not in promised
        ]
        if any(w.schema and validate_schema(e.payload, w.schema) for w in meant_for):
            raise No("payload_refused")
        self.events = [event for event in self.events if event not in same]
        event = ModelEvent(e.event_id, e.event, e.key, e.payload, self.now, self.now + e.ttl)
        self.events.append(event)
        if meant_for:
            event.meant_for, event.state = meant_for, "spreading"
            self._deliver(event, self.at_once, len(meant_for) > self.at_once)
        return event.told()

    def _deliver(self, event: ModelEvent, most: int, in_parts: bool) -> None:
        still_open = [waiter for waiter in event.meant_for if waiter in self.waiters]
        for waiter in still_open[:most]:
            self._over(waiter, "ok", event.payload)
            event.delivered += 1
        if not in_parts or len(still_open) < most:
            event.state = "delivered"

    def _spread(self, e: c.Spread) -> c.Signalled:
        event = next((event for event in self.events if event.id == e.event_id), None)
        if event is None:
            return c.Signalled("delivered", 0)
        if event.state == "spreading":
            self._deliver(event, self.at_once, True)
        return event.told()

    # --- from the server

    def _tick(self, e: c.Tick) -> c.Ok:
        runs = sorted(self.runs.values(), key=lambda run: run.seq)
        due = sorted((r.run_at, r.seq, r) for r in runs if r.run_at and r.run_at <= self.now)
        for _, _, run in due[: e.limit]:
            run.run_at = None
        over = [w for w in self.waiters if not w.open_at(self.now)]
        for waiter in sorted(over, key=lambda w: w.deadline or 0)[: e.limit]:
            self._time_out(waiter)
        for name, schedule, at in self.schedules.due(self.now, e.limit):
            info, payload = self.workflows[name], payload_of(schedule, at)
            wanted = c.Enqueue(run_id_of(name, at), name, payload)
            if self._enter(wanted, info.group, info.timeout).created:
                self.scheduled.append(wanted.run_id)
        runs = sorted(self.runs.values(), key=lambda run: run.seq)
        late = [
            r for r in runs if r.state in UNFINISHED and r.expires_at and r.expires_at <= self.now
        ]
        for run in sorted(late, key=lambda r: r.expires_at or 0)[: e.limit]:
            self._cancelled(run, f"timed out after {format_ms(run.timeout or 0)}")
        silent = {r.worker for r in runs if r.lease_until is not None and r.lease_until <= self.now}
        for worker in silent:
            for run in self._runs_of(worker or ""):
                self.pushes.append((worker or "", c.Stop(run.id, run.lease or "", UNSAID)))
            self._lose(worker or "")
        old = [v for v in self.events if v.expires_at <= self.now and v.state != "spreading"]
        swept = sorted(old, key=lambda v: v.expires_at)[: e.limit]
        self.events = [event for event in self.events if event not in swept]
        return c.Ok()

    def _lost(self, e: c.Lost) -> c.Ok:
        if e.blame:
            self._lose(e.worker_id)
        else:
            for run in self._runs_of(e.worker_id):
                run.leave("pending")
        return c.Ok()

    def _lose(self, worker: str) -> None:
        runs = self._runs_of(worker)
        strike = 1 if len(runs) == 1 else 0
        for run in runs:
            run.error = UNSAID
            if run.strikes + strike >= 3:
                run.strikes += strike
                self._end(run, "failed")
            else:
                run.leave("pending")
                run.isolated = True
                run.strikes, run.attempt = run.strikes + strike, run.attempt + strike

    def _shiftleases(self, e: c.ShiftLeases) -> c.Ok:
        for run in self.runs.values():
            if run.lease_until is not None:
                run.lease_until += e.delta
        return c.Ok()


def _but_for_when(step: StepRecord) -> tuple[Any, ...]:
    return (step.name, step.kind, step.outcome, step.value, step.attempt, step.started_at)
