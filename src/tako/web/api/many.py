"""Many at one time: runs cancelled or rerun, approvals given one answer."""

from typing import Annotated, Any, Literal, cast

from msgspec import Meta, Struct, field

from tako.model import Role, Run
from tako.web import asked, bulk
from tako.web.api.approvals import ApprovalOut, Digest, seen, shown
from tako.web.api.calls import KEY_HEADER, Call, Route
from tako.web.api.runs import RunFilter, State
from tako.web.api.shapes import Ask, Id, Text
from tako.web.engine import engine_of
from tako.web.problems import Trouble, body_of, problem_of

# --- what comes in


class ManyRuns(Ask, frozen=True):
    """Either ``runs`` or ``filter``, whose newest 1,000 are meant. ``dry_run``: nothing is done.

    Unless it is a dry run, a request with an Idempotency-Key has to name its ``runs``.
    """

    do: Literal["cancel", "rerun"]
    runs: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=bulk.MOST)] | None = None
    filter: RunFilter | None = None
    reason: Text = "cancelled by an operator"
    dry_run: bool = False


class PickIn(Ask, frozen=True):
    """``digest``: of the content that was seen; other content is refused."""

    id: Id
    digest: Digest | None = None


class ManyAnswers(Ask, frozen=True):
    """``comment`` is kept with each answer. What has a form is answered by itself."""

    answer: Id
    approvals: Annotated[tuple[PickIn, ...], Meta(min_length=1, max_length=asked.MOST)]
    comment: Text | None = None


# --- what goes out


class RunDone(Struct, frozen=True):
    """``left``: it had ended, or did not fail; ``unknown``: the engine did not say."""

    id: str
    outcome: Literal["ready", "done", "left", "missing", "refused", "unknown"]
    state: State | None = None
    problem: str | None = None


class ManyRunsOut(Struct, frozen=True):
    """With ``dry_run``, ``ready`` runs are those that it would do something to; without, ``done``
    tells how many it has. ``more``: the filter finds others too."""

    runs: list[RunDone]
    done: int
    more: bool


class AnswerDone(Struct, frozen=True):
    """``status`` is that of the single route, and so is what comes with it."""

    id: str
    status: int
    approval: ApprovalOut | None = None
    problem: dict[str, Any] | None = None


class ManyAnswersOut(Struct, frozen=True):
    """In the order of the request, each approval once."""

    counted: int
    answers: list[AnswerDone] = field(default_factory=list)


# --- how

_NAME_THEM = (
    f"with an {KEY_HEADER} name the `runs`, as a dry run lists them, and take a new key: sent "
    "again, a filter may find others; nothing was done"
)


async def many_runs(call: Call, body: ManyRuns) -> ManyRunsOut:
    if (body.runs is None) == (body.filter is None):
        raise Trouble("invalid", "give either runs or filter", field="runs")
    if body.filter is not None and call.key is not None and not body.dry_run:
        raise Trouble("invalid", _NAME_THEM, field="filter")
    engine = engine_of(call.request)
    if body.filter is not None:
        chosen = await bulk.by_filter(engine, body.filter.command())
    else:
        chosen = await bulk.by_ids(engine, body.runs or ())
    if body.dry_run:
        found = [_would(body.do, run) for run in chosen.runs]
    else:
        once = call.new_id()
        done = await bulk.carry_out(engine, body.do, chosen.runs, body.reason, once)
        found = [RunDone(d.run_id, d.outcome, cast("State", d.state), d.problem) for d in done]
    found += [RunDone(run_id, "missing") for run_id in chosen.missing]
    return ManyRunsOut(found, sum(one.outcome == "done" for one in found), chosen.more)


def _would(do: bulk.Deed, run: Run) -> RunDone:
    return RunDone(run.id, "ready" if bulk.can(do, run) else "left", run.state.value)


async def many_answers(call: Call, body: ManyAnswers) -> ManyAnswersOut:
    picks = {pick.id: asked.Pick(pick.id, pick.digest) for pick in body.approvals}
    if len(picks) < len(body.approvals):
        raise Trouble("invalid", "an approval is named more than once", field="approvals")
    sent = await asked.answer_each(
        engine_of(call.request),
        call.who.actor,
        list(picks.values()),
        body.answer,
        body.comment,
        see=lambda approval_id: seen(call, approval_id),
        decide_id=lambda pick: call.new_id(pick.id),
    )
    found = [_answer(call, one) for one in sent]
    return ManyAnswersOut(sum(one.approval is not None for one in found), found)


def _answer(call: Call, sent: asked.Sent) -> AnswerDone:
    if sent.error is None:
        assert sent.approval is not None
        return AnswerDone(sent.pick.id, 200, shown(sent.approval))
    problem = problem_of(sent.error)
    path = f"{call.request.url.path.rpartition('/')[0]}/{sent.pick.id}/answer"
    return AnswerDone(sent.pick.id, problem.status, problem=body_of(problem, path))


ROUTES = (
    Route(
        *("POST", "/api/runs/bulk", Role.OPERATOR, many_runs, ManyRuns, ManyRunsOut),
        summary="Cancel or rerun many runs, or see what that would do",
        keyed=True,
    ),
    Route(
        *("POST", "/api/approvals/answer", Role.APPROVER, many_answers),
        *(ManyAnswers, ManyAnswersOut),
        summary="Give many approvals the same answer",
        keyed=True,
        asked=True,
    ),
)
