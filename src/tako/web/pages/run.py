"""`/runs/{id}`: one run, what came in, what came out, and what happened in between."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tako.builtin import RESERVED
from tako.checks import LOG_LINES
from tako.clock import now_ms
from tako.commands import (
    ApprovalList,
    Get,
    GetStep,
    GetStory,
    ListApprovals,
    ListLogs,
    ListWorkflows,
    LogPage,
    RunList,
    RunReply,
    StepReply,
    Story,
    WorkflowList,
)
from tako.cron import moment_of_run
from tako.model import Approval, Pass, Role, Run, RunError, RunState, StepKind, StepLine
from tako.people import Directory
from tako.web.engine import Engine, config_of, engine_of, people_of
from tako.web.pages import wording
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import marked, path_of
from tako.web.problems import Trouble
from tako.web.timeline import NARROW, WIDE, draw, layout, legend
from tako.web.who import Who
from tako.why import Scene, running_of, server_answers, tried, why

DRAWN = 3_000  # steps of a picture
ROWS = 100  # steps of the table
_BEGINS = 100  # characters of a step's error that a `StepLine` has
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in (.+)$', re.MULTILINE)
_PARTS = ("payload", "result", "error")


def routes() -> list[BaseRoute]:
    one = "/runs/{id:any_id}"
    return [
        *(Route(f"{one}/{part}.json", download, methods=["GET"]) for part in _PARTS),
        Route(f"{one}/steps", step_page, methods=["GET"]),
        Route(one, run_page, methods=["GET"], name="run"),
    ]


async def run_page(request: Request) -> Response:
    who = await logged_in(request, Role.VIEWER)
    return await show(request, who)


async def show(request: Request, who: Who, status: int = 200, notice: str = "") -> Response:
    """The page, with what went wrong if something has been tried."""

    async def load() -> dict[str, Any]:
        return await _loaded(request) | {"notice": notice}

    run_id = request.path_params["id"]
    at = None if request.method == "GET" else path_of(request, f"/runs/{quote(run_id, safe='')}")
    live = f"run:{run_id}"
    return await page(request, who, "run.html", status, load=load, live=live, at=at, shared=True)


async def _loaded(request: Request) -> dict[str, Any]:
    engine, run_id = engine_of(request), request.path_params["id"]
    after, rows = _whole(request, "after"), _whole(request, "rows")
    number = _whole(request, "number")
    story = await engine.read(GetStory(run_id, after, DRAWN), Story)
    run = (await engine.read(Get(run_id), RunReply)).run
    asked = (await engine.read(ListApprovals(None, run_id=run_id), ApprovalList)).approvals
    logged = await engine.read(ListLogs(run_id, limit=LOG_LINES + 1), LogPage)
    error = None if run.error is None else msgspec.json.decode(run.error, type=RunError)
    now = now_ms()

    def place(n: int) -> str:
        """Of the n-th step of the picture in the table."""
        start = n // ROWS * ROWS
        page_of = "" if start == rows else _query(after, start, number)
        return f"{page_of}#step-{number + n + 1}"

    pictures = [layout(story, now, place, number, sheet) for sheet in (WIDE, NARROW)]
    return {
        "run": run,
        "scheduled_for": moment_of_run(run.id, run.workflow),
        "error": error,
        "failed_in": _failed_in(error, story.steps),
        "place": place_of(error, config_of(request).dir),
        "steps": story.steps[rows : rows + ROWS],
        "waiters": story.waiters[:ROWS],
        "more_waiters": max(0, len(story.waiters) - ROWS),
        "known": not run.workflow.startswith(RESERVED),
        "tried": tried(run),
        "anew": anew(story.passes),
        "passes": story.passes,
        "first": number + rows,
        "partly": bool(after) or story.next is not None,
        "drawn": (number + 1, number + len(story.steps)),
        "next": _next(story, after, rows, number),
        "paged": bool(after or rows),
        "picture": draw(pictures, f"Time line of run {run.id}"),
        "legend": legend(pictures[0]),
        "lines": logged.lines,
        "approvals": asked,
        "why": await _why(request, engine, run, story, asked, now),
        "people": people_of(request),
        "words": wording,
        "now": now,
    }


def _failed_in(error: RunError | None, steps: Sequence[StepLine]) -> str:
    """The step whose error the handler did not catch; "": it is not among these."""
    if error is None:
        return ""
    told = f"{error.type}: {error.message}"[:_BEGINS]
    failed = [step.name for step in steps if step.outcome == "failed" and step.begins == told]
    return error.step or (failed[-1] if failed else "")


def place_of(error: RunError | None, root: Path) -> str:
    """Where in the app it was raised, or called what raised it: "workflows/shop.py:12, in pay"."""
    frames = _FRAME.findall(error.traceback if error else "")
    own = [frame for frame in frames if Path(frame[0]).is_relative_to(root)]
    if not own:
        return ""
    file, line, function = own[-1]
    return f"{Path(file).relative_to(root)}:{line}, in {function}"


def anew(passes: Sequence[Pass]) -> bool:
    """Whether its attempts were counted from 1 again: somebody has run it again."""
    return any(later.attempt < earlier.attempt for earlier, later in pairwise(passes))


def _whole(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def _query(after: int, rows: int, number: int) -> str:
    return f"?after={after}&rows={rows}&number={number}"


def _next(story: Story, after: int, rows: int, number: int) -> str:
    """Where the table goes on: in this picture, or in the next."""
    if rows + ROWS < len(story.steps):
        return _query(after, rows + ROWS, number)
    if story.next is None:
        return ""
    return _query(story.next, 0, number + len(story.steps))


async def _why(
    request: Request, engine: Engine, run: Run, story: Story, asked: list[Approval], now: int
) -> str:
    people, known, running = people_of(request), WorkflowList([], []), 0
    if run.state is RunState.PENDING:
        known = await engine.read(ListWorkflows(), WorkflowList)
        running = len((await engine.read(running_of(run.workflow), RunList)).runs)
    scene = Scene(
        run,
        story.waiters,
        [approval for approval in asked if approval.state == "open"],
        known,
        running,
        server_answers(config_of(request).socket),
        now,
        asked=lambda approval, now: _asked(people, approval, now),
        clock=marked,
        typed=False,
    )
    return why(scene)


def _asked(people: Directory, approval: Approval, now: int) -> str:
    left = "" if approval.deadline is None else wording.time_left(approval.deadline, now)
    until = f"; the deadline is {left}" if left else ""
    names = wording.names_of(people, approval.asked)
    return f"It waits for the answer of {names} to “{approval.question.title}”{until}."


async def step_page(request: Request) -> Response:
    """One saved step with its value or its error."""
    who = await logged_in(request, Role.VIEWER)
    engine, run_id = engine_of(request), request.path_params["id"]
    name = request.query_params.get("name", "")

    async def load() -> dict[str, Any]:
        step = (await engine.read(GetStep(run_id, name), StepReply)).step
        run = (await engine.read(GetStory(run_id, limit=1), Story)).run
        failed = step.outcome == "failed"
        error = msgspec.json.decode(step.value or "", type=RunError) if failed else None
        return {
            "run": run,
            "step": step,
            "asks": step.kind == StepKind.APPROVAL,
            "error": error,
            "place": place_of(error, config_of(request).dir),
        }

    return await page(request, who, "step.html", load=load)


async def download(request: Request) -> Response:
    """Payload, result or error of a run: all of it, as it is stored."""
    await logged_in(request, Role.VIEWER)
    part = request.url.path.rpartition("/")[2].removesuffix(".json")
    found = (await engine_of(request).read(Get(request.path_params["id"]), RunReply)).run
    text = _part(found, part)
    if text is None:
        raise Trouble("not_found", f"run {found.id} has no {part}")
    headers = {"Content-Disposition": f'attachment; filename="{part}.json"'}
    return Response(text, media_type="application/json", headers=headers)


def _part(run: Run, part: str) -> str | None:
    text: str | None = getattr(run, part)
    return text
