"""People answer while servers and workers die, clocks step and code is deployed."""

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tako
from tako import approvals
from tako.audit import check_end, verify
from tako.commands import AuditPage, Decide, Decided, Error, ReadAudit
from tako.ids import new_id
from tako.model import Actor, Approval
from tests.e2e.conftest import Start
from tests.e2e.scene import Scene, died, kill, restarted
from tests.e2e.test_clock_steps import HOUR, Clock, shifted
from tests.server.peers import Peer, close_all
from tests.support import in_state, wait_until

ASKS = """
    from note import note
    from tako import Step, workflow


    @workflow("asks", retries=1, backoff=0.01)
    async def asks(payload: dict, step: Step) -> list:
        note("pass")
        await step.run("first", lambda: note("first"))
        decision = await step.approval("ok", title="May we?", **payload)
        await step.run("last", lambda: note("last"))
        if decision is None:
            return ["none", None, 0]
        return [decision.outcome, decision.by, len(decision.answers)]
"""
PEOPLE = "".join(f"[p{n}]\n" for n in range(50))
ANSWERS, CONNECTIONS, KILLS = 1_000, 20, 8


def actor(person: str) -> Actor:
    return Actor(person, "password", "page", (), "192.0.2.1")


async def asked(handle: tako.Handle[Any]) -> Approval:
    """The open approval of a run that is parked on it."""
    await in_state(handle, "waiting")
    (found,) = await approvals.list(run_id=handle.id)
    return found


async def begin(scene: Scene, **question: Any) -> tuple[tako.Handle[Any], Approval]:
    handle = await tako.enqueue("asks", question)
    return handle, await asked(handle)


async def kinds(approval_id: str) -> list[str]:
    return [row.kind for row in await approvals.history(approval_id)]


async def check_record(path: Path) -> None:
    """The record is unbroken, whoever died while it was written."""
    peer = await Peer.connect(path)
    page: AuditPage = await peer.ask(ReadAudit(limit=1_000_000))
    assert verify(page.rows, page.base) == []
    assert check_end(page.rows[-1].seq, page.written) == []
    await close_all()


# --- many at once


async def test_of_a_thousand_answers_at_once_one_decides_and_all_others_are_told_who(
    start: Start, rng: random.Random
) -> None:
    scene = start({"workflows/asks.py": ASKS, "people.toml": PEOPLE})
    handle, approval = await begin(scene)
    peers = [await Peer.connect(scene.app.socket) for _ in range(CONNECTIONS)]
    commands = [
        Decide(new_id(), approval.id, rng.choice(approval.question.options), actor(f"p{n % 50}"))
        for n in range(ANSWERS)
    ]
    replies = await asyncio.gather(*(peers[n % CONNECTIONS].ask(c) for n, c in enumerate(commands)))
    won = [n for n, reply in enumerate(replies) if isinstance(reply, Decided)]
    (winner,) = (commands[n] for n in won)
    refused = [reply for reply in replies if isinstance(reply, Error)]
    assert Counter(reply.code for reply in refused) == {"already_decided": ANSWERS - 1}
    for reply in refused:
        detail = msgspec.json.decode(reply.detail or "")
        assert (detail["by"], detail["outcome"]) == (winner.actor.person, winner.answer)
        assert detail["channel"] == "page"
        assert detail["at"] == replies[won[0]].approval.decided_at
    assert await handle.result(timeout=60) == [winner.answer, winner.actor.person, 1]
    assert (scene.count("first"), scene.count("last")) == (1, 1)
    told = Counter(await kinds(approval.id))
    assert told == {"asked": 1, "answered": 1, "decided": 1, "refused": ANSWERS - 1}
    await check_record(scene.app.socket)


# --- the server dies


async def decide_or_not(path: Path, command: Decide) -> Any:
    """The reply; None if the server went away before it came."""
    try:
        peer = await Peer.connect(path)
    except OSError:
        return None
    (reply,) = peer.send(command)
    hung_up = asyncio.ensure_future(peer.hung_up.wait())
    await asyncio.wait([reply, hung_up], return_when=asyncio.FIRST_COMPLETED)
    hung_up.cancel()
    return reply.result() if reply.done() and not reply.cancelled() else None


