"""`/waiting`: events and deadlines with what waits for them, and signals that nobody has taken."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tako.checks import LONGEST_EVENT, LONGEST_KEY, UNPRINTABLE
from tako.clock import now_ms
from tako.commands import (
    Count,
    CountApprovals,
    CountRuns,
    DueList,
    EventGroups,
    ListDue,
    ListEventGroups,
    ListMailbox,
    ListWaitersOf,
    Mailbox,
    RunCounts,
    Signal,
    Signalled,
    WaiterPage,
)
from tako.errors import Refused
from tako.model import Role
from tako.web import csrf
from tako.web.api.standing import due_cursor, due_text, mail_cursor, mail_text
from tako.web.engine import Engine, config_of, engine_of
from tako.web.pages.answering import once
from tako.web.pages.framing import logged_in, page
from tako.web.posted import read
from tako.web.who import Who

PAGE = 50
_VIEWS = ("events", "deadlines", "mailbox")


def routes() -> list[BaseRoute]:
    return [
        Route("/waiting", waiting, methods=["GET"], name="waiting"),
        Route("/waiting", signal, methods=["POST"]),
    ]


async def waiting(request: Request) -> Response:
    who = await logged_in(request, Role.VIEWER)
    return await _show(request, who)


async def _show(
    request: Request,
    who: Who,
    status: int = 200,
    *,
    data: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    said: str = "",
) -> Response:
    query = request.query_params
    view = query.get("view", "events")
    view = view if view in _VIEWS else "events"
    text, of, after = (query.get(name, "") for name in ("event", "of", "after"))

    async def load() -> dict[str, Any]:
        engine = engine_of(request)
        found, more = await _listed(engine, view, text, of, after)
        kept = {"view": view, "event": text, "of": of}
        return {
            "view": view,
            "text": text,
            "of": of,
            "found": found,
            "more": "" if more is None else _query(kept | {"after": str(more)}),
            "first": _query(kept) if after else "",
            "counts": await _counts(engine),
            "now": now_ms(),
            "data": data or {"event": of or text},
            "errors": errors or {},
            "said": said,
        }

    return await page(request, who, "waiting.html", status, load=load, live="waiting", shared=True)


def _query(parts: Mapping[str, str]) -> str:
    return "?" + urlencode({name: value for name, value in parts.items() if value})


async def _listed(
    engine: Engine, view: str, text: str, of: str, after: str
) -> tuple[list[Any], str | int | None]:
    """What is shown, and where it goes on. Raises Trouble: ``after`` was not made by us."""
    if view == "deadlines":
        due = await engine.read(ListDue(PAGE, due_cursor(after or None)), DueList)
        return due.things, due_text(due.next)
    if view == "mailbox":
        mail = await engine.read(ListMailbox(text, mail_cursor(after or None), PAGE), Mailbox)
        return mail.events, mail_text(mail.next)
    if of:
        start = int(after) if after.isascii() and after.isdecimal() and len(after) < 16 else 0
        waiters = await engine.read(ListWaitersOf(of, start, PAGE), WaiterPage)
        return waiters.waiters, waiters.next
    groups = await engine.read(ListEventGroups(text, after or None, PAGE), EventGroups)
    return groups.groups, groups.next


async def _counts(engine: Engine) -> dict[str, int]:
    runs = await engine.read(CountRuns(own=True), RunCounts)
    asked = await engine.read(CountApprovals(), Count)
    return {"waiting": runs.counts["waiting"], "asked": asked.count}


# --- sending a signal


async def signal(request: Request) -> Response:
    """The reply is said on the page; sent once more, with the same id, it does nothing more."""
    who = await logged_in(request, Role.OPERATOR)
    data = await read(request)
    if not csrf.matches(request, data):
        return await _show(request, who, 403, data=data, errors={"": csrf.stale("sent")})
    payload, errors = checked(request, data)
    if errors:
        return await _show(request, who, 422, data=data, errors=errors)
    try:
        reply = await send(request, data, payload)
    except Refused as refusal:
        return await _show(request, who, 422, data=data, errors={"payload": str(refusal)})
    return await _show(request, who, said=told(data["event"].strip(), reply))


async def send(request: Request, data: Mapping[str, str], payload: str) -> Signalled:
    """What was `checked`. Raises what the engine says to it."""
    event, key = data["event"].strip(), data.get("key", "").strip()
    command = Signal(
        event_id=once(data, event, key, payload),
        event=event,
        payload=payload,
        key=key or None,
        ttl=config_of(request).defaults.signal_ttl.ms,
    )
    return await engine_of(request).ask(command, Signalled)


def checked(request: Request, data: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The payload as JSON, and what of the form is wrong, by field."""
    errors: dict[str, str] = {}
    event, key = data.get("event", "").strip(), data.get("key", "").strip()
    if not 0 < len(event) <= LONGEST_EVENT or UNPRINTABLE.search(event):
        errors["event"] = f"An event is a text of 1 to {LONGEST_EVENT} characters."
    if len(key) > LONGEST_KEY or UNPRINTABLE.search(key):
        errors["key"] = f"A key is a text of at most {LONGEST_KEY} characters."
    text = data.get("payload", "").strip() or "null"
    limit = config_of(request).defaults.max_value
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        errors["payload"] = f"This is not JSON: {error}"
    except RecursionError:
        errors["payload"] = "This is nested too deeply."
    if len(text.encode()) > limit:
        errors["payload"] = f"At most {limit:,} bytes are possible."
    return text, errors


def told(event: str, reply: Signalled) -> str:
    """What became of a signal, in a sentence."""
    if reply.outcome == "duplicate":
        return f"Nothing was sent: there was a signal to {event} with this key before."
    if reply.outcome == "buffered":
        return f"Nobody waits for {event} now: the signal is kept for the next run that does."
    more = ", and more are being told" if reply.spreading else ""
    runs = "1 run" if reply.delivered == 1 else f"{reply.delivered:,} runs"
    return f"The signal to {event} was delivered to {runs}{more}."
