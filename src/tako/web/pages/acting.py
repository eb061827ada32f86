"""What operators do with one run: cancel, run again, from a step on, signal what it waits for."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from tako.commands import (
    Cancel,
    Changed,
    GetStory,
    Rerun,
    Story,
)
from tako.errors import Refused, StepNotFound
from tako.model import Role, StepLine
from tako.web import csrf
from tako.web.engine import engine_of
from tako.web.pages.answering import once
from tako.web.pages.framing import logged_in, page
from tako.web.pages.rendering import path_of
from tako.web.pages.run import show
from tako.web.pages.waiting import checked, send
from tako.web.posted import read
from tako.web.problems import problem_of

_SHOWN = 200  # steps that a preview lists


def routes() -> list[BaseRoute]:
    one = "/runs/{id:any_id}"
    return [
        Route(f"{one}/rerun", preview, methods=["GET"]),
        Route(f"{one}/act", act, methods=["POST"]),
    ]


async def act(request: Request) -> Response:
    """Do what the pressed button says, and show the run; or say why it was not done."""
    who = await logged_in(request, Role.OPERATOR)
    data = await read(request)
    if not csrf.matches(request, data):
        return await show(request, who, 403, csrf.stale())
    try:
        problem = await _do(request, data)
    except Refused as refusal:
        found = problem_of(refusal)
        text = f"{found.detail[:1].upper()}{found.detail[1:]}."
        return await show(request, who, found.status, f"Nothing was done. {text}")
    if problem:
        return await show(request, who, 422, problem)
    here = path_of(request, f"/runs/{quote(request.path_params['id'], safe='')}")
    return RedirectResponse(here, 303)


async def _do(request: Request, data: dict[str, str]) -> str:
    """What is wrong with what was sent; "": it is done. Raises Refused."""
    engine, run_id = engine_of(request), request.path_params["id"]
    match data.get("do"):
        case "cancel":
            reason = data.get("reason", "").strip()[:10_000] or "cancelled by an operator"
            cancel_id = once(data, run_id, "cancel", reason)
            reply = await engine.ask(Cancel(run_id, reason, cancel_id), Changed)
            return "" if reply.changed else f"It had ended before, as {reply.state}."
        case "rerun":
            step = data.get("step", "")
            rerun_id = once(data, run_id, step)
            await engine.ask(Rerun(run_id, step or None, rerun_id), Changed)
            return ""
        case "signal":
            return await _signal(request, data)
    return "Nothing was done, because no button was pressed."


async def _signal(request: Request, data: dict[str, str]) -> str:
    payload, errors = checked(request, data)
    for problem in errors.values():
        return f"Nothing was sent. {problem}"
    await send(request, data, payload)
    return ""


async def preview(request: Request) -> Response:
    """Which saved steps would be forgotten, before they are."""
    who = await logged_in(request, Role.OPERATOR)
    name = request.query_params.get("step", "")

    async def load() -> dict[str, object]:
        engine, run_id = engine_of(request), request.path_params["id"]
        forgotten: list[StepLine] = []
        kept, after = 0, 0
        while True:
            story = await engine.read(GetStory(run_id, after), Story)
            for step in story.steps:
                if forgotten or step.name == name:
                    forgotten.append(step)
                else:
                    kept += 1
            if story.next is None:
                break
            after = story.next
        if not forgotten:
            raise StepNotFound(f"run {run_id} has no saved step {name!r}")
        shown = forgotten[:_SHOWN]
        return {"run": story.run, "forgotten": forgotten, "shown": shown, "kept": kept}

    return await page(request, who, "rerun.html", load=load)
