"""`tako.approvals`: what people are asked, seen and answered from Python."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import tako
from tako import approvals
from tako.errors import (
    AlreadyAnswered,
    AlreadyDecided,
    AnswerRefused,
    ApprovalClosed,
    ApprovalNotFound,
    ContentChanged,
    NotAllowed,
)
from tests.support import AppFixture

Asking = Callable[..., tuple[tako.Handle[Any], approvals.Approval]]


def test_what_a_run_asks_can_be_seen_and_approved_and_the_run_goes_on(asking: Asking) -> None:
    handle, seen = asking(title="Pay 5 €?", to=["ana"], timeout="7d")
    assert (seen.state, seen.question.title, seen.asked) == ("open", "Pay 5 €?", ("ana",))
    assert approvals.get_sync(seen.id) == seen
    said = approvals.approve_sync(seen.id, by="ana", comment="fine")
    assert (said.state, said.outcome, said.decided_by, said.channel) == (
        "decided",
        "approve",
        "ana",
        "python",
    )
    assert handle.result_sync(timeout=60) == ["approve", "ana", "python", None, "fine"]


def test_a_rejection_needs_no_form_and_an_approval_a_good_one(asking: Asking) -> None:
    handle, seen = asking(form=True)
    with pytest.raises(AnswerRefused, match="form has to be filled in"):
        approvals.approve_sync(seen.id, by="ana")
    with pytest.raises(AnswerRefused, match="cents") as refused:
        approvals.approve_sync(seen.id, by="ana", value={"cents": "many"})
    assert refused.value.detail["field"] == "cents"
    with pytest.raises(tako.CodecError, match="value of the answer"):
        approvals.approve_sync(seen.id, by="ana", value={"cents": object()})
    approvals.approve_sync(seen.id, by="ana", value={"cents": 5, "note": "ok"})
    assert handle.result_sync(timeout=60)[3] == {"cents": 5, "note": "ok"}
    handle, seen = asking(form=True)
    approvals.reject_sync(seen.id, by="ana")
    assert handle.result_sync(timeout=60)[0] == "reject"


def test_any_option_can_be_answered_and_no_other(asking: Asking) -> None:
    handle, seen = asking(options=["ship", "hold"])
    with pytest.raises(AnswerRefused, match="not one of ship, hold"):
        approvals.approve_sync(seen.id, by="ana")
    approvals.answer_sync(seen.id, "hold", by="ana")
    assert handle.result_sync(timeout=60)[0] == "hold"


def test_the_second_is_told_who_was_first(asking: Asking) -> None:
    _, seen = asking()
    approvals.approve_sync(seen.id, by="ana")
    with pytest.raises(AlreadyDecided, match=r"approve, by ana \(python\)") as late:
        approvals.reject_sync(seen.id, by="ben")
    assert late.value.detail["outcome"] == "approve"
    assert late.value.detail["by"] == "ana"


def test_each_of_a_quorum_counts_once_under_whatever_name(asking: Asking) -> None:
    handle, seen = asking(to=["group:finance"], quorum=2)
    first = approvals.approve_sync(seen.id, by="ben")
    assert (first.state, [a.person for a in first.answers]) == ("open", ["ben"])
    with pytest.raises(AlreadyAnswered, match="ben has answered"):
        approvals.approve_sync(seen.id, by="Benjamin")
    approvals.approve_sync(seen.id, by="ana@shop.test")
    assert handle.result_sync(timeout=60)[1] == "ana"


def test_who_is_not_asked_or_is_excluded_cannot_answer(asking: Asking) -> None:
    _, seen = asking(to=["group:finance"], exclude=["ben"])
    with pytest.raises(NotAllowed, match="not asked of cleo"):
        approvals.approve_sync(seen.id, by="cleo")
    with pytest.raises(NotAllowed, match="ben is excluded"):
        approvals.approve_sync(seen.id, by="benjamin")
    assert approvals.get_sync(seen.id).state == "open"


def test_what_was_shown_is_what_is_approved(asking: Asking) -> None:
    _, seen = asking()
    with pytest.raises(ContentChanged) as changed:
        approvals.approve_sync(seen.id, by="ana", digest="0" * 64)
    assert changed.value.detail["digest"] == seen.digest
    assert approvals.approve_sync(seen.id, by="ana", digest=seen.digest).outcome == "approve"


def test_too_late_is_told_with_the_outcome(asking: Asking) -> None:
    handle, seen = asking(timeout=0.2)
    assert handle.result_sync(timeout=60)[:3] == ["reject", None, "timeout"]
    with pytest.raises(ApprovalClosed, match="nobody decided in time"):
        approvals.approve_sync(seen.id, by="ana")
    assert approvals.list_sync("expired", run_id=handle.id)[0].outcome == "reject"


def test_who_delegates_cannot_answer_any_more_and_the_other_can(asking: Asking) -> None:
    handle, seen = asking(to=["ana"], exclude=["ben"])
    with pytest.raises(NotAllowed, match="ben is excluded"):
        approvals.delegate_sync(seen.id, "benjamin", by="ana")
    after = approvals.delegate_sync(seen.id, "cleo", by="ana", comment="on leave")
    assert after.delegated == (("ana", "cleo"),)
    with pytest.raises(NotAllowed, match="has delegated"):
        approvals.approve_sync(seen.id, by="ana")
    approvals.approve_sync(seen.id, by="cleo")
    assert handle.result_sync(timeout=60)[1] == "cleo"


def test_the_history_says_who_did_what_and_how_that_is_known(asking: Asking) -> None:
    _, seen = asking(to=["ana", "cleo"])
    assert approvals.remind_sync(seen.id, by="cleo") == ()  # it names nothing to tell them with
    with pytest.raises(NotAllowed):
        approvals.approve_sync(seen.id, by="ben")
    door = approvals.Actor("ana", auth="oidc", channel="api", address="10.0.0.7")
    approvals.approve_sync(seen.id, by=door)
    rows = [(r.kind, r.person, r.auth, r.channel) for r in approvals.history_sync(seen.id)]
    assert rows == [
        ("asked", None, "process", "server"),
        ("refused", "ben", "process", "python"),
        ("answered", "ana", "oidc", "api"),
        ("decided", "ana", "process", "server"),
    ]


def test_lists_say_what_waits_for_whom_and_have_pages(asking: Asking) -> None:
    asked = [asking(title=f"Number {n}", to=["dora"], timeout=f"{n}d") for n in (3, 1, 2)]
    mine = approvals.list_sync(person="dora")
    assert [a.question.title for a in mine] == ["Number 1", "Number 2", "Number 3"]
    assert mine.next is None
    first = approvals.list_sync(person="dora", limit=2)
    rest = approvals.list_sync(person="dora", limit=2, after=first.next)
    assert [*first, *rest] == [*mine]
    approvals.approve_sync(mine[0].id, by="dora")
    assert len(approvals.list_sync(person="dora")) == 2
    ever = {a.id for a in approvals.list_sync("all", person="dora")}
    assert ever == {a.id for _, a in asked}
    assert approvals.list_sync(workflow="nobody's") == []


def test_all_of_it_is_there_for_an_event_loop_too(asking: Asking) -> None:
    async def go(seen: approvals.Approval) -> list[str]:
        assert seen in await approvals.list(run_id=seen.run_id)
        await approvals.remind(seen.id, by="ana")
        await approvals.delegate(seen.id, "cleo", by="ben")
        several = await asyncio.gather(
            *(approvals.answer(seen.id, "approve", by=by) for by in ("ana", "cleo", "dora")),
            return_exceptions=True,
        )
        assert (await approvals.get(seen.id)).outcome == "approve"
        assert (await approvals.history(seen.id))[-1].kind == "refused"
        return [type(said).__name__ for said in several]

    _, seen = asking(to=["ana", "ben", "dora"])
    said = asyncio.run(go(seen))
    assert sorted(said) == ["AlreadyDecided", "AlreadyDecided", "Approval"]


UNKNOWN: list[Callable[[], Any]] = [
    lambda: approvals.get_sync("nonesuch"),
    lambda: approvals.history_sync("nonesuch"),
    lambda: approvals.approve_sync("nonesuch", by="ana"),
    lambda: approvals.delegate_sync("nonesuch", "ben", by="ana"),
    lambda: approvals.remind_sync("nonesuch", by="ana"),
]


@pytest.mark.parametrize("call", UNKNOWN)
def test_an_id_that_nobody_knows(served: AppFixture, call: Callable[[], Any]) -> None:
    with pytest.raises(ApprovalNotFound, match="there is no approval nonesuch"):
        call()


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: approvals.list_sync("done"), ValueError, "no state of an approval: open, decided"),
    (lambda: approvals.list_sync(limit=0), ValueError, "limit must be between 1 and 1000"),
    (lambda: approvals.list_sync(person=""), ValueError, "person must have"),
    (lambda: approvals.get_sync(""), ValueError, "approval's id must have"),
    (lambda: approvals.approve_sync("a", by=""), ValueError, "by must have"),
    (lambda: approvals.approve_sync("a", by=5), TypeError, "by must be"),  # type: ignore[arg-type]
    (lambda: approvals.answer_sync("a", "", by="ana"), ValueError, "answer must have"),
    (lambda: approvals.reject_sync("a", by="ana", comment="x" * 10_001), ValueError, "comment"),
    (lambda: approvals.approve_sync("a", by="ana", value="x" * 2**20), tako.TooLarge, "value"),
    (lambda: approvals.delegate_sync("a", "a\nb", by="ana"), ValueError, "to must have no"),
]


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_an_argument_that_cannot_be_used(
    served: AppFixture, call: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("module", [approvals, tako.links])
def test_each_function_has_a_twin_with_the_same_arguments(module: Any) -> None:
    functions = {n: f for n, f in vars(module).items() if n in module.__all__ and callable(f)}
    twins = [name for name in functions if name.endswith("_sync")]
    assert twins
    for name in twins:
        both = [inspect.signature(functions[n]) for n in (name, name.removesuffix("_sync"))]
        assert both[0] == both[1], name
