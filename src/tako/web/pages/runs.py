"""`/runs`: the list with its filters, and what it shows as CSV or JSON."""

import csv
import io
import re
from collections.abc import AsyncIterator
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tako.builtin import RESERVED
from tako.clock import now_ms
from tako.commands import CountRuns, ListWorkflows, RunCounts, RunList, WorkflowList
from tako.model import Role, Run, RunState
from tako.web.engine import engine_of
from tako.web.pages.causes import LOOKED, causes, short, told
from tako.web.pages.framing import logged_in, page
from tako.web.problems import Trouble
from tako.web.runlist import every, wanted_of
from tako.web.security import no_time_out
from tako.web.times import rfc3339

PAGE = 50
EXPORTED = 100_000
COLUMNS = (
    *("id", "workflow", "state", "attempt", "created_at", "started_at", "finished_at", "tags"),
    "note",
)
_LAST = (
    ("", "Any time"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
)
# What spreadsheets take for something to compute: at the beginning of a cell, and of what becomes
# one where they part cells at semicolons too (most of Europe).
_FORMULA = re.compile(r"(^|;)(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r])")


def routes() -> list[BaseRoute]:
    return [
        Route("/runs", runs, methods=["GET"], name="runs"),
        Route("/runs.csv", as_csv, methods=["GET"]),
        Route("/runs.json", as_json, methods=["GET"]),
    ]


async def runs(request: Request) -> Response:
    who = await logged_in(request, Role.VIEWER)

    async def load() -> dict[str, Any]:
        wanted, problem = wanted_of(request.query_params)
        before = request.query_params.get("before", "")
        engine, now = engine_of(request), now_ms()
        failed = wanted.state == RunState.FAILED and not before
        most = LOOKED if failed else PAGE + 1
        found = await engine.read(wanted.command(now, most, before), RunList)
        follows = _next_before(found)
        counts = await engine.read(CountRuns(wanted.workflow or None, bool(wanted.own)), RunCounts)
        known = (await engine.read(ListWorkflows(), WorkflowList)).workflows
        more = wanted.query + "&" if wanted.query else ""
        return {
            "wanted": wanted,
            "problem": problem,
            "runs": found.runs[:PAGE],
            "next": f"?{more}before={quote(follows, safe='')}" if follows else "",
            "stopped": found.searched_upto is not None and len(found.runs) <= PAGE,
            "causes": causes(found.runs) if failed else (),
            "looked": LOOKED if len(found.runs) == LOOKED else 0,
            "paged": before,
            "counts": [(str(state), counts.counts[state]) for state in RunState],
            "total": sum(counts.counts.values()),
            "workflows": [w.name for w in known if wanted.own or not w.name.startswith(RESERVED)],
            "last": _LAST,
            "note": note_of,
            "short": short,
            "tagged": cache(lambda tag: wanted.but(tag=tag)),
            "now": now,
        }

    return await page(request, who, "runs.html", load=load, live="runs", shared=True)


def _next_before(found: RunList) -> str | None:
    """One more than a page was asked for, to know whether there is one."""
    return found.runs[PAGE - 1].id if len(found.runs) > PAGE else found.searched_upto


def note_of(run: Run) -> str:
    """The one thing worth saying about a run in a list, in one line."""
    line = " ".join(told(run).split())
    return line if len(line) <= 300 else f"{line[:299]}…"


# --- exports


async def as_csv(request: Request) -> Response:
    """What the filter shows, newest first, with a line of names before it."""

    async def lines() -> AsyncIterator[str]:
        yield _line(COLUMNS)
        async for runs in _exported(request):
            yield "".join(
                _line([_safe(_cell(value)) for value in _record(run).values()]) for run in runs
            )

    return await _download(request, lines(), "text/csv; charset=utf-8", "runs.csv")


async def as_json(request: Request) -> Response:
    """The same as an array of objects."""

    async def parts() -> AsyncIterator[str]:
        before = "[\n"
        async for runs in _exported(request):
            yield before + ",\n".join(msgspec.json.encode(_record(run)).decode() for run in runs)
            before = ",\n"
        yield "[]\n" if before == "[\n" else "\n]\n"

    return await _download(request, parts(), "application/json", "runs.json")


def _exported(request: Request) -> AsyncIterator[list[Run]]:
    wanted, _ = wanted_of(request.query_params)
    return every(engine_of(request), wanted.command(now_ms()), EXPORTED)


async def _download(
    request: Request, parts: AsyncIterator[str], kind: str, name: str
) -> StreamingResponse:
    """Raises Trouble: not all of the filter can be used, so that it would be too much."""
    await logged_in(request, Role.VIEWER)
    _, problem = wanted_of(request.query_params)
    if problem:
        raise Trouble("invalid", problem)
    no_time_out(request.scope)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(parts, media_type=kind, headers=headers)


def _record(run: Run) -> dict[str, Any]:
    moments = (run.created_at, run.started_at, run.finished_at)
    created, started, finished = (None if at is None else rfc3339(at) for at in moments)
    values = (run.id, run.workflow, str(run.state), run.attempt, created, started, finished)
    return dict(zip(COLUMNS, (*values, run.tags, note_of(run)), strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _safe(text: str) -> str:
    """A text that no spreadsheet computes (OWASP, "CSV Injection")."""
    return _FORMULA.sub(r"\1'", text)


def _line(cells: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
