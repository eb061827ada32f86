"""From the table of routes to the application: who may, what was sent, what is answered."""

from itertools import groupby

import msgspec
import starlette.routing
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from tako.config import AppConfig
from tako.web.api.calls import Call, Route
from tako.web.api.incoming import taken
from tako.web.api.openapi import document
from tako.web.api.table import OPENAPI, ROUTES
from tako.web.problems import Trouble
from tako.web.who import require, require_person, who_of
from tako.wire import MAX_FRAME

_JSON = "application/json"
_RUN = "/api/runs/{id}/"
_OF_RUNS = sorted(r.path.removeprefix(_RUN) for r in ROUTES if r.path.startswith(_RUN))


class _AnyId(Convertor[str]):
    """An id of a run, which may have a slash in it, but not what follows ids in our paths."""

    regex = rf"(?:(?!/(?:{'|'.join(_OF_RUNS)})$).){{1,200}}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("any_id", _AnyId())


def routes(config: AppConfig) -> list[starlette.routing.BaseRoute]:
    by_path = sorted(ROUTES, key=lambda route: route.path)
    found = [_endpoint(path, list(group)) for path, group in groupby(by_path, lambda r: r.path)]
    described = msgspec.json.encode(document(config))

    async def describe(_: Request) -> Response:
        return Response(described, media_type=_JSON)

    return [starlette.routing.Route(OPENAPI, describe), *found]


def _endpoint(path: str, of_path: list[Route]) -> starlette.routing.Route:
    """One for all methods of a path, so that a wrong one is told which are right."""
    by_method: dict[str, Route] = {route.method: route for route in of_path}

    async def answer(request: Request) -> Response:
        route = by_method["GET" if request.method == "HEAD" else request.method]
        check = require_person if route.asked else require
        who = check(await who_of(request, "api"), route.role)
        call = Call(request, who)
        return Response(await _handled(route, call), route.status, media_type=_JSON)

    pattern = path.replace("/runs/{id}", "/runs/{id:any_id}")
    return starlette.routing.Route(pattern, answer, methods=list(by_method))


async def _handled(route: Route, call: Call) -> bytes | str:
    """What is answered. Of what was refused nothing is kept: it may be tried again."""
    sent = await taken(call.request, route)
    if not route.keyed:
        return _encoded(await route.handler(call, sent))
    if (before := await call.before(sent)) is not None:
        return before
    given = _encoded(await route.handler(call, sent))
    if not route.secret:
        await call.keep(given)
    return given


def _encoded(given: msgspec.Struct) -> bytes:
    """Raises Trouble: it is larger than a page may be."""
    body = msgspec.json.encode(given)
    if len(body) > MAX_FRAME:
        raise Trouble(
            "too_large", f"the answer has over {MAX_FRAME >> 20} MiB; ask for fewer with `limit`"
        )
    return body