async def test_the_server_is_killed_between_the_click_and_the_page(
    start: Start, rng: random.Random
) -> None:
    """What was acknowledged is there; what was not is given again and counts once."""
    scene = start({"workflows/asks.py": ASKS, "people.toml": PEOPLE})
    acknowledged = 0
    for round_ in range(KILLS):
        handle, approval = await begin(scene, quorum=2)
        await approvals.answer(approval.id, "approve", by="p0")
        click = Decide(new_id(), approval.id, "approve", actor("p1"))
        answering = asyncio.ensure_future(decide_or_not(scene.app.socket, click))
        await asyncio.sleep(rng.uniform(0, 0.004))
        scene.server.kill()
        reply = await answering
        await close_all()
        await restarted(scene)
        found = await approvals.get(approval.id)
        if reply is not None:
            acknowledged += 1
            assert isinstance(reply, Decided)
            assert (found.outcome, found.decided_by) == ("approve", "p1"), f"round {round_}"
        again = await decide_or_not(scene.app.socket, click)
        assert isinstance(again, Decided), again
        assert again.approval.decided_by == "p1"
        assert await handle.result(timeout=60) == ["approve", "p1", 2]
        assert (await kinds(approval.id)).count("answered") == 2
    assert (scene.count("first"), scene.count("last")) == (KILLS, KILLS)
    print(f"{acknowledged} of {KILLS} clicks were acknowledged")
    await check_record(scene.app.socket)


async def test_reminders_escalations_and_the_deadline_come_from_the_next_server(
    start: Start, tmp_path: Path
) -> None:
    """Hours pass while no server is there."""
    tell = """
        from note import note

        def tell(notice):
            note(f"{notice.kind} {notice.person and notice.person.id}")
    """
    asks = """
        from tako import Step, workflow
        import tell

        @workflow("asks")
        async def asks(payload: dict, step: Step) -> str:
            decision = await step.approval(
                "ok", title="May we?", to=["p1"], requester="p9", timeout="4h", remind=["1h"],
                escalate={"2h": ["p2"]}, notify=[tell.tell])
            return f"{decision.outcome} {decision.channel}"
    """
    files = {"workflows/asks.py": asks, "tell.py": tell, "people.toml": PEOPLE}
    scene = start(files, serve=False)
    clock = Clock(tmp_path / "offset")
    shifted(scene, clock, tmp_path)
    handle, approval = await begin(scene)
    await scene.noted("asked p1")
    for end, hours, told in (
        ("kill", 1.5, "reminded p1"),
        ("terminate", 2.5, "escalated p2"),
        ("kill", 4.5, "expired p9"),
    ):
        await asyncio.to_thread(getattr(scene.server, end))
        clock.set(round(hours * HOUR))
        shifted(scene, clock, tmp_path)
        await scene.noted(told)
    assert await handle.result(timeout=60) == "reject timeout"
    assert {n for n in scene.notes() if n.startswith("reminded")} == {"reminded p1"}
    record = [kind for kind in await kinds(approval.id) if kind != "told"]
    assert record == ["asked", "reminded", "escalated", "expired"]


async def test_who_answers_after_a_deadline_that_no_server_has_seen_is_too_late(
    start: Start, tmp_path: Path
) -> None:
    scene = start({"workflows/asks.py": ASKS}, serve=False)
    clock = Clock(tmp_path / "offset")
    shifted(scene, clock, tmp_path)
    handle, approval = await begin(scene, timeout=1800)
    scene.server.kill()
    clock.set(HOUR)
    shifted(scene, clock, tmp_path)
    with pytest.raises(tako.ApprovalClosed) as error:
        await approvals.approve(approval.id, by="ana")
    assert error.value.detail["outcome"] == "reject"
    assert await handle.result(timeout=60) == ["reject", None, 0]


