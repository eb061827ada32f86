"""`/runs/bulk`: cancel or rerun many runs: chosen, shown what will happen, done."""

from collections import Counter
from typing import cast
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.clock import now_ms
from tako.model import Role, Run
from tako.web import csrf
from tako.web.bulk import MOST, Chosen, Deed, by_filter, by_ids, can, carry_out
from tako.web.engine import Engine, engine_of
from tako.web.pages.answering import once
from tako.web.pages.causes import short, told
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import path_of
from tako.web.posted import pairs, single
from tako.web.problems import Trouble
from tako.web.runlist import wanted_of
from tako.web.who import Who


class Order(msgspec.Struct, frozen=True):
    """What is to be done."""

    do: Deed
    chosen: Chosen
    reason: str
    query: str

    @property
    def able(self) -> list[Run]:
        """Those that it will do something to."""
        return [run for run in self.chosen.runs if can(self.do, run)]

    @property
    def left(self) -> int:
        return len(self.chosen.runs) - len(self.able)


def routes() -> list[BaseRoute]:
    return [
        Route("/runs/bulk", bulk, methods=["POST"]),
        Route("/runs/bulk", back, methods=["GET"]),
    ]


async def back(request: Request) -> Response:
    """After a login, or typed by hand: nothing is chosen."""
    return RedirectResponse(path_of(request, "/runs"), 303)


async def bulk(request: Request) -> Response:
    """Shows what would be done; with ``sure`` does it, to runs that have been listed by their id.

    What a filter finds is always shown first: it may find others by the time of the second click.
    """
    who = await logged_in(request, Role.OPERATOR)
    sent = await pairs(request)
    chosen = [text for name, text in sent if name == "run"]
    data = single([pair for pair in sent if pair[0] != "run"])
    if not csrf.matches(request, data):
        raise Trouble("not_allowed", csrf.stale())
    if data.get("do") not in ("cancel", "rerun"):
        raise Trouble("bad_request", "nothing that can be done to runs was chosen", field="do")
    order = await _order(engine_of(request), data, chosen)
    if data.get("sure") == "1" and data.get("all") != "1" and order.able:
        return await _done(request, who, order, once(data, order.do, order.reason))

    async def load() -> dict[str, object]:
        return {"order": order, "most": MOST, "said": lambda run: short(told(run))}

    return await page(request, who, "bulk.html", load=load)


async def _order(engine: Engine, data: dict[str, str], ids: list[str]) -> Order:
    do, query = cast("Deed", data["do"]), data.get("query", "")
    reason = data.get("reason", "").strip()[:1_000] or "cancelled by an operator"
    if data.get("all") == "1":
        wanted, problem = wanted_of(dict(parse_qsl(query)))
        if problem:
            raise Trouble("invalid", problem)
        return Order(do, await by_filter(engine, wanted.command(now_ms())), reason, query)
    if len(ids) > MOST:
        raise Trouble("invalid", f"at most {MOST:,} runs at one time; nothing was done")
    return Order(do, await by_ids(engine, ids), reason, query)


async def _done(request: Request, who: Who, order: Order, sent: str) -> Response:
    done = await carry_out(engine_of(request), order.do, order.able, order.reason, sent)
    counts = Counter(one.outcome for one in done)

    async def load() -> dict[str, object]:
        return {"order": order, "counts": counts, "watched": _watched(order)}

    return await page(request, who, "bulk-done.html", load=load)


def _watched(order: Order) -> str:
    """The query that shows them from now on: they have another state, and no error of before."""
    wanted, _ = wanted_of(dict(parse_qsl(order.query)))
    workflows = {run.workflow for run in order.able}
    one = workflows.pop() if len(workflows) == 1 else wanted.workflow
    return wanted.but(state="", text="", workflow=one)
