"""`/workflows`: what there is, how it fares, and a form that starts a run of it."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from markupsafe import Markup
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako import cron, forms
from tako.checks import LONGEST_ID, LONGEST_KEY, check_tags, check_text
from tako.clock import now_ms
from tako.commands import (
    Enqueue,
    Enqueued,
    GetWorkflowStats,
    ListRuns,
    ListWorkflows,
    RunList,
    WorkflowList,
    WorkflowStats,
)
from tako.durations import to_ms
from tako.errors import PayloadRefused, TakoError, Unavailable
from tako.model import BrokenModule, Role, Run, WorkflowInfo, WorkflowStat
from tako.schema import find_problem
from tako.web import charts, csrf
from tako.web.engine import config_of, engine_of
from tako.web.pages import wording
from tako.web.pages.answering import once
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import path_of, short
from tako.web.posted import read
from tako.web.problems import Trouble
from tako.web.system import PATIENCE
from tako.web.who import Who

PAGE = 25
RECENT, DOTS = 10, 16  # last runs as a table, and as signs
MARK = "mark"
CHANGED = (
    "What this workflow takes has changed since you saw the form. Nothing was started; please look "
    "at it again."
)


class Line(Struct, frozen=True):
    """A workflow with its figures and its last runs, newest first.

    ``stat`` None: nothing is known of it but its name.
    """

    info: WorkflowInfo
    stat: WorkflowStat | None
    runs: list[Run]

    @property
    def metrics(self) -> list["Metric"]:
        return [] if self.stat is None else _metrics(self.stat)


class Metric(Struct, frozen=True):
    """A figure, its chart, and what it is of."""

    name: str
    value: str
    chart: Markup
    hints: tuple[str, ...]
    query: str = ""  # of the runs that it counts


def _metrics(stat: WorkflowStat) -> list[Metric]:
    spans = [("Takes", stat.duration), ("Starts after", stat.delay)]
    if stat.waits is not None:
        spans.append(("Waits", stat.waits))
    days = (f"{len(stat.per_day)} days",)
    return [
        Metric("Runs", f"{sum(stat.per_day):,}", charts.days(stat.per_day), days),
        *(_span(name, values) for name, values in spans),
        _failed(stat),
    ]


def _span(name: str, values: Sequence[int]) -> Metric:
    if not values:
        return Metric(name, "–", Markup(), ("not yet",))
    p50, *rest = (short(ms) for ms in values)
    hints = tuple(f"{p} {text}" for p, text in zip(("p90", "p99"), rest, strict=True))
    said = f"{name}: {', '.join((f'p50 {p50}', *hints))}"
    return Metric(name, p50, charts.percentiles(values, said), hints)


def _failed(stat: WorkflowStat) -> Metric:
    if not stat.sample:
        return Metric("Failed", "–", Markup(), ("not yet",))
    share = f"{100 * stat.failed / stat.sample:.1f} %"
    of = f"{stat.failed:,} of the last {stat.sample:,}"
    query = urlencode({"state": "failed", "workflow": stat.name}) if stat.failed else ""
    return Metric("Failed", share, charts.failures(stat.failures), (of,), query)


def routes() -> list[BaseRoute]:
    one = "/workflows/{name:path}"
    return [
        Route("/workflows", workflows, methods=["GET"], name="workflows"),
        Route(one, workflow, methods=["GET"], name="workflow"),
        Route(one, start, methods=["POST"]),
    ]


async def workflows(request: Request) -> Response:
    who = await logged_in(request, Role.VIEWER)

    text = request.query_params.get("text", "").strip()[:LONGEST_ID]
    after = request.query_params.get("after", "")

    async def load() -> dict[str, Any]:
        known = await _known(request)
        found = [w for w in known.workflows if text.casefold() in w.name.casefold()]
        left = [w for w in found if w.name > after]
        names = tuple(info.name for info in left[:PAGE])
        stats = await engine_of(request).read(GetWorkflowStats(among=names), WorkflowStats)
        lines = [
            Line(info, stat, await _last(request, info.name, DOTS))
            for info, stat in zip(left, stats.stats, strict=False)
        ]
        more = {"text": text, "after": names[-1]} if len(left) > PAGE else {}
        return {
            "lines": lines,
            "broken": known.broken,
            "cron": cron,
            "text": text,
            "many": len(known.workflows) > PAGE,
            "first": f"?{urlencode({'text': text})}" if after else "",
            "more": f"?{urlencode(more)}" if more else "",
        }

    return await page(request, who, "workflows.html", load=load, live="workflows", shared=True)


async def workflow(request: Request) -> Response:
    who = await logged_in(request, Role.VIEWER)
    return await _show(request, who)


async def _show(
    request: Request,
    who: Who,
    status: int = 200,
    data: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """``data`` None: the form is as it was made. Raises Trouble: there is no such workflow."""
    name = request.path_params["name"]

    async def load() -> dict[str, Any]:
        known = await _known(request)
        info = next((w for w in known.workflows if w.name == name), None)
        if info is None:
            raise Trouble("not_found", f"no workflow is named {name!r}")
        engine = engine_of(request)
        stats = (await engine.read(GetWorkflowStats(name), WorkflowStats)).stats
        recent = await _last(request, name, RECENT)
        form = None if info.schema is None else forms.form_of(info.schema)
        return {
            "line": Line(info, stats[0] if stats else None, recent),
            "broken": known.broken,
            "cron": cron,
            "now": now_ms(),
            "form": form,
            "mark": _mark(info.schema),
            "data": (forms.texts(form) if form else {}) if data is None else data,
            "errors": errors or {},
            "focus": next(iter(errors or {}), ""),
        }

    return await page(request, who, "workflow.html", status, load=load, live="workflows")


async def _known(request: Request) -> WorkflowList:
    """With why workers do not start, which only the server knows."""
    try:
        asked = engine_of(request).ask(ListWorkflows(), WorkflowList)
        return await asyncio.wait_for(asked, PATIENCE)
    except (Unavailable, TimeoutError):
        found = await engine_of(request).read(ListWorkflows(), WorkflowList)
        away = BrokenModule("The engine", "it does not answer: no run goes on until it does")
        return WorkflowList(found.workflows, [*found.broken, away])


async def _last(request: Request, name: str, limit: int) -> list[Run]:
    command = ListRuns(workflow=name, limit=limit, brief=True)
    return (await engine_of(request).read(command, RunList)).runs


# --- starting a run


async def start(request: Request) -> Response:
    who = await logged_in(request, Role.OPERATOR)
    name = request.path_params["name"]
    data = await read(request)
    if not csrf.matches(request, data):
        return await _show(request, who, 403, data, {"": csrf.stale("started")})
    known = await engine_of(request).read(ListWorkflows(), WorkflowList)
    schema = next((w.schema for w in known.workflows if w.name == name), None)
    if data.get(MARK, _mark(schema)) != _mark(schema):
        return await _show(request, who, 409, data, {"": CHANGED})
    form = None if schema is None else forms.form_of(schema)
    parsed = _raw(data) if form is None else forms.parse(form, data)
    options, errors = _options(data)
    errors |= parsed.errors
    payload = msgspec.json.encode(parsed.value)
    if len(payload) > (limit := config_of(request).defaults.max_value):
        errors[""] = f"The payload has {len(payload):,} bytes; at most {limit:,} are possible."
    wrong = None if errors or schema is None else find_problem(payload.decode(), schema)
    if form is not None and wrong is not None:
        errors = forms.errors_at(form, *wrong, parsed.missing)
    if errors:
        return await _show(request, who, 422, data, errors)
    run_id = once(data, name, payload.decode(), repr(options))
    command = Enqueue(run_id, name, payload.decode(), **options)
    try:
        reply = await engine_of(request).ask(command, Enqueued)
    except PayloadRefused as refusal:  # by a newer type than the one that was read here
        return await _show(request, who, 422, data, {"": str(refusal)})
    return RedirectResponse(path_of(request, f"/runs/{quote(reply.run_id, safe='')}"), 303)


def _mark(schema: str | None) -> str:
    """What a form was made for: in one for something else, fields are missing, or mean other."""
    return hashlib.sha256((schema or "").encode()).hexdigest()[:16]


def _raw(data: Mapping[str, str]) -> forms.Parsed:
    text = data.get("json", "").strip() or "null"
    try:
        return forms.Parsed(msgspec.json.decode(text), {}, ())
    except (msgspec.DecodeError, ValueError) as error:
        return forms.Parsed(None, {"json": f"This is not JSON: {error}"}, ())
    except RecursionError:
        return forms.Parsed(None, {"json": "This is nested too deeply."}, ())


def _options(data: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What goes into the command, and what is wrong with it, by field."""
    options: dict[str, Any] = {}
    errors: dict[str, str] = {}
    delay, key = data.get("delay", "").strip(), data.get("unique_key", "").strip()
    tags = [tag.strip() for tag in data.get("tags", "").split(",") if tag.strip()]
    if delay:
        try:
            given = float(delay) if delay.replace(".", "", 1).isdecimal() else delay
            options["delay"] = to_ms(given, what="delay")
        except (TypeError, ValueError, OverflowError, TakoError) as error:
            errors["delay"] = str(error)
    try:
        options["unique_key"] = check_text(key, "a unique key", LONGEST_KEY) if key else None
    except ValueError as error:
        errors["unique_key"] = wording.sentence(str(error))
    try:
        options["tags"] = check_tags(tuple(dict.fromkeys(tags)))
    except ValueError as error:
        errors["tags"] = wording.sentence(str(error))
    return options, errors
