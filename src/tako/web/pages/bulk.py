"""`/runs/bulk`: cancel or rerun many runs: chosen, shown what will happen, done."""

import asyncio
from collections import Counter
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.clock import now_ms
from tako.commands import Cancel, Changed, Command, Rerun
from tako.errors import Refused
from tako.model import ENDED, Role, Run, RunState
from tako.web import csrf
from tako.web.engine import Engine, engine_of
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import path_of
from tako.web.problems import Trouble
from tako.web.runlist import every, runs_of, wanted_of
from tako.web.who import Who

MOST = 1_000
_AT_ONCE = 50
_RERUN = (RunState.FAILED, RunState.CANCELLED)
STALE = "The page had been open for too long. Nothing was done; please try once more."


class Order(msgspec.Struct, frozen=True):
    """What is to be done. ``more``: the filter shows more than may be done at one time."""

    do: str
    runs: tuple[Run, ...]
    reason: str
    query: str
    more: bool = False

    @property
    def able(self) -> list[Run]:
        """Those that it will do something to."""
        if self.do == "cancel":
            return [run for run in self.runs if run.state not in ENDED]
        return [run for run in self.runs if run.state in _RERUN]


def routes() -> list[BaseRoute]:
    return [
        Route("/runs/bulk", bulk, methods=["POST"]),
        Route("/runs/bulk", back, methods=["GET"]),
    ]


async def back(request: Request) -> Response:
    """After a login, or typed by hand: nothing is chosen."""
    return RedirectResponse(path_of(request, "/runs"), 303)


async def bulk(request: Request) -> Response:
    """Shows what would be done; with ``sure`` does it."""
    who = await logged_in(request, Role.OPERATOR)
    async with request.form(max_files=0, max_fields=MOST + 20) as form:
        chosen = [text for text in form.getlist("run") if isinstance(text, str)]
        data = {name: text for name, text in form.items() if isinstance(text, str)}
    if not csrf.matches(request, data):
        raise Trouble("not_allowed", STALE)
    if data.get("do") not in ("cancel", "rerun"):
        raise Trouble("bad_request", "nothing that can be done to runs was chosen", field="do")
    order = await _order(engine_of(request), data, chosen)
    if data.get("sure") == "1" and order.able:
        return await _done(request, who, order)

    async def load() -> dict[str, object]:
        return {"order": order, "most": MOST}

    return await page(request, who, "bulk.html", load=load)


async def _order(engine: Engine, data: dict[str, str], chosen: list[str]) -> Order:
    query = data.get("query", "")
    reason = data.get("reason", "").strip()[:1_000] or "cancelled by an operator"
    if data.get("all") == "1":
        wanted, problem = wanted_of({k: v[0] for k, v in parse_qs(query).items()})
        if problem:
            raise Trouble("invalid", problem)
        found = [run async for run in every(engine, wanted, now_ms(), MOST + 1)]
        return Order(data["do"], tuple(found[:MOST]), reason, query, len(found) > MOST)
    found = await runs_of(engine, chosen[:MOST])
    return Order(data["do"], tuple(found), reason, query)


async def _done(request: Request, who: Who, order: Order) -> Response:
    engine, counts = engine_of(request), Counter[str]()
    for at in range(0, len(order.able), _AT_ONCE):
        part = order.able[at : at + _AT_ONCE]
        counts.update(await asyncio.gather(*[_do(engine, order, run) for run in part]))

    async def load() -> dict[str, object]:
        return {"order": order, "counts": counts, "skipped": len(order.runs) - len(order.able)}

    return await page(request, who, "bulk-done.html", load=load)


async def _do(engine: Engine, order: Order, run: Run) -> str:
    """changed | ended | refused"""
    cancel = order.do == "cancel"
    command: Command = Cancel(run.id, order.reason) if cancel else Rerun(run.id)
    try:
        reply = await engine.ask(command, Changed)
    except Refused:
        return "refused"
    return "changed" if reply.changed else "ended"
