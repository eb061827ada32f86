"""Random people answer, delegate and come late, in the store and in a model of plain Python.

After each batch replies, states, inboxes and the record must be the same. `TAKO_QUORUM_EXAMPLES`
sets how many stories are played; Hypothesis prints the steps of one that differs, and
`@reproduce_failure` or ``--hypothesis-seed`` plays it again.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tako.commands import Cancel, ClaimedRun, Command, Delegate, Error, Exists, Rerun, Tick
from tako.model import Escalation, Question
from tako.store.questions import digest_of
from tests.store.asking import actor, asking, deciding
from tests.store.driver import START
from tests.store.model_votes import PERSONS, Asked, ModelApproval, person_of
from tests.store.office import Office, after

EXAMPLES = int(os.environ.get("TAKO_QUORUM_EXAMPLES", "60"))

HOUR = 3_600_000
SPELLINGS = [name for names in PERSONS.values() for name in names]
NAMES = st.sampled_from([*SPELLINGS, "zoe"])
TARGETS = st.sampled_from([*SPELLINGS, "zoe", "group:finance"])
TOKENS = ["ana", "a.silva", "ben", "cleo", "zoe", "group:finance", "group:leads", "group:audit"]
PROVIDED = st.sampled_from([(), (), (), ("audit",), ("leads",)])
ANSWERS = st.sampled_from([*["approve"] * 4, *["reject"] * 2, "perhaps"])
TIMES = st.sampled_from([1, HOUR // 2, HOUR])
SOME = st.lists(st.sampled_from(TOKENS), max_size=3, unique=True).map(tuple)
FEW = st.lists(st.sampled_from(TOKENS), max_size=1).map(tuple)

QUESTIONS = st.builds(
    Asked,
    content=st.integers(0, 2),
    to=st.just(()) | SOME,
    exclude=st.just(()) | FEW,
    quorum=st.sampled_from([1, 2, 2, 3]),
    veto=st.booleans(),
)


class Comparison(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="tako-votes-")
        self.runner = asyncio.Runner()
        self.office = Office(Path(self.folder.name) / "runs.db", self.runner)
        self.batch: list[tuple[Command, str]] = []  # each with what the model says to it
        self.past: list[ModelApproval] = []  # earlier ones of the same step

    def teardown(self) -> None:
        try:
            self.send()
            self.compare()
            self.office.check_sound()
        finally:
            self.office.store.close()
            self.runner.close()
            self.folder.cleanup()

    @initialize(
        question=QUESTIONS,
        timeout=st.sampled_from([None, HOUR, 3 * HOUR]),
        on_timeout=st.sampled_from(["reject", "approve", "raise", "none"]),
        steps=st.lists(st.tuples(TIMES, SOME.filter(bool)), max_size=2, unique_by=lambda s: s[0]),
    )
    def begin(
        self,
        question: Asked,
        timeout: int | None,
        on_timeout: str,
        steps: list[tuple[int, tuple[str, ...]]],
    ) -> None:
        self.number = 1
        self.timeout, self.on_timeout, self.steps = timeout, on_timeout, sorted(steps)
        self.run: ClaimedRun = self.office.start()
        self.office.do(self.ask(question))
        self.model = self.new(question)

    # --- both sides of a question

    @property
    def id(self) -> str:
        return f"a{self.number}"

    def new(self, question: Asked) -> ModelApproval:
        now = self.office.now
        deadline = None if self.timeout is None else now + self.timeout
        steps = [(now + ms, names) for ms, names in self.steps]
        return ModelApproval(question, deadline, self.on_timeout, steps)

    def ask(self, question: Asked) -> Command:
        return asking(
            self.run,
            self.id,
            timeout=self.timeout,
            body=str(question.content),
            to=question.to,
            exclude=question.exclude,
            quorum=question.quorum,
            veto=question.veto,
            on_timeout=self.on_timeout,
            escalate=tuple(Escalation(after(ms), names) for ms, names in self.steps),
        )

    def digest(self, content: int) -> str:
        return digest_of(Question("Ship it?", body=str(content)))

    # --- what happens

    def add(self, command: Command, expected: str, go: bool) -> None:
        self.batch.append((command, expected))
        if go:
            self.send()

    def send(self) -> None:
        batch, self.batch = self.batch, []
        if not batch:
            return
        for (command, expected), reply in zip(
            batch, self.office.batch(*(command for command, _ in batch)), strict=True
        ):
            note(f"{self.office.now - START}: {command} -> {reply}")
            assert (reply.code if isinstance(reply, Error) else "ok") == expected

    @rule(
        name=NAMES,
        provided=PROVIDED,
        answer=ANSWERS,
        seen=st.none() | st.integers(0, 2),
        go=st.booleans(),
    )
    def decide(
        self, name: str, provided: tuple[str, ...], answer: str, seen: int | None, go: bool
    ) -> None:
        content = self.model.question.content if seen is None else seen
        expected = self.model.decide(self.office.now, person_of(name), provided, answer, content)
        command = deciding(
            self.office,
            answer,
            id=self.id,
            actor=actor(name, groups=provided),
            digest=None if seen is None else self.digest(seen),
        )
        self.add(command, expected, go)
        if expected == "ok":
            self.given = command, person_of(name)

    @precondition(lambda self: hasattr(self, "given"))
    @rule(go=st.booleans())
    def decide_again(self, go: bool) -> None:
        """The reply was lost: it is sent again, and changes nothing."""
        self.add(self.given[0], "ok", go)

    @rule(name=NAMES, to=TARGETS, go=st.booleans())
    def delegate(self, name: str, to: str, go: bool) -> None:
        expected = self.model.delegate(self.office.now, person_of(name), person_of(to))
        self.add(Delegate(self.id, to, actor(name)), expected, go)

    @rule(ms=TIMES, ticks=st.booleans())
    def time_passes(self, ms: int, ticks: bool) -> None:
        self.send()
        self.office.now += ms
        if ticks:
            self.model.tick(self.office.now)
            self.add(Tick(), "ok", True)

    @rule()
    def restart(self) -> None:
        self.send()
        self.office.restart()

    @precondition(lambda self: self.model.state == "open")
    @rule(question=QUESTIONS, go=st.booleans())
    def redeployed(self, question: Asked, go: bool) -> None:
        """The code asks for something else now."""
        self.model.ask_again(self.office.now, question)
        self.add(self.ask(question), "ok", go)

    @rule(question=QUESTIONS, reworded=st.integers(0, 3))
    def rerun(self, question: Asked, reworded: int) -> None:
        """The run is cancelled and does the step again, mostly with the same content."""
        self.send()
        self.office.do(Cancel(self.run.id, "once more"))
        self.model.withdraw()
        saved = [step.name for step in self.office.steps(self.run)]
        self.office.do(Rerun(self.run.id, from_step="ok" if saved else None))
        (self.run,) = self.office.claim()
        self.compare()
        if reworded:
            question = Asked(
                self.model.question.content,
                question.to,
                question.exclude,
                question.quorum,
                question.veto,
            )
        self.past.append(self.model)
        self.asked_anew(question)

    def asked_anew(self, question: Asked) -> None:
        """A decision of before is used again if it holds; else people are asked."""
        decided = [
            (number, model)
            for number, model in enumerate(self.past, self.number - len(self.past) + 1)
            if model.state == "decided" and model.question.content == question.content
        ]
        command = self.ask_next(question)
        reply = self.office.do(command)
        if decided and decided[-1][1].holds_for(question):
            assert isinstance(reply, Exists)
            decided[-1][1].record.append("reused")
            assert self.office.decision(self.run)["outcome"] == decided[-1][1].outcome
            self.number -= 1
            self.model = self.past.pop()
        else:
            assert not isinstance(reply, Exists)
            self.model = self.new(question)

    def ask_next(self, question: Asked) -> Command:
        self.number += 1
        return self.ask(question)

    # --- what must be so

    @invariant()
    def compare(self) -> None:
        if self.batch or not hasattr(self, "model"):
            return
        model, found = self.model, self.office.approval(self.id)
        assert (found.state, found.outcome, found.decided_by) == (
            model.state,
            model.outcome,
            model.by,
        )
        assert {a.person: a.answer for a in found.answers} == model.given
        assert dict(found.delegated) == model.away
        assert self.office.kinds(self.id) == model.record
        for person in PERSONS:
            assert bool(self.office.inbox(person)) == model.waits_for(person), person


def test_store_and_model_agree() -> None:
    phases = [phase for phase in Phase if phase not in (Phase.explain, Phase.shrink)]
    run_state_machine_as_test(
        Comparison,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=30, phases=phases, print_blob=True
        ),
    )
