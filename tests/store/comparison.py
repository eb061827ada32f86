"""A store and a model that are given the same commands, and compared after each batch of them."""

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from msgspec.structs import replace

from tako import commands as c
from tests.store import model_looks as looks
from tests.store.driver import START, Driver
from tests.store.model_nouns import ModelRun
from tests.store.model_store import LAST, UNFINISHED, UNSAID, ModelStore

AT_ONCE, PAGE, LINES = 3, 4, 3  # small, so that few are many


class Both(RuleBasedStateMachine):
    """Commands are added to a batch; some of them send it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="tako-model-")
        self.runner = asyncio.Runner()
        self.driver = Driver.on_file(Path(self.folder.name) / "runs.db", self.runner)
        self.model = ModelStore(AT_ONCE, PAGE, LINES)
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

    def compare_list(self, command: c.ListRuns) -> None:
        (reply,) = self.driver.batch(command)
        note(f"{command} -> {[run.id for run in reply.runs]}")
        assert [run.id for run in reply.runs] == looks.found(self.model, command)

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
        assert known.broken == self.model.broken
        assert known.workflows == looks.workflows(self.model)
        assert sorted((t.at, t.kind, t.run_id, t.name) for t in due.things) == looks.due_things(
            self.model
        )
        assert [thing.at for thing in due.things] == sorted(thing.at for thing in due.things)

    @invariant()
    def both_count_the_same(self) -> None:
        if self.batch:
            return
        everything, of_one, queues, groups, mailbox = self.driver.batch(
            c.CountRuns(),
            c.CountRuns("w"),
            c.GetQueues(),
            c.ListEventGroups(),
            c.ListMailbox(),
        )
        assert everything.counts == looks.counts(self.model)
        assert of_one.counts == looks.counts(self.model, "w")
        assert queues.groups == looks.queues(self.model)
        assert groups.groups == looks.event_groups(self.model)
        assert [e.id for e in mailbox.events] == [e.id for e in looks.mailbox(self.model)]

    @invariant()
    def both_have_logged_the_same(self) -> None:
        runs = [] if self.batch else [run for run in self.model.runs.values() if run.logs]
        replies = self.driver.batch(*[c.ListLogs(run.id) for run in runs]) if runs else []
        for run, reply in zip(runs, replies, strict=True):
            seen = [
                replace(line, message=UNSAID) if line.seq == LAST else line for line in reply.lines
            ]
            assert seen == [run.logs[seq] for seq in sorted(run.logs)]


def without_words(message: Any) -> Any:
    """A reply or push, with the texts for people left out, and what has no order sorted."""
    if isinstance(message, c.Error):
        return c.Error(message.code, UNSAID)
    if isinstance(message, c.Stop):
        return replace(message, reason=UNSAID)
    if isinstance(message, c.Claimed):
        return [
            replace(run, waiters=sorted(run.waiters, key=lambda w: w.name)) for run in message.runs
        ]
    return message


def without_error(seen: Any, run: ModelRun) -> Any:
    if run.error == UNSAID and seen.error is not None:
        return replace(seen, error=UNSAID)
    return seen