# --- the worker dies


async def test_the_worker_is_killed_while_it_asks(start: Start, rng: random.Random) -> None:
    """At whatever moment: it is asked once, and the answer finds the run."""
    scene = start({"workflows/asks.py": ASKS, "people.toml": PEOPLE})
    for round_ in range(8):
        passes = scene.count("pass")
        handle = await tako.enqueue("asks", {})
        await scene.noted("pass", passes + 1)
        await asyncio.sleep(rng.uniform(0, 0.004))
        for pid in scene.workers():
            with contextlib.suppress(ProcessLookupError):
                kill(pid)
            await died(pid)
        approval = await asked(handle)
        await approvals.approve(approval.id, by="p1")
        assert await handle.result(timeout=60) == ["approve", "p1", 1], f"round {round_}"
        (only,) = await approvals.list("all", run_id=handle.id)
        assert only.id == approval.id
        assert await kinds(approval.id) == ["asked", "answered", "decided"]


# --- code and clocks


async def test_a_redeploy_while_the_run_is_parked_changes_nothing_of_what_is_asked(
    start: Start,
) -> None:
    scene = start({"workflows/asks.py": ASKS})
    handle, approval = await begin(scene, quorum=2)
    await approvals.approve(approval.id, by="ana")
    await scene.no_workers()
    scene.write({"workflows/asks.py": ASKS.replace("May we?", "May we really?")})
    await approvals.approve(approval.id, by="ben")  # enough: what is deployed comes too late
    assert await handle.result(timeout=60) == ["approve", "ben", 2]


async def test_changed_content_is_asked_anew_when_the_run_wakes_and_old_answers_do_not_count(
    start: Start,
) -> None:
    asks = """
        import asyncio
        from tako import Step, workflow

        @workflow("asks")
        async def asks(payload: dict, step: Step) -> list:
            _, decision = await asyncio.gather(
                step.wait_for("price"), step.approval("ok", title="5 EUR?", quorum=2))
            return [a.person for a in decision.answers]
    """
    scene = start({"workflows/asks.py": asks})
    handle, approval = await begin(scene)
    await approvals.approve(approval.id, by="ana")
    await scene.no_workers()
    scene.write({"workflows/asks.py": asks.replace("5 EUR?", "5,000 EUR?")})
    await tako.signal("price", 5000)

    async def changed() -> bool:
        return "changed" in await kinds(approval.id)

    await wait_until(changed)
    with pytest.raises(tako.ContentChanged):
        await approvals.approve(approval.id, by="ben", digest=approval.digest)
    for person in ("ben", "cleo"):
        now = await approvals.get(approval.id)
        await approvals.approve(approval.id, by=person, digest=now.digest)
    assert await handle.result(timeout=60) == ["ben", "cleo"]


async def test_a_clock_that_was_set_forward_over_the_deadline_closes_the_approval(
    start: Start, tmp_path: Path
) -> None:
    scene = start({"workflows/asks.py": ASKS}, serve=False)
    clock = Clock(tmp_path / "offset")
    shifted(scene, clock, tmp_path)
    handle, approval = await begin(scene, timeout=1800)
    clock.set(HOUR)
    with pytest.raises(tako.ApprovalClosed) as error:
        await approvals.approve(approval.id, by="ana")
    assert error.value.detail["channel"] == "timeout"
    assert await handle.result(timeout=60) == ["reject", None, 0]


async def test_a_clock_that_was_set_back_leaves_the_approval_open(
    start: Start, tmp_path: Path
) -> None:
    scene = start({"workflows/asks.py": ASKS}, serve=False)
    clock = Clock(tmp_path / "offset")
    shifted(scene, clock, tmp_path)
    handle, approval = await begin(scene, timeout=1800)
    clock.set(-HOUR)
    await approvals.approve(approval.id, by="ana")
    assert await handle.result(timeout=60) == ["approve", "ana", 1]
    await check_record(scene.app.socket)
