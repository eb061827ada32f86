"""step.approval: what may be asked, what comes back, and that it survives what a wait survives."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import tako
from tako import approvals
from tako.commands import ListSteps, StepList
from tako.model import Approval
from tako.reach import app_of, ask
from tests.e2e.scene import Scene, died, kill, restarted
from tests.support import in_state, wait_until

FILES = {
    "workflows/asks.py": """
        import asyncio
        from dataclasses import dataclass
        from datetime import UTC, datetime, timedelta
        from pathlib import Path

        from note import note
        from tako import ApprovalTimeout, Step, SyncStep, Workdays, workflow

        @dataclass
        class Even:
            number: int

            def __post_init__(self) -> None:
                if self.number % 2:
                    raise ValueError("it is odd")

        @dataclass
        class Amount:
            cents: int
            why: str = ""

        def told(decision):
            if decision is None:
                return None
            return {"outcome": decision.outcome, "by": decision.by, "comment": decision.comment,
                    "channel": decision.channel, "at": decision.at.isoformat(),
                    "answers": [[a.person, a.answer] for a in decision.answers]}

        @workflow("plain")
        async def plain(payload: dict, step: Step) -> dict | None:
            note(f"{payload['key']} pass")
            return told(await step.approval("ok", title="May we?", **payload.get("more", {})))

        @workflow("blocking")
        def blocking(payload: dict, step: SyncStep) -> dict | None:
            note(f"{payload['key']} pass")
            return told(step.approval("ok", title="May we?", **payload.get("more", {})))

        @workflow("form")
        async def form(payload: str, step: Step) -> list:
            decision = await step.approval("amount", title="How much?", form=Amount)
            assert isinstance(decision.value, Amount | None)
            again = None if decision.value is None else decision.answers[-1].value
            assert again == decision.value
            return [decision.outcome, decision.value]

        @workflow("loop")
        async def loop(payload: str, step: Step) -> list:
            found = []
            for round in range(3):
                decision = await step.approval("round", title=f"Round {round}?")
                found.append([decision.outcome, decision.by])
            return found

        @workflow("both")
        async def both(payload: str, step: Step) -> list:
            note(f"{payload} pass")
            one, two = await asyncio.gather(
                step.approval("left", title="Left?"), step.approval("right", title="Right?"))
            return [one.by, two.by]

        @workflow("raises")
        async def raises(payload: str, step: Step) -> None:
            note(f"{payload} pass")
            await step.approval("late", title="Now?", timeout="50ms", on_timeout="raise")

        @workflow("catches")
        async def catches(payload: str, step: Step) -> str:
            try:
                await step.approval("late", title="Now?", timeout="50ms", on_timeout="raise")
            except ApprovalTimeout as error:
                note(f"{payload} {error}")
            await step.sleep("a while", 0.05)
            return "went on"

        @workflow("other-kind")
        async def other_kind(payload: str, step: Step) -> object:
            if (Path(__file__).parent.parent / f"{payload}.changed").exists():
                return await step.wait_for("ok")
            return told(await step.approval("ok", title="May we?"))

        @workflow("reworded", retries=0)
        async def reworded(payload: str, step: Step) -> list:
            text = (Path(__file__).parent.parent / f"{payload}.text").read_text()
            decision = await step.approval("ok", title="May we?", body=text, quorum=2)
            return [[a.person, a.answer] for a in decision.answers]

        @workflow("reworded-meanwhile")
        async def reworded_meanwhile(payload: str, step: Step) -> list:
            text = (Path(__file__).parent.parent / f"{payload}.text").read_text()
            decision, _ = await asyncio.gather(
                step.approval("ok", title="May we?", body=text, quorum=2),
                step.wait_for(f"again:{payload}"))
            return [[a.person, a.answer] for a in decision.answers]

        @workflow("workdays")
        async def workdays(payload: str, step: Step) -> str:
            now = datetime.now(UTC)
            days = Workdays(3, zone="Europe/Berlin", holidays="DE")
            decision, _ = await asyncio.gather(
                step.approval("ok", title="May we?", timeout=days,
                              remind=[now + timedelta(days=1), Workdays(1, zone="UTC")],
                              escalate={Workdays(2, zone="UTC"): ["bo"]}),
                step.wait_for(f"again:{payload}"))
            return decision.by

        @workflow("given-up")
        async def given_up(payload: str, step: Step) -> str:
            people = asyncio.create_task(step.approval("ok", title="May we?"))
            event = asyncio.create_task(step.wait_for(f"event:{payload}", str))
            done, others = await asyncio.wait([people, event], return_when="FIRST_COMPLETED")
            for task in others:
                task.cancel()
            await step.sleep("a while", 0.2)
            return "event" if event in done else people.result().by

        @workflow("busy")
        async def busy(payload: str, step: Step) -> str:
            note(f"{payload} pass")
            async def io():
                while not (Path(__file__).parent.parent / f"{payload}.done").exists():
                    await asyncio.sleep(0.02)
            decision, _ = await asyncio.gather(step.approval("ok", title="May we?"), io())
            return decision.by

        @workflow("wrong", retries=0)
        async def wrong(payload: str, step: Step) -> None:
            await step.approval("ok", title="May we?", to=payload)

        @workflow("strict", retries=0)
        async def strict(payload: str, step: Step) -> None:
            await step.approval("ok", title="May we?", form=Even)

        @workflow("once-more", retries=0)
        async def once_more(payload: dict, step: Step) -> str:
            decision = await step.approval("ok", title="May we?", reuse=payload["reuse"])
            await step.run("note", note, f"{payload['key']} by {decision.by}")
            step.bail("enough")
    """,
}
TOML = """
    [defaults]
    cancel_grace = "500ms"

    [groups.default]
    idle_timeout = "1s"
