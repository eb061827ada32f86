"""step.approval: what may be asked, what comes back, and that it survives what a wait survives."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tako
from tako import approvals
from tako.model import Approval
from tests.e2e.scene import Scene, died, kill
from tests.support import in_state, wait_until

FILES = {
    "workflows/asks.py": """
        import asyncio
        from dataclasses import dataclass
        from datetime import timedelta
        from pathlib import Path

        import tako
        from note import note
        from tako import ApprovalTimeout, Decision, Step, SyncStep, workflow

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

        @workflow("once-more", retries=0)
        async def once_more(payload: dict, step: Step) -> str:
            decision = await step.approval("ok", title="May we?", reuse=payload["reuse"])
            await step.run("note", note, f"{payload['key']} by {decision.by}")
            step.bail("enough")
    """,
}
TOML = """
    [defaults]
    lease = "2s"
    cancel_grace = "500ms"
    drain = "3s"

    [groups.default]
    idle_timeout = "1s"
"""


async def asked(run_id: str, name: str = "ok", *, but: str = "") -> Approval:
    """The open approval of this step, once it is there."""

    async def there() -> Approval | None:
        found = await approvals.list(run_id=run_id)
        return next((a for a in found if a.name == name and a.id != but), None)

    return await wait_until(there, 15.0, f"approval {name!r} of {run_id}")  # type: ignore[no-any-return]


# --- asked and answered


@pytest.mark.parametrize("name", ["plain", "blocking"])
async def test_an_answer_comes_back_as_a_decision(scene: Scene, key: str, name: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    run = await tako.enqueue(name, {"key": key})
    approval = await asked(run.id)
    await in_state(run, "waiting")
    await approvals.approve(approval.id, by="Ana", comment="go ahead")
    result = await run.result(timeout=15)
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
    assert await yes.result(timeout=15) == ["approve", {"cents": 5, "why": "so"}]
    assert await no.result(timeout=15) == ["reject", None]


async def test_each_round_of_a_loop_is_an_approval_of_its_own(scene: Scene, key: str) -> None:
    run = await tako.enqueue("loop", key)
    for number, (name, who) in enumerate([("round", "ana"), ("round#2", "bo"), ("round#3", "cy")]):
        approval = await asked(run.id, name)
        assert approval.question.title == f"Round {number}?"
        await approvals.answer(approval.id, "approve" if number else "reject", by=who)
    assert await run.result(timeout=15) == [["reject", "ana"], ["approve", "bo"], ["approve", "cy"]]


async def test_two_questions_at_once_are_answered_in_any_order(scene: Scene, key: str) -> None:
    run = await tako.enqueue("both", key)
    left, right = await asked(run.id, "left"), await asked(run.id, "right")
    await in_state(run, "waiting")
    await approvals.approve(right.id, by="bo")
    await in_state(run, "waiting")
    await approvals.approve(left.id, by="ana")
    assert await run.result(timeout=15) == ["ana", "bo"]


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
    assert (await run.result(timeout=15))["by"] == "ana"
    assert scene.count(f"{key} pass") == 2


async def test_no_process_is_held_while_people_think(scene: Scene, key: str) -> None:
    run = await tako.enqueue("plain", {"key": key})
    approval = await asked(run.id)
    await scene.no_workers()
    await approvals.approve(approval.id, by="ana")
    assert (await run.result(timeout=15))["by"] == "ana"
    assert (await run.status()).attempt == 1


# --- nobody answers


@pytest.mark.parametrize(
    ("on_timeout", "outcome"), [("reject", "reject"), ("approve", "approve"), ("none", None)]
)
async def test_the_deadline_decides_as_the_handler_said(
    scene: Scene, key: str, on_timeout: str, outcome: str | None
) -> None:
    more = {"timeout": 0.05, "on_timeout": on_timeout}
    result = await (await tako.enqueue("plain", {"key": key, "more": more})).result(timeout=15)
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
        await run.result(timeout=15)
    assert (await run.status()).attempt == 1


async def test_a_deadline_that_raises_can_be_caught_and_is_raised_again_on_the_next_pass(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("catches", key)
    assert await run.result(timeout=15) == "went on"
    lines = [line for line in scene.notes() if line.startswith(f"{key} approval 'late'")]
    assert len(lines) >= 2 and len(set(lines)) == 1
    assert f"tako rerun {run.id} --from-step 'late'" in lines[0]


# --- the code changes, the run is run again


async def test_a_saved_approval_that_is_now_another_kind_of_step_is_a_clear_error(
    scene: Scene, key: str
) -> None:
    run = await tako.enqueue("other-kind", key, retries=0)
    approval = await asked(run.id)
    await in_state(run, "waiting")
    scene.app.write({f"{key}.changed": ""})
    await approvals.approve(approval.id, by="ana")
    with pytest.raises(tako.RunFailed, match=r"was a step\.approval .* and is a step\.wait_for"):
        await run.result(timeout=15)


async def test_after_a_redeploy_with_other_words_people_are_asked_anew(
    scene: Scene, key: str
) -> None:
    scene.app.write({f"{key}.text": "pay 5 EUR"})
    run = await tako.enqueue("reworded", key)
    first = await asked(run.id)
    await in_state(run, "waiting")
    await approvals.approve(first.id, by="ana")
    scene.app.write({f"{key}.text": "pay 5000 EUR"})
    assert (await run.cancel("to run it again")) is True
    await tako.rerun(run.id)
    second = await asked(run.id)
    assert second.question.body == "pay 5000 EUR" and second.answers == ()
    with pytest.raises(tako.ContentChanged):
        await approvals.approve(second.id, by="ana", digest=first.digest)
    await approvals.approve(second.id, by="bo")
    await approvals.approve(second.id, by="cy", digest=second.digest)
    assert await run.result(timeout=15) == [["bo", "approve"], ["cy", "approve"]]


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