"""


async def asked(run_id: str, name: str = "ok", *, but: str = "") -> Approval:
    """The open approval of this step, once it is there."""

    async def there() -> Approval | None:
        found = await approvals.list(run_id=run_id)
        return next((a for a in found if a.name == name and a.id != but), None)

    found: Approval = await wait_until(there, what=f"approval {name!r} of {run_id}")
    return found


# --- asked and answered


@pytest.mark.parametrize("name", ["plain", "blocking"])
async def test_an_answer_comes_back_as_a_decision(scene: Scene, key: str, name: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    run = await tako.enqueue(name, {"key": key})
    approval = await asked(run.id)
    await in_state(run, "waiting")
    await approvals.approve(approval.id, by="Ana", comment="go ahead")
    result = await run.result(timeout=60)
    at = datetime.fromisoformat(result.pop("at"))
    assert before < at < datetime.now(UTC) + timedelta(seconds=1)
    assert at.utcoffset() == timedelta(0)
    assert result == {
        "outcome": "approve",
        "by": "ana",
        "comment": "go ahead",
        "channel": "python",
        "answers": [["ana", "approve"]],
    }


async def test_a_form_comes_back_as_its_type_and_a_rejection_needs_none(
    scene: Scene, key: str
) -> None:
    yes, no = await tako.enqueue_many("form", [key, key])
    await approvals.approve(
        (await asked(yes.id, "amount")).id, by="ana", value={"cents": 5, "why": "so"}
    )
    await approvals.reject((await asked(no.id, "amount")).id, by="ana")
    assert await yes.result(timeout=60) == ["approve", {"cents": 5, "why": "so"}]
    assert await no.result(timeout=60) == ["reject", None]


async def test_each_round_of_a_loop_is_an_approval_of_its_own(scene: Scene, key: str) -> None:
    run = await tako.enqueue("loop", key)
    for number, (name, who) in enumerate([("round", "ana"), ("round#2", "bo"), ("round#3", "cy")]):
        approval = await asked(run.id, name)
        assert approval.question.title == f"Round {number}?"
        await approvals.answer(approval.id, "approve" if number else "reject", by=who)
    assert await run.result(timeout=60) == [["reject", "ana"], ["approve", "bo"], ["approve", "cy"]]


async def test_two_questions_at_once_are_answered_in_any_order(scene: Scene, key: str) -> None:
    run = await tako.enqueue("both", key)
    left, right = await asked(run.id, "left"), await asked(run.id, "right")
    await in_state(run, "waiting")
    await approvals.approve(right.id, by="bo")
    await in_state(run, "waiting")
    await approvals.approve(left.id, by="ana")
    assert await run.result(timeout=60) == ["ana", "bo"]


async def test_the_worker_is_killed_while_people_think_and_the_answer_finds_the_run(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("plain", {"key": key})
    approval = await asked(run.id)
    await in_state(run, "waiting")
    for pid in scene.workers():
        kill(pid)
        await died(pid)
    await approvals.approve(approval.id, by="ana")
    assert (await run.result(timeout=60))["by"] == "ana"
    assert scene.count(f"{key} pass") == 2


async def test_no_process_is_held_while_people_think(scene: Scene, key: str) -> None:
    run = await tako.enqueue("plain", {"key": key})
    approval = await asked(run.id)
    await scene.no_workers()
    await approvals.approve(approval.id, by="ana")
    assert (await run.result(timeout=60))["by"] == "ana"
    assert (await run.status()).attempt == 1


# --- nobody answers


@pytest.mark.parametrize(
    ("on_timeout", "outcome"), [("reject", "reject"), ("approve", "approve"), ("none", None)]
)
async def test_the_deadline_decides_as_the_handler_said(
    scene: Scene, key: str, on_timeout: str, outcome: str | None
) -> None:
    more = {"timeout": 0.05, "on_timeout": on_timeout}
    result = await (await tako.enqueue("plain", {"key": key, "more": more})).result(timeout=60)
    if outcome is None:
        assert result is None
    else:
        assert (result["outcome"], result["by"], result["channel"]) == (outcome, None, "timeout")
        assert result["answers"] == []


async def test_a_deadline_that_raises_ends_the_run_without_another_attempt(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("raises", key)
    with pytest.raises(tako.RunFailed, match=f"ApprovalTimeout: approval 'late' of run {run.id}"):
        await run.result(timeout=60)
    assert (await run.status()).attempt == 1


async def test_a_deadline_that_raises_can_be_caught_and_is_raised_again_on_the_next_pass(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("catches", key)
    assert await run.result(timeout=60) == "went on"
    lines = [line for line in scene.notes() if line.startswith(f"{key} approval 'late'")]
    assert len(lines) >= 2 and len(set(lines)) == 1
    assert f"tako rerun {run.id} --from-step 'late'" in lines[0]


# --- the code changes, the handler goes on, the server goes away


async def test_a_saved_approval_that_is_now_another_kind_of_step_is_a_clear_error(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("other-kind", key, retries=0)
    approval = await asked(run.id)
    await in_state(run, "waiting")
    scene.app.write({f"{key}.changed": ""})
    await approvals.approve(approval.id, by="ana")
    with pytest.raises(tako.RunFailed, match=r"was a step\.approval .* and is a step\.wait_for"):
        await run.result(timeout=60)


async def reworded_after_an_answer(
    scene: Scene, key: str, workflow: str
) -> tuple[tako.Handle[Any], Approval]:
    """A parked run, to whose question ana has said yes; its code now asks something else."""
    scene.app.write({f"{key}.text": "pay 5 EUR"})
    run = await tako.enqueue(workflow, key)
    first = await asked(run.id)
    await in_state(run, "waiting")
    await approvals.approve(first.id, by="ana")
    scene.app.write({f"{key}.text": "pay 5000 EUR"})
    return run, first


async def test_after_a_redeploy_with_other_words_people_are_asked_anew(
    scene: Scene, key: str
) -> None:
    run, first = await reworded_after_an_answer(scene, key, "reworded")
    assert (await run.cancel("to run it again")) is True
    await tako.rerun(run.id)
    second = await asked(run.id)
    assert second.question.body == "pay 5000 EUR" and second.answers == ()
    with pytest.raises(tako.ContentChanged):
        await approvals.approve(second.id, by="ana", digest=first.digest)
    await approvals.approve(second.id, by="bo")
    await approvals.approve(second.id, by="cy", digest=second.digest)
    assert await run.result(timeout=60) == [["bo", "approve"], ["cy", "approve"]]


async def test_asked_with_other_words_while_it_waits_the_answers_so_far_no_longer_count(
    scene: Scene, key: str
) -> None:
    run, first = await reworded_after_an_answer(scene, key, "reworded-meanwhile")
    await tako.signal(f"again:{key}")

    async def changed() -> Approval | None:
        found = await approvals.get(first.id)
        return found if found.digest != first.digest else None

    second = await wait_until(changed, what="the approval has changed")
    assert (second.state, second.question.body, second.answers) == ("open", "pay 5000 EUR", ())
    for who in ("ana", "bo"):
        await approvals.approve(second.id, by=who, digest=second.digest)
    assert await run.result(timeout=60) == [["ana", "approve"], ["bo", "approve"]]


async def test_working_days_are_counted_once_from_the_first_asking(scene: Scene, key: str) -> None:
    run = await tako.enqueue("workdays", key)
    first = await asked(run.id)
    assert first.deadline is not None
    local = datetime.fromtimestamp(first.deadline / 1000, ZoneInfo("Europe/Berlin"))
    assert local.weekday() < 5 and local.date() > datetime.now(ZoneInfo("Europe/Berlin")).date()
    await in_state(run, "waiting")
    await tako.signal(f"again:{key}")
    await wait_until(lambda: has_step(run.id, f"again:{key}"))
    await in_state(run, "waiting")
    assert (await approvals.get(first.id)).deadline == first.deadline
    assert [row.kind for row in await approvals.history(first.id)] == ["asked"]
    await approvals.approve(first.id, by="ana")
    assert await run.result(timeout=60) == "ana"


async def has_step(run_id: str, name: str) -> bool:
    found = await ask(app_of(), ListSteps(run_id), StepList)
    return any(step.name == name for step in found.steps)


async def test_an_approval_that_the_handler_gives_up_is_withdrawn(scene: Scene, key: str) -> None:
    run = await tako.enqueue("given-up", key)
    approval = await asked(run.id)
    await in_state(run, "waiting")
    await tako.signal(f"event:{key}", "came first")
    assert await run.result(timeout=60) == "event"
    assert (await approvals.get(approval.id)).state == "withdrawn"
    with pytest.raises(tako.ApprovalClosed):
        await approvals.approve(approval.id, by="ana")


async def test_an_answer_reaches_a_busy_run_in_memory_also_after_the_server_was_away(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("busy", key)
    approval = await asked(run.id)
    scene.server.kill()
    await restarted(scene)
    assert (await asked(run.id)).id == approval.id
    await approvals.approve(approval.id, by="ana")
    scene.app.write({f"{key}.done": ""})
    assert await run.result(timeout=60) == "ana"
    assert scene.count(f"{key} pass") == 1


# --- what cannot be


async def test_an_argument_that_cannot_be_used_fails_the_run_and_asks_nobody(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("wrong", "ana")
    with pytest.raises(tako.RunFailed, match=r"to of approval 'ok' must be a list: write"):
        await run.result(timeout=60)
    assert await approvals.list("all", run_id=run.id) == []


async def test_a_value_that_only_python_refuses_fails_the_run_with_the_reason(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("strict", key)
    await approvals.approve((await asked(run.id)).id, by="ana", value={"number": 3})
    with pytest.raises(tako.RunFailed, match="the answer to 'ok' does not fit Even: it is odd"):
        await run.result(timeout=60)


# --- the run is run again


async def test_asked_again_after_a_rerun_the_answer_of_before_counts(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("once-more", {"key": key, "reuse": True})
    await approvals.approve((await asked(run.id)).id, by="ana")
    await in_state(run, "cancelled")
    await tako.rerun(run.id, from_step="ok")
    await scene.noted(f"{key} by ana", times=2)


async def test_unless_the_handler_wants_a_new_one(scene: Scene, key: str) -> None:
    run = await tako.enqueue("once-more", {"key": key, "reuse": False})
    first = await asked(run.id)
    await approvals.approve(first.id, by="ana")
    await in_state(run, "cancelled")
    await tako.rerun(run.id, from_step="ok")
    await approvals.approve((await asked(run.id, but=first.id)).id, by="bo")
    await scene.noted(f"{key} by bo")
    assert scene.count(f"{key} by ana") == 1
